"""Why a value may not stand where its reference stands."""

from __future__ import annotations

from typing import Final

_SHOWN_CHARACTERS: Final = 60


class RefusedValue(ValueError):
    """Data that could change what stands around it.

    :param name: of the variable
    :param place: where its reference stands, for example ``in a comment``
    :param remedy: what the author of the text can do
    :param value: what was refused, shortened for messages; ``None`` where every value is refused
    """

    def __init__(self, name: str, place: str, remedy: str, value: str | None = None) -> None:
        self.name = name
        self.place = place
        self.remedy = remedy
        self.value = None if value is None else shortened(value)
        what = "no data is accepted" if self.value is None else f"the value {self.value} is not accepted"
        super().__init__(f"${{{name}}}: {what} {place}; {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.name, self.place, self.remedy, self.value)


def shortened(value: str) -> str:
    """Return a value for a message: quoted, without control characters, its first characters only."""
    if len(value) <= _SHOWN_CHARACTERS:
        return ascii(value) if not value.isprintable() else repr(value)
    return f"{shortened(value[:_SHOWN_CHARACTERS])}… ({len(value)} characters)"


def _restored(name: str, place: str, remedy: str, value: str | None) -> RefusedValue:
    refused = RefusedValue(name, place, remedy)
    if value is not None:
        refused.value = value
        refused.args = (f"${{{name}}}: the value {value} is not accepted {place}; {remedy}",)
    return refused
