"""``dependency_check``: waits for another flow, a node of it, or earlier runs of its own flow.

Source: flow-spec, *Node types*; DMS reference 1.9.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from dag_factory.diagnostics import closest
from dag_factory.spec.model import Maybe, refusal
from dag_factory.spec.nodes.common import Node
from dag_factory.spec.scalars import Id, PositiveDuration, found_words, need_text

WINDOWS = ("same_time", "same_day", "previous_cycle", "this_week", "last_week", "this_month", "last_month")
_LAST = re.compile(r"last_([1-9]\d{0,3})_(hours|days)")
_LOOSELY_LAST = re.compile(r"last[ _-]?([1-9][0-9]{0,2})[ _-]?([hdw])[a-z]*", re.IGNORECASE)


def _window(value: Any) -> str:
    text = need_text(value, "a window such as same_day")
    if text in WINDOWS or _LAST.fullmatch(text):
        return text
    raise refusal(
        f"{found_words(text)} is no window; one of {', '.join(WINDOWS)}, last_N_hours, last_N_days",
        suggestion=_meant_window(text),
    )


def _meant_window(text: str) -> str | None:
    if loose := _LOOSELY_LAST.fullmatch(text):
        number, unit = int(loose[1]), loose[2].lower()
        return f"last_{number * 7 if unit == 'w' else number}_{'hours' if unit == 'h' else 'days'}"
    return closest(text.lower(), WINDOWS)


Window = Annotated[
    str,
    PlainValidator(_window),
    WithJsonSchema({"anyOf": [{"enum": list(WINDOWS)}, {"type": "string", "pattern": f"^{_LAST.pattern}$"}]}),
]


class DependencyCheck(Node):
    """Waits for another flow, a node of it, or earlier runs of its own flow."""

    type: Literal["dependency_check"] = Field(
        description="Waits for runs of another flow, or earlier ones of its own."
    )
    flow: Id = Field(description="Id of the flow that is waited for.", examples=["hourly_load"])
    node: Maybe[Id] = Field(None, description="Node of that flow; default: the whole flow.")
    window: Maybe[Window] = Field(
        None,
        description="Which business times count; default: same_day, for the own flow previous_cycle.",
        examples=["same_time", "same_day", "previous_cycle", "last_6_hours", "last_7_days", "this_week"],
    )
    need: Literal["latest", "all", "any"] = Field(
        "latest", description="Which runs of the window must have succeeded."
    )
    interval: PositiveDuration = Field(timedelta(seconds=60), description="Time between two looks.")
    first_run: Literal["wait", "pass"] = Field("wait", description="What holds where there never was a run.")
    on_failed: Literal["wait", "fail"] = Field("wait", description="What happens when the run failed.")
    timeout: PositiveDuration = Field(timedelta(hours=12), description="Limit of one try's waiting.")
