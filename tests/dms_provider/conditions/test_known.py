"""What can be said of a condition before its run."""

from __future__ import annotations

import pytest

from dms_provider.conditions import ConditionError, parse_condition
from dms_provider.conditions.known import fill_condition, known_result
from dms_provider.variables.values import AuthorText, Data, Value

KNOWN: dict[str, Value] = {
    "late": Data(("120",)),
    "region": AuthorText("east"),
    "token": AuthorText("***", secret=True),
}


@pytest.mark.parametrize(
    ("text", "filled", "result"),
    [
        ("${late} > 100", "120 > 100", True),
        ("'${region}' == 'west'", "'east' == 'west'", False),
        ("${late} > ${worst}", "120 > ${worst}", None),
        ("'${token}' == '***'", "'***' == '***'", None),
        ("all_success && one_success && all_done", "all_success && one_success && all_done", True),
        ("one_failed || all_failed", "one_failed || all_failed", False),
    ],
)
def test_what_is_known(text: str, filled: str, result: bool | None) -> None:
    condition = parse_condition(text)
    assert fill_condition(condition, KNOWN) == filled
    assert known_result(condition, KNOWN) is result


def test_values_that_cannot_be_compared() -> None:
    with pytest.raises(ConditionError):
        known_result(parse_condition("${region} > 1"), KNOWN)
