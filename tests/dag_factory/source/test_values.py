"""Values are what their author typed, whichever way they are read."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dag_factory.diagnostics import Problem
from dag_factory.source import SourceError, read_document
from dag_factory.source.reader import Reader

VALID = sorted((pathlib.Path(__file__).parents[2] / "flows" / "valid").glob("*.yaml"))
SPECS = [path.read_text(encoding="utf-8") for path in VALID]

AS_WRITTEN = [
    ("12:30", "12:30"),
    ("007", "007"),
    ("no", "no"),
    ("1e3", "1e3"),
    ("~", "~"),
    ("null", "null"),
    ("2023-08-03", "2023-08-03"),
    ("0x1F", "0x1F"),
    (".inf", ".inf"),
    ("=", "="),
    ("", None),
    ("# comment", None),
    ("''", ""),
    ('""', ""),
    ("x # comment", "x"),
    ("'x # y'", "x # y"),
    ("a#b", "a#b"),
    ("${late} > 100 && ${worst} >= 60", "${late} > 100 && ${worst} >= 60"),
    ("[]", []),
    ("{}", {}),
    ("[a, 'b, c', \"d\"]", ["a", "b, c", "d"]),
    ("{a: 00:00, b: [x, y z], c: {d: 1}}", {"a": "00:00", "b": ["x", "y z"], "c": {"d": "1"}}),
    ("|\n  a\n\n   b\n\n", "a\n\n b\n"),
    ("|-\n  a\n", "a"),
    ("|+\n  a\n", "a\n\n"),
    (">\n  a\n  b\n", "a b\n"),
    ("\n- a\n- b\n", ["a", "b"]),
    ("\n  - a\n  - {b: c}\n", ["a", {"b": "c"}]),
    ("\n  b: 1\n  c:\n", {"b": "1", "c": None}),
]


@pytest.mark.parametrize(("written", "value"), AS_WRITTEN)
def test_a_value_is_what_was_written(written: str, value: object) -> None:
    assert read_document(f"key: {written}\nlast: 1\n".encode(), "f").values == {"key": value, "last": "1"}


def test_a_byte_order_mark_is_passed_over() -> None:
    document = read_document(b"\xef\xbb\xbfa: 1\n", "f")
    assert document.values == {"a": "1"}
    assert document.position(("a",)) == (1, 4)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.name)
def test_pure_python_reads_the_same(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text(encoding="utf-8")
    with_libyaml = Reader(text).read()
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert Reader(text).read() == with_libyaml


_PIECES = st.sampled_from(
    [
        *"ab: -#[]{},|>'\"&*!%@`?\\\n$.~\x85é",
        "\n  ",
        "\n",
        ": ",
        "- ",
        "---\n",
        "|\n",
        "|-\n    x\n",
        "''",
        "key:",
        " #",
        "<<:",
        "\u2028",
    ]
)


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SPECS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 8)))
        text = text[:start] + draw(_PIECES) + text[end:]
    return text


@given(st.one_of(st.binary(max_size=200), _mutated().map(lambda text: text.encode("utf-8", "replace"))))
def test_whatever_the_bytes_there_are_values_or_problems(data: bytes) -> None:
    problems: tuple[Problem, ...] = ()
    document = None
    try:
        document = read_document(data, "f")
    except SourceError as error:
        problems = error.problems
    assert document or problems
    assert all(p.line >= 1 and p.column >= 1 and "\n" not in p.message for p in problems)
    if document:
        assert all(document.position((key,), key=True)[0] >= 1 for key in document.values)
