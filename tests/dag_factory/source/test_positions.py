"""Where keys and values stand, also inside a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag_factory.diagnostics import Path
from dag_factory.source import read_document

TEXT = """\
version: 1
nodes:
  load:
    after: [a, 'b']
    sql: |

      SELECT 1;
        SELECT @2;
    condition:
    deep: {x: "a\\tb@c", y: 'it''s @'}
    folded: >-
      one
      two @three
    plain: one
      two @three
    quoted: "one
      @two"
    explicit: |2
        SELECT @
"""


@pytest.mark.parametrize(
    ("path", "key", "place"),
    [
        (("version",), False, (1, 10)),
        (("version",), True, (1, 1)),
        (("nodes", "load"), False, (4, 5)),
        (("nodes", "load"), True, (3, 3)),
        (("nodes", "load", "after"), False, (4, 12)),
        (("nodes", "load", "after", 1), False, (4, 16)),
        (("nodes", "load", "sql"), False, (5, 10)),
        (("nodes", "load", "condition"), False, (9, 5)),
        (("nodes", "load", "deep", "y"), False, (10, 28)),
        (("nodes", "load", "database"), False, (4, 5)),
        (("nodes", "load", "database", "x", 3), True, (4, 5)),
        (("owner",), False, (1, 1)),
        ((), False, (1, 1)),
    ],
)
def test_place_of_a_key_a_value_and_something_missing(path: Path, key: bool, place: tuple[int, int]) -> None:
    assert read_document(TEXT.encode(), "f").position(path, key=key) == place


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("sql",), (8, 16)),
        (("deep", "x"), (10, 20)),
        (("deep", "y"), (10, 35)),
        (("folded",), (13, 11)),
        (("plain",), (15, 11)),
        (("quoted",), (17, 7)),
        (("explicit",), (19, 16)),
    ],
)
def test_place_inside_a_text(keys: tuple[str, ...], place: tuple[int, int]) -> None:
    document = read_document(TEXT.encode(), "f")
    value = document.values["nodes"]["load"]
    for key in keys:
        value = value[key]
    line, column = document.position(("nodes", "load", *keys), offset=value.index("@"))
    assert TEXT.splitlines()[line - 1][column - 1] == "@"
    assert (line, column) == place


@given(
    st.lists(st.text("ab;é @", max_size=6), min_size=1, max_size=6)
    .map("\n".join)
    .filter(lambda s: s.strip() and s[0] not in " \n"),
    st.integers(1, 4),
    st.sampled_from(["\n", "\r\n"]),
)
def test_every_character_of_a_literal_text_is_found(sql: str, indent: int, line_end: str) -> None:
    source = line_end.join(["key: |", *(" " * indent + line for line in sql.split("\n")), "last: 1", ""])
    document = read_document(source.encode(), "f")
    value = document.values["key"]
    lines = source.split(line_end)
    for offset, character in enumerate(value):
        line, column = document.position(("key",), offset=offset)
        if not character.isspace():
            assert lines[line - 1][column - 1] == character
