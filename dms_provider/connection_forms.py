"""The forms in which people enter connections of the types that this package brings.

Plain data, read by Airflow from the provider's metadata, so that a form is shown without importing a hook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dms_provider.data_sources import DATA_SOURCES, DataSource

Field = Mapping[str, Any]
"""A field as ``conn-fields`` of Airflow's providers describes it: label, JSON schema, description."""


def text_field(label: str, description: str, **schema: Any) -> Field:
    """Return a field for one line of text, which may be left empty.

    :param schema: more of JSON Schema: ``enum``, ``format="password"``, ``default``
    """
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


def number_field(label: str, description: str, **schema: Any) -> Field:
    """Return a field for a number, which may be left empty.

    :param schema: more of JSON Schema
    """
    return {"label": label, "description": description, "schema": {"type": ["number", "null"], **schema}}


@dataclass(frozen=True, slots=True)
class ConnectionForm:
    """The form of one or more connection types.

    :param fields: name of an extra -> its field
    :param labels: what Airflow's own fields (``host``, ``login``, ``schema`` ...) are called here
    :param placeholders: what stands in an empty field of Airflow's own; Airflow shows no others
    :param hidden: those of Airflow's own fields that mean nothing here
    """

    fields: Mapping[str, Field]
    labels: Mapping[str, str] = field(default_factory=dict)
    placeholders: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()


OWNERS: Final[Mapping[str, Field]] = {
    "allowed_owners": text_field(
        "Allowed owners", "Only flows of these owners may use the connection: names with commas between."
    )
}
"""The extra of every connection."""

_SQL: Final[Mapping[str, Field]] = {
    "lock_free": text_field(
        "Lock-free schema change",
        "auto: a change of a table's structure does not block its writers, or fails.",
        enum=["off", "auto"],
        default="off",
    ),
    "statement_timeout": number_field(
        "Statement time-out", "Seconds that one statement may take on the server.", exclusiveMinimum=0
    ),
    **OWNERS,
}
"""The extras of every connection that runs SQL."""

_SSL_MODES: Final = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"]
_SSLMODES: Final = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

_SQL_LABELS: Final = {"schema": "Database", "login": "User"}

_MYSQL: Final = ConnectionForm(
    {
        **_SQL,
        "ssl_mode": text_field(
            "TLS", "Whether the connection is encrypted, and what is checked.", enum=_SSL_MODES
        ),
        "charset": text_field("Character set", "Of the connection; utf8mb4 where none is given."),
        "unix_socket": text_field("Unix socket", "Path of the server's socket, instead of host and port."),
    },
    labels=_SQL_LABELS,
    placeholders={"port": "3306"},
)

FORMS: Final[Mapping[str, ConnectionForm]] = {
    "mysql": _MYSQL,
    "oceanbase": replace(_MYSQL, placeholders={"port": "2883", "login": "USER@TENANT#CLUSTER"}),
    "oceanbase_oracle": ConnectionForm(
        {
            **_SQL,
            "connect_timeout": number_field("Connect time-out", "Seconds to wait for the server.", minimum=1),
            "ssl_ca": text_field("CA file", "Path of the certificates by which the server's is checked."),
        },
        labels=_SQL_LABELS,
        placeholders={"port": "2883", "login": "USER@TENANT#CLUSTER"},
    ),
    "dm": ConnectionForm(
        {
            **_SQL,
            "login_timeout": number_field("Connect time-out", "Seconds to wait for the server.", minimum=1),
            "ssl_path": text_field("TLS folder", "Path of the client's certificates."),
            "ssl_pwd": text_field("TLS password", "Of the client's key.", format="password"),
        },
        labels={**_SQL_LABELS, "schema": "Schema"},
        placeholders={"port": "5236"},
    ),
    "postgres": ConnectionForm(
        {
            **_SQL,
            "sslmode": text_field(
                "TLS", "Whether the connection is encrypted, and what is checked.", enum=_SSLMODES
            ),
            "options": text_field(
                "Options",
                "Command-line options for the server at the start of a session: -c search_path=reports.",
            ),
            "connect_timeout": number_field("Connect time-out", "Seconds to wait for the server.", minimum=2),
        },
        labels=_SQL_LABELS,
        placeholders={"port": "5432"},
    ),
    "oss": ConnectionForm(
        {
            "region": text_field(
                "Region", "Such as cn-hangzhou; needed where the endpoint does not tell it."
            ),
            "auth_version": text_field(
                "Signature", "Version of the signature of requests.", enum=["v4", "v1"], default="v4"
            ),
            "security_token": text_field("Security token", "Of a temporary access key.", format="password"),
            **OWNERS,
        },
        labels={"host": "Endpoint", "login": "Access key ID", "password": "Access key secret"},
        placeholders={"host": "oss-cn-hangzhou.aliyuncs.com"},
        hidden=("schema", "port"),
    ),
    "maxcompute": ConnectionForm(
        {
            "statement_timeout": _SQL["statement_timeout"],
            **OWNERS,
            "hints": {
                "label": "Settings",
                "description": "Go with every statement, as SET would set them: names and values.",
                "schema": {"type": ["object", "null"]},
            },
            "tunnel_endpoint": text_field(
                "Tunnel endpoint", "Where results are read, if not where the project says."
            ),
            "region": text_field(
                "Region",
                "Such as cn-hangzhou; requests are signed for it, with version 4 of the signature.",
            ),
            "quota": text_field("Quota", "Name of the computing quota, if not the project's."),
        },
        labels={
            "host": "Endpoint",
            "login": "Access key ID",
            "password": "Access key secret",
            "schema": "Project",
        },
        placeholders={"host": "https://service.cn-hangzhou.maxcompute.aliyun.com/api"},
        hidden=("port",),
    ),
    "alibaba_cloud": ConnectionForm(
        {
            **OWNERS,
            "region": text_field(
                "Region", "Such as cn-hangzhou, for the test of the connection; a node names its own."
            ),
            "endpoint": text_field(
                "Endpoint",
                "Host of the ECS API, if not the region's public one: ecs-vpc.cn-hangzhou.aliyuncs.com.",
            ),
            "security_token": text_field("Security token", "Of a temporary access key.", format="password"),
            "protocol": text_field("Protocol", "https, unless for a test.", enum=["https", "http"]),
        },
        labels={"login": "Access key ID", "password": "Access key secret"},
        hidden=("host", "port", "schema"),
    ),
}
"""The forms that rows of the table of data sources name."""


def connection_types() -> list[dict[str, Any]]:
    """Return the connection types that this package brings, as Airflow's providers describe theirs."""
    return [
        _connection_type(conn_type, source, FORMS[source.form])
        for conn_type, source in DATA_SOURCES.items()
        if source.form is not None
    ]


def _connection_type(conn_type: str, source: DataSource, form: ConnectionForm) -> dict[str, Any]:
    return {
        "connection-type": conn_type,
        "hook-class-name": source.hook,
        "hook-name": source.label,
        "conn-fields": {
            name: dict(found)
            for name, found in form.fields.items()
            if name != "lock_free" or source.lock_free is not None
        },
        "ui-field-behaviour": {
            "hidden-fields": list(form.hidden),
            "relabeling": dict(form.labels),
            "placeholders": dict(form.placeholders),
        },
    }
