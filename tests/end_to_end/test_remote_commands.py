"""Scripts on ECS instances whose nodes people clear and mark while they wait in a real triggerer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.doubles.ecs import CloudAssistantServer
from tests.end_to_end.airflow_instance import AirflowInstance

FLOWS = ("script_cleared", "script_failed", "script_success")
"""Each has an instance of its own, which has its name."""


@pytest.fixture
def cloud() -> Iterator[CloudAssistantServer]:
    with CloudAssistantServer(FLOWS) as server:
        yield server


class Scripts:
    """The runs of the flows above, one of each.

    :param airflow: that runs them
    :param cloud: that runs their scripts
    """

    def __init__(self, airflow: AirflowInstance, cloud: CloudAssistantServer) -> None:
        self._airflow = airflow
        self._cloud = cloud
        self._runs = {flow: airflow.trigger(flow) for flow in FLOWS}

    def wait(self, flow: str, statuses: list[str], state: str) -> None:
        """Wait until a flow's scripts have these statuses, and its node this state.

        :param statuses: in the order of their starts; a triggerer waits for each of them, or has done so
        """
        self._airflow.wait_for(
            lambda: self._statuses(flow) == statuses and self._state(flow) == state,
            f"{flow} to be {state}, and its scripts {', '.join(statuses)}",
        )

    def _statuses(self, flow: str) -> list[str]:
        of_flow = [
            invocation
            for invocation in list(self._cloud.invocations.values())
            if invocation.parameters["InstanceId.1"] == flow
        ]
        return [invocation.executions[0].status for invocation in of_flow if invocation.questions]

    def _state(self, flow: str) -> str | None:
        return self._airflow.task_states(flow, self._runs[flow])["work"]

    def clear(self, flow: str) -> None:
        """Clear a flow's node, as the UI does."""
        self._airflow.post(
            f"/dags/{flow}/clearTaskInstances",
            {"dag_run_id": self._runs[flow], "task_ids": ["work"], "only_failed": False, "dry_run": False},
        )

    def mark(self, flow: str, state: str) -> None:
        """Mark a flow's node, as the UI does."""
        path = f"/dags/{flow}/dagRuns/{self._runs[flow]}/taskInstances/work"
        self._airflow.patch(path, {"new_state": state})

    def wait_until_told(self, flow: str, words: str) -> None:
        """Wait until the log of the first try says something; the triggerer writes its last lines late."""
        self._airflow.wait_for(
            lambda: words in self._airflow.task_log(flow, self._runs[flow], "work"),
            f"{flow} to say {words!r}",
        )


def test_scripts_whose_nodes_are_cleared_and_marked(
    waiting_airflow: AirflowInstance, cloud: CloudAssistantServer
) -> None:
    airflow = waiting_airflow
    connection = json.loads(cloud.connection)
    extra = json.dumps(connection.pop("extra"))
    airflow.post("/connections", {"connection_id": "cloud_of_scripts", **connection, "extra": extra})
    for flow in FLOWS:
        text = (
            "version: 1\nowner: alice\nnodes:\n  work:\n    type: ecs_remote_command\n"
            f"    connection: cloud_of_scripts\n    region: cn-hangzhou\n    instance: {flow}\n"
            "    script: sleep 3600\n    timeout: 2h\n"
        )
        (airflow.dags / f"{flow}.flow.yaml").write_text(text, encoding="utf-8")
    airflow.wait_for(lambda: set(FLOWS) <= airflow.active_dags(), "all flows to be active")

    scripts = Scripts(airflow, cloud)
    for flow in FLOWS:
        scripts.wait(flow, ["Running"], "deferred")
    assert cloud.counts["StopInvocation"] == 0
    scripts.clear("script_cleared")
    for state in ("failed", "success"):
        scripts.mark(f"script_{state}", state)
    for state in ("failed", "success"):
        scripts.wait(f"script_{state}", ["Terminated"], state)
        scripts.wait_until_told(f"script_{state}", "Told to stop: stopping invocation")
        scripts.wait_until_told(f"script_{state}", "has ended")
    scripts.wait("script_cleared", ["Terminated", "Running"], "deferred")
    assert cloud.instances.overlaps == 0
    scripts.mark("script_cleared", "failed")
    airflow.wait_for(lambda: cloud.is_idle, "the last script to end")
