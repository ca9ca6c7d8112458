"""What may stand in the conf of a run, and what is refused by name."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from dms_provider.variables.run_conf import RunConf, RunConfError, read_run_conf
from dms_provider.variables.values import Data

WRONG = [
    ([], "expected an object, not a list"),
    ("2021-08-11", "expected an object, not text"),
    ({"busines_time": "x"}, "unknown key 'busines_time'; known keys are business_time, dry_run"),
    ({5: "x"}, "unknown key '5'"),
    ({"business_time": 20210811}, "business_time: expected text, not a number"),
    ({"dry_run": "true"}, "dry_run: expected true or false, not text"),
    ({"dry_run": None}, "dry_run: expected true or false, not null"),
    ({"node": ["a"]}, "node: expected text, not a list"),
    ({"from_node": True}, "from_node: expected text, not true or false"),
    ({"outputs": ["a"]}, "outputs: expected an object of names and values, not a list"),
    ({"earlier_graph": []}, "earlier_graph: expected an object, not a list"),
    ({"outputs": {"n": 1.5}}, "outputs: n: expected text or a whole number, not a fraction"),
    ({"outputs": {"n": True}}, "outputs: n: expected text or a whole number, not true or false"),
    (
        {"outputs": {"n": {"elements": ["1"], "combiner": " OR "}}},
        "outputs: n: expected text or a whole number, not",
    ),
]


@pytest.mark.parametrize("conf", [None, {}, {"other": 1}, {"dms": None}, {"dms": {}}])
def test_nothing_asked(conf: dict[str, Any] | None) -> None:
    assert read_run_conf(conf) == RunConf()


def test_everything_asked() -> None:
    asked = {
        "business_time": "2021-08-11",
        "dry_run": True,
        "node": "a",
        "from_node": "b",
        "outputs": {"text": "x", "number": 12, "nothing": None},
        "kind": "manual",
        "earlier_run": None,
        "skipped_for": None,
    }
    assert read_run_conf({"dms": asked, "other": 1}) == RunConf(
        business_time="2021-08-11",
        dry_run=True,
        node="a",
        from_node="b",
        outputs={"text": Data(("x",)), "number": Data(("12",)), "nothing": Data((None,))},
        kind="manual",
    )


def test_what_was_decided_when_the_run_started() -> None:
    decided = {
        "kind": "scheduled",
        "earlier_run": "run_1",
        "waits": "same_node_and_downstream",
        "earlier_graph": {"a": ["b"], "b": []},
        "outputs_from": {"a": "run_0"},
    }
    conf = read_run_conf({"dms": decided})
    assert {key: getattr(conf, key) for key in decided} == decided


@pytest.mark.parametrize(("asked", "message"), WRONG)
def test_wrong_conf(asked: Any, message: str) -> None:
    with pytest.raises(RunConfError) as caught:
        read_run_conf({"dms": asked})
    assert message in caught.value.message
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
