"""References ``${name}`` in a text of a flow: where they stand, and what takes their place.

Source: flow-spec, *Variables*; DMS reference, section 2.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dms_provider.messages import shortened
from dms_provider.variables.values import AuthorText, Data, Value

_DOLLAR_BRACE = re.compile(r"\$(?:\$\{|\{(?:([A-Za-z0-9_.]+)\})?)")


@dataclass(frozen=True, slots=True)
class Reference:
    """One ``${name}`` in a text.

    :param name: what stands between the braces
    :param start: offset of its ``$`` in the text
    :param end: offset behind its ``}``
    """

    name: str
    start: int
    end: int


Segments = tuple[str | Reference, ...]
"""A text, cut at its references. No string in it is empty, no two strings are neighbours."""


@dataclass(frozen=True, slots=True)
class DataReference:
    """A place in a text where data belongs, and that data.

    :param name: of the variable, for messages
    """

    name: str
    data: Data


Text = tuple[str | DataReference, ...]
"""A text with the author's text in and data still apart. Its strings are as in :data:`Segments`."""


class ReferenceSyntaxError(ValueError):
    """A ``${`` that begins no reference.

    :param offset: of its ``$``, in characters from the beginning of the text
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (self.message, self.offset)


class UndefinedVariable(LookupError):
    """A text names a variable that nothing defines where the text stands.

    :param name: as it stands between the braces
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"${{{name}}} is not defined here: no variable, constant, secret or upstream output has this name"
        )
        self.name = name

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.name,)


def parse_references(text: str, *, foreign: bool = False) -> Segments:
    """Cut a text at its references, from left to right; ``$${`` becomes the characters ``${``.

    :param text: as its author wrote it
    :param foreign: the text is of a language that has its own use for ``${``, such as a shell script: what is
        no reference stays as it is
    :return: the text between the references, and the references
    :raises ReferenceSyntaxError: at a ``${`` that is no reference, unless ``foreign``
    """
    if "${" not in text:
        return (text,) if text else ()
    segments: list[str | Reference] = []
    literal = ""
    behind = 0
    for match in _DOLLAR_BRACE.finditer(text):
        start, end = match.span()
        name = match[1]
        if name is None:
            if end - start == 3:  # "$${"
                literal += text[behind:start] + "${"
                behind = end
            elif not foreign:
                raise _no_reference(text, start)
            continue
        literal += text[behind:start]
        if literal:
            segments.append(literal)
            literal = ""
        segments.append(Reference(name, start, end))
        behind = end
    literal += text[behind:]
    if literal:
        segments.append(literal)
    return tuple(segments)


def splice(segments: Segments, values: Mapping[str, Value], *, keep_unknown: bool = False) -> Text:
    """Put values into a text, in one pass: what was put in is never read again.

    :param segments: of :func:`parse_references`
    :param values: value of each name
    :param keep_unknown: a name without a value stays as ``${name}``, as in a preview or a script
    :return: the text with the author's text in; data stays apart, for the language of the text to place
    :raises UndefinedVariable: a name has no value, unless ``keep_unknown``
    """
    spliced: list[str | DataReference] = []
    literals: list[str] = []
    for segment in segments:
        if isinstance(segment, str):
            literals.append(segment)
            continue
        value = values.get(segment.name)
        if isinstance(value, AuthorText):
            literals.append(value.text)
        elif isinstance(value, Data):
            if literal := "".join(literals):
                spliced.append(literal)
            literals.clear()
            spliced.append(DataReference(segment.name, value))
        elif keep_unknown:
            literals.append(f"${{{segment.name}}}")
        else:
            raise UndefinedVariable(segment.name)
    if literal := "".join(literals):
        spliced.append(literal)
    return tuple(spliced)


def _no_reference(text: str, start: int) -> ReferenceSyntaxError:
    end = text.find("}", start)
    if end < 0 or "\n" in text[start:end]:
        what = "this ${ has no } on its line"
    elif end == start + 2:
        what = "${} names no variable"
    else:
        name = text[start + 2 : end]
        what = f"${{{shortened(name)}}} is no reference: names are made of A-Z a-z 0-9 _ ."
    return ReferenceSyntaxError(f"{what}; write $${{ where the characters ${{ are meant", start)
