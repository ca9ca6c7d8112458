"""A statement as MaxCompute's interface carries it: in an XML document.

PyODPS puts the text into a CDATA section as it is. A ``]]>`` in it would end that section, XML has no other
control characters than tab and line feed, and a carriage return arrives as a line feed. So what data may
hold is written as MaxCompute's documentation of escape characters says: a backslash and the character, or
three octal digits.
"""

from __future__ import annotations

import re

from dms_provider.dialects import dialect, lexer

_LITERAL = re.compile(r"\\?(?P<control>[\x00-\x08\x0b-\x1f\x7f])|\\.|(?P<end>\]\]>)", re.DOTALL)
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def carried(sql: str) -> str:
    """Return a statement that means the same, and that an XML document can hold.

    :raises ValueError: it has a character that XML does not have, in a place where it cannot be escaped
    """
    parts: list[str] = []
    behind = 0
    for kind, start, end in dialect("maxcompute").lexicon().tokens(sql):
        if kind == lexer.STRING:
            parts += [sql[behind:start], _LITERAL.sub(_escaped, sql[start:end])]
            behind = end
    parts.append(sql[behind:])
    text = "".join(parts).replace("]]>", "]] >")
    if found := _NOT_IN_XML.search(text):
        raise ValueError(
            f"the statement holds the character U+{ord(found[0]):04X}, which the interface of MaxCompute"
            " cannot carry; remove it"
        )
    return text


def is_script(sql: str) -> bool:
    """Return whether a text is a script of script mode; what its literals hold does not count."""
    language = dialect("maxcompute")
    whole_script = language.splitting.whole_script
    if whole_script is None or not whole_script.search(sql):
        return False
    code, behind = "", 0
    for kind, start, end in language.lexicon().tokens(sql):
        if kind == lexer.STRING:
            code, behind = code + sql[behind:start] + "''", end
    return bool(whole_script.search(code + sql[behind:]))


def _escaped(found: re.Match[str]) -> str:
    if found["control"]:
        return f"\\{ord(found['control']):03o}"
    return "]]\\>" if found["end"] else found[0]
