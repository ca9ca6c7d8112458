"""``sql_assignment``: cells of a query's result become variables.

Source: flow-spec, *Node types*; DMS reference 1.4 and 2.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from dag_factory.spec.model import Contradiction, Maybe, RelatedKeys, exactly_one, one_of
from dag_factory.spec.nodes.common import Node, Texts
from dag_factory.spec.scalars import (
    Column,
    ConnectionId,
    FileOrOss,
    IndexOrAll,
    PositiveDuration,
    Something,
    Text,
    VariableName,
    check_if_empty,
)
from dms_provider.variables.values import OutputType


class Output(RelatedKeys):
    """Which cells become the variable."""

    model_config = one_of(needs=[("row", "all", "combiner"), ("column", "all", "combiner")])

    row: IndexOrAll = Field(description="Row, from 0, or `all`.", examples=[0, "all"])
    column: Column = Field(description="Column, from 0, or its name, or `all`.", examples=[0, "delay", "all"])
    combiner: Maybe[Text] = Field(None, description="Stands between the values of `all`.", examples=[","])
    type: OutputType = Field("text", description="What the value must be; checked where it enters.")
    if_empty: Maybe[Text] = Field(
        None, description="The value where there is no such cell; without it the node fails."
    )

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        yield from check_if_empty(given)
        rows, columns = given.get("row") == "all", given.get("column") == "all"
        if rows and columns:
            yield Contradiction(
                "'row' and 'column' cannot both be 'all'; a variable is a row or a column", path=("column",)
            )
        elif (rows or columns) and "combiner" not in given:
            yield Contradiction(
                "key 'combiner' is missing; it stands between the values of 'all'", code="missing-key"
            )
        elif "combiner" in given and not (rows or columns):
            yield Contradiction(
                "'combiner' joins several values; set 'row' or 'column' to 'all', or remove it",
                path=("combiner",),
                key=True,
            )


class SQLAssignment(Node, RelatedKeys):
    """Makes cells of a query's result variables of the nodes downstream."""

    model_config = one_of(("sql",), ("sql_file",))

    TEXTS: ClassVar[Texts] = {("sql",): "sql", ("sql_file",): "author"}
    ONE_QUERY: ClassVar[bool] = True

    type: Literal["sql_assignment"] = Field(description="Makes cells of a query's result variables.")
    database: ConnectionId = Field(
        description="Airflow connection id of the database.", examples=["warehouse"]
    )
    sql: Maybe[Something] = Field(None, description="One SELECT, or WITH ... SELECT; or give `sql_file`.")
    sql_file: Maybe[FileOrOss] = Field(
        None, description="File with the query, relative to the spec, or oss://CONNECTION/BUCKET/KEY."
    )
    outputs: dict[VariableName, Output] = Field(
        min_length=1,
        description="NAME: which cells become that variable.",
        examples=[{"late_flights": {"row": 0, "column": 0, "type": "number"}}],
    )
    timeout: PositiveDuration = Field(timedelta(hours=2), description="Limit of one try's work.")

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        return exactly_one(given, "sql", "sql_file")
