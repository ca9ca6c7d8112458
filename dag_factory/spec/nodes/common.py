"""What every node has.

Source: flow-spec, *Nodes: common keys*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from dag_factory.diagnostics import Path
from dag_factory.spec.lazily import Lazily
from dag_factory.spec.model import Maybe, SpecModel
from dag_factory.spec.scalars import Duration, PositiveDuration, Something, Text, VariableName, WholeNumber

TextKind = Literal["sql", "script", "condition", "value", "expression", "author"]
"""What a text with references is: whole statements, a script, a condition, a value that becomes a bound
parameter, a part of a statement (``where``, the name of a table or column), or a text in which no data may
stand."""

Texts = Mapping[tuple[str, ...], TextKind]
"""Keys from a node to a text -> what the text is."""

RetryCount = Annotated[
    int,
    WholeNumber,
    Field(ge=0, le=1000),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 1000},
                {"type": "string", "pattern": r"^\d+$"},
            ]
        }
    ),
]


class Retry(SpecModel):
    """What happens when a try fails."""

    count: RetryCount = Field(0, description="How often a failed node is tried again.", examples=[3])
    interval: Duration = Field(timedelta(minutes=10), description="Time between two tries.", examples=["10m"])


class Node(SpecModel):
    """A node of a flow, with the keys that all types have."""

    TEXTS: ClassVar[Texts] = {}
    """Keys of the texts in which ``${name}`` is read; ``*`` stands for every element of a list or mapping."""
    ONE_QUERY: ClassVar[bool] = False
    """Each text in SQL of every node of the type must be one query, not statements."""

    type: str = Field(description="The node's type.")
    name: Maybe[Something] = Field(None, description="Shown in the UI; default: the node's id.")
    description: Text = Field("", description="Shown with the node.")
    after: tuple[Text, ...] = Field((), description="Ids of the nodes that come before.", examples=[["load"]])
    variables: dict[VariableName, Text] = Field(
        {},
        description="Node variables, NAME: PATTERN of the business time.",
        examples=[{"month": "yyyyMM|-1M"}],
    )
    retry: Annotated[Retry, Lazily(__name__, "Retry")] = Field(
        Retry.model_construct(), description="What happens when a try fails."
    )
    timeout: PositiveDuration = Field(timedelta(hours=1), description="Limit of one try's work.")
    notify_after: Maybe[PositiveDuration] = Field(
        None,
        description="Tell the people of `notifications.timeout` after this time; do not stop.",
        examples=["30m"],
    )
    queue: Maybe[Something] = Field(None, description="Queue of the workers that may run the node.")
    pool: Maybe[Something] = Field(
        None, description="Pool in which the node takes a slot; default: the flow's."
    )

    @property
    def one_query(self) -> bool:
        """Each text of this node in SQL must be one query."""
        return self.ONE_QUERY

    def texts(self) -> Iterator[tuple[Path, str, TextKind]]:
        """Give every text in which ``${name}`` is read: its path below the node, the text, what it is."""
        for keys, kind in self.TEXTS.items():
            if len(keys) == 1:
                text = getattr(self, keys[0], None)
                if text is not None:
                    yield keys, text, kind
            else:
                yield from ((path, text, kind) for path, text in texts_below(self, keys))


def texts_below(value: Any, keys: tuple[str, ...], path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Give the texts at the end of ``keys`` below a model or plain values; ``*`` is every element.

    What was read of a text, such as a rule's check, has that text as its ``text``.
    """
    if not keys:
        text = value if isinstance(value, str) else getattr(value, "text", None)
        if text is not None:
            yield path, text
        return
    first, rest = keys[0], keys[1:]
    if first == "*":
        items: Any = ()
        if isinstance(value, dict):
            items = value.items()
        elif isinstance(value, (list, tuple)):
            items = enumerate(value)
        for key, item in items:
            yield from texts_below(item, rest, (*path, key))
        return
    below = value.get(first) if isinstance(value, dict) else getattr(value, first, None)
    yield from texts_below(below, rest, (*path, first))
