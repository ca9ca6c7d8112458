"""The thread beside the work: it is stopped, or has ended, and never both."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from dms_provider.policies import watch
from dms_provider.policies.watch import FailureWatch


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WATCH_SECONDS", 0.001)


def test_work_that_ends_while_it_is_asked_is_not_stopped() -> None:
    is_asked, has_ended = threading.Event(), threading.Event()
    stopped: list[str] = []

    def failed_nodes() -> Sequence[str]:
        is_asked.set()
        assert has_ended.wait(60)
        return ["a"]

    with FailureWatch(failed_nodes, lambda: stopped.append("r")) as guard:
        assert is_asked.wait(60)
    has_ended.set()
    guard._thread.join(60)
    assert (guard.stopped_for, stopped) == ((), [])


def test_the_end_of_the_work_waits_for_what_stops_it() -> None:
    is_stopping, steps = threading.Event(), []

    def stop() -> None:
        is_stopping.set()
        assert not threading.Event().wait(0.3)
        steps.append("the remote command is gone")

    with FailureWatch(lambda: ["a"], stop) as guard:
        assert is_stopping.wait(60)
        steps.append("the work has ended")
    assert guard.stopped_for == ("a",)
    assert steps == ["the work has ended", "the remote command is gone"]


def test_it_stops_once() -> None:
    stopped: list[str] = []
    with FailureWatch(lambda: ["a"], lambda: stopped.append("r")) as guard:
        guard._thread.join(60)
    assert stopped == ["r"]


def test_what_cannot_be_stopped_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def stop() -> None:
        raise RuntimeError("no such command")

    with FailureWatch(lambda: ["a"], stop) as guard:
        guard._thread.join(60)
    assert "What was going on could not be stopped" in caplog.text
    assert "no such command" in caplog.text


def test_many_ends_at_the_moment_of_a_failure_are_told_once() -> None:
    for _ in range(300):
        stopped: list[str] = []
        begin = threading.Event()

        def failed_nodes(begin: threading.Event = begin) -> Sequence[str]:
            begin.set()
            return ["a"]

        with FailureWatch(failed_nodes, lambda stopped=stopped: stopped.append("r")) as guard:
            begin.wait(60)
        guard._thread.join(60)
        assert bool(guard.stopped_for) is bool(stopped)
