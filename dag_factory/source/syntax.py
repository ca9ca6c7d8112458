"""What is wrong with a file that is no YAML, in words for the person who wrote it."""

from __future__ import annotations

import re
from typing import Any

from dag_factory.source.text import Mistake, line_and_column

_COLON = "a ':' stands where none can; put the value in quotes, or check the indentation of this line"
_UNCLOSED_QUOTE = "a quote is opened and never closed"
_INDENTATION = "this line's indentation fits nothing above it; keys of one mapping start in the same column"

_WORDS: tuple[tuple[str, str], ...] = (
    ("mapping values are not allowed", _COLON),
    ("unexpected end of stream", _UNCLOSED_QUOTE),
    (
        "unknown escape character",
        "no such escape in double quotes; write \\\\ for a backslash, or use single quotes",
    ),
    ("',' or ']'", "a list opened with '[' lacks a ',' or its ']'"),
    (
        "',' or '}'",
        "a mapping opened with '{' lacks a ',' or its '}'; a value that holds braces needs quotes",
    ),
    ("expected key", _INDENTATION),
    ("'-' indicator", _INDENTATION),
    ("block end", _INDENTATION),
    ("could not find expected ':'", "a key without ':'; write KEY: VALUE, with a space behind the ':'"),
    ("expected node content", "a value is missing here, or a bracket too many closes"),
    ("document start", "text stands where the file's mapping has ended"),
)
_FIRST_CHARACTER = re.compile(r"[@`%]")
_TAB_INDENT = re.compile(r" *\t")


def syntax_mistake(text: str, error: Any) -> Mistake:
    """Return the place and the words of a parser's error.

    :param text: the file's text
    :param error: a ``yaml.YAMLError``
    """
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    index = min(mark.index, len(text)) if mark is not None else len(text)
    line, column = line_and_column(text, index)
    lines = text.splitlines() or [""]
    here = lines[min(line, len(lines)) - 1]
    if _TAB_INDENT.match(here):
        return Mistake(line, here.index("\t") + 1, "syntax", "a tab indents this line; use spaces")
    problem = str(getattr(error, "problem", None) or "it cannot be read")
    if "cannot start any token" in problem:
        found = text[index : index + 1]
        if _FIRST_CHARACTER.match(found):
            return Mistake(line, column, "syntax", f"a value cannot begin with '{found}'; put it in quotes")
        if found == "\t":
            return Mistake(line, column, "syntax", "a tab stands where only spaces can")
    words = next((words for part, words in _WORDS if part in problem), f"this is no YAML: {problem}")
    if words is _UNCLOSED_QUOTE:
        opened = getattr(error, "context_mark", None)
        if opened is not None:
            line, column = line_and_column(text, opened.index)
    return Mistake(line, column, "syntax", words)
