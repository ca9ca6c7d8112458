"""The node type ``sql_assignment``: values of a query for the nodes downstream.

Source: flow-spec, *sql_assignment*; DMS reference, sections 1.4 and 2.7.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dms_provider.operators.outputs import Output, OutputCollector
from dms_provider.operators.sql import SQLFlowOperator, StatementFailed
from dms_provider.variables.references import Text
from dms_provider.variables.scope import OUTPUTS_XCOM_KEY, FlowScope

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.sessions.session import Query, Session
    from dms_provider.sessions.source import Source

DEFAULT_MAX_OUTPUT_BYTES = 1 << 20


class SQLAssignmentOperator(SQLFlowOperator):
    """Run one query, and keep cells of its result for the nodes downstream.

    No more rows are read than the outputs need.

    :param conn_id: Airflow connection of the data source
    :param sql: one query
    :param sql_file: in place of ``sql``, where the text lies: ``oss://CONNECTION/BUCKET/KEY``
    :param outputs: what to keep, by name
    :param max_output_bytes: how many bytes of UTF-8 all values may have together
    :param scope: what every node of the flow can name
    :param variables: node variables: pattern of each name
    :param inputs: outputs of upstream nodes: the task id that gives each name
    """

    ui_color = "#e3f3dc"
    one_query_of = "an assignment"

    def __init__(
        self,
        *,
        conn_id: str,
        sql: str | None = None,
        sql_file: str | None = None,
        outputs: Mapping[str, Output],
        max_output_bytes: int = DEFAULT_MAX_OUTPUT_BYTES,
        scope: FlowScope | None = None,
        variables: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope=scope, variables=variables, inputs=inputs, **kwargs)
        self.take_texts(conn_id, sql, sql_file)
        self.outputs = outputs
        self.max_output_bytes = max_output_bytes

    def run_text(self, text: Text, source: Source, session: Session, context: Context) -> None:
        """Run the query and leave its outputs in XCom.

        :raises StatementFailed: the text is not one query, or the server refused it
        :raises OutputError: an output cannot be taken from the result
        """
        from dms_provider.sessions.session import DatabaseError

        sql, line = self.only_query(text, source, session)
        begin = time.monotonic()
        refusal: str | None = None
        try:
            with session.query(sql) as query:
                collector = OutputCollector(self.outputs, query.columns, self.max_output_bytes)
                self._collect(query, collector)
                rows = query.rows_fetched
        except DatabaseError as error:
            refusal = str(error)
        if refusal is not None:
            raise StatementFailed(f"The query (line {line}) failed on {source.conn_id}: {refusal}")
        self.log.info("%d row%s read, %.3f s", rows, "" if rows == 1 else "s", time.monotonic() - begin)
        values = collector.finish()
        for name, data in values.items():
            self.log.info("Output %s = %s", name, source.redactor.redact(_shown(data.elements)))
        context["ti"].xcom_push(
            key=OUTPUTS_XCOM_KEY, value={name: data.to_xcom() for name, data in values.items()}
        )

    @staticmethod
    def _collect(query: Query, collector: OutputCollector) -> None:
        needed = collector.rows_needed
        while needed is None or query.rows_fetched < needed:
            rows = query.fetch(None if needed is None else needed - query.rows_fetched)
            for row in rows:
                collector.add(row)
            if query.at_end:
                break


def _shown(elements: tuple[str | None, ...]) -> str:
    from dms_provider.operators.cells import shortened

    if len(elements) == 1:
        return shortened(elements[0])
    first = ", ".join(shortened(element) for element in elements[:5])
    return f"{len(elements)} values: {first}{', …' if len(elements) > 5 else ''}"
