"""How a client program of MySQL connects as a hook does: an option file that no other process can read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from dms_provider.schema_change.base import SchemaChangeError

_SSL_FILES: Final = ("ca", "capath", "cert", "key", "cipher")
_UNPROTECTED: Final = frozenset({"DISABLED", "PREFERRED"})


@contextmanager
def option_file(connection: Any, first_statement: str) -> Iterator[int]:
    """Make an option file of a connection's login, in memory: it ends with the processes that have it open.

    :param connection: Airflow's, as the hook has it
    :param first_statement: runs when the program has connected
    :return: its file descriptor
    :raises SchemaChangeError: the connection needs what an option file cannot say
    """
    descriptor = os.memfd_create("options")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, _options(connection, first_statement).encode())
        yield descriptor
    finally:
        os.close(descriptor)


def address(connection: Any) -> dict[str, str]:
    """Return host, port and socket of a connection, under the letters that Percona's tools have for them."""
    extra = connection.extra_dejson
    host = connection.host or "localhost"
    parts = {"h": f"[{host}]" if ":" in host else host, "P": str(connection.port or 3306)}
    if extra.get("unix_socket"):
        parts["S"] = extra["unix_socket"]
    return parts


def _options(connection: Any, first_statement: str) -> str:
    extra = connection.extra_dejson
    if extra.get("iam"):
        raise SchemaChangeError(
            "its connection logs in with a token (extra iam), which the copying program cannot"
        )
    options = {
        "user": connection.login or "",
        "password": connection.password or "",
        "default-character-set": "utf8mb4",
        "init-command": first_statement,
        **_ssl(extra),
    }
    return "[client]\n" + "".join(f'{name}="{_escaped(value)}"\n' for name, value in options.items())


def _ssl(extra: Mapping[str, Any]) -> dict[str, str]:
    given = extra.get("ssl") or {}
    files = dict(json.loads(given) if isinstance(given, str) else given)
    files.update({name: extra[f"ssl_{name}"] for name in _SSL_FILES if extra.get(f"ssl_{name}")})
    options = {f"ssl-{name}": str(files[name]) for name in _SSL_FILES if files.get(name)}
    mode = str(extra.get("ssl_mode") or "").upper()
    if mode and mode not in _UNPROTECTED and "ssl-ca" not in options:
        raise SchemaChangeError(
            f"its connection asks for ssl_mode {mode}; the copying program can do that only with the"
            ' certificate of an authority: give the extra "ssl": {"ca": "FILE"}'
        )
    if mode.startswith("VERIFY") or extra.get("ssl_verify_cert"):
        options["ssl-verify-server-cert"] = "1"
    return options


def _escaped(value: str) -> str:
    if "\0" in value:
        raise SchemaChangeError("a NUL character in its connection cannot be given to the copying program")
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
