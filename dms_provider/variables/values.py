"""What a ``${name}`` can stand for: text its author wrote, or data that came from somewhere else.

Source: flow-spec, *Variables*; DMS reference 2.1 and 2.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

OutputType = Literal["text", "number", "date", "identifier"]


@dataclass(frozen=True, slots=True)
class AuthorText:
    """Text of the flow's author: a time variable, a constant, a secret or a system variable.

    It is spliced in as it is, as DMS does.

    :param text: the text that takes the reference's place
    :param secret: the text must never be shown
    """

    text: str
    secret: bool = False

    def __repr__(self) -> str:
        return f"AuthorText({'***' if self.secret else repr(self.text)})"


@dataclass(frozen=True, slots=True)
class Data:
    """A value that a database, a script or a trigger gave. It may never change what stands around it.

    :param elements: one element for a single value, any number for a list; ``None`` is a NULL of the database
    :param combiner: the author's text between two elements of a list; ``None`` marks a single value
    :param type: what the output was declared, and checked, to be
    """

    elements: tuple[str | None, ...]
    combiner: str | None = None
    type: OutputType = "text"

    @property
    def is_list(self) -> bool:
        """Whether the value is a list with a combiner."""
        return self.combiner is not None

    @property
    def text(self) -> str:
        """The value as plain text, as a condition or a log reads it: NULL is empty."""
        return (self.combiner or "").join(element or "" for element in self.elements)

    def to_xcom(self) -> dict[str, Any]:
        """Return the value as the JSON object that is kept in XCom."""
        return {"elements": list(self.elements), "combiner": self.combiner, "type": self.type}

    @classmethod
    def from_xcom(cls, stored: Mapping[str, Any]) -> Data:
        """Read back what :meth:`to_xcom` gave.

        :raises KeyError: a part of the stored object is missing
        """
        return cls(elements=tuple(stored["elements"]), combiner=stored["combiner"], type=stored["type"])


Value = AuthorText | Data
