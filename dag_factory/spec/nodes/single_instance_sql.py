"""``single_instance_sql``: statements in one session.

Source: flow-spec, *Node types*; DMS reference 1.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from dag_factory.spec.lazily import Lazily
from dag_factory.spec.model import Contradiction, Maybe, RelatedKeys, SpecModel, exactly_one, one_of
from dag_factory.spec.nodes.common import Node, Texts
from dag_factory.spec.scalars import Boolean, ConnectionId, FileOrOss, OssAddress, PositiveDuration, Something


class Unload(SpecModel):
    """Where the result of the one query goes."""

    to: OssAddress = Field(
        description="The object that is written.", examples=["oss://archive/bucket/report.csv"]
    )
    format: Literal["csv"] = Field("csv", description="How the result is written.")


class SingleInstanceSQL(Node, RelatedKeys):
    """Runs statements in order, in one session."""

    model_config = one_of(("sql",), ("sql_file",))

    TEXTS: ClassVar[Texts] = {("sql",): "sql", ("sql_file",): "author", ("unload", "to"): "author"}

    type: Literal["single_instance_sql"] = Field(description="Runs statements in order, in one session.")
    database: ConnectionId = Field(
        description="Airflow connection id of the database.", examples=["warehouse"]
    )
    sql: Maybe[Something] = Field(None, description="The statements; or give `sql_file`.")
    sql_file: Maybe[FileOrOss] = Field(
        None, description="File with the statements, relative to the spec, or oss://CONNECTION/BUCKET/KEY."
    )
    transaction: Boolean = Field(False, description="All statements commit together or none does.")
    unload: Annotated[Unload | None, Lazily(__name__, "Unload")] = Field(
        None, description="`sql` is one query; its result becomes an object."
    )
    timeout: PositiveDuration = Field(timedelta(hours=14), description="Limit of one try's work.")

    @property
    def one_query(self) -> bool:
        """Whether its result is unloaded."""
        return self.unload is not None

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        yield from exactly_one(given, "sql", "sql_file")
        if given.get("unload") is not None and given.get("transaction") in (True, "true"):
            yield Contradiction(
                "'unload' runs one query, which changes nothing; remove 'transaction'",
                path=("transaction",),
                key=True,
            )
