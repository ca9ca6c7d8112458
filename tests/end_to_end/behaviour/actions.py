"""What somebody does in a scenario: through the REST API, on processes, or on the spec's file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.end_to_end.behaviour.flow_text import flow_text, pool_name

if TYPE_CHECKING:
    from tests.end_to_end.behaviour.play import Play


class ActionFailed(Exception):
    """An event of a scenario could not be done."""


def kill(pid: int | None, *, with_worker: bool, itself: bool = True) -> bool:
    """Send SIGKILL to a task's process.

    :param with_worker: to the worker that watches it too, so that nobody is left to report the end
    :param itself: to the process itself; otherwise it loses its worker only
    :return: whether there was such a process
    """
    if pid is None:
        return False
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        if with_worker:
            os.kill(int(fields[1]), signal.SIGKILL)
        if itself:
            os.kill(pid, signal.SIGKILL)
    except (OSError, ProcessLookupError):
        return False
    return True


def _start(play: Play, asked: Mapping[str, Any]) -> None:
    body = {"dag_run_id": asked["run"], "logical_date": None, "conf": dict(asked.get("conf") or {})}
    body.update({key: _instant(asked[key]) for key in ("run_after", "logical_date") if key in asked})
    play.behave(asked.get("nodes", {}), [asked["run"]])
    play.name_run(asked["run"], asked["run"])
    play.airflow.post(f"/dags/{play.flow}/dagRuns", body)


def _behave(play: Play, asked: Mapping[str, Any]) -> None:
    play.behave(asked["nodes"], [asked["run"]])
    play.name_run(asked["run"], play.run_ids[asked["run"]])


def _mark(play: Play, asked: Mapping[str, Any]) -> None:
    path = f"{_run_path(play, asked)}/taskInstances/{asked['node']}"
    play.airflow.patch(path, {"new_state": asked["as"]})


def _mark_run(play: Play, asked: Mapping[str, Any]) -> None:
    play.airflow.patch(_run_path(play, asked), {"state": asked["as"]})


def _clear(play: Play, asked: Mapping[str, Any]) -> None:
    _clear_tasks(play, asked, task_ids=list(asked["nodes"]), only_failed=False)


def _clear_failed(play: Play, asked: Mapping[str, Any]) -> None:
    _clear_tasks(play, asked, only_failed=True)


def _clear_tasks(play: Play, asked: Mapping[str, Any], **which: Any) -> None:
    body = {"dag_run_id": play.run_ids[asked["run"]], "dry_run": False, "reset_dag_runs": True, **which}
    if "downstream" in asked:
        body["include_downstream"] = asked["downstream"]
    play.airflow.post(f"/dags/{play.flow}/clearTaskInstances", body)


def _clear_all(play: Play, asked: Mapping[str, Any]) -> None:
    play.airflow.post(f"{_run_path(play, asked)}/clear", {"dry_run": False, "only_failed": False})


def _delete(play: Play, asked: Mapping[str, Any]) -> None:
    response = play.airflow.client.delete(_run_path(play, asked))
    if response.is_error:
        raise ActionFailed(f"delete {asked['run']}: {response.status_code} {response.text}")


def _kill(play: Play, asked: Mapping[str, Any]) -> None:
    task = play.task(asked["run"], asked["node"])
    if task is None or not kill(task.pid, with_worker=True, itself="only" not in asked):
        raise ActionFailed(f"{asked['run']}.{asked['node']} has no process to kill: {task}")


def _edit(play: Play, asked: Mapping[str, Any]) -> None:
    play.behave(asked.get("nodes", {}))
    play.write_flow(flow_text(play.scenario, asked))


def _pause(play: Play, asked: Mapping[str, Any]) -> None:
    play.airflow.patch(f"/dags/{play.flow}", {"is_paused": True})


def _unpause(play: Play, asked: Mapping[str, Any]) -> None:
    play.airflow.patch(f"/dags/{play.flow}", {"is_paused": False})


def _pool(play: Play, asked: Mapping[str, Any]) -> None:
    name = pool_name(play.scenario, asked["name"])
    body = {"name": name, "slots": asked["slots"], "include_deferred": False}
    play.airflow.patch(f"/pools/{name}", body)


def _backfill(play: Play, asked: Mapping[str, Any]) -> None:
    play.behave(asked.get("nodes", {}), asked["runs"])
    play.expect_runs("backfill", asked["runs"])
    body = {
        "dag_id": play.flow,
        "from_date": _instant(asked["from"]),
        "to_date": _instant(asked["to"]),
        "dag_run_conf": dict(asked.get("conf") or {}),
    }
    play.airflow.post("/backfills", body)


def _scheduled(play: Play, asked: Mapping[str, Any]) -> None:
    play.expect_runs("scheduled", [asked["run"]])


def _refuse_decisions(play: Play, asked: Mapping[str, Any]) -> None:
    play.observer.refuse_decisions(play.flow)


def _variable(play: Play, asked: Mapping[str, Any]) -> None:
    play.airflow.post("/variables", {"key": asked["key"], "value": asked["value"]})


def _airflow(play: Play, asked: Mapping[str, Any]) -> None:
    words = [str(word).format(flow=play.flow, **play.run_ids) for word in asked["words"]]
    for run, nodes in asked.get("runs", {}).items():
        play.behave(nodes, [run])
        play.expect_runs("manual", [run])
    environment = {**os.environ, **play.airflow.environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    play.commands.append((process, asked.get("status", 0), asked.get("text", "")))


def end_of_command(
    process: subprocess.Popen[str], status: int, text: str, *, kill_it: bool = False
) -> str | None:
    """Compare how a command has ended with what was expected.

    :param kill_it: the scenario is over, and the command must be too
    :return: the difference, or None
    """
    if kill_it and process.poll() is None:
        process.kill()
        return f"airflow {' '.join(map(str, process.args[3:]))} did not end"  # type: ignore[index]  # a list
    output, _ = process.communicate()
    if process.returncode == status and text in output:
        return None
    return f"a command ended with {process.returncode}, not {status}, or did not say {text!r}:\n{output}"


def _run_path(play: Play, asked: Mapping[str, Any]) -> str:
    return f"/dags/{play.flow}/dagRuns/{play.run_ids[asked['run']]}"


def _instant(given: Any) -> str:
    text = given.isoformat() if hasattr(given, "isoformat") else str(given)
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment.isoformat() if moment.tzinfo else f"{moment.isoformat()}+00:00"
    return text


ACTIONS: Mapping[str, Callable[[Play, Mapping[str, Any]], None]] = {
    "start": _start,
    "behave": _behave,
    "mark": _mark,
    "mark_run": _mark_run,
    "clear": _clear,
    "clear_failed": _clear_failed,
    "clear_all": _clear_all,
    "delete": _delete,
    "kill": _kill,
    "edit": _edit,
    "pause": _pause,
    "unpause": _unpause,
    "pool": _pool,
    "backfill": _backfill,
    "scheduled": _scheduled,
    "refuse_decisions": _refuse_decisions,
    "variable": _variable,
    "airflow": _airflow,
}
"""Name of an action -> what does it."""
