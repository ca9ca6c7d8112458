"""The node type ``single_instance_sql``: statements on one data source.

Source: flow-spec, *single_instance_sql*; DMS reference, section 1.3.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dms_provider.operators.sql import NO_TRANSACTIONS, SQLFlowOperator, StatementFailed, server_mode
from dms_provider.variables.references import Text
from dms_provider.variables.scope import FlowScope

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.dialects import Dialect, Mode, Statement
    from dms_provider.sessions.session import Session
    from dms_provider.sessions.source import FoundSource, Source


class SingleInstanceSQLOperator(SQLFlowOperator):
    """Run statements in one session, in order, and stop at the first error.

    :param conn_id: Airflow connection of the data source
    :param sql: the statements
    :param sql_file: in place of ``sql``, where the text lies: ``oss://CONNECTION/BUCKET/KEY``
    :param transaction: all statements are committed together, or none is; otherwise each is committed by
        itself
    :param scope: what every node of the flow can name
    :param variables: node variables: pattern of each name
    :param inputs: outputs of upstream nodes: the task id that gives each name
    """

    ui_color = "#d9e8fb"

    def __init__(
        self,
        *,
        conn_id: str,
        sql: str | None = None,
        sql_file: str | None = None,
        transaction: bool = False,
        scope: FlowScope | None = None,
        variables: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope=scope, variables=variables, inputs=inputs, **kwargs)
        self.take_texts(conn_id, sql, sql_file)
        self.transaction = transaction

    def run_text(self, text: Text, source: Source, session: Session, context: Context) -> None:
        """Run the statements one by one.

        :raises StatementFailed: one was refused or failed; those before it stay done unless in a transaction
        """
        from dms_provider.dialects import StatementReader, dialect

        language = dialect(source.conn_type)
        if self.transaction:
            self._refuse_what_cannot_be_undone(text, source, session, language)
            session.begin()
        reader = StatementReader(language, text)
        mode = language.default_mode
        number = 0
        while True:
            if reader.depends_on_mode:
                mode = server_mode(session, language)
            statement = reader.next(mode)
            if statement is None:
                break
            number += 1
            self._run_statement(number, statement, mode, source, session, language)
        if number == 0:
            raise StatementFailed("there is no statement in the text of this node")
        if self.transaction:
            session.commit()
            self.log.info("Committed %d statements", number)

    def _run_statement(
        self,
        number: int,
        statement: Statement,
        mode: Mode,
        source: Source,
        session: Session,
        language: Dialect,
    ) -> None:
        from dms_provider.dialects import RefusedValue, substitute
        from dms_provider.schema_change.base import SchemaChangeError
        from dms_provider.sessions.session import DatabaseError

        place = f"Statement {number} (line {statement.line})"
        self.log.info("%s: %s", place, source.redactor.redact(statement.summary))
        if self.transaction and (words := _never_undone(statement, language, mode, source)):
            raise _not_in_a_transaction(place, words, source.conn_id, source.conn_type)
        refusal: str | None = None
        try:
            sql = substitute(statement.text, language, mode)
            for _ in range(statement.repeat):
                begin = time.monotonic()
                rows = self._execute(sql, statement, mode, source, session, language)
                took = time.monotonic() - begin
                counted = "done" if rows is None else f"{rows} row{'' if rows == 1 else 's'}"
                self.log.info("%s: %s, %.3f s", place, counted, took)
        except (RefusedValue, DatabaseError, SchemaChangeError) as error:
            refusal = str(error)
        if refusal is not None:
            undone = "; nothing of this node's statements is kept" if self.transaction else ""
            raise StatementFailed(f"{place} failed on {source.conn_id}: {refusal}{undone}")

    def _execute(
        self,
        sql: str,
        statement: Statement,
        mode: Mode,
        source: Source,
        session: Session,
        language: Dialect,
    ) -> int | None:
        from dms_provider.dialects import is_query
        from dms_provider.schema_change.base import Workplace
        from dms_provider.schema_change.table import change_lock_free

        if source.lock_free and change_lock_free(sql, language, mode, Workplace(source, session, self.log)):
            return None
        return session.execute(sql, is_query=is_query(statement.text, language, mode))

    def describe_statement(self, place: str, sql: str, source: FoundSource, language: Dialect) -> None:
        """Log which way a change of a table would go.

        :raises SchemaChangeError: it would go none
        """
        from dms_provider.schema_change.table import way_of

        if source.lock_free and (way := way_of(sql, source.conn_type, language, language.default_mode)):
            if self.transaction:
                raise _not_in_a_transaction(
                    place, f"a lock-free schema change ({way})", self.conn_id, source.conn_type
                )
            self.log.info("%s: lock-free schema change: %s", place, way)

    def _refuse_what_cannot_be_undone(
        self, text: Text, source: Source, session: Session, language: Dialect
    ) -> None:
        from dms_provider.dialects import StatementReader

        if not source.server.transactions:
            raise StatementFailed(f"{source.conn_id} ({source.conn_type}) {NO_TRANSACTIONS}")
        reader = StatementReader(language, text)
        mode = server_mode(session, language) if reader.depends_on_mode else language.default_mode
        number = 0
        while (statement := reader.next(mode)) is not None:
            number += 1
            if words := _never_undone(statement, language, mode, source):
                place = f"Statement {number} (line {statement.line})"
                raise _not_in_a_transaction(place, words, source.conn_id, source.conn_type)


def _never_undone(statement: Statement, language: Dialect, mode: Mode, source: Source) -> str | None:
    """Return the words of a statement that commits by itself, or that goes a lock-free way."""
    from dms_provider.dialects import RefusedValue, commits_by_itself, substitute
    from dms_provider.schema_change.base import SchemaChangeError
    from dms_provider.schema_change.table import way_of

    words = commits_by_itself(statement.text, language, mode)
    if words or not source.lock_free:
        return words
    # What is refused here is refused, with its own words, where the statement is to run.
    with suppress(RefusedValue, SchemaChangeError):
        way = way_of(substitute(statement.text, language, mode), source.conn_type, language, mode)
        return way and f"a lock-free schema change ({way})"
    return None


def _not_in_a_transaction(place: str, words: str, conn_id: str, conn_type: str) -> StatementFailed:
    return StatementFailed(
        f"{place}: {words} cannot be part of a transaction on {conn_id} ({conn_type});"
        " move it to a node of its own, or set transaction: false"
    )
