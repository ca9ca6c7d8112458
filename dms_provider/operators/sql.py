"""What the nodes that run SQL have in common."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dms_provider.operators.base import FlowOperator
from dms_provider.variables.references import Reference, Text, parse_references, splice
from dms_provider.variables.values import AuthorText, Data

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.dialects import Dialect, Mode
    from dms_provider.sessions.session import Session
    from dms_provider.sessions.source import FoundSource, Source


NO_TRANSACTIONS = "has no transactions; set transaction: false"


class StatementFailed(RuntimeError):
    """A statement of the node failed, or was refused. The message says which, and why."""


class SQLFlowOperator(FlowOperator):
    """A node with a text in SQL, and one session that ends with the node, however the node ends.

    The text is ``sql``, or it lies in object storage and is read once a try.
    """

    template_fields: Sequence[str] = ("conn_id", "sql", "sql_file")
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}
    reference_fields: ClassVar[tuple[str, ...]] = ("sql", "sql_file")
    conn_id: str
    sql: str
    sql_file: str
    transaction = False
    one_query_of: ClassVar[str | None] = None
    """What its text is the one query of, in words; ``None`` where it is statements."""
    _session: Session | None = None
    _killed = False

    def do_work(self, context: Context) -> Any:
        """Open the session and run the node's SQL in it."""
        from dms_provider.sessions.session import Session
        from dms_provider.sessions.source import open_source

        source = open_source(self.conn_id, owner=self.owner, timeout=self.execution_timeout)
        self._read_sql_file(context)
        text = self._text(context, source)
        session = Session(source)
        self._session = session
        if self._killed:
            session.kill()
        with session:
            for note in session.notes:
                self.log.warning("%s: %s", self.conn_id, note)
            try:
                return self.run_text(text, source, session, context)
            except Exception as error:
                # A message may quote words of the text, and Airflow's masker knows no capitals of a secret.
                error.args = tuple(
                    source.redactor.redact(part) if isinstance(part, str) else part for part in error.args
                )
                raise

    def describe(self, context: Context) -> None:
        """Log the statements one by one, as a session that nobody has changed would get them.

        The connection's record is read, and no connection opened. Outputs of other nodes stay ``${name}``.
        A text in object storage is read.

        :raises StatementFailed: the statements would be refused
        :raises SourceError: the connection cannot be used, or is not there
        :raises RefusedValue: data may not stand where its reference stands
        """
        from dms_provider.dialects import dialect, refused_places
        from dms_provider.dialects.script import fill_script, script_problem
        from dms_provider.sessions.source import find_source

        source = find_source(self.conn_id, owner=self.owner, timeout=self.execution_timeout)
        language = dialect(source.conn_type)
        self._read_sql_file(context)
        segments = parse_references(self.as_written("sql"))
        names = {segment.name for segment in segments if isinstance(segment, Reference)}
        known = self.known(names, context)
        text = splice(segments, known, keep_unknown=True)
        statements = fill_script(text, language)
        for number, statement in enumerate(statements, 1):
            place = f"Statement {number} (line {statement.line})"
            self.log.info("%s for %s: %s", place, self.conn_id, statement.sql)
            self.describe_statement(place, statement.sql, source, language)
        if self.transaction and not source.server.transactions:
            raise StatementFailed(f"{self.conn_id} ({source.conn_type}) {NO_TRANSACTIONS}")
        problem = script_problem(
            text, statements, language, transaction=self.transaction, one_query=self.one_query_of is not None
        )
        if problem is not None:
            raise StatementFailed(problem)
        outputs = {name: Data(("0",)) for name in names - known.keys()}
        for _, refused in refused_places(splice(segments, {**known, **outputs}), language):
            raise refused

    def describe_statement(self, place: str, sql: str, source: FoundSource, language: Dialect) -> None:
        """Log what else is to be said of a statement in a dry run.

        :param place: which statement it is
        :param sql: as the server would get it
        """

    @abstractmethod
    def run_text(self, text: Text, source: Source, session: Session, context: Context) -> Any:
        """Run the node's SQL.

        :param text: with the author's text in
        """

    def only_query(self, text: Text, source: Source, session: Session) -> tuple[str, int]:
        """Return the one query of the node as the server gets it, and its line.

        :raises StatementFailed: the text is not one query, or data may not stand where its reference stands
        """
        from dms_provider.dialects import RefusedValue, StatementReader, dialect, query_problem, substitute

        language = dialect(source.conn_type)
        reader = StatementReader(language, text)
        mode = server_mode(session, language) if reader.depends_on_mode else language.default_mode
        if problem := query_problem(text, language, mode):
            raise StatementFailed(
                f"{self.one_query_of} takes one SELECT that changes nothing, but this {problem}"
            )
        statement = reader.next(mode)
        if statement is None:
            raise StatementFailed("there is no query in the text of this node")
        self.log.info("Query (line %d): %s", statement.line, source.redactor.redact(statement.summary))
        refusal: str | None = None
        try:
            return substitute(statement.text, language, mode), statement.line
        except RefusedValue as error:
            refusal = str(error)
        raise StatementFailed(f"The query (line {statement.line}): {refusal}")

    def take_texts(self, conn_id: str, sql: str | None, sql_file: str | None) -> None:
        """Keep the connection and the text, which is given in one of two ways.

        :raises ValueError: both are given, or none
        """
        if (sql is None) == (sql_file is None):
            raise ValueError("give sql, or sql_file with the address of the text, and not both")
        self.conn_id = self.plain(conn_id)
        self.sql = "" if sql is None else self.plain(sql)
        self.sql_file = "" if sql_file is None else self.plain(sql_file)

    def on_kill(self) -> None:
        """Stop what runs, on the server itself. Airflow calls this when the task is to end."""
        self._killed = True
        if self._session is not None:
            # A signal can come while this thread holds the lock of its log; waiting for it would never end.
            note = ("Told to stop: cancelling what runs on %s", self.conn_id)
            threading.Thread(target=self.log.info, args=note, daemon=True).start()
            self._session.kill()

    def _read_sql_file(self, context: Context) -> None:
        """Make the text in object storage the text of the node."""
        if not self.as_written("sql_file"):
            return
        from dms_provider.hooks.oss import read_text

        address = self.author_text("sql_file", context)
        text = read_text(address, owner=self.owner)
        self.log.info("Read %s: %d characters", address, len(text))
        self._written = {**{field: self.as_written(field) for field in self.reference_fields}, "sql": text}

    def _text(self, context: Context, source: Source) -> Text:
        segments = parse_references(self.as_written("sql"))
        values = self.resolve(
            {segment.name for segment in segments if isinstance(segment, Reference)}, context
        )
        source.redactor.add(
            value.text for value in values.values() if isinstance(value, AuthorText) and value.secret
        )
        return splice(segments, values)


def server_mode(session: Session, dialect: Dialect) -> Mode:
    """Ask the server how it reads SQL at this moment; one that cannot tell gets the most careful reading."""
    from dms_provider.sessions.session import DatabaseError

    if dialect.mode_query is None:
        return dialect.default_mode
    try:
        return dialect.mode(session.first_row(dialect.mode_query))
    except DatabaseError:
        return dialect.unknown_mode
