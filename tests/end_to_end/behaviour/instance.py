"""The Airflow on which scenarios run."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dev.services import Server
from tests.dag_factory.discovery.repository import Repository
from tests.end_to_end.airflow_instance import COMPONENTS, AirflowInstance
from tests.end_to_end.behaviour.ledger import CONNECTION

SETTINGS = {
    "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "2",
    "CORE__PARALLELISM": "12",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
    "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "60",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
}
"""What differs from other tests: claims about time need a worker's interval as it is in production.

A spec that has changed is parsed at once, however long the interval of files is; parsing all the others
all the time would slow the runs down. But a callback that falls due while its file is being parsed waits
until Airflow parses it the next time.
"""

IMPORTED_AHEAD = (
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.standard.operators.empty",
    "airflow.sdk.execution_time.timeout",
    "dag_factory.builder.dag",
    "dag_factory.discovery.loader",
    "dag_factory.discovery.search",
    "dag_factory.spec.nodes.conditional_branch",
    "dag_factory.spec.nodes.single_instance_sql",
    "dag_factory.spec.nodes.sql_assignment",
    "dag_factory.spec.nodes.table_time_check",
    "dms_provider.dialects.table",
    "dms_provider.operators.conditional_branch",
    "dms_provider.operators.helpers",
    "dms_provider.operators.single_instance_sql",
    "dms_provider.operators.sql_assignment",
    "dms_provider.schema_change.table",
    "dms_provider.sensors.table_time_check",
    "dms_provider.sessions.postgres",
    "jinja2.ext",
    "psycopg",
)
"""Modules that each task and each parse would import anew: they are processes that these Airflows fork by the
hundred, and half of all work would be their imports. The other Airflows of the tests import nothing ahead."""

_CALLBACKS = "callbacks.jsonl"
_POLICY = '''\
"""Counts the calls of each DAG's callbacks; who starts processes imports for them before the first."""

import importlib
import json
import os
import sys

ahead = list({ahead!r})


def _import_ahead():
    while ahead:
        importlib.import_module(ahead.pop(0))


if {"scheduler", "dag-processor"}.intersection(sys.argv):
    os.register_at_fork(before=_import_ahead)


def _note(kind):
    def note(context):
        line = json.dumps({"kind": kind, "flow": context["dag"].dag_id, "run": context["run_id"]})
        file = os.open({path!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (line + "\\n").encode())
        os.close(file)

    return note


def dag_policy(dag):
    for kind in ("success", "failure"):
        given = getattr(dag, f"on_{kind}_callback", None) or []
        callbacks = given if isinstance(given, list) else [given]
        setattr(dag, f"on_{kind}_callback", [*callbacks, _note(kind)])
        setattr(dag, f"has_on_{kind}_callback", True)
'''


class ScenarioAirflow(AirflowInstance):
    """An Airflow with flow specs in its DAGs folder, and in a Git repository, to whose commits runs keep."""

    repository: Repository

    def put_flow(self, flow: str, text: str | None, *, versioned: bool) -> None:
        """Write a flow's spec in one step, or remove it.

        :param versioned: into the repository
        """
        name = f"{flow}.flow.yaml"
        if versioned:
            self.repository.commit({name: text})
        elif text is None:
            (self.dags / name).unlink()
        else:
            draft = self.dags / f"{name}.part"
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, self.dags / name)


@contextmanager
def behaviour_instance(
    server: Server, settings: Mapping[str, str] | None = None
) -> Iterator[ScenarioAirflow]:
    """Start an Airflow for scenarios: with a triggerer, flow specs as DAGs, and callbacks that are counted.

    :param server: a running PostgreSQL; Airflow's database lies in it, and the nodes work in it
    :param settings: further settings of Airflow, ``SECTION__KEY`` -> value
    """
    folder = Path(tempfile.mkdtemp(prefix="dms-flows-"))
    git = {
        "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
        "kwargs": {"repo_url": str(folder / "repository"), "tracking_ref": "main"},
    }
    bundles = [
        {"name": name, "classpath": "dag_factory.FlowBundle", "kwargs": {"refresh_interval": 2, **behind}}
        for name, behind in {"flows": {}, "git_flows": {"bundle": git}}.items()
    ]
    airflow = ScenarioAirflow(
        server,
        bundles=bundles,
        settings={**SETTINGS, **(settings or {})},
        components=(*COMPONENTS, "triggerer"),
    )
    airflow.environment[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = server.airflow_uri
    config = airflow.home / "config"
    config.mkdir()
    policy = _POLICY.replace("{path!r}", repr(str(callbacks_file(airflow))))
    policy = policy.replace("{ahead!r}", repr(IMPORTED_AHEAD))
    (config / "airflow_local_settings.py").write_text(policy, encoding="utf-8")
    airflow.repository = Repository(folder / "repository")
    try:
        with airflow:
            yield airflow
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def callbacks_file(airflow: AirflowInstance) -> Path:
    """Return the file to which each call of a DAG's callback adds a line."""
    return airflow.home / _CALLBACKS


def callback_counts(airflow: AirflowInstance) -> dict[tuple[str, str, str], int]:
    """Return flow, run id, and ``success`` or ``failure`` -> number of calls so far."""
    counts: dict[tuple[str, str, str], int] = {}
    path = callbacks_file(airflow)
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        call = json.loads(line)
        key = (call["flow"], call["run"], call["kind"])
        counts[key] = counts.get(key, 0) + 1
    return counts
