"""The words and signs of a condition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dms_provider.conditions.errors import ConditionError

MAX_CHARACTERS = 10_000
MAX_DIGITS = 65
"""Of one number; as many as MySQL's DECIMAL has."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    |\$\{(?P<variable>[A-Za-z0-9_.]+)\}
    |(?P<number>-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?![A-Za-z0-9_.])
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<sign>==|!=|>=|<=|&&|\|\||[><!(),])
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE,
)
_MEANT = {"=": "==", "<>": "!=", "===": "==", "&": "&&", "|": "||"}
_MISTAKE = re.compile(r"<>|===?|[=&|]")
_WORD = re.compile(r"[^\s()<>=!&|,'\"]{1,40}")


class Token(NamedTuple):
    """A word or sign of a condition.

    :param kind: ``variable``, ``number``, ``text``, ``sign``, ``word`` or ``end``
    :param text: name of a variable; quoted text with its quotes; else the characters
    :param offset: of its first character in the condition
    """

    kind: str
    text: str
    offset: int


def tokens(text: str) -> Iterator[Token]:
    """Cut a condition into its words and signs; the last token is the end.

    :raises ConditionError: at the first character that belongs to none
    """
    if len(text) > MAX_CHARACTERS:
        raise ConditionError(f"a condition has at most {MAX_CHARACTERS} characters", MAX_CHARACTERS)
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or text.startswith(("===", "<>"), at):
            raise _unreadable(text, at)
        kind = str(match.lastgroup)
        if kind == "number" and sum(character.isdigit() for character in match[0]) > MAX_DIGITS:
            raise ConditionError(f"a number has at most {MAX_DIGITS} digits", at)
        if kind != "blank":
            yield Token(kind, match[kind], at)
        at = match.end()
    yield Token("end", "", len(text))


def _unreadable(text: str, at: int) -> ConditionError:
    if mistake := _MISTAKE.match(text, at):
        return ConditionError(f"{mistake[0]} is no operator", at, _MEANT.get(mistake[0], "=="))
    if text[at] in "'\"":
        return ConditionError(
            f"this {text[at]} is not closed; a quote inside of quoted text is written twice", at
        )
    if text.startswith("${", at):
        return ConditionError("this ${ begins no ${name}: names are made of A-Z a-z 0-9 _ .", at)
    word = _WORD.match(text, at)
    shown = word[0] if word and word[0].isprintable() else repr(text[at])
    if shown[0] in "-.0123456789":
        return ConditionError(f"{shown} is no number; numbers are written like 5, -3 or 0.25", at)
    return ConditionError(
        f"{shown} cannot stand in a condition; text stands in quotes, variables as ${{name}}", at
    )
