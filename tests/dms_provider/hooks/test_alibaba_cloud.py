"""Connections of type ``alibaba_cloud``, against a double of the API that verifies signatures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dms_provider.hooks.alibaba_cloud import AlibabaCloudHook
from dms_provider.sessions.source import SourceError
from tests.doubles.ecs import CloudAssistantServer


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
