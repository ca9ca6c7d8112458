"""What a rule of an audit asks of its value, in a spec.

Source: flow-spec, *Node types*, ``audit``.
"""

from __future__ import annotations

from typing import Any

from dag_factory.spec.model import refusal
from dag_factory.spec.scalars import need_text
from dms_provider.audit import checks
from dms_provider.audit.checks import Between, Check, Comparison, WithinRecent, WrongCheck


def parse_check(value: Any) -> Check:
    """Return what a ``check`` means.

    :raises PydanticCustomError: it cannot be read
    """
    if isinstance(value, (Comparison, Between, WithinRecent)):
        return value
    text = need_text(value, "a check such as '<= 100'")
    try:
        return checks.parse_check(text)
    except WrongCheck as error:
        raise refusal(str(error), suggestion=error.suggestion) from None
