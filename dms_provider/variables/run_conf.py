"""What the conf of a run says to its flow, under the key ``dms``.

Conf comes from whoever triggered the run: it is checked here, and its outputs are data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dms_provider.variables.values import Data

FORM_PREFIX = "dms_"
"""Keys of conf beside ``dms`` that begin with this and go on as a key of it come from the trigger form."""

_IN_FORM = ("business_time", "dry_run", "node", "from_node", "outputs")
_GIVEN = (*_IN_FORM, "time_range")
WRITTEN_BY_THE_SCHEDULER = (
    "kind",
    "earlier_run",
    "waits",
    "earlier_graph",
    "outputs_from",
    "skipped_for",
    "refused",
    "undecided",
)
"""Keys that say what was decided when the run started; whoever triggers a run cannot give them."""


class RunConfError(ValueError):
    """The conf of the run cannot be understood. The message names the key that is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(f"conf of this run, dms: {message}")
        self.message = message

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.message,)


@dataclass(frozen=True, slots=True)
class RunConf:
    """What was asked of one run.

    :param business_time: ISO 8601, as it was given
    :param dry_run: nothing is executed
    :param node: only this node runs
    :param from_node: only this node and those downstream of it run
    :param outputs: values of outputs that no node of this run gives
    :param time_range: it is one of the runs over a range of business times
    :param kind: what kind of run it is; ``None`` before the scheduler has decided about it
    :param earlier_run: id of the run that this one waits for
    :param waits: what of the earlier run a node waits for
    :param earlier_graph: node -> nodes directly downstream, where the earlier run's flow is another version
    :param outputs_from: node that does not run -> id of the run whose outputs stand for its own
    :param skipped_for: id of the run that was in the way
    :param refused: why the run was not started
    :param undecided: why the scheduler could not decide about it
    """

    business_time: str | None = None
    dry_run: bool = False
    node: str | None = None
    from_node: str | None = None
    outputs: Mapping[str, Data] = field(default_factory=dict)
    time_range: bool = False
    kind: str | None = None
    earlier_run: str | None = None
    waits: str | None = None
    earlier_graph: Mapping[str, Sequence[str]] | None = None
    outputs_from: Mapping[str, str] = field(default_factory=dict)
    skipped_for: str | None = None
    refused: str | None = None
    undecided: str | None = None


def read_run_conf(conf: Mapping[str, Any] | None) -> RunConf:
    """Check and read the conf of a run.

    :param conf: the whole of it; other keys than ``dms`` are not ours
    :raises RunConfError: an unknown key, or a value of the wrong type
    """
    asked = (conf or {}).get("dms")
    if conf and (in_form := _given_in_form(conf)):
        asked = in_form if asked is None else {**in_form, **asked} if isinstance(asked, Mapping) else asked
    if asked is None:
        return RunConf()
    if not isinstance(asked, Mapping):
        raise RunConfError(f"expected an object, not {_kind(asked)}")
    for key in asked:
        if key not in _GIVEN and key not in WRITTEN_BY_THE_SCHEDULER:
            raise RunConfError(f"unknown key {str(key)[:40]!r}; known keys are {', '.join(_GIVEN)}")
    return RunConf(
        business_time=_text(asked, "business_time"),
        dry_run=_flag(asked, "dry_run"),
        node=_text(asked, "node"),
        from_node=_text(asked, "from_node"),
        outputs=_outputs(asked.get("outputs")),
        time_range=_flag(asked, "time_range"),
        kind=_text(asked, "kind"),
        earlier_run=_text(asked, "earlier_run"),
        waits=_text(asked, "waits"),
        earlier_graph=_object(asked, "earlier_graph"),
        outputs_from=_object(asked, "outputs_from") or {},
        skipped_for=_text(asked, "skipped_for"),
        refused=_text(asked, "refused"),
        undecided=_text(asked, "undecided"),
    )


def _given_in_form(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the fields of the trigger form say; a field that was left empty says nothing."""
    values = {key: conf.get(FORM_PREFIX + key) for key in _IN_FORM}
    return {key: value for key, value in values.items() if value not in (None, "", False)}


def _object(asked: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    value = asked.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise RunConfError(f"{key}: expected an object, not {_kind(value)}")
    return value


def _flag(asked: Mapping[str, Any], key: str) -> bool:
    value = asked.get(key, False)
    if not isinstance(value, bool):
        raise RunConfError(f"{key}: expected true or false, not {_kind(value)}")
    return value


def _text(asked: Mapping[str, Any], key: str) -> str | None:
    value = asked.get(key)
    if value is not None and not isinstance(value, str):
        raise RunConfError(f"{key}: expected text, not {_kind(value)}")
    return value


def _outputs(given: Any) -> dict[str, Data]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise RunConfError(f"outputs: expected an object of names and values, not {_kind(given)}")
    outputs = {}
    for name, value in given.items():
        if isinstance(value, int) and not isinstance(value, bool):
            outputs[str(name)] = Data((str(value),))
        elif value is None or isinstance(value, str):
            outputs[str(name)] = Data((value,))
        else:
            raise RunConfError(
                f"outputs: {str(name)[:40]}: expected text or a whole number, not {_kind(value)}"
            )
    return outputs


def _kind(value: Any) -> str:
    kinds = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a fraction",
        list: "a list",
        type(None): "null",
    }
    return kinds.get(type(value), "an object")
