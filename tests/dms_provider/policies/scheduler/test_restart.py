"""Whatever somebody clears in a run acts as a restore: what was held back runs, no failure is hidden."""

from __future__ import annotations

import pytest
from airflow.api.common.mark_tasks import set_dag_run_state_to_success
from airflow.utils.session import create_session
from sqlalchemy import text

from tests.dms_provider.policies.scheduler.stage import Stage

# a fails while r is at work; b, s, t and w are held back
NODES = {"a": [], "b": ["a"], "r": [], "s": ["r"], "t": ["s"], "w": ["t"]}
HOLDING = ["complete_running_tasks", "immediately_stop_all_tasks"]


def _failed(stage: Stage, handling: str, **keys: object) -> str:
    flow = stage.flow("restored", NODES, error_handling=handling, concurrency="parallel_mode_1", **keys)
    stage.trigger(flow, "r")
    stage.play(fail=["a"])
    assert stage.run(flow, "r").state == "failed"
    stage.played.clear()
    return flow


@pytest.mark.parametrize("handling", [*HOLDING, "complete_unrelated_tasks"])
@pytest.mark.parametrize("cleared", ["failed", "all", "a", "a alone", "b", "outcome"])
def test_what_was_not_run_runs(stage: Stage, handling: str, cleared: str) -> None:
    flow = _failed(stage, handling)
    before = {node for node, state in stage.states(flow, "r").items() if state == "success"}
    if cleared in ("failed", "all"):
        stage.clear(flow, "r", only_failed=cleared == "failed")
    else:
        node = "dms__outcome" if cleared == "outcome" else cleared[0]
        stage.clear(flow, "r", node, downstream=cleared != "a alone")
    stage.play()
    ran = {node for _, node in stage.played}
    if handling == "complete_unrelated_tasks" and cleared in ("b", "outcome"):
        # a has failed and was not cleared: as in Airflow, it stays so
        assert stage.run(flow, "r").state == "failed"
        return
    assert stage.run(flow, "r").state == "success"
    assert set(stage.states(flow, "r").values()) == {"success"}
    assert ran == (set(NODES) if cleared == "all" else set(NODES) - before)


@pytest.mark.parametrize("handling", HOLDING)
def test_it_fails_again_as_the_first_time(stage: Stage, handling: str) -> None:
    flow = _failed(stage, handling)
    stage.clear(flow, "r", only_failed=True)
    stage.play(fail=["a"])
    assert stage.run(flow, "r").state == "failed"
    assert stage.states(flow, "r")["b"] in ("skipped", "upstream_failed")


def test_tries_begin_anew(stage: Stage) -> None:
    flow = _failed(stage, "complete_running_tasks")
    stage.clear(flow, "r", "dms__outcome")
    stage.start()
    with create_session(scoped=False) as session:
        run = stage.run(flow, "r")
        found = {ti.task_id: ti for ti in run.get_task_instances(session=session)}
        assert all(ti.max_tries >= ti.try_number for ti in found.values())
        assert all(ti.next_method is None and ti.trigger_id is None for ti in found.values())
        assert found["a"].state is None


def test_a_deferred_node_that_was_stopped_begins_anew(stage: Stage) -> None:
    flow = _failed(stage, "immediately_stop_all_tasks")
    stage.set_columns(flow, "r", "s", state="skipped", try_number=1, next_method="go_on", next_kwargs={})
    stage.clear(flow, "r", "a", downstream=False)
    stage.start()
    with create_session(scoped=False) as session:
        (s,) = (ti for ti in stage.run(flow, "r").get_task_instances(session=session) if ti.task_id == "s")
        assert (s.state, s.next_method) == (None, None)


CONDITIONS = {"a": [], "c": ["a"], "d": ["c"], "e": ["d"], "f": ["a"], "join": ["e", "f"]}


@pytest.mark.parametrize("cleared", ["failed", "f", "d", "join"])
def test_what_a_false_condition_skipped_stays_so(stage: Stage, cleared: str) -> None:
    flow = stage.flow("conditions", CONDITIONS)
    stage.trigger(flow, "r")
    stage.play(false=["c"], fail=["f"])
    assert stage.run(flow, "r").state == "failed"
    stage.played.clear()
    if cleared == "failed":
        stage.clear(flow, "r", only_failed=True)
    else:
        stage.clear(flow, "r", cleared)
    stage.play()
    assert stage.run(flow, "r").state == "success"
    states = stage.states(flow, "r")
    assert {states[node] for node in ("d", "e", "join")} == {"skipped"}
    assert stage.played == [("r", "f")]


def test_a_condition_that_is_cleared_decides_again(stage: Stage) -> None:
    flow = stage.flow("conditions", CONDITIONS)
    stage.trigger(flow, "r")
    stage.play(false=["c"])
    assert stage.run(flow, "r").state == "success"
    stage.clear(flow, "r", "c", downstream=False)
    stage.play()
    assert set(stage.states(flow, "r").values()) == {"success"}


@pytest.mark.parametrize("downstream", [True, False])
@pytest.mark.parametrize("handling", HOLDING)
def test_cleared_while_the_run_is_going(stage: Stage, handling: str, downstream: bool) -> None:
    flow = stage.flow("going", NODES, error_handling=handling)
    stage.trigger(flow, "r")
    stage.play(fail=["a"], until=["r"])
    assert stage.states(flow, "r")["s"] == "skipped"
    assert stage.run(flow, "r").state == "running"
    stage.clear(flow, "r", "a", downstream=downstream)
    stage.play()
    stage.set_states(flow, "r", r="success")
    stage.play()
    assert stage.run(flow, "r").state == "success"
    assert set(stage.states(flow, "r").values()) == {"success"}


def test_a_node_marked_success_by_hand(stage: Stage) -> None:
    flow = _failed(stage, "complete_running_tasks")
    stage.set_states(flow, "r", a="success")
    stage.clear(flow, "r", only_failed=True)
    stage.play()
    assert set(stage.states(flow, "r").values()) == {"success"}
    assert "a" not in {node for _, node in stage.played}


def test_a_run_marked_success_by_hand_stays_so(stage: Stage) -> None:
    flow = stage.flow("marked", NODES)
    stage.trigger(flow, "r")
    stage.play(fail=["a"], until=["r"])
    stage.clear(flow, "r", "a")
    with create_session(scoped=False) as session:
        set_dag_run_state_to_success(dag=stage.dag(flow, session), run_id="r", commit=True, session=session)
    stage.play()
    assert stage.run(flow, "r").state == "success"


@pytest.mark.parametrize("cleared", ["b", "s", "all"])
def test_a_run_of_one_node(stage: Stage, cleared: str) -> None:
    flow = stage.flow("partial", NODES)
    stage.trigger(flow, "r", conf={"dms": {"node": "a"}})
    stage.play()
    stage.set_states(flow, "r", b="skipped")
    stage.played.clear()
    stage.clear(flow, "r", *([] if cleared == "all" else [cleared]))
    stage.loop()
    states = stage.states(flow, "r")
    assert {states[node] for node in ("r", "s", "t", "w")} == {"skipped"}
    if cleared != "all":
        stage.play()
        assert stage.run(flow, "r").state == "success"
        assert stage.played == []


def test_a_run_from_a_node_on(stage: Stage) -> None:
    flow = stage.flow("partial", NODES)
    stage.trigger(flow, "r", conf={"dms": {"from_node": "s"}})
    stage.play(fail=["t"])
    assert stage.run(flow, "r").state == "failed"
    stage.played.clear()
    stage.clear(flow, "r", "a")
    stage.play()
    assert stage.run(flow, "r").state == "success"
    assert stage.played == [("r", "t"), ("r", "w")]


def test_a_refused_run_whose_cause_is_gone(stage: Stage) -> None:
    pool = stage.name("pool")
    flow = stage.flow("refused", NODES, node_pools={"t": pool})
    stage.trigger(flow, "r")
    stage.play()
    assert stage.run(flow, "r").state == "failed"
    assert pool in stage.said(flow, "r")["refused"]
    assert pool in (stage.run(flow, "r").note or "")
    assert stage.played == []
    stage.clear(flow, "r", only_failed=True)
    stage.play()
    assert stage.run(flow, "r").state == "failed"
    stage.make_pool(pool)
    stage.clear(flow, "r", only_failed=True)
    stage.play()
    assert stage.run(flow, "r").state == "success"
    assert "refused" not in stage.said(flow, "r")


def test_a_pool_that_only_the_database_takes_for_another(stage: Stage) -> None:
    """As MySQL does, to which names that differ in case are one."""
    stage.make_pool(stage.name("etl"))
    flow = stage.flow("refused", NODES, pools={stage.name("ETL"): 2})
    with create_session() as session:
        session.execute(text("CREATE UNIQUE INDEX one_in_any_case ON slot_pool (lower(pool))"))
    try:
        stage.trigger(flow, "r")
        stage.play()
    finally:
        with create_session() as session:
            session.execute(text("DROP INDEX one_in_any_case"))
    assert f"pool '{stage.name('ETL')}' cannot be made" in stage.said(flow, "r")["refused"]
    assert (stage.run(flow, "r").state, stage.played) == ("failed", [])


def test_a_skipped_run_is_rerun(stage: Stage) -> None:
    flow = stage.flow("skipped", NODES, concurrency="skip")
    stage.trigger(flow, "first")
    stage.play(until=["a"])
    stage.trigger(flow, "second")
    stage.start()
    business_time = stage.said(flow, "second")["business_time"]
    assert stage.said(flow, "second")["skipped_for"] == "first"
    assert "first" in (stage.run(flow, "second").note or "")
    stage.clear(flow, "second")
    stage.start()
    said = stage.said(flow, "second")
    assert (said["earlier_run"], said["waits"]) == ("first", "whole_run")
    assert said["business_time"] == business_time
    assert "skipped_for" not in said
    stage.end(flow, "first")
    stage.play()
    assert stage.run(flow, "second").state == "success"
    assert set(stage.states(flow, "second").values()) == {"success"}
