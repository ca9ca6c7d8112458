"""What is refused before anything looks at a spec's meaning, and where the author is told it lies."""

from __future__ import annotations

import contextlib
import pathlib
import time

import pytest

from dag_factory.source import MAX_BYTES, SourceError, read_bytes, read_document

REFUSED = [
    ("duplicate key", b"a: 1\nb: 2\na: 3\n", (3, 1, "duplicate-key"), "line 1"),
    ("duplicate key below", b"n:\n  a: {x: 1, x: 2}\n", (2, 13, "duplicate-key"), "line 2"),
    ("anchor", b"a: &x 1\n", (1, 4, "alias"), "constants"),
    ("tag", b"a: !!python/object:os.system x\n", (1, 4, "tag"), "without '!'"),
    ("merge key", b"a:\n  <<: {b: 1}\n", (2, 3, "merge-key"), "write the keys"),
    ("several documents", b"a: 1\n---\nb: 1\n", (2, 1, "several-documents"), "own"),
    ("empty", b"", (1, 1, "empty-file"), "version, owner and nodes"),
    ("only a comment", b"# nothing\n", (1, 1, "empty-file"), "empty"),
    ("only a mark", b"---\n", (2, 1, "empty-file"), "no value"),
    ("a list", b"- a\n", (1, 1, "wrong-type"), "not a list"),
    ("a text", b"hello\n", (1, 1, "wrong-type"), "not a single text"),
    ("tab", b"a:\n\tb: 1\n", (2, 1, "syntax"), "spaces"),
    ("tab behind spaces", b"a:\n  \tb: 1\n", (2, 3, "syntax"), "spaces"),
    ("latin-1", "a: 1\nb: caf\xe9\n".encode("latin-1"), (2, 7, "wrong-encoding"), "0xE9"),
    ("latin-1 behind wide letters", "b: 航班".encode() + b"\xe9", (1, 6, "wrong-encoding"), "UTF-8"),
    ("utf-16", "a: 1\n".encode("utf-16"), (1, 1, "wrong-encoding"), "UTF-16"),
    ("utf-16 without a mark", "a: 1\n".encode("utf-16-le"), (1, 2, "control-character"), "UTF-8"),
    ("NUL", b"a: x\0\n", (1, 5, "control-character"), "NUL"),
    ("bell", b"a: 1\nb: \x07\n", (2, 4, "control-character"), "U+0007"),
    ("unclosed list", b"a: [1, 2\nb: 3\n", (2, 2, "syntax"), "']'"),
    ("unclosed mapping", b"a: {b: 1\n", (2, 1, "syntax"), "'}'"),
    ("unclosed quote", b"a: 1\nb: 'x\n", (2, 4, "syntax"), "never closed"),
    ("two colons", b"a: b: c\n", (1, 5, "syntax"), "quotes"),
    ("indentation", b"a:\n  - b\n c: d\n", (3, 2, "syntax"), "indentation"),
    ("at sign", b"a: @x\n", (1, 4, "syntax"), "'@'"),
    ("escape", b'a: "\\q"\n', (1, 5, "syntax"), "escape"),
    ("key that is a mapping", b"? {a: 1}\n: b\n", (1, 3, "wrong-type"), "text"),
    ("no key", b"a: 1\n: b\n", (2, 1, "syntax"), "key"),
    ("depth", b"a: " + b"[" * 200, (1, 35, "too-deep"), "nesting"),
    ("too large", b"a" * (MAX_BYTES + 1), (1, 1, "too-large"), "1024 KiB"),
]


@pytest.mark.parametrize(
    ("data", "place", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused_with_its_place(data: bytes, place: tuple[int, int, str], words: str) -> None:
    with pytest.raises(SourceError) as refused:
        read_document(data, "f.flow.yaml")
    problem = refused.value.problems[0]
    assert (problem.line, problem.column, problem.code) == place
    assert words in problem.message
    assert "\n" not in problem.message
    assert problem.file == "f.flow.yaml"


def test_all_that_was_refused_is_told_and_the_rest_is_read() -> None:
    data = b"a: 1\na: 2\nb: &x 1\nc: *x\n<<: {d: 1}\n? [a]\n: b\nd: !!int 4\ne: [1]\n"
    with pytest.raises(SourceError) as refused:
        read_document(data, "f")
    assert [(p.line, p.code) for p in refused.value.problems] == [
        (2, "duplicate-key"),
        (3, "alias"),
        (4, "alias"),
        (5, "merge-key"),
        (6, "wrong-type"),
        (8, "tag"),
    ]
    document = refused.value.document
    assert document is not None
    assert document.values == {"a": "1", "b": "1", "c": None, "d": "4", "e": ["1"]}
    assert document.position(("e", 0)) == (9, 5)


def test_a_bomb_of_aliases_costs_nothing() -> None:
    levels = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)]
    began = time.process_time()
    with pytest.raises(SourceError) as refused:
        read_document(b"\n".join(levels), "f")
    assert time.process_time() - began < 20
    assert {problem.code for problem in refused.value.problems} <= {"alias", "too-many"}


@pytest.mark.parametrize(
    "data",
    [
        b"a: " + b" " * 900_000 + b"x\n",
        b"a: [" + b"b" * 900_000 + b"$\n",
        b"a: |\n  " + b"\n" * 900_000,
        b"a:\n" * 300_000,
    ],
    ids=["spaces", "word", "blank lines", "keys"],
)
def test_no_form_of_a_large_file_takes_long(data: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(SourceError):
        read_document(data, "f")
    assert time.process_time() - began < 60


def test_a_huge_file_is_not_read(tmp_path: pathlib.Path) -> None:
    huge = tmp_path / "huge.flow.yaml"
    with huge.open("wb") as stream:
        stream.truncate(50 * 1024 * 1024)
    began = time.process_time()
    with pytest.raises(SourceError, match="too-large"):
        read_bytes(huge, "huge.flow.yaml")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", ["missing.flow.yaml", ".", "nul\0"])
def test_an_unreadable_file_is_told(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(SourceError, match="unreadable-file"):
        read_bytes(tmp_path / name, name)
