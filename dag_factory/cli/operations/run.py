"""``run``: runs of a flow, started by hand, one or one after the other."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.utils.session import create_session

from dag_factory.cli.commands import GOOD, PROBLEM, UsageError
from dag_factory.cli.operations.business_times import read_business_time, read_range
from dag_factory.cli.operations.spec import is_spec_of, spec_of
from dag_factory.cli.output import note, print_json, print_lines
from dag_factory.diagnostics import closest
from dms_provider.operations.errors import OperationError
from dms_provider.operations.flows import KnownFlow, check_can_start, check_node, find_flow
from dms_provider.operations.runs import ENDED, business_time_of, start_run, state_of
from dms_provider.operations.watching import watch_run
from dms_provider.variables.run_times import RunTimes

if TYPE_CHECKING:
    from dms_provider.schedules import Schedule

_OF_A_RANGE = {"end": "--to", "every": "--every", "keep_going": "--keep-going", "reverse": "--reverse"}


def run(arguments: Namespace) -> int:
    """Start the runs, and wait for them where that was asked for."""
    _check_options(arguments)
    with create_session() as session:
        flow = find_flow(arguments.flow, session)
        times = _business_times(arguments, flow.policies.timezone)
        asked = _asked(arguments, flow)
        if arguments.start is not None:
            _tell_what_is_no_slot(flow, times)
        check_can_start(flow, session, lambda file: is_spec_of(flow.flow_id, file))
    runs = Runs(flow.flow_id, asked)
    waits = arguments.wait or arguments.start is not None
    try:
        _run_all(runs, times, waits=waits, keep_going=arguments.keep_going)
    except KeyboardInterrupt:
        going = runs.going
        note(f"no longer waiting; {', '.join(going)} goes on" if going else "interrupted; no run is going")
        runs.complete = False
    if arguments.output == "json":
        print_json({"flow": flow.flow_id, "runs": runs.made})
    else:
        print_lines(f"{made['run_id']}  {made['business_time']}  {made['state']}" for made in runs.made)
    return GOOD if runs.complete else PROBLEM


class Runs:
    """The runs of a flow that this command makes.

    :param flow_id: of the flow
    :param asked: of each of them: its conf below ``dms``, without a business time
    """

    def __init__(self, flow_id: str, asked: dict[str, Any]) -> None:
        self._flow_id = flow_id
        self._asked = asked
        self.made: list[dict[str, Any]] = []
        self.complete = True

    @property
    def going(self) -> list[str]:
        """Ids of the runs that had not ended when they were last looked at."""
        return [made["run_id"] for made in self.made if made["state"] not in (*ENDED, "deleted")]

    def start(self, business_time: datetime | None) -> None:
        """Make one run.

        :raises OperationError: the flow cannot be run any more
        """
        asked = dict(self._asked)
        if business_time is not None:
            asked["business_time"] = business_time.isoformat()
        with create_session() as session:
            flow = find_flow(self._flow_id, session)
            check_can_start(flow, session, lambda file: is_spec_of(flow.flow_id, file))
            made = start_run(flow, asked, session)
            session.commit()
            self.made.append(
                {
                    "run_id": made.run_id,
                    "business_time": business_time_of(made, flow.policies.timezone),
                    "state": state_of(made),
                }
            )

    def wait(self) -> bool:
        """Wait until the run that was made last has ended, and tell its progress.

        :return: whether it succeeded
        """
        made = self.made[-1]
        for progress in watch_run(self._flow_id, made["run_id"]):
            note(f"{made['run_id']} ({made['business_time']}): {progress}")
            made["state"] = progress.state
        return bool(made["state"] == "success")


def _run_all(runs: Runs, times: Sequence[datetime | None], *, waits: bool, keep_going: bool) -> None:
    for number, time in enumerate(times, 1):
        try:
            runs.start(time)
        except OperationError as error:
            if number == 1:
                raise
            note(f"run: {error}")
            runs.complete = False
        else:
            if not waits or runs.wait():
                continue
            runs.complete = False
            if keep_going:
                continue
        if number < len(times):
            note(f"stopped: {len(times) - number} later business times were not run (--keep-going)")
        return


def _check_options(arguments: Namespace) -> None:
    if arguments.start is None:
        if given := [option for name, option in _OF_A_RANGE.items() if getattr(arguments, name)]:
            raise UsageError(f"{', '.join(given)}: only with --from")
    elif arguments.end is None or arguments.every is None:
        raise UsageError("--from, --to and --every belong together, for example --every 1d")
    elif arguments.business_time is not None:
        raise UsageError("give --business-time, or --from and --to, not both")
    if arguments.node is not None and arguments.from_node is not None:
        raise UsageError("give --node or --from-node, not both")


def _business_times(arguments: Namespace, zone: str) -> Sequence[datetime | None]:
    if arguments.business_time is not None:
        return [read_business_time("--business-time", arguments.business_time, zone)]
    if arguments.start is None:
        return [None]
    times = read_range(arguments.start, arguments.end, arguments.every, zone)
    return times[::-1] if arguments.reverse else times


def _tell_what_is_no_slot(flow: KnownFlow, times: Sequence[datetime | None]) -> None:
    """Say which runs other flows will not see that wait for all slots of the flow's schedule."""
    schedule = flow.schedule
    if schedule is None:
        return
    beside = [time for time in filter(None, times) if not _is_slot(time, schedule)]
    if beside:
        note(
            f"run: {len(beside)} of {len(times)} business times, the first {beside[0].isoformat()}, are none"
            f" of the schedule ({schedule.summary}): a dependency_check for its slots does not find them"
        )


def _is_slot(business_time: datetime, schedule: Schedule) -> bool:
    run_time = RunTimes.from_business_time(business_time, schedule.timezone).run_time
    return schedule.latest_slot(run_time) == run_time


def _asked(arguments: Namespace, flow: KnownFlow) -> dict[str, Any]:
    """Return what is asked of each run.

    :raises OperationError: the flow has no such node
    """
    asked: dict[str, Any] = {}
    if arguments.dry_run:
        asked["dry_run"] = True
    if arguments.start is not None:
        asked["time_range"] = True
    for key in ("node", "from_node"):
        if (node := getattr(arguments, key)) is not None:
            check_node(flow, node)
            asked[key] = node
    if arguments.outputs:
        asked["outputs"] = _outputs(arguments.outputs, flow)
    return asked


def _outputs(given: Sequence[str], flow: KnownFlow) -> dict[str, str]:
    spec = spec_of(flow)
    known = sorted(
        {name for node in spec.nodes.values() for name in getattr(node, "outputs", {})} if spec else ()
    )
    outputs = {}
    for setting in given:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting[:40]!r}: write NAME=VALUE")
        if spec is not None and name not in known:
            meant = closest(name, known)
            hint = f"; did you mean {meant}?" if meant else ""
            raise UsageError(f"--set: no node of {flow.flow_id} gives {name[:40]!r}{hint}")
        outputs[name] = value
    return outputs
