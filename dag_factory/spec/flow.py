"""A flow: everything that one spec says.

Source: flow-spec, *Top level*.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from dag_factory.spec.lazily import Lazily
from dag_factory.spec.model import Maybe, SpecModel, refusal
from dag_factory.spec.nodes import Node, NodeByType
from dag_factory.spec.notifications import Notifications
from dag_factory.spec.scalars import (
    Boolean,
    FlowId,
    NodeId,
    PositiveDuration,
    Something,
    Text,
    VariableName,
    WholeNumber,
    Word,
    found_words,
)

if TYPE_CHECKING:
    from dag_factory.spec.schedule import Schedule
    from dms_provider.variables.scope import FlowScope

    FlowSchedule = Schedule | None
    FlowNode = Node
else:
    FlowSchedule = Annotated[Any, Lazily("dag_factory.spec.schedule", "Schedule")]
    FlowNode = Annotated[Any, NodeByType()]

VERSION = 1
MAX_NODES = 1000


def _version(value: Any) -> Any:
    if value in ("1", 1):
        return VERSION
    if isinstance(value, (str, int)):
        raise refusal(f"version {found_words(value)} of the language is not known; write 1", suggestion="1")
    raise refusal(f"expected 1, found {found_words(value)}", code="wrong-type")


Version = Annotated[int, BeforeValidator(_version), WithJsonSchema({"enum": [VERSION, str(VERSION)]})]
Slots = Annotated[
    int,
    WholeNumber,
    Field(ge=1, le=2**31 - 1),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+$"}]}),
]


class Flow(SpecModel):
    """A flow of Alibaba Cloud DMS task orchestration, which becomes an Airflow DAG."""

    version: Version = Field(description="Version of the language.", examples=[1])
    id: Maybe[FlowId] = Field(
        None, description="The DAG id; default: the file name.", examples=["daily_flights"]
    )
    name: Maybe[Something] = Field(None, description="Shown in the UI, in any language; default: the id.")
    description: Text = Field("", description="What the flow does.")
    scenario: Something = Field("default", description="The DMS business scenario.", examples=["operations"])
    creator: Maybe[Something] = Field(None, description="User who made the flow; default: the owner.")
    owner: Something = Field(description="User who answers for the flow.", examples=["alice"])
    stakeholders: tuple[Something, ...] = Field(
        (), description="Users with an interest in it.", examples=[["bob"]]
    )
    public: Boolean = Field(False, description="Whether every user may see the flow.")
    error_handling: Literal[
        "complete_running_tasks", "immediately_stop_all_tasks", "complete_unrelated_tasks"
    ] = Field("complete_running_tasks", description="What goes on after the first node has failed.")
    concurrency: Literal["skip", "ignore", "parallel_mode_1", "parallel_mode_2"] = Field(
        "skip", description="What happens when a run begins while an earlier one is not finished."
    )
    mode_2_scope: Literal["all", "direct"] = Field(
        "all", description="Which downstream nodes parallel_mode_2 waits for."
    )
    timeout: PositiveDuration = Field(timedelta(hours=18), description="Limit of one run, waiting included.")
    locale: Literal["zh", "en"] = Field(
        "zh", description="Language of era, month, weekday in time variables."
    )
    pool: Maybe[Something] = Field(None, description="Pool of the nodes that name none; default: Airflow's.")
    pools: dict[Something, Slots] = Field(
        {}, description="NAME: SLOTS; pools made when missing, never resized.", examples=[{"warehouse": 4}]
    )
    schedule: FlowSchedule = Field(None, description="When the flow runs by itself; default: only by hand.")
    variables: dict[VariableName, Text] = Field(
        {},
        description="Flow variables, NAME: PATTERN of the business time.",
        examples=[{"month": "yyyyMM|-1M"}],
    )
    constants: dict[VariableName, Text] = Field(
        {}, description="NAME: fixed text.", examples=[{"region": "east"}]
    )
    secrets: dict[VariableName, Word] = Field(
        {},
        description="NAME: key of an Airflow Variable; masked in logs.",
        examples=[{"token": "report_token"}],
    )
    notifications: Annotated[Notifications, Lazily("dag_factory.spec.notifications", "Notifications")] = (
        Field(Notifications.model_construct(), description="Who is told what.")
    )
    nodes: dict[NodeId, FlowNode] = Field(
        min_length=1, max_length=MAX_NODES, description="NODE ID: node. Ids do not begin with dms__."
    )

    @property
    def timezone(self) -> str:
        """IANA name of the flow's zone."""
        from dms_provider.variables.scope import FlowScope

        return self.schedule.timezone if self.schedule is not None else FlowScope.timezone

    def scope(self) -> FlowScope:
        """Return what every node of the flow can name."""
        from dms_provider.variables.scope import FlowScope

        return FlowScope(
            timezone=self.timezone,
            locale=self.locale,
            variables=self.variables,
            constants=self.constants,
            secrets=self.secrets,
            flow_name=self.name,
        )
