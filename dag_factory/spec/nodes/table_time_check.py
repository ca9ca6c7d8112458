"""``table_time_check``: passes when a table has a row after a point in time.

Source: flow-spec, *Node types*; DMS reference 1.7.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from dag_factory.spec.model import Maybe
from dag_factory.spec.nodes.common import Node, Texts
from dag_factory.spec.scalars import Boolean, ConnectionId, PositiveDuration, Something


class TableTimeCheck(Node):
    """Passes when a row lies after a point in time."""

    TEXTS: ClassVar[Texts] = {
        ("table",): "expression",
        ("time_column",): "expression",
        ("since",): "value",
        ("where",): "expression",
    }

    type: Literal["table_time_check"] = Field(description="Passes when a row lies after a point in time.")
    database: ConnectionId = Field(
        description="Airflow connection id of the database.", examples=["warehouse"]
    )
    table: Something = Field(description="The table.", examples=["flights"])
    time_column: Something = Field(
        description="The column that is compared with `since`.", examples=["loaded_at"]
    )
    since: Something = Field(description="Rows after this point count.", examples=["${bizdate} 00:00:00"])
    time_format: Maybe[Something] = Field(
        None,
        description="How the column holds time: a pattern, `epoch` or `epoch_ms`; default: its own type.",
        examples=["yyyyMMdd", "epoch", "epoch_ms"],
    )
    inclusive: Boolean = Field(False, description="A row at `since` itself counts too.")
    where: Maybe[Something] = Field(None, description="Which rows count.", examples=["region = 'east'"])
    interval: PositiveDuration = Field(timedelta(seconds=60), description="Time between two looks.")
    mode: Literal["wait", "once"] = Field(
        "wait", description="Look again until there is a row, or look once."
    )
    timeout: PositiveDuration = Field(timedelta(hours=1), description="Limit of one try's waiting.")
