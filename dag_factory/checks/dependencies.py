"""What only a folder shows of dependency checks: targets that are missing, and checks that wait in a circle.

Whether checks wait in a circle is tried out: for the next slots of each flow, which slots of which flow must
have succeeded before. So only a circle that cannot be broken by time is found, whatever the windows and
schedules are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING

from dag_factory.diagnostics import Finding, closest
from dag_factory.spec.nodes.dependency_check import DependencyCheck
from dms_provider.dependencies import Dependency, NotedRuns, TooManyTimes, looked_for, window_of
from dms_provider.dependencies.times import LookedFor
from dms_provider.schedules import Daily, Schedule

if TYPE_CHECKING:
    from dag_factory.spec import Flow

_SLOTS = 3
"""So many slots of each flow are tried out."""
_DISTANCE = timedelta(days=40)
"""A circle that leads farther away from its begin is none of one cycle."""
_STEPS = 2000
_GO_BACK = frozenset({"previous_cycle", "last_week", "last_month"})
_ONE_DAY = frozenset({"same_time", "same_day"})
_DRAFT = "__draft"

Place = tuple[str, str, datetime]
"""A dependency check at one of its times: flow, node, business time on the flow's wall clock."""


def check_dependencies(flows: Mapping[str, Flow], *, whole: bool) -> Iterator[tuple[str, Finding]]:
    """Yield the id of a flow, and a finding in it.

    :param flows: DAG id -> flow, of all specs that have no errors of their own
    :param whole: these are all flows there are, so that another is probably a mistake
    """
    for flow_id, flow in flows.items():
        for node_id, node in flow.nodes.items():
            if isinstance(node, DependencyCheck):
                finding = _check_target(node_id, node, flow_id, flows, whole=whole)
                if finding is not None:
                    yield flow_id, finding
    yield from _Circles(flows).findings()


def _check_target(
    node_id: str, node: DependencyCheck, flow_id: str, flows: Mapping[str, Flow], *, whole: bool
) -> Finding | None:
    target = flows.get(node.flow) or flows.get(node.flow + _DRAFT)
    if target is None:
        if not whole:
            return None
        return Finding(
            ("nodes", node_id, "flow"),
            "unknown-flow",
            f"no spec here is a flow {node.flow!r}; the node waits until there is a flow, or DAG, of this id",
            suggestion=closest(node.flow, [known for known in flows if known != flow_id]),
            severity="warning",
        )
    if node.node is None or node.node in target.nodes:
        return None
    return Finding(
        ("nodes", node_id, "node"),
        "unknown-node",
        f"flow {node.flow} has no node {node.node!r}",
        suggestion=closest(node.node, target.nodes),
    )


@dataclass(frozen=True)
class _Check:
    """A dependency check of a flow that has a schedule.

    :param blocks: the nodes that cannot succeed before it has: itself, and all below it
    :param always: it runs in each run of its flow, as no condition stands above it
    """

    flow: str
    node_id: str
    node: DependencyCheck
    window: str
    blocks: frozenset[str]
    always: bool

    def holds_up(self, node: str | None) -> bool:
        """Return whether a node, or the whole flow, cannot succeed before this check has."""
        return node is None or node in self.blocks


class _Circles:
    """Finds checks that wait for each other.

    :param flows: DAG id -> flow
    """

    def __init__(self, flows: Mapping[str, Flow]) -> None:
        self._flows = {flow_id: flow for flow_id, flow in flows.items() if not flow_id.endswith(_DRAFT)}
        self._schedules = {flow_id: _schedule(flow) for flow_id, flow in self._flows.items()}
        self._checks = {flow_id: list(self._checks_of(flow_id)) for flow_id in self._flows}
        self._next: dict[Place, list[Place]] = {}

    def findings(self) -> Iterator[tuple[str, Finding]]:
        """Yield the circles, each once, at one of the checks in it."""
        told: set[frozenset[tuple[str, str]]] = set()
        for check in self._in_circles():
            circle = self._circle(check)
            if circle is None:
                continue
            first = circle.index(min(circle))
            circle = circle[first:] + circle[:first]
            nodes = list(dict.fromkeys((flow_id, node_id) for flow_id, node_id, _ in circle))
            if frozenset(nodes) in told:
                continue
            told.add(frozenset(nodes))
            flow_id, node_id = nodes[0]
            yield flow_id, Finding(("nodes", node_id), "deadlock", _said(circle, nodes))

    def _checks_of(self, flow_id: str) -> Iterator[_Check]:
        flow = self._flows[flow_id]
        below: dict[str, set[str]] = {node_id: set() for node_id in flow.nodes}
        for node_id, node in flow.nodes.items():
            for parent in node.after:
                if parent in below:
                    below[parent].add(node_id)
        for node_id, node in flow.nodes.items():
            if isinstance(node, DependencyCheck) and node.flow in self._flows:
                above = _reached(node_id, {name: set(flow.nodes[name].after) for name in flow.nodes})
                types = {flow.nodes[name].type for name in above if name in flow.nodes}
                yield _Check(
                    flow=flow_id,
                    node_id=node_id,
                    node=node,
                    window=window_of(node.window, node.flow, flow_id),
                    blocks=frozenset(_reached(node_id, below)),
                    always="conditional_branch" not in types,
                )

    @cached_property
    def _leads_to(self) -> dict[str, set[str]]:
        return {flow_id: {check.node.flow for check in checks} for flow_id, checks in self._checks.items()}

    def _in_circles(self) -> Iterator[_Check]:
        """Yield the checks that could be in a circle, which some window in it must let: most are in none."""
        for flow_id, checks in self._checks.items():
            for check in checks:
                if check.window not in _GO_BACK and flow_id in _reached(check.node.flow, self._leads_to):
                    yield check

    def _circle(self, check: _Check) -> list[Place] | None:
        """Return the places of a circle, in the order in which each waits for the next."""
        schedule = self._schedules[check.flow]
        slot = schedule.next_slot(datetime.now(timezone.utc))
        for _ in range(_SLOTS):
            if slot is None:
                return None
            begin = (check.flow, check.node_id, slot.replace(tzinfo=None) - timedelta(days=1))
            if circle := self._circle_through(begin) or self._circle_from(begin):
                return circle
            slot = schedule.next_slot(slot)
        return None

    def _circle_through(self, begin: Place) -> list[Place] | None:
        """Return the shortest circle that a place is in."""
        came_from: dict[Place, Place] = {}
        ahead = deque([begin])
        while ahead and len(came_from) < _STEPS:
            place = ahead.popleft()
            for following in self._waits_for(place):
                if following == begin:
                    circle = [place]
                    while circle[-1] != begin:
                        circle.append(came_from[circle[-1]])
                    return circle[::-1]
                if following not in came_from and abs(following[2] - begin[2]) <= _DISTANCE:
                    came_from[following] = place
                    ahead.append(following)
        return None

    def _circle_from(self, begin: Place) -> list[Place] | None:
        """Return the first circle that one gets into from a place."""
        done: set[Place] = set()
        trail = [begin]
        ahead = [iter(self._waits_for(begin))]
        while trail and len(done) < _STEPS:
            following = next(ahead[-1], None)
            if following is None:
                ahead.pop()
                done.add(trail.pop())
            elif following in trail:
                return trail[trail.index(following) :]
            elif following not in done and abs(following[2] - begin[2]) <= _DISTANCE:
                trail.append(following)
                ahead.append(iter(self._waits_for(following)))
        return None

    def _waits_for(self, place: Place) -> list[Place]:
        """Return the places that must be over before a check can be."""
        if place not in self._next:
            flow_id, node_id, wall = place
            check = next(check for check in self._checks[flow_id] if check.node_id == node_id)
            self._next[place] = [
                (other.flow, other.node_id, time.wall)
                for time in self._needed(check, wall)
                for other in self._checks[check.node.flow]
                if other.holds_up(check.node.node)
                and (other.always or (other is check and time.wall == wall))
            ]
        return self._next[place]

    def _needed(self, check: _Check, wall: datetime) -> list[LookedFor]:
        """Return the times of the other flow's schedule that a check cannot do without."""
        target = self._flows[check.node.flow]
        if not _is_scheduled(target) and check.window not in _ONE_DAY:
            # what it has run before is enough, whenever that was
            return []
        dependency = Dependency(
            flow=check.node.flow,
            node=check.node.node,
            window=check.window,
            need=check.node.need,
            first_run="wait",
            on_failed="wait",
            timezone=self._schedules[check.flow].timezone,
            business_time=wall.isoformat(),
            own_run="" if check.node.flow == check.flow else None,
            is_manual=False,
        )
        schedule = self._schedules[check.node.flow]
        try:
            found = looked_for(dependency, NotedRuns(schedule.timezone, schedule))
        except (TooManyTimes, OverflowError):
            return []
        times = [time for time in found if time.is_slot]
        return times if dependency.need != "any" or dependency.is_of_one_time or len(times) == 1 else []


def _schedule(flow: Flow) -> Schedule:
    """Return when a flow runs; one that is started by hand is taken for one that runs each day."""
    if flow.schedule is None:
        return Schedule(Daily(datetime.min.time()))
    schedule = flow.schedule.to_schedule()
    return schedule if schedule.enabled else replace(schedule, enabled=True)


def _is_scheduled(flow: Flow) -> bool:
    return flow.schedule is not None and flow.schedule.enabled


def _reached(begin: str, leads_to: Mapping[str, set[str]]) -> set[str]:
    """Return where one can get to, the begin included."""
    reached: set[str] = set()
    ahead = [begin]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead.extend(leads_to.get(name, ()))
    return reached


def _said(circle: list[Place], nodes: list[tuple[str, str]]) -> str:
    flow_id, node_id, wall = circle[0]
    if len(nodes) == 1:
        return (
            f"it waits for itself: at {wall} it needs what cannot succeed before {node_id} of {flow_id} has"
        )
    way = " -> ".join(f"{node_id} of {flow_id}" for flow_id, node_id in [*nodes, nodes[0]])
    return f"these nodes wait for each other, at business time {wall}: {way}"
