"""Alibaba Cloud's ECS API through the official SDK, which is imported when a connection is used.

Source: flow-spec, *Data sources* (``alibaba_cloud``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from dms_provider.cloud_assistant.client import CloudAssistant, CloudAssistantError
from dms_provider.data_sources import DATA_SOURCES
from dms_provider.sessions.redaction import Redactor
from dms_provider.sessions.source import SourceError, find_connection

if TYPE_CHECKING:
    from alibabacloud_ecs20140526.client import Client

CONNECT_MILLISECONDS = 5_000
READ_MILLISECONDS = 15_000
TEST_REGION = "cn-hangzhou"


class AlibabaCloudHook(BaseHook):
    """Sends requests to ECS over a connection of type ``alibaba_cloud``.

    The connection's login and password are the id and the secret of an access key; the extras
    ``access_key_id`` and ``access_key_secret`` of Airflow's own Alibaba provider do as well. Further extras:
    ``region``, ``endpoint``, ``security_token`` (of a temporary key) and ``protocol``.

    :param alibaba_cloud_conn_id: Airflow connection
    :param region: of the instances; default: the connection's
    :param owner: of the flow that uses it; ``None`` where it is not used by a flow
    """

    conn_name_attr = "alibaba_cloud_conn_id"
    default_conn_name = "alibaba_cloud_default"
    conn_type = "alibaba_cloud"
    hook_name = DATA_SOURCES["alibaba_cloud"].label

    def __init__(
        self,
        alibaba_cloud_conn_id: str = default_conn_name,
        *,
        region: str | None = None,
        owner: str | None = None,
    ) -> None:
        super().__init__()
        self.alibaba_cloud_conn_id = alibaba_cloud_conn_id
        self.region = region
        self.redactor = Redactor()
        self._owner = owner
        self._settings: dict[str, Any] | None = None

    def check(self) -> None:
        """Read the connection's record, and nothing else.

        :raises SourceError: it is not there, may not be used, or is not complete
        """
        if self._settings is None:
            self._settings = self._read()

    def get_conn(self, region: str | None = None) -> Client:
        """Return a client of the SDK.

        :param region: whose endpoint it speaks to, if the connection names none
        :raises SourceError: the connection is not there, may not be used, or is not complete
        """
        self.check()
        try:
            from alibabacloud_ecs20140526.client import Client
            from alibabacloud_tea_openapi.utils_models import Config
        except ImportError:
            raise SourceError(
                f"connection {self.alibaba_cloud_conn_id}: install airflow-provider-dms[alibaba_cloud], which"
                " brings alibabacloud-ecs20140526"
            ) from None
        settings = {**(self._settings or {}), **({"region_id": region} if region else {})}
        return Client(
            Config(connect_timeout=CONNECT_MILLISECONDS, read_timeout=READ_MILLISECONDS, **settings)
        )

    def cloud_assistant(self, region: str | None = None) -> CloudAssistant:
        """Return what runs scripts on instances.

        :param region: of the instances; default: the hook's, or the connection's
        :raises SourceError: as :meth:`get_conn`, or nobody names a region
        """
        self.check()
        region = region or (self._settings or {}).get("region_id")
        if not region:
            raise SourceError(f"connection {self.alibaba_cloud_conn_id}: give the extra region")
        api = self.get_conn(region)
        return CloudAssistant(api, conn_id=self.alibaba_cloud_conn_id, region=region, redactor=self.redactor)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for one page of invocations, as a node does."""
        try:
            self.check()
            assistant = self.cloud_assistant((self._settings or {}).get("region_id") or TEST_REGION)
            assistant.retry_waits = ()
            assistant.find("test of the connection")
        except (SourceError, CloudAssistantError) as error:
            return False, str(error)
        return True, "Connection successfully tested"

    def _read(self) -> dict[str, Any]:
        conn_id = self.alibaba_cloud_conn_id
        place = f"connection {conn_id}"
        connection = (
            self.get_connection(conn_id)
            if self._owner is None
            else find_connection(conn_id, owner=self._owner)
        )
        if connection.conn_type != self.conn_type:
            raise SourceError(
                f"{place} is of type {connection.conn_type!r}; ECS needs type {self.conn_type!r}"
            )
        extra = connection.extra_dejson
        key_id = connection.login or extra.get("access_key_id")
        secret = connection.password or extra.get("access_key_secret")
        if not key_id or not secret:
            raise SourceError(f"{place}: login (access key id) and password (access key secret) are needed")
        token = extra.get("security_token")
        self.redactor.add([secret, token])
        region = self.region or extra.get("region")
        protocol = str(extra.get("protocol") or "https").lower()
        if protocol not in ("http", "https"):
            raise SourceError(f"{place}: extra protocol is http or https, not {protocol!r}")
        settings = {
            "access_key_id": key_id,
            "access_key_secret": secret,
            "security_token": token,
            "region_id": region,
            "endpoint": extra.get("endpoint") or connection.host,
            "protocol": protocol,
        }
        return {name: value for name, value in settings.items() if value}
