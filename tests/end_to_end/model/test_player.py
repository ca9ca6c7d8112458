"""Airflow's own losses on a machine that is too busy are told from differences."""

from __future__ import annotations

from tests.end_to_end.model.player import is_disturbed

LOST = (
    "2026-11-22T06:00:08Z [error    ] Executor LocalExecutor(parallelism=32) reported that the task instance"
    " <TaskInstance: model_3.a manual__2026 [queued] ti_id=01> finished with state {state}, but the task"
    " instance's state attribute is queued. Learn more\n"
)
ORPHANS = """\
2026-11-22T06:20:49Z [info     ] Reset the following 2 orphaned TaskInstances:
\t<TaskInstance: model_0.a manual__2026 [running] ti_id=01>
\t<TaskInstance: model_10.b manual__2026 [running] ti_id=02>
2026-11-22T06:20:50Z [info     ] 1 tasks up for execution:
\t<TaskInstance: model_4.a manual__2026 [scheduled] ti_id=03>
"""


def test_a_task_whose_worker_could_not_start_is_lost() -> None:
    log = LOST.format(state="failed")
    assert is_disturbed(log, "model_3")
    assert not is_disturbed(log, "model")
    assert not is_disturbed(log, "model_33")


def test_a_task_that_the_product_left_behind_is_not() -> None:
    assert not is_disturbed(LOST.format(state="success"), "model_3")


def test_orphans_are_lost() -> None:
    assert [
        flow for flow in ("model_0", "model_1", "model_10", "model_4") if is_disturbed(ORPHANS, flow)
    ] == [
        "model_0",
        "model_10",
    ]
