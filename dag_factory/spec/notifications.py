"""Who is told what.

Source: flow-spec, *A complete example*, ``notifications``.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from dag_factory.spec.lazily import Lazily
from dag_factory.spec.model import Maybe, SpecModel, refusal
from dag_factory.spec.scalars import CONNECTION_PATTERN, EXPECTED, PositiveDuration, Word, found_words


def _recipient(value: str) -> str:
    meant = {"owners": "owner", "stakeholder": "stakeholders"}.get(value.lower(), value.lower())
    if meant in ("owner", "stakeholders") and meant != value:
        raise refusal(f"{found_words(value)} is no connection id and no address", suggestion=meant)
    if "@" in value and not _ADDRESS.fullmatch(value):
        raise refusal(f"{found_words(value)} is no e-mail address, and no id of a connection")
    if "@" not in value and not re.match(CONNECTION_PATTERN, value):
        raise refusal(
            f"expected {EXPECTED[CONNECTION_PATTERN]}, or an e-mail address, found {found_words(value)}"
        )
    return value


_ADDRESS = re.compile(r"[^\s@$]+@[^\s@$]+")
Recipient = Annotated[Word, AfterValidator(_recipient)]
Recipients = tuple[Recipient, ...]
"""Connection ids of type ``apprise`` or ``smtp``, e-mail addresses, ``owner``, ``stakeholders``."""


class TimeoutNotice(SpecModel):
    """Who is told that a run, or a node with ``notify_after``, takes long."""

    after: Maybe[PositiveDuration] = Field(
        None, description="A run that takes longer is told of; it is not stopped.", examples=["2h"]
    )
    to: Recipients = Field(min_length=1, description="Who is told.", examples=[["ops_chat"]])


class Notifications(SpecModel):
    """Who is told what: connection ids, e-mail addresses, `owner`, `stakeholders`."""

    success: Recipients = Field((), description="Told when a run succeeds.", examples=[["ops_chat"]])
    failure: Recipients = Field(
        ("owner",), description="Told when a run fails.", examples=[["ops_chat", "owner", "stakeholders"]]
    )
    timeout: Annotated[TimeoutNotice | None, Lazily(__name__, "TimeoutNotice")] = Field(
        None, description="Told when a run takes long."
    )
    not_run: Recipients = Field((), description="Told when a run is skipped or a slot is missed.")
