"""What all models of the language share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Optional, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from dag_factory.diagnostics import Path

CUSTOM_ERROR = "spec"
T = TypeVar("T")


class _NeverEmpty:
    """A key may be left out, but not be written without a value."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


Maybe = Annotated[Optional[T], _NeverEmpty()]  # noqa: UP045 - a type variable takes no "|" on Python 3.10
"""The type of a key that may be left out."""


class Contradiction(Exception):
    """Something that no single value shows: two keys that exclude each other, one that needs another.

    :param path: below the mapping that holds the keys
    :param key: the key at ``path`` is wrong, not its value
    """

    def __init__(
        self, message: str, *, path: Path = (), code: str = "wrong-value", key: bool = False
    ) -> None:
        super().__init__(message)
        self.path = path
        self.error = spec_error(message, code=code, key=key)


def spec_error(
    message: str, *, code: str, suggestion: str | None = None, offset: int | None = None, key: bool = False
) -> PydanticCustomError:
    context = {"message": message, "code": code, "suggestion": suggestion, "offset": offset, "key": key}
    return PydanticCustomError(CUSTOM_ERROR, "{message}", context)


def refusal(
    message: str, *, code: str = "wrong-value", suggestion: str | None = None, offset: int | None = None
) -> PydanticCustomError:
    """Return the error that refuses the value which is being validated.

    :param message: what is wrong and what to do, one line
    :param code: of the problem
    :param suggestion: the word that was probably meant
    :param offset: characters into the value
    """
    return spec_error(message, code=code, suggestion=suggestion, offset=offset)


class SpecModel(BaseModel):
    """A mapping of the spec. Nothing in it changes, and no key is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class RelatedKeys(SpecModel):
    """A mapping with keys that exclude or need each other."""

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        """Give what is wrong between the keys; called with the mapping as written, before its values are
        checked.

        :param given: the mapping as it is written
        """
        raise NotImplementedError

    @model_validator(mode="wrap")
    @classmethod
    def _check_contradictions(cls, given: Any, handler: Any) -> Any:
        if not isinstance(given, dict):
            return handler(given)
        found = [
            InitErrorDetails(type=contradiction.error, loc=contradiction.path, input=given)
            for contradiction in cls.contradictions(given)
        ]
        if not found:
            return handler(given)
        try:
            handler(given)
        except ValidationError as error:
            found += [
                InitErrorDetails(
                    type=PydanticCustomError(problem["type"], "", problem.get("ctx")),
                    loc=problem["loc"],
                    input=problem["input"],
                )
                for problem in error.errors(include_url=False)
            ]
        raise ValidationError.from_exception_data(cls.__name__, found)


def one_of(*choices: tuple[str, ...], needs: Iterable[tuple[str, str, str]] = ()) -> ConfigDict:
    """Return the part of a model's configuration that tells its JSON Schema how its keys depend on each
    other.

    :param choices: sets of keys of which exactly one must be there
    :param needs: key, its value, and the key that this value needs
    """
    rules: dict[str, Any] = {"oneOf": [{"required": list(keys)} for keys in choices]} if choices else {}
    conditions = [
        {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": {"required": [needed]}}
        for key, value, needed in needs
    ]
    return ConfigDict(json_schema_extra={**rules, "allOf": conditions} if conditions else rules)


def exactly_one(given: dict[str, Any], first: str, second: str) -> Iterator[Contradiction]:
    """Give a contradiction unless exactly one of two keys is there."""
    if first in given:
        if second in given:
            yield Contradiction(
                f"'{first}' and '{second}' exclude each other; remove one of them", path=(second,), key=True
            )
    elif second not in given:
        yield Contradiction(f"'{first}' or '{second}' is missing; give one of them", code="missing-key")
