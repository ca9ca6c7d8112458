"""A run with a failed node ends as failed, whatever conditions skipped or ran in spite of it."""

from __future__ import annotations

from tests.end_to_end.airflow_instance import AirflowInstance

_GOOD = "    type: single_instance_sql\n    database: warehouse\n    sql: SELECT 1\n"
_BAD = "    type: single_instance_sql\n    database: warehouse\n    sql: SELECT 1 FROM no_such_table\n"


def _condition(text: str) -> str:
    return f"    type: conditional_branch\n    condition: {text}\n"


FLOWS: dict[str, tuple[dict[str, tuple[list[str], str]], dict[str, str], str]] = {
    "hidden_by_a_join": (
        {
            "start": ([], _GOOD),
            "off": (["start"], _condition("1 == 2")),
            "slow": (["start"], _GOOD),
            "fails": (["slow"], _BAD),
            "join": (["off", "fails"], _GOOD),
        },
        {"start": "success", "off": "success", "slow": "success", "fails": "failed", "join": "skipped"},
        "failed",
    ),
    "answered": (
        {
            "fails": ([], _BAD),
            "failed": (["fails"], _condition("one_failed")),
            "answer": (["failed"], _GOOD),
        },
        {"fails": "failed", "failed": "success", "answer": "success"},
        "failed",
    ),
    "only_skipped": (
        {
            "start": ([], _GOOD),
            "off": (["start"], _condition("1 == 2")),
            "alive": (["start"], _GOOD),
            "join": (["off", "alive"], _GOOD),
        },
        {"start": "success", "off": "success", "alive": "success", "join": "skipped"},
        "success",
    ),
}


def test_a_run_fails_exactly_if_a_node_failed(airflow: AirflowInstance) -> None:
    for flow, (nodes, _, _) in FLOWS.items():
        lines = [
            f"  {node}:\n    after: [{', '.join(after)}]\n{work}" for node, (after, work) in nodes.items()
        ]
        text = "version: 1\nowner: alice\nnodes:\n" + "".join(lines).replace("    after: []\n", "")
        (airflow.dags / f"{flow}.flow.yaml").write_text(text, encoding="utf-8")
    airflow.wait_for(lambda: FLOWS.keys() <= airflow.active_dags(), "all flows to be active")
    runs = {flow: airflow.trigger(flow) for flow in FLOWS}
    for flow, (_, states, state) in FLOWS.items():
        assert airflow.wait_for_run(flow, runs[flow]) == state
        seen = airflow.task_states(flow, runs[flow])
        assert {node: seen[node] for node in states} == states
    for flow in FLOWS:
        (airflow.dags / f"{flow}.flow.yaml").unlink()
