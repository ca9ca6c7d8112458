"""The commands as processes: what they import, what reaches a terminal; Airflow's command line."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dag_factory.cli.conftest import FLOW


@pytest.mark.parametrize(
    "arguments",
    [["validate"], ["schema"], ["schedule"], ["preview", "--dialect", "mysql"], ["unpublish"]],
    ids=lambda a: a[0],
)
def test_no_command_loads_airflow(spec: Path, arguments: list[str]) -> None:
    file = [] if arguments == ["schema"] else [str(spec)]
    code = (
        "import sys; from dag_factory.cli.main import main; status = main(sys.argv[1:]);"
        "sys.exit(status or any(name.split('.')[0] in ('airflow', 'sqlalchemy') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments, *file], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_terminal_without_chinese_gets_an_answer(tmp_path: Path) -> None:
    spec = tmp_path / "日报.flow.yaml"
    spec.write_text(FLOW.replace("id: daily", "id: 日报"))
    done = subprocess.run(
        [sys.executable, "-m", "dag_factory", "validate", str(spec)],
        env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"\\u65e5\\u62a5" in done.stdout
    assert b"Traceback" not in done.stderr


def test_a_reader_who_has_seen_enough(spec: Path) -> None:
    spec.write_text(FLOW + "      -- " + "${nobody} " * 3000 + "\n")
    command = f"{sys.executable} -m dag_factory validate {spec} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count(b"\n") == 1
    assert b"Error" not in done.stderr


def test_airflow_gets_the_same_commands(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from airflow.cli.cli_config import ActionCommand
    from airflow.cli.cli_parser import AirflowHelpFormatter

    from dag_factory.cli.airflow import get_dms_cli_commands

    (group,) = get_dms_cli_commands()
    assert group.name == "dms"
    commands = {command.name: command for command in group.subcommands}
    assert {"validate", "schema", "preview", "schedule", "publish", "unpublish"} < commands.keys()
    validate = commands["validate"]
    assert isinstance(validate, ActionCommand)
    parser = argparse.ArgumentParser(formatter_class=AirflowHelpFormatter)
    for argument in validate.args:
        argument.add_to_parser(parser)
    parser.format_help()
    with pytest.raises(SystemExit) as ended:
        validate.func(parser.parse_args([str(spec), "--output", "json"]))
    assert ended.value.code == 0
    assert capsys.readouterr().out == "[]\n"


def test_airflow_gets_the_commands_without_what_does_them() -> None:
    code = (
        "import sys; import airflow.cli.cli_config; before = set(sys.modules);"
        "from dag_factory.cli.airflow import get_dms_cli_commands; get_dms_cli_commands();"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "dag_factory",
        "dag_factory.cli",
        "dag_factory.cli.airflow",
        "dag_factory.cli.commands",
        "dag_factory.cli.operations",
        "dag_factory.cli.operations.commands",
    ]
