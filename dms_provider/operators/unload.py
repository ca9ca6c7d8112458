"""The node type ``single_instance_sql`` with ``unload``: the result of one query becomes an object.

Source: flow-spec, *single_instance_sql*.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dms_provider.operators.sql import SQLFlowOperator, StatementFailed
from dms_provider.variables.references import Text
from dms_provider.variables.scope import FlowScope

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.sessions.session import Query, Session
    from dms_provider.sessions.source import Source
    from dms_provider.unload.object import ObjectWriter

UPLOADS_KEY = "dms_uploads"
"""Key of Airflow's task state store: the multipart uploads that this task has begun and not ended."""


class UnloadOperator(SQLFlowOperator):
    """Run one query, and write its result to object storage as CSV.

    Rows go from the database to the object as they come, so that memory is bounded. The object is in its
    place when the last row is written, and not before; what lay there is replaced.

    :param conn_id: Airflow connection of the data source
    :param to: where the result goes: ``oss://CONNECTION/BUCKET/KEY``
    :param sql: one query
    :param sql_file: in place of ``sql``, where the text lies: ``oss://CONNECTION/BUCKET/KEY``
    :param format: of the object
    :param scope: what every node of the flow can name
    :param variables: node variables: pattern of each name
    :param inputs: outputs of upstream nodes: the task id that gives each name
    """

    ui_color = "#d9e8fb"
    template_fields: Sequence[str] = (*SQLFlowOperator.template_fields, "to")
    reference_fields: ClassVar[tuple[str, ...]] = (*SQLFlowOperator.reference_fields, "to")
    one_query_of = "an unload"
    _writer: ObjectWriter | None = None

    def __init__(
        self,
        *,
        conn_id: str,
        to: str,
        sql: str | None = None,
        sql_file: str | None = None,
        format: Literal["csv"] = "csv",
        scope: FlowScope | None = None,
        variables: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope=scope, variables=variables, inputs=inputs, **kwargs)
        if format != "csv":
            raise ValueError(f"format is csv, not {format!r}")
        self.take_texts(conn_id, sql, sql_file)
        self.to = self.plain(to)
        self.format = format

    def run_text(self, text: Text, source: Source, session: Session, context: Context) -> None:
        """Run the query and write its rows.

        :raises StatementFailed: the text is not one query, or the server refused it
        :raises OSSError: the object could not be written
        """
        from dms_provider.hooks.oss import OSSHook
        from dms_provider.hooks.oss_address import parse_address
        from dms_provider.sessions.session import DatabaseError
        from dms_provider.unload.csv import MEDIA_TYPE
        from dms_provider.unload.left_over import LeftOver
        from dms_provider.unload.object import ObjectWriter

        address = parse_address(self.author_text("to", context))
        sql, line = self.only_query(text, source, session)
        left_over = LeftOver(context.get("task_state_store"), UPLOADS_KEY, owner=self.owner)
        left_over.end_all()
        hook = OSSHook(address.conn_id, owner=self.owner)
        begin = time.monotonic()
        refusal: str | None = None
        try:
            with ObjectWriter(
                hook,
                address,
                MEDIA_TYPE,
                remember=lambda upload_id: left_over.add(address, upload_id),
                forget=lambda upload_id: left_over.remove(address, upload_id),
            ) as writer:
                self._writer = writer
                if self._killed:
                    writer.stop()
                with session.query(sql) as query:
                    self._write_rows(query, writer)
                writer.finish()
        except DatabaseError as error:
            refusal = str(error)
        if refusal is not None:
            raise StatementFailed(f"The query (line {line}) failed on {source.conn_id}: {refusal}")
        self.log.info(
            "%s: %d row%s, %d bytes, %.3f s",
            address,
            query.rows_fetched,
            "" if query.rows_fetched == 1 else "s",
            writer.bytes_written,
            time.monotonic() - begin,
        )

    def describe(self, context: Context) -> None:
        """Log the query and where its result would go; that object storage would take it is not tried.

        :raises StatementFailed: the text is not one query, or would be refused
        :raises WrongAddress: the result has no place to go to
        :raises SourceError: a connection cannot be used, or is not there
        """
        from dms_provider.hooks.oss import check_connection
        from dms_provider.hooks.oss_address import parse_address

        super().describe(context)
        address = parse_address(self.author_text("to", context))
        check_connection(address.conn_id, owner=self.owner)
        self.log.info("The result would become %s (%s)", address, self.format)

    def on_kill(self) -> None:
        """Stop the query on the server, and the upload."""
        if self._writer is not None:
            self._writer.stop()
        super().on_kill()

    def _write_rows(self, query: Query, writer: ObjectWriter) -> None:
        from dms_provider.unload.csv import header_line, lines

        writer.write(header_line(query.columns))
        while not query.at_end:
            before = query.rows_fetched
            rows = query.fetch(None)
            if rows:
                writer.write(lines(rows, query.columns, before))
