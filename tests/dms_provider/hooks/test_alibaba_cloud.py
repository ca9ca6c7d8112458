"""Connections of type ``alibaba_cloud``, against a double of the API that verifies signatures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dms_provider.cloud_assistant.client import CloudAssistantError
from dms_provider.cloud_assistant.command import Command, Try
from dms_provider.hooks.alibaba_cloud import AlibabaCloudHook
from dms_provider.sessions.source import SourceError
from tests.doubles.ecs import CloudAssistantServer

TRY = Try("flow", "run", "node", -1, 1, "id-of-the-try")


@pytest.fixture
def cloud() -> Iterator[CloudAssistantServer]:
    with CloudAssistantServer() as server:
        yield server


@pytest.fixture
def connect(cloud: CloudAssistantServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    def change(extra: dict[str, Any] | None = None, **more: Any) -> AlibabaCloudHook:
        connection = json.loads(cloud.connection)
        connection.update(more)
        connection["extra"].update(extra or {})
        monkeypatch.setenv("AIRFLOW_CONN_ALI", json.dumps(connection))
        return AlibabaCloudHook("ali", owner="alice")

    return change


def test_a_good_connection(connect: Any, cloud: CloudAssistantServer) -> None:
    assert connect().test_connection() == (True, "Connection successfully tested")
    assert cloud.counts == {"DescribeInvocations": 1, "DescribeInvocations done": 1}


def test_keys_as_airflows_own_provider_keeps_them(connect: Any) -> None:
    keys = {"access_key_id": "test-key", "access_key_secret": "Zq7Kx0Wb2Lm9"}
    assert connect(keys, login=None, password=None).test_connection()[0]


def test_a_temporary_key(connect: Any, cloud: CloudAssistantServer) -> None:
    cloud.security_token = "temporary"
    assert not connect().test_connection()[0]
    assert connect({"security_token": "temporary"}).test_connection()[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "wrong-one"}, "SignatureDoesNotMatch: .*; check the access key of connection ali"),
        ({"login": "nobody"}, r"InvalidAccessKeyId.NotFound: .*; check the access key of connection ali"),
        ({"login": None}, "login .access key id. and password .access key secret. are needed"),
        ({"conn_type": "http"}, "is of type 'http'; ECS needs type 'alibaba_cloud'"),
        ({"extra": {"endpoint": "127.0.0.1:1", "protocol": "http"}}, "no answer from ECS: .*refused"),
        ({"extra": {"protocol": "ftp"}}, "extra protocol is http or https, not 'ftp'"),
        ({"extra": {"allowed_owners": "bob"}}, "may not be used by flows of alice"),
    ],
)
def test_what_is_wrong_is_told(connect: Any, change: dict[str, Any], says: str) -> None:
    more = {name: value for name, value in change.items() if name != "extra"}
    good, message = connect(change.get("extra"), **more).test_connection()
    assert not good
    assert "wrong-one" not in message
    assert re.search(says, message)


def test_the_region(connect: Any) -> None:
    with pytest.raises(SourceError, match="give the extra region"):
        connect().cloud_assistant()
    assert connect({"region": "cn-beijing"}).cloud_assistant()
    assert connect().get_conn("cn-shanghai")._region_id == "cn-shanghai"


def test_without_an_endpoint_it_is_the_regions_own(connect: Any) -> None:
    hook = connect({"endpoint": None, "protocol": None})
    assert hook.get_conn("cn-nanjing")._endpoint == "ecs.cn-nanjing.aliyuncs.com"


@pytest.mark.parametrize("answers", [True, False])
def test_the_script_is_in_no_log_and_no_message(
    connect: Any, cloud: CloudAssistantServer, answers: bool, caplog: pytest.LogCaptureFixture
) -> None:
    command = Command(
        script="echo one && exit 0 # the secret is here", script_type="shell", instances=("i-1",)
    )
    assistant = connect({} if answers else {"endpoint": "127.0.0.1:1"}).cloud_assistant("cn-hangzhou")
    assistant.retry_waits = (0.01,)
    with caplog.at_level("DEBUG"):
        if answers:
            assistant.run(command, TRY)
        else:
            with pytest.raises(CloudAssistantError, match=r"no answer from ECS: .*refused") as failed:
                assistant.run(command, TRY)
            assert command.content[:20] not in str(failed.value)
            assert "cannot run the script" in caplog.text
    assert command.content[:20] not in caplog.text
    assert (cloud.counts["RunCommand done"] == 1) is answers


def test_a_server_that_quotes_the_request_is_not_quoted(connect: Any) -> None:
    class Refusal(Exception):
        """As the SDK raises it."""

        status_code = 400
        code = "SignatureDoesNotMatch"
        message = "string to sign is:GET&%2F&CommandContent%3DZWNobyBnZWhlaW1uaXM%3D%26Format%3DJSON"

    def refuse(request: object) -> None:
        raise Refusal

    assistant = connect().cloud_assistant("cn-hangzhou")
    assistant._api.run_command = refuse
    said = r"sign is:GET&%2F&CommandContent…; check the access key"
    with pytest.raises(CloudAssistantError, match=said):
        assistant.run(Command(script="x", script_type="shell", instances=("i-1",)), TRY)
