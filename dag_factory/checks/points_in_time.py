"""Points in time of nodes that compare with one: those that are none, whatever the business time is.

Source: flow-spec, *table_time_check*, ``since``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dag_factory.diagnostics import Finding

if TYPE_CHECKING:
    from dag_factory.spec.flow import Flow


def check_points_in_time(flow: Flow) -> Iterator[Finding]:
    """Yield a finding for each ``since`` that the flow alone decides, and that is no point in time."""
    for node_id, node in flow.nodes.items():
        since = vars(node).get("since")
        if since is not None:
            yield from _check(flow, node_id, since)


def _check(flow: Flow, node_id: str, since: str) -> Iterator[Finding]:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from dms_provider.variables.pattern import PatternError
    from dms_provider.variables.references import ReferenceSyntaxError, parse_references, splice
    from dms_provider.variables.run_times import RunTimes
    from dms_provider.variables.scope import author_values
    from dms_provider.variables.time_format import TimeFormat, TimeFormatError

    node = flow.nodes[node_id]
    any_time = datetime(2026, 10, 13, 14, 25, 36, tzinfo=ZoneInfo(flow.timezone))
    try:
        segments = parse_references(since)
        names = {segment.name for segment in segments if not isinstance(segment, str)}
        values = author_values(
            names,
            scope=flow.scope(),
            node_variables=node.variables,
            times=RunTimes.from_run_time(any_time, flow.timezone),
            flow_id="flow",
            node_id=node_id,
        )
        form = TimeFormat.parse(vars(node).get("time_format"))
    except (ReferenceSyntaxError, PatternError, TimeFormatError):
        return  # told where it stands
    if names - values.keys():
        return
    text = "".join(str(part) for part in splice(segments, values))
    try:
        form.point(text, flow.timezone)
    except TimeFormatError as error:
        yield Finding(("nodes", node_id, "since"), "wrong-value", error.message)
