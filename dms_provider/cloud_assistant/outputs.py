"""Outputs of a script: the JSON object on the last line that it prints.

Source: flow-spec, *ecs_remote_command*; DMS reference, sections 2.6 and 11 (row 17).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dms_provider.cloud_assistant.results import InstanceResult
from dms_provider.variables.output_types import MAX_DIGITS

if TYPE_CHECKING:
    from dms_provider.operators.outputs import ScriptOutput
    from dms_provider.variables.values import Data

_LONGEST_AFTER_A_GAP = 4096
"""Of much output the agent keeps a beginning and an end; this many bytes of the end are one piece."""


def read_outputs(outputs: Mapping[str, ScriptOutput], results: Sequence[InstanceResult]) -> dict[str, Data]:
    """Return the values that a script gave.

    On many instances, those that give a value must give the same; the others may give none.

    :param outputs: what the node declares, by name
    :param results: of all instances
    :raises OutputError: a value is missing, cannot be read, is not of its type, or differs between instances
    """
    from dms_provider.operators.cells import CellError, check_type
    from dms_provider.operators.outputs import OutputError
    from dms_provider.variables.values import Data

    given: dict[str, list[tuple[str, Any]]] = {}
    for result in results:
        pairs = last_object(result.output)
        if pairs is None or _is_cut(result):
            raise OutputError(next(iter(outputs)), _unreadable(result))
        given[result.instance] = pairs
    values: dict[str, Data] = {}
    for name, output in outputs.items():
        found: dict[str, str] = {}
        for instance, pairs in given.items():
            texts = [_text(name, value) for key, value in pairs if key == name and value is not None]
            if len(set(texts)) > 1:
                raise OutputError(name, f"the last line on {instance} gives it twice; print it once")
            if texts:
                found[instance] = texts[0]
        text = _agreed(name, found)
        if text is None:
            text = output.if_empty
        if text is None:
            raise OutputError(name, _nothing(name, results, given))
        try:
            check_type(text, output.type)
        except CellError as error:
            raise OutputError(name, str(error)) from None
        values[name] = Data((text,), type=output.type)
    return values


def last_object(output: str) -> list[tuple[str, Any]] | None:
    """Return the keys and values of the JSON object on the last line of output; none if it is none.

    ``None``: the line begins like an object, and cannot be read.
    """
    line = output.rstrip().rpartition("\n")[2].strip()
    if not line.startswith("{"):
        return []
    try:
        pairs = json.loads(
            line, object_pairs_hook=_Pairs, parse_int=Decimal, parse_float=Decimal, parse_constant=str
        )
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return list(pairs)


def _is_cut(result: InstanceResult) -> bool:
    """Return whether the last line may be the first half of one and the second half of another."""
    last = result.output.rstrip().rpartition("\n")[2]
    return bool(result.dropped) and len(last.encode()) > _LONGEST_AFTER_A_GAP


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, also those that stand in it twice."""


def _agreed(name: str, found: Mapping[str, str]) -> str | None:
    from dms_provider.operators.cells import shortened
    from dms_provider.operators.outputs import OutputError

    if len(set(found.values())) > 1:
        told = ", ".join(f"{instance}: {shortened(text)}" for instance, text in list(found.items())[:3])
        raise OutputError(
            name,
            f"the instances give different values ({told}); let one of them print it, or use one node each",
        )
    return next(iter(found.values()), None)


def _unreadable(result: InstanceResult) -> str:
    seen = "begins like a JSON object, and cannot be read as one"
    if _is_cut(result):
        seen = f"was not kept as a whole ({result.dropped} bytes of output were not kept: print less)"
    return (
        f"the last line on {result.instance} {seen}, so its value is not known, and no if_empty takes its"
        " place: mend what prints it"
    )


def _nothing(name: str, results: Sequence[InstanceResult], given: Mapping[str, list[tuple[str, Any]]]) -> str:
    if any(given.values()):
        return f"the JSON object on the last line of output has no {name!r}; print it, or give it an if_empty"
    dropped = sum(result.dropped for result in results)
    cut = f" ({dropped} bytes of output were not kept: print less)" if dropped else ""
    return (
        f"the last line of output is no JSON object{cut}; let the script end with a line such as"
        f' {{"{name}": "…"}}, or give the output an if_empty'
    )


def _text(name: str, value: Any) -> str:
    from dms_provider.operators.outputs import OutputError

    text = value if isinstance(value, str) else _encoded(value)
    if "\0" in text:
        raise OutputError(name, "the value holds a NUL character; print it without")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise OutputError(name, "the value is no text that UTF-8 can hold") from None
    return text


def _encoded(value: Any) -> str:
    """Return what is no text as JSON; numbers with all digits, without an exponent if of a usual size."""
    if isinstance(value, Decimal):
        small = value.is_finite() and abs(value.adjusted()) <= MAX_DIGITS
        return format(value, "f") if small else str(value)
    if isinstance(value, _Pairs):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {_encoded(part)}" for key, part in dict(value).items()
        ]
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list):
        return f"[{', '.join([_encoded(part) for part in value])}]"
    return json.dumps(value, ensure_ascii=False)
