"""What pydantic refused becomes findings, in the words of the language."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from dag_factory.diagnostics import Finding, Path, closest
from dag_factory.spec.lazily import Lazily
from dag_factory.spec.model import CUSTOM_ERROR
from dag_factory.spec.scalars import EXPECTED, found_words

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list; write [a, b], or one '- a' a line",
    "dict_type": "a mapping of KEY: VALUE",
    "model_type": "a mapping of KEY: VALUE",
    "model_attributes_type": "a mapping of KEY: VALUE",
}
_MAPPING_TYPES = ("model_type", "model_attributes_type")
_MAY_BE_EMPTY = ("description", "combiner", "if_empty")
"""Keys whose text may have no character."""


def findings_of(error: ValidationError, model: type[BaseModel], above: Path = ()) -> Iterator[Finding]:
    """Give one finding for each thing that a model refused.

    :param error: what validation raised
    :param model: that was validated
    :param above: path from the top of the spec to what was validated
    """
    problems = error.errors(include_url=False)
    for problem in problems:
        if problem["type"] == "too_short" and _has_wrong_elements(problem["loc"], problems):
            continue
        words = _WORDS.get(problem["type"], _fallback)
        yield words(problem, above, model)


def _has_wrong_elements(path: Path, problems: Iterable[Any]) -> bool:
    return any(
        len(problem["loc"]) > len(path) and problem["loc"][: len(path)] == path for problem in problems
    )


def _fallback(problem: Any, above: Path, model: type[BaseModel]) -> Finding:
    path, at_key = _path(problem, above)
    expected = _TYPES.get(problem["type"])
    if expected is None:
        return Finding(path, "wrong-value", f"{found_words(problem['input'])} cannot stand here", at_key)
    value = problem["input"]
    if problem["type"] in _MAPPING_TYPES and (keys := keys_at(model, problem["loc"])):
        expected = f"a mapping with {', '.join(keys)}"
    suggestion = None
    if problem["type"] == "tuple_type" and isinstance(value, str) and value.strip():
        suggestion = f"[{value}]" if len(value) <= 60 else None
    message = f"expected {expected}, found {found_words(value)}"
    if value is None:
        message = f"expected {expected.split(';')[0]}, found nothing; write a value, or leave the key out"
        if path[-1] in _MAY_BE_EMPTY or path[-2:-1] == ("constants",):
            message += " ('' is the empty text)"
    return Finding(path, "wrong-type", message, at_key, suggestion=suggestion)


def _custom(problem: Any, above: Path, model: type[BaseModel]) -> Finding:
    told = problem["ctx"]
    path, at_key = _path(problem, above)
    return Finding(
        path, told["code"], told["message"], at_key or told["key"], told["offset"], told["suggestion"]
    )


def _missing(problem: Any, above: Path, model: type[BaseModel]) -> Finding:
    *path, key = problem["loc"]
    return Finding((*above, *path), "missing-key", f"key '{key}' is missing")


def _unknown(problem: Any, above: Path, model: type[BaseModel]) -> Finding:
    path, _ = _path(problem, above)
    key = str(path[-1])
    known = keys_at(model, problem["loc"][:-1])
    suggestion = closest(key, known)
    message = f"unknown key '{key}'" if suggestion else f"unknown key '{key}'; known here: {', '.join(known)}"
    return Finding(path, "unknown-key", message, at_key=True, suggestion=suggestion)


def _literal(problem: Any, above: Path, model: type[BaseModel]) -> Finding:
    path, at_key = _path(problem, above)
    allowed = [word.strip("'") for word in problem["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    value = problem["input"]
    message = f"expected one of {', '.join(allowed)}, found {found_words(value)}"
    if not isinstance(value, str):
        return Finding(path, "wrong-type", message, at_key)
    word = value.lower()
    begun = (known for known in allowed if len(known) >= 3 and word.startswith(known))
    return Finding(
        path, "wrong-value", message, at_key, suggestion=next(begun, None) or closest(word, allowed)
    )


def _pattern(problem: Any, above: Path, model: type[BaseModel]) -> Finding:
    path, at_key = _path(problem, above)
    expected = EXPECTED.get(problem["ctx"]["pattern"], "another text")
    return Finding(path, "wrong-value", f"expected {expected}, found {found_words(problem['input'])}", at_key)


def _limit(problem: Any, above: Path, model: type[BaseModel]) -> Finding:
    path, at_key = _path(problem, above)
    limits = problem["ctx"]
    limit = f"at least {limits['ge']}" if "ge" in limits else f"at most {limits['le']}"
    return Finding(
        path, "wrong-value", f"the number must be {limit}, found {found_words(problem['input'])}", at_key
    )


def _too_few(problem: Any, above: Path, model: type[BaseModel]) -> Finding:
    path, at_key = _path(problem, above)
    return Finding(path, "wrong-value", "this is empty; give at least one", at_key)


def _too_many(problem: Any, above: Path, model: type[BaseModel]) -> Finding:
    path, at_key = _path(problem, above)
    most, given = problem["ctx"]["max_length"], len(problem["input"])
    return Finding(path, "wrong-value", f"at most {most} can be given, found {given}", at_key)


_WORDS: dict[str, Callable[[Any, Path, type[BaseModel]], Finding]] = {
    CUSTOM_ERROR: _custom,
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _literal,
    "string_pattern_mismatch": _pattern,
    "greater_than_equal": _limit,
    "less_than_equal": _limit,
    "too_short": _too_few,
    "too_long": _too_many,
}


def _path(problem: Any, above: Path) -> tuple[Path, bool]:
    path: Path = problem["loc"]
    if path and path[-1] == "[key]":
        return (*above, *path[:-1]), True
    return (*above, *path), False


def keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that the mapping at a path below a model can have."""
    here = model
    holds_many = False
    for step in path:
        if holds_many:
            holds_many = False
            continue
        field = next((f for name, f in here.model_fields.items() if step in (name, f.alias)), None)
        below = _model_of(field) if field else None
        if field is None or below is None:
            return []
        here = below
        holds_many = _holds_many(field.annotation)
    return [] if holds_many else [field.alias or name for name, field in here.model_fields.items()]


def _holds_many(annotation: Any) -> bool:
    """Return whether a value is a list or mapping of what its model describes."""
    if get_origin(annotation) in (tuple, dict):
        return True
    if get_origin(annotation) in (Annotated, Union, types.UnionType):
        return any(_holds_many(part) for part in get_args(annotation))
    return False


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field: its own, or that of its elements."""
    lazily = next((mark for mark in field.metadata if isinstance(mark, Lazily)), None)
    return lazily.model if lazily else _model_in(field.annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Annotated, Union, types.UnionType, tuple, dict):
        return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
    return None
