"""The words of an ecs_remote_command in a spec, in the operator and in the preview."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from dag_factory.builder import build_dag
from dag_factory.cli.main import main
from dag_factory.validation import validate_file
from dms_provider.operators.ecs_remote_command import ECSRemoteCommandOperator
from dms_provider.operators.outputs import ScriptOutput

SPEC = """\
version: 1
owner: alice
secrets: {token: key}
constants: {who: reports}
nodes:
  read:
    type: sql_assignment
    database: warehouse
    sql: SELECT 1
    outputs: {region: {row: 0, column: 0}, n: {row: 0, column: 0, type: number}}
  inline:
    type: ecs_remote_command
    after: [read]
    connection: aliyun
    region: cn-hangzhou
    instance: ["i-${who}", i-2]
    username: ${who}
    working_directory: /srv/${who}
    script: |
      echo "${region}" ${n} ${token} ${HOME} $${bizdate} {{ bizdate }}
    outputs: {rows: {type: number, if_empty: 0}, said: {}}
    timeout: 90s
  file:
    type: ecs_remote_command
    after: [read]
    connection: aliyun
    region: cn-hangzhou
    instance: i-1
    script_type: powershell
    script_file: alert.ps1
  stored:
    type: ecs_remote_command
    after: [read]
    connection: aliyun
    region: cn-hangzhou
    instance: i-1
    script_type: batch
    script_file: oss://archive/bucket/${bizdate}.bat
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "alert.ps1").write_text('Write-Output "${region}"\n')
    path = tmp_path / "alert.flow.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def test_every_word_reaches_the_operator(spec: Path) -> None:
    dag = build_dag(validate_file(spec))
    inline, file, stored = (dag.get_task(name) for name in ("inline", "file", "stored"))
    assert isinstance(inline, ECSRemoteCommandOperator)
    assert inline.conn_id == "aliyun"
    assert inline.region == "cn-hangzhou"
    assert inline.instances == "i-${who}, i-2"
    assert inline.script == 'echo "${region}" ${n} ${token} ${HOME} $${bizdate} {{ bizdate }}\n'
    assert (inline.username, inline.working_directory) == ("${who}", "/srv/${who}")
    assert inline.outputs == {"rows": ScriptOutput("number", "0"), "said": ScriptOutput()}
    assert inline.inputs == {"region": "read", "n": "read"}
    assert inline.execution_timeout == timedelta(seconds=90)
    assert isinstance(file, ECSRemoteCommandOperator)
    assert (file.script, file.script_file) == ('Write-Output "${region}"\n', "")
    assert (file.script_type, file.execution_timeout) == ("powershell", timedelta(hours=1))
    assert isinstance(stored, ECSRemoteCommandOperator)
    assert (stored.script, stored.script_file) == ("", "oss://archive/bucket/${bizdate}.bat")
    assert stored.inputs == {"region": "read", "n": "read"}
    json.dumps(DagSerialization.to_dict(dag))


def preview(spec: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, dict[str, str]]:
    arguments = ["preview", str(spec), "--output", "json", "--dialect", "sqlite", "--run-time", "2023-08-04"]
    main([*arguments, *more])
    shown: dict[str, dict[str, str]] = json.loads(capsys.readouterr().out)["nodes"]
    return shown


def test_the_preview_shows_the_script_as_it_is_sent(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = preview(spec, capsys)
    assert shown["inline"] == {
        "type": "ecs_remote_command",
        "script": 'echo "${region}" ${n} *** ${HOME} ${bizdate} {{ bizdate }}\n',
    }
    assert shown["file"]["script"] == 'Write-Output "${region}"\n'
    assert shown["stored"] == {
        "type": "ecs_remote_command",
        "script_file": "oss://archive/bucket/2023-08-03.bat",
    }
    shown = preview(spec, capsys, "--set", "region=it's", "--set", "n=5")
    assert shown["inline"]["script"] == (
        "dms_data_1='it'\\''s'\necho \"${dms_data_1}\" 5 *** ${HOME} ${bizdate} {{ bizdate }}\n"
    )
    assert shown["file"]["script"].startswith("$dms_data_1 = [Text.Encoding]::UTF8.GetString(")
    shown = preview(spec, capsys, "--set", "n=5; rm -r /")
    assert "is no number" not in shown["inline"].get("script", "")
    assert "which is no number; only that may stand" in shown["inline"]["error"]
