"""Whatever the template and the values: the statements keep their number and shape, or the value is refused.

The oracle is a reader of characters, one after the other, written apart from the lexer.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dms_provider.dialects import Mode, RefusedValue, dialect, substitute
from dms_provider.variables.references import DataReference, Text
from dms_provider.variables.values import Data

MODES = {
    "mysql": [
        Mode(backslash_escapes=escapes, double_quotes=quotes)
        for escapes in (True, False)
        for quotes in ("literal", "identifier")
    ],
    "postgres": [Mode(), Mode(backslash_escapes=True)],
    "sqlite": [Mode()],
}
PIECES = [
    "'",
    "''",
    "\\",
    "\\'",
    '"',
    "`",
    " ",
    "\n",
    "a",
    "x",
    "N",
    "E",
    "_",
    "5",
    ".",
    ",",
    ";",
    "(",
    ")",
    "-",
    "--",
    "-- ",
]
PIECES += [
    "#",
    "/*",
    "*/",
    "/*!",
    "/*+",
    "$$",
    "$a$",
    "@",
    "%",
    "SELECT ",
    "BEGIN ",
    "END ",
    "CREATE TRIGGER t ",
    "报",
    "e",
]
HOSTILE = [
    "'",
    '"',
    "`",
    "\\",
    ";",
    "-",
    "--",
    "#",
    "/*",
    "*/",
    "$$",
    "$a$",
    "a",
    "x",
    "5",
    "e5",
    ".",
    " ",
    "\n",
    "\0",
    "報",
    "😀",
    "NULL",
    "END",
    ":",
]

templates = st.lists(
    st.sampled_from(PIECES) | st.sampled_from(["${x}", "'${x}'", "${y}"]), min_size=1, max_size=14
)
values = st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join)
elements = st.lists(st.none() | values | st.integers(-9, 99).map(str), max_size=3).map(tuple)
combiners = st.sampled_from([",", "','", "', '", '","', "`,`", ") , (", "", "'", ";", "--", "/*", "\\"])


def built(pieces: list[str], x: Data, y: Data) -> Text:
    known = {"x": DataReference("x", x), "y": DataReference("y", y)}
    parts = re.split(r"(\$\{[xy]\})", "".join(pieces))
    return tuple(known[part[2:-1]] if part.startswith("${") else part for part in parts if part)


def skeleton(sql: str, conn_type: str, mode: Mode) -> Iterator[str]:
    """Yield the structure of a statement: literals and comments without their content, words and signs."""
    i, size = 0, len(sql)
    prefix_escapes = False
    while i < size:
        c, two = sql[i], sql[i : i + 2]
        if c in " \t\n\r\f\v":
            i += 1
        elif c == "'" or c == '"' or (c == "`" and conn_type != "postgres"):
            literal = c == "'" or (c == '"' and mode.double_quotes == "literal")
            escapes = literal and (mode.backslash_escapes or (prefix_escapes and c == "'"))
            i += 1
            while i < size and not (sql[i] == c and sql[i + 1 : i + 2] != c):
                i += 2 if sql[i] == c or (escapes and sql[i] == "\\") else 1
            i += 1
            yield c
        elif (
            two == "--"
            and (conn_type != "mysql" or i + 2 >= size or sql[i + 2] <= " " or sql[i + 2] == "\x7f")
        ) or (c == "#" and conn_type == "mysql"):
            while i < size and sql[i] != "\n":
                i += 1
            yield "comment"
        elif two == "/*":
            depth, i = 1, i + 2
            while i < size and depth:
                two = sql[i : i + 2]
                if two == "/*" and conn_type == "postgres":
                    depth, i = depth + 1, i + 2
                elif two == "*/":
                    depth, i = depth - 1, i + 2
                else:
                    i += 1
            yield "comment"
        elif c.isalnum() or c == "_" or ord(c) > 127:
            begin = i
            while i < size and (sql[i].isalnum() or sql[i] in "_$" or ord(sql[i]) > 127):
                i += 1
            prefix_escapes = sql[begin:i] in ("e", "E") and sql[i : i + 1] == "'" and conn_type == "postgres"
            yield "word"
            continue
        elif (
            c == "$"
            and conn_type == "postgres"
            and (tag := sql[i : sql.find("$", i + 1) + 1])
            and (tag == "$$" or tag[1:-1].isidentifier())
        ):
            end = sql.find(tag, i + len(tag))
            i = size if end < 0 else end + len(tag)
            yield "dollars"
        else:
            i += 1
            yield c
        prefix_escapes = False


NUMBER = re.compile(r" -?[0-9]*\.?[0-9]* ")


def harmless_skeletons(pieces: list[str], conn_type: str, mode: Mode) -> Iterator[list[str]]:
    """Yield the skeletons with harmless values: for each reference a number apart, a letter or a digit."""
    parts = re.split(r"(\$\{[xy]\})", "".join(pieces))
    for chosen in itertools.product((" 7 ", "v", "7"), repeat=len(parts) // 2):
        harmless = iter(chosen)
        yield list(skeleton("".join(next(harmless) if p[:2] == "${" else p for p in parts), conn_type, mode))


@pytest.mark.parametrize("conn_type", ["mysql", "postgres", "sqlite"])
@given(pieces=templates, x=values, y=values, which=st.integers(0, 3))
@example(pieces=["SELECT 1 --", "${x}"], x="5", y="", which=0)
@example(pieces=["SELECT '\\", "${x}", "'"], x="'; DROP", y="", which=0)
def test_single_values_keep_the_skeleton(
    conn_type: str, pieces: list[str], x: str, y: str, which: int
) -> None:
    assume(sum(piece.count("${") for piece in pieces) <= 5)
    mode = MODES[conn_type][which % len(MODES[conn_type])]
    try:
        final = substitute(built(pieces, Data((x,)), Data((y,))), dialect(conn_type), mode)
    except RefusedValue:
        return
    found = [list(skeleton(text, conn_type, mode)) for text in (final, NUMBER.sub(" 7 ", final))]
    assert any(harmless in found for harmless in harmless_skeletons(pieces, conn_type, mode)), final


@pytest.mark.parametrize("conn_type", ["mysql", "postgres", "sqlite"])
@given(pieces=templates, x=elements, combiner=combiners, which=st.integers(0, 3))
def test_lists_never_end_a_statement(
    conn_type: str, pieces: list[str], x: tuple[str | None, ...], combiner: str, which: int
) -> None:
    kind, mode = dialect(conn_type), MODES[conn_type][which % len(MODES[conn_type])]
    text = built(pieces, Data(x, combiner), Data(("1",)))
    try:
        final = substitute(text, kind, mode)
    except RefusedValue:
        return
    one = substitute(built(pieces, Data(("1",), combiner), Data(("1",))), kind, mode)
    assert list(skeleton(final, conn_type, mode)).count(";") == list(skeleton(one, conn_type, mode)).count(
        ";"
    )
    assert sum(1 for _ in kind.split((final,), mode)) == sum(1 for _ in kind.split((one,), mode))
