"""A node's script on the instances of a double: what is sent, and what comes of it."""

from __future__ import annotations

import base64
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dms_provider.cloud_assistant.client import CloudAssistantError
from dms_provider.cloud_assistant.command import RefusedCommand
from dms_provider.cloud_assistant.record import STORE_KEY
from dms_provider.cloud_assistant.starting import EarlierScriptRuns
from dms_provider.operators.base import MisplacedData, SpecText
from dms_provider.operators.ecs_remote_command import RemoteCommandFailed
from dms_provider.operators.outputs import OutputError, ScriptOutput
from dms_provider.scripts.fill import RefusedScript
from dms_provider.sessions.source import SourceError
from dms_provider.variables.scope import FlowScope
from dms_provider.variables.values import Data
from tests.dms_provider.databases import wait_until
from tests.dms_provider.operators.remote_commands import Flow, node
from tests.doubles.ecs import CloudAssistantServer, wait_for

SECRET = "zq9wordpass"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dms_provider.cloud_assistant.client.RETRY_WAITS", (0.01,) * 6)
    monkeypatch.setattr("dms_provider.triggers.ecs_remote_command.settling_seconds", lambda: 0.0)


def last_request(cloud: CloudAssistantServer) -> dict[str, str]:
    return list(cloud.invocations.values())[-1].parameters


def sent_script(cloud: CloudAssistantServer) -> str:
    return base64.b64decode(last_request(cloud)["CommandContent"]).decode()


def test_a_script_runs_and_gives_outputs(cloud: CloudAssistantServer, flow: Flow, tmp_path: Path) -> None:
    operator = node(
        script=SpecText(
            'printf "%s\\n" "${bizdate}: ${found}" "$PWD"; echo oops >&2\n'
            """echo '{"rows": 12.50, "day": "2023-08-03", "big": 1e3, "list": [1, "é"], "none": null,'"""
            """' "all": {"id": 12345678901234567890123, "n": [0.10]}}'"""
        ),
        inputs={"found": "read"},
        working_directory=SpecText(str(tmp_path)),
        username=SpecText("${who}"),
        scope=FlowScope(constants={"who": "alice"}),
        outputs={
            "rows": ScriptOutput("number"),
            "day": ScriptOutput("date"),
            "big": ScriptOutput("number"),
            "list": ScriptOutput(),
            "all": ScriptOutput(),
            "none": ScriptOutput(if_empty="nothing"),
            "other": ScriptOutput("number", if_empty="0"),
        },
    )
    flow.run(operator, found=Data(("it's\n$(date)",)))
    assert {name: (data.text, data.type) for name, data in flow.outputs.items()} == {
        "rows": ("12.50", "number"),
        "day": ("2023-08-03", "date"),
        "big": ("1000", "number"),
        "list": ('[1, "é"]', "text"),
        "all": ('{"id": 12345678901234567890123, "n": [0.10]}', "text"),
        "none": ("nothing", "text"),
        "other": ("0", "number"),
    }
    for line in ("i-1 | 2023-08-03: it's", "i-1 | $(date)", f"i-1 | {tmp_path}", "i-1 | oops"):
        assert line in flow.log.lines
    request = last_request(cloud)
    assert request["Type"] == "RunShellScript"
    assert request["Timeout"] == "3600"
    assert request["Username"] == "alice"
    assert request["WorkingDir"] == str(tmp_path)
    assert request["ContentEncoding"] == "Base64"
    assert request["KeepCommand"].lower() == request["EnableParameter"].lower() == "false"
    assert request["TerminationMode"] == "ProcessTree"
    assert request["Name"] == "flow.node"
    assert request["Description"] == "Airflow: flow, node, run manual__1, try 1"
    assert len(request["ClientToken"]) == 64
    (kept,) = flow.store.get(STORE_KEY)
    assert kept["invoke_id"] in cloud.invocations
    assert kept["ended"]


@pytest.mark.parametrize(
    ("script_type", "sent_as"), [("powershell", "RunPowerShellScript"), ("batch", "RunBatScript")]
)
def test_scripts_for_windows(cloud: CloudAssistantServer, flow: Flow, script_type: str, sent_as: str) -> None:
    cloud.instances.windows_output = b'working\r\n{"n": 5}\r\n'
    operator = node(
        script=SpecText('echo "${found}"'),
        script_type=script_type,
        inputs={"found": "read"},
        outputs={"n": ScriptOutput("number")},
    )
    flow.run(operator, found=Data(("a-1",)))
    assert last_request(cloud)["Type"] == sent_as
    expected = 'echo "a-1"'
    if script_type == "powershell":
        encoded = base64.b64encode(b"a-1").decode()
        expected = (
            "$dms_data_1 = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String("
            f"'{encoded}'))\necho \"${{dms_data_1}}\""
        )
    assert sent_script(cloud) == expected
    assert flow.outputs["n"].text == "5"


def test_many_instances(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = tuple(f"i-{number:02}" for number in range(60))
    with CloudAssistantServer(ids) as cloud:
        monkeypatch.setenv("AIRFLOW_CONN_ALI", cloud.connection)
        operator = node(instances=ids, script="echo '{\"n\": 1}'", outputs={"n": ScriptOutput()})
        flow.run(operator)
        assert flow.outputs["n"].text == "1"
        assert sorted(instance for _, instance in cloud.instances.started) == list(ids)
        assert len(cloud.invocations) == 1
        assert cloud.counts["DescribeInvocationResults"] % 2 == 0


def test_what_instances_give_must_agree(cloud: CloudAssistantServer, flow: Flow) -> None:
    both = ["i-1", "i-2"]
    output = {"n": ScriptOutput()}
    leader = 'if [ $INSTANCE = i-2 ]; then echo \'{"n": "x"}\'; fi'
    flow.run(node(instances=both, script=leader, outputs=output))
    assert flow.outputs["n"].text == "x"
    with pytest.raises(
        OutputError, match=r"^output n: the instances give different values \(i-1: 'i-1', i-2: "
    ):
        flow.run(node(instances=both, script='echo "{\\"n\\": \\"$INSTANCE\\"}"', outputs=output), 2)


def test_no_secret_is_in_what_is_said_of_outputs(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_KEY", SECRET)
    operator = node(
        script=SpecText('echo "{\\"n\\": \\"${token}\\"}"'),
        scope=FlowScope(secrets={"token": "key"}),
        outputs={"n": ScriptOutput("number")},
    )
    with pytest.raises(OutputError, match=r"output n: .*\*\*\*.* is no number") as caught:
        flow.run(operator)
    assert SECRET not in str(caught.value) + str(flow.log.lines)


def test_a_failure_tells_the_exit_code_and_the_end_of_the_output(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_KEY", SECRET)
    operator = node(
        instances=["i-1", "i-2"],
        script=SpecText("seq 100; echo ${token}; echo bad >&2; [ $INSTANCE = i-1 ] || exit 3"),
        scope=FlowScope(secrets={"token": "key"}),
    )
    with pytest.raises(RemoteCommandFailed) as caught:
        flow.run(operator)
    message = str(caught.value)
    assert message.startswith("invocation t-")
    assert "the script failed on 1 of 2 instances\ni-2: Failed, exit code 3 (ExitCodeNonzero: " in message
    assert message.endswith("99\n100\n***\nbad")
    assert "\n50\n" not in message
    assert "i-1 | 50" in flow.log.lines
    assert "i-2 | ***" in flow.log.lines
    assert SECRET not in message + str(flow.log.lines) + str(flow.store.get(STORE_KEY)) + operator.script


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo hello", "the last line of output is no JSON object; let the script end with"),
        ("echo '{\"m\": 1}'", "the JSON object on the last line of output has no 'n'"),
        ("echo '{\"n\": 1}'; echo done", "the last line of output is no JSON object"),
        ("echo '{\"n\": null}'", "has no 'n'"),
        ('echo \'{"n": "1; x"}\'', "is no number"),
        ('echo \'{"n": 1, "n": 2}\'', "gives it twice"),
        ('echo \'{"n": "\\\\u0000"}\'', "NUL character"),
        ('echo \'{"n": "\\\\ud800"}\'', "no text that UTF-8 can hold"),
        ("echo '{\"n\": 1e999999999}'", "is no number"),
        ('printf \'{"n": "%030000d"}\' 0', "bytes of output were not kept"),
        ("true", "the last line of output is no JSON object"),
    ],
)
def test_outputs_that_are_none(cloud: CloudAssistantServer, flow: Flow, script: str, problem: str) -> None:
    with pytest.raises(OutputError, match=f"^output n: .*{problem}"):
        flow.run(node(script=script, outputs={"n": ScriptOutput("number")}))


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo '{\"n\": }'", "begins like a JSON object, and cannot be read as one"),
        ('printf \'{"n": "%030000d"}\' 0', "was not kept as a whole"),
        ('seq 20000; printf \'{"a": "%030000d", "n": 1}\' 0', "was not kept as a whole"),
    ],
)
def test_an_object_that_cannot_be_read_is_not_empty(
    cloud: CloudAssistantServer, flow: Flow, script: str, problem: str
) -> None:
    with pytest.raises(OutputError, match=f"^output n: the last line on i-1 {problem}"):
        flow.run(node(script=script, outputs={"n": ScriptOutput("number", if_empty="0")}))


def test_the_last_line_counts_although_the_middle_is_lost(cloud: CloudAssistantServer, flow: Flow) -> None:
    flow.run(node(script="seq 20000; echo '{\"n\": 1}'", outputs={"n": ScriptOutput("number")}))
    assert flow.outputs["n"].text == "1"
    assert any("bytes of output were not kept" in line for line in flow.log.lines)


def test_what_cannot_be_sent_is_refused_before(cloud: CloudAssistantServer, flow: Flow) -> None:
    refused: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"script": SpecText("echo ${found}")}, RefusedScript, "inside double quotes"),
        (
            {"script": SpecText('echo "${found}"' + "#" * 20_000)},
            RefusedCommand,
            "Cloud Assistant takes 18432",
        ),
        ({"instances": [SpecText("${found}")]}, MisplacedData, "instances: no data may stand"),
        ({"username": SpecText("${found}")}, MisplacedData, "username: no data may stand"),
        ({"instances": "i-1, i-1"}, RefusedCommand, "named twice"),
        ({"instances": [f"i-{number}" for number in range(101)]}, RefusedCommand, "1 to 100"),
        ({"conn_id": "nowhere"}, SourceError, "does not exist"),
    ]
    for more, kind, message in refused:
        with pytest.raises(kind, match=message):
            flow.run(node(inputs={"found": "read"}, **more), found=Data(("a",)))
    assert not cloud.counts
    with pytest.raises(CloudAssistantError, match=r"InvalidInstance.NotFound: .*i-9"):
        flow.run(node(instances="i-9"))
    assert cloud.counts["RunCommand"] == 1


def test_a_wrong_key_is_not_tried_again(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ALI", cloud.connection.replace("Zq7Kx0Wb2Lm9", "Yp3Vn8Rc5Tk1"))
    with pytest.raises(
        CloudAssistantError, match=r"SignatureDoesNotMatch: .*check the access key of connection ali"
    ):
        flow.run(node())
    assert cloud.counts == {"RunCommand": 1}
    assert "Yp3Vn8Rc5Tk1" not in str(flow.log.lines)


@pytest.mark.parametrize(
    ("kind", "when"),
    [
        ("throttled", "before"),
        ("unavailable", "before"),
        ("error", "after"),
        ("gateway", "after"),
        ("cut", "before"),
        ("cut", "after"),
    ],
)
def test_trouble_of_the_api_passes(cloud: CloudAssistantServer, flow: Flow, kind: str, when: Any) -> None:
    with (
        cloud.fault("RunCommand", kind, when, times=2),
        cloud.fault("DescribeInvocationResults", kind, when, times=2),
    ):
        flow.run(node())
    assert cloud.counts["RunCommand"] == 3
    assert len(cloud.instances.started) == 1


def test_an_earlier_script_that_cannot_be_stopped_keeps_the_next_from_starting(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.start(node(script="sleep 600"))
    wait_until(lambda: bool(cloud.instances.started), "the script to start")
    cloud.instances.obey_stop = False
    monkeypatch.setattr("dms_provider.cloud_assistant.starting.TryStarter.stop_earlier.__defaults__", (0.5,))
    with pytest.raises(EarlierScriptRuns, match=r"that of try 1 may still run .*i-1: Running"):
        flow.run(node(), 2)
    cloud.instances.obey_stop = True
    flow.run(node(), 3)
    assert len(cloud.instances.started) == 2


def test_a_try_that_is_executed_twice_starts_its_script_once(cloud: CloudAssistantServer, flow: Flow) -> None:
    flow.start(node(script="sleep 0.2"))
    flow.run(node(script="sleep 0.2"))
    assert len(cloud.instances.started) == 1
    assert "This try has started the script already" in flow.log.lines


def test_time_that_is_over(cloud: CloudAssistantServer, flow: Flow) -> None:
    operator = node(script="echo began; sleep 600", execution_timeout=timedelta(seconds=1))
    with pytest.raises(RemoteCommandFailed, match=r"(?s)i-1: (?:Terminated|Timeout)"):
        flow.run(operator)
    wait_until(lambda: cloud.is_idle, "the script to end")
    assert last_request(cloud)["Timeout"] == "1"


def test_waiting_on_the_worker(cloud: CloudAssistantServer, flow: Flow) -> None:
    flow.run(node(script="echo '{\"n\": 1}'", deferrable=False, outputs={"n": ScriptOutput()}))
    assert flow.outputs["n"].text == "1"
    with pytest.raises(RemoteCommandFailed, match="exit code 5"):
        flow.run(node(script="exit 5", deferrable=False), 2)


def test_a_worker_that_is_told_to_stop_while_it_waits(cloud: CloudAssistantServer, flow: Flow) -> None:
    operator = node(script="sleep 600", deferrable=False)
    killer = threading.Thread(
        target=lambda: (wait_until(lambda: bool(cloud.instances.started), "the script"), operator.on_kill())
    )
    killer.start()
    with pytest.raises(RemoteCommandFailed, match=r"(?s)it was told to stop; .*i-1: Terminated"):
        flow.run(operator)
    killer.join()
    assert cloud.is_idle


def test_a_worker_that_is_told_to_stop_while_it_asks(cloud: CloudAssistantServer, flow: Flow) -> None:
    operator = node(script="sleep 600")
    with cloud.fault("RunCommand", "held", "after"):
        outcome: list[BaseException] = []

        def execute() -> None:
            try:
                flow.start(operator)
            except BaseException as error:
                outcome.append(error)

        worker = threading.Thread(target=execute)
        worker.start()
        wait_for(cloud, "RunCommand done")
        begin = time.monotonic()
        operator.on_kill()
        assert time.monotonic() - begin < 60
        wait_until(lambda: cloud.is_idle, "the script to end")
    worker.join()
    assert isinstance(outcome[0], (RemoteCommandFailed, CloudAssistantError))
    assert len(cloud.instances.started) <= 1
    assert cloud.counts["RunCommand"] == 1


def test_a_dry_run_shows_the_script_and_sends_nothing(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_KEY", SECRET)
    operator = node(
        script=SpecText('echo "${found}" ${n} ${bizdate} ${token} "${run_id}" ${HOME}'),
        inputs={"found": "read", "n": "read"},
        scope=FlowScope(secrets={"token": "key"}),
    )
    context: Any = flow.context(operator, 1)
    with pytest.raises(RefusedScript, match=r"\$\{n\} is data"):
        operator.describe(context)
    operator = node(
        script=SpecText('echo "${found}" ${bizdate} ${token} "${run_id}" ${HOME}'),
        inputs={"found": "read"},
        scope=FlowScope(secrets={"token": "key"}),
    )
    context = flow.context(operator, 1)
    operator.describe(context)
    assert flow.log.lines[-1] == (
        "Would run on i-1 (cn-hangzhou) over ali, as the default user in the default folder,"
        " for at most 3600 s:\n"
        "dms_data_1='manual__1'\n"
        'echo "${found}" 2023-08-03 *** "${dms_data_1}" ${HOME}'
    )
    assert not cloud.counts
    assert flow.store.get(STORE_KEY) is None


def test_a_script_in_object_storage_is_read_once_a_try(
    cloud: CloudAssistantServer, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def read_text(address: str, *, owner: str) -> str:
        read.append(address)
        return 'echo "{\\"n\\": \\"${found}\\"}"'

    monkeypatch.setattr("dms_provider.hooks.oss.read_text", read_text)
    operator = node(
        script=None,
        script_file=SpecText("oss://archive/bucket/${bizdate}.sh"),
        inputs={"found": "read"},
        outputs={"n": ScriptOutput()},
    )
    flow.run(operator, found=Data(("5",)))
    assert flow.outputs["n"].text == "5"
    assert read == ["oss://archive/bucket/2023-08-03.sh"]


def test_the_arguments() -> None:
    with pytest.raises(ValueError, match="give script, or script_file"):
        node(script_file="oss://a/b/c")
    with pytest.raises(ValueError, match="write one of shell, powershell, batch"):
        node(script_type="python")
