"""Whole histories of a flow's runs: nobody waits in a circle, and the policies hold at every moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from dms_provider.policies.coupling import Coupling, OtherRun, StartingRun, couple
from dms_provider.policies.rules import Concurrency

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
BACKFILL = 1
Event = tuple[str, int]


@dataclass
class Run:
    """What Airflow knows of a run; a model of it, written from the contract.

    :param state: ``queued``, ``running``, ``ended`` or ``deleted``
    :param begun: it has got past what it waits for since it was last started
    """

    run_id: str
    run_type: str
    place: int = 0
    state: str = "queued"
    started: datetime | None = None
    starts: int = 0
    earlier_run: str | None = None
    waits_for_whole: bool = False
    begun: bool = False
    skipped: bool = False

    @property
    def backfill(self) -> int | None:
        return BACKFILL if self.run_type == "backfill" else None


class History:
    """The runs of one flow, and what happens to them."""

    def __init__(self, concurrency: Concurrency) -> None:
        self.concurrency = concurrency
        self.runs: dict[str, Run] = {}
        self._moment = NOON

    def going(self) -> list[Run]:
        return [run for run in self.runs.values() if run.state == "running"]

    def new(self, run_type: str, place: int = 0) -> Run:
        run = Run(f"r{len(self.runs)}", run_type, place)
        self.runs[run.run_id] = run
        return run

    def start(self, run: Run) -> Coupling:
        self._moment += timedelta(seconds=1)
        others = [
            OtherRun(
                run_id=other.run_id,
                started=other.started if other.state == "running" else None,
                run_after=NOON,
                run_type=other.run_type,
                backfill=other.backfill,
                place=other.place,
                earlier_run=other.earlier_run,
                has_begun=other.begun,
            )
            for other in self.runs.values()
            if other is not run
            and (other.state == "running" or (run.backfill and other.backfill and other.state == "queued"))
        ]
        before = replace(run)
        coupling = couple(
            self.concurrency,
            StartingRun(
                run_id=run.run_id,
                run_type=run.run_type,
                backfill=run.backfill,
                place=run.place,
                has_run_before=run.starts > 0,
                earlier_run=run.earlier_run,
            ),
            others,
        )
        self._check(before, coupling)
        run.starts += 1
        run.started, run.begun = self._moment, False
        run.earlier_run = coupling.earlier_run
        run.skipped = coupling.skipped_for is not None
        run.state = "ended" if run.skipped else "running"
        for run_id in coupling.let_go:
            self.runs[run_id].earlier_run = None
        self.nobody_waits_in_a_circle()
        return coupling

    def end(self, run: Run) -> None:
        run.state = "ended"
        waits_for = self.runs.get(run.earlier_run or "")
        if self.concurrency == "skip" and waits_for and waits_for.state in ("running", "queued"):
            # as when Airflow says that a run was ended before it began
            for other in self.going():
                if other.earlier_run == run.run_id and other is not waits_for:
                    other.earlier_run = waits_for.run_id

    def can_begin(self, run: Run) -> bool:
        earlier = self.runs.get(run.earlier_run or "")
        return run.state == "running" and (earlier is None or earlier.state in ("ended", "deleted"))

    def begin(self, run: Run) -> None:
        run.begun = run.begun or self.can_begin(run)

    def nobody_waits_in_a_circle(self) -> None:
        for run in self.going():
            seen, here = {run.run_id}, run
            while here.earlier_run in self.runs and self.runs[here.earlier_run].state in (
                "running",
                "queued",
            ):
                here = self.runs[here.earlier_run]
                assert here.run_id not in seen, f"{run.run_id} waits for itself"
                seen.add(here.run_id)

    def one_at_a_time(self) -> None:
        at_work = [run.run_id for run in self.going() if run.begun]
        assert len(at_work) <= 1, at_work

    def _waits_for(self, other: Run, run: Run) -> bool:
        """Return whether one run waits for another, or is it; dates of a backfill wait in their row."""
        ahead, seen = [other], set()
        while ahead:
            here = ahead.pop()
            if here.run_id == run.run_id:
                return True
            if here.run_id in seen or here.state not in ("running", "queued"):
                continue
            seen.add(here.run_id)
            if here.earlier_run is not None:
                ahead.append(self.runs[here.earlier_run])
            if here.state == "queued" and here.backfill:
                ahead += [date for date in self.runs.values() if date.backfill and date.place < here.place]
        return False

    def _check(self, run: Run, coupling: Coupling) -> None:
        """Compare a decision with what the contract says in so many words."""
        going = [other for other in self.going() if not self._waits_for(other, run)]
        assert coupling.earlier_run is None or coupling.skipped_for is None
        if self.concurrency == "ignore" or not self.runs:
            assert coupling == Coupling()
        if run.starts:
            assert coupling.skipped_for is None
        elif self.concurrency == "skip":
            backfills = any(other.backfill for other in self.going())
            waits_instead = backfills and run.run_type in ("scheduled", "backfill")
            if going and not waits_instead:
                assert coupling.skipped_for in {other.run_id for other in going}
            else:
                assert coupling.skipped_for is None
                assert (coupling.earlier_run is not None) or not going
        elif self.concurrency != "ignore" and not run.backfill:
            assert (coupling.earlier_run is not None) == bool(going)
            assert coupling.earlier_run is None or self.runs[coupling.earlier_run] in going


def events(max_size: int = 40) -> st.SearchStrategy[list[Event]]:
    kinds = ["manual", "scheduled", "begin", "end", "restore", "delete", "backfill", "start"]
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 30)), max_size=max_size)


def play(history: History, happened: list[Event], check: Callable[[], None] = lambda: None) -> None:
    for kind, number in happened:
        runs = [run for run in history.runs.values() if run.state != "deleted"]
        if kind in ("manual", "scheduled"):
            history.start(history.new(kind))
        elif kind == "backfill":
            if any(run.backfill for run in history.runs.values()):
                continue
            for place in range(1, 4):
                history.new("backfill", place)
        elif runs:
            run = runs[number % len(runs)]
            if kind == "start" and run.state == "queued":
                history.start(run)
            elif kind == "begin":
                history.begin(run)
            elif kind == "end" and run.state == "running":
                history.end(run)
            elif kind == "restore" and run.state == "ended":
                run.state = "queued"
                history.nobody_waits_in_a_circle()
            elif kind == "delete" and run.state in ("ended", "queued"):
                run.state = "deleted"
        check()


@given(events(), st.sampled_from(["ignore", "parallel_mode_1", "parallel_mode_2", "skip"]))
def test_no_runs_wait_for_each_other(happened: list[Event], concurrency: Concurrency) -> None:
    history = History(concurrency)
    play(history, happened)
    for run in list(history.runs.values()):
        if run.state == "queued":
            history.start(run)
    # so that every run comes to its end
    while going := history.going():
        able = [run for run in going if history.can_begin(run)]
        assert able, [(run.run_id, run.earlier_run) for run in going]
        for run in able:
            history.end(run)


@given(events())
def test_under_skip_one_run_works_at_a_time(happened: list[Event]) -> None:
    history = History("skip")
    play(history, happened, history.one_at_a_time)


@given(
    st.lists(st.sampled_from(["manual", "scheduled", "backfill"]), max_size=12),
    st.sampled_from(["parallel_mode_1", "parallel_mode_2"]),
    st.randoms(use_true_random=False),
)
def test_runs_that_go_at_once_stand_in_one_row(
    kinds: list[str], concurrency: Concurrency, random: object
) -> None:
    """Without restored runs and runs that end before they have begun, each waits for just one other."""
    history = History(concurrency)
    for place in range(1, kinds.count("backfill") + 1):
        history.new("backfill", place)
    dates = iter(list(history.runs.values()))
    for kind in kinds:
        history.start(next(dates) if kind == "backfill" else history.new(kind))
    waited_for = [run.earlier_run for run in history.going()]
    assert waited_for.count(None) == min(len(kinds), 1)
    assert len(waited_for) == len(set(waited_for))


@given(st.permutations(range(1, 6)), st.sampled_from(["parallel_mode_1", "skip"]))
def test_dates_of_a_backfill_go_in_its_order(places: list[int], concurrency: Concurrency) -> None:
    """In whatever order the scheduler comes to start them, as another one may have a lock."""
    history = History(concurrency)
    dates = {place: history.new("backfill", place) for place in range(1, 6)}
    for place in places:
        history.start(dates[place])
    order = []
    while able := [run for run in history.going() if history.can_begin(run)]:
        assert len(able) == 1
        order.append(able[0].place)
        history.end(able[0])
    assert order == sorted(order)


def other(run_id: str, second: int, **of_it: object) -> OtherRun:
    of_it = {"run_type": "manual", **of_it}
    return OtherRun(run_id, NOON + timedelta(seconds=second), NOON, **of_it)  # type: ignore[arg-type]  # any


def test_a_run_beside_none_is_not_coupled() -> None:
    for concurrency in ("skip", "ignore", "parallel_mode_1", "parallel_mode_2"):
        assert couple(concurrency, StartingRun("r", "manual"), []) == Coupling()  # type: ignore[arg-type]  # one


def test_a_scheduled_run_beside_a_backfill_waits_for_it() -> None:
    dates = [other("d1", 1, run_type="backfill", backfill=1, place=1)]
    dates.append(other("d2", 2, run_type="backfill", backfill=1, place=2, earlier_run="d1"))
    assert couple("skip", StartingRun("r", "scheduled"), dates) == Coupling(None, "d2", "whole_run")
    assert couple("skip", StartingRun("r", "manual"), dates) == Coupling(skipped_for="d2")


def test_a_restored_run_makes_way_for_those_that_went_on_without_it() -> None:
    going = [other("d2", 2, earlier_run="d1", has_begun=True), other("d3", 3, earlier_run="d2")]
    restored = StartingRun("d1", "backfill", backfill=1, place=1, has_run_before=True)
    assert couple("skip", restored, going) == Coupling(None, "d3", "whole_run", let_go=("d2",))
    waiting = [other("d2", 2, earlier_run="d1"), other("d3", 3, earlier_run="d2")]
    assert couple("skip", restored, waiting) == Coupling()


def test_a_restored_run_gives_its_coupling_up_rather_than_wait_in_a_circle() -> None:
    restored = StartingRun("b", "manual", has_run_before=True, earlier_run="a")
    assert couple("parallel_mode_1", restored, [other("a", 5)]).earlier_run == "a"
    circle = [other("a", 5, earlier_run="c"), other("c", 3, earlier_run="b")]
    assert couple("parallel_mode_1", restored, circle) == Coupling()


def test_a_run_that_came_in_between_the_dates_of_a_backfill_is_waited_for_too() -> None:
    going = [other("d1", 1, run_type="backfill", backfill=1, place=1), other("m", 2, earlier_run="d1")]
    second = StartingRun("d2", "backfill", backfill=1, place=2)
    assert couple("parallel_mode_1", second, going).earlier_run == "m"
    apart = [going[0], other("m", 2)]
    assert couple("parallel_mode_1", second, apart).earlier_run == "d1"
