"""What is decided when a run starts."""

from __future__ import annotations

from tests.dms_provider.policies.scheduler.stage import Stage

CHAIN = {"a": [], "b": ["a"]}


def test_a_run_alone_is_decided_about_and_succeeds(stage: Stage) -> None:
    flow = stage.flow("alone", CHAIN)
    stage.trigger(flow, "r")
    stage.play()
    assert stage.run(flow, "r").state == "success"
    assert stage.said(flow, "r")["kind"] == "try"
    assert stage.played == [("r", "a"), ("r", "b")]
