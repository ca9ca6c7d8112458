"""Scripts are cut into the statements that the dialect's own tools make of them, text for text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.dialects import Mode, RefusedValue, StatementReader, dialect
from dms_provider.dialects.modes import UnknownMode
from dms_provider.variables.references import DataReference, Text
from dms_provider.variables.values import Data

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "splitting.yaml").read_text(encoding="utf-8"))


def written(text: Text) -> str:
    return "".join(part if isinstance(part, str) else f"<{part.name}>" for part in text)


@pytest.mark.parametrize(
    ("conn_type", "case"),
    [
        pytest.param(conn_type, case, id=f"{conn_type}: {case['name']}")
        for case in CASES
        for conn_type in case["dialects"]
    ],
)
def test_script(conn_type: str, case: dict[str, Any]) -> None:
    statements = list(dialect(conn_type).split((case["script"],)))
    texts = [written(statement.text) for statement in statements]
    if isinstance(case["statements"], int):
        assert len(texts) == case["statements"], texts
    else:
        assert texts == case["statements"]
    if "lines" in case:
        assert [statement.line for statement in statements] == case["lines"]
    assert [statement.repeat for statement in statements] == case.get("repeats", [1] * len(texts))


PIECES = [
    *"'\"`[]()$;#/*-!\\@a \n",
    "GO",
    "\nGO 2\n",
    "$$",
    "/*",
    "*/",
    "E'",
    "q'[",
    "BEGIN ",
    "END",
    "CASE ",
    "\n/\n",
]
PIECES += ["CREATE TRIGGER ", "DELIMITER //\n", "--", "-- ", "IF ", "LOOP "]
DIALECTS = ["mysql", "postgres", "sqlite", "oracle", "mssql", "ibmdb2", "maxcompute"]


@pytest.mark.parametrize("conn_type", DIALECTS)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
def test_every_text_can_be_read_in_order(conn_type: str, pieces: list[str]) -> None:
    script = "".join(pieces)
    behind = 0
    for statement in dialect(conn_type).split((script,)):
        text = written(statement.text)
        behind = script.index(text, behind) + len(text)
        assert text[0] not in " \n"
        assert 1 <= statement.line <= script.count("\n", 0, behind) + 1


def literal(value: str, backslashes: bool) -> str:
    return "'" + (value.replace("\\", "\\\\") if backslashes else value).replace("'", "''") + "'"


@pytest.mark.parametrize("conn_type", ["mysql", "postgres", "sqlite", "oracle", "ibmdb2"])
@given(
    values=st.lists(
        st.text(st.sampled_from("a;'\"`\\-/*#$ \n；%") | st.characters(codec="utf-8")), min_size=1
    ),
    comment=st.text(st.sampled_from("a;'\"`\\ -#$")),
)
def test_statements_come_back_as_they_were_joined(conn_type: str, values: list[str], comment: str) -> None:
    backslashes = conn_type == "mysql"
    written_so = [
        f"SELECT {literal(value, backslashes)} /*{comment}*/ -- {comment}\nFROM t" for value in values
    ]
    script = " ;\n".join(written_so) + ";"
    assert [written(statement.text) for statement in dialect(conn_type).split((script,))] == written_so


def test_references_stay_in_their_statement() -> None:
    day, ids = DataReference("day", Data(("a;'b",))), DataReference("ids", Data(("1", "2"), ","))
    text: Text = ("DELETE FROM t WHERE d = '", day, "';\nSELECT ", ids, "; SELECT 1")
    statements = list(dialect("mysql").split(text))
    assert [statement.text for statement in statements] == [
        ("DELETE FROM t WHERE d = '", day, "'"),
        ("SELECT ", ids),
        ("SELECT 1",),
    ]
    assert statements[1].summary == "SELECT ${ids}"
    assert statements[1].line == 2


def test_summary_is_one_short_line_without_the_comments_before() -> None:
    (statement,) = dialect("postgres").split(("-- why\n/* and */ SELECT " + "x, " * 100 + "\n y",))
    assert statement.summary.startswith("SELECT x, x")
    assert len(statement.summary) == 100
    assert statement.summary.endswith("…")


def test_data_cannot_be_a_delimiter() -> None:
    text: Text = ("DELIMITER ", DataReference("x", Data(("//",))), "\nSELECT 1//")
    with pytest.raises(RefusedValue, match=r"\$\{x\}.*DELIMITER"):
        list(dialect("mysql").split(text))


def test_a_statement_can_change_how_the_next_is_read() -> None:
    script = "SET sql_mode='NO_BACKSLASH_ESCAPES'; SELECT '\\'; SELECT 2"
    reader = StatementReader(dialect("mysql"), (script,))
    escapes = dialect("mysql").default_mode
    none = Mode(backslash_escapes=False, double_quotes="literal")
    assert reader.depends_on_mode
    read = [reader.next(escapes), reader.next(none), reader.next(none), reader.next(none)]
    assert [statement and written(statement.text) for statement in read] == [
        "SET sql_mode='NO_BACKSLASH_ESCAPES'",
        "SELECT '\\'",
        "SELECT 2",
        None,
    ]
    assert not reader.depends_on_mode


@pytest.mark.parametrize(
    ("conn_type", "script", "depends"),
    [
        ("mysql", "SELECT 'a'; SELECT `b`", False),
        ("mysql", 'SELECT 1; SELECT "a"', True),
        ("mysql", "SELECT '\\n'", True),
        ("postgres", 'SELECT "a"', False),
        ("postgres", "SELECT '\\n'", True),
        ("sqlite", "SELECT '\\n', \"a\"", False),
    ],
)
def test_whether_the_mode_matters(conn_type: str, script: str, depends: bool) -> None:
    assert StatementReader(dialect(conn_type), (script,)).depends_on_mode is depends


def test_the_mode_matters_for_data() -> None:
    reader = StatementReader(dialect("mysql"), ("SELECT '", DataReference("x", Data(("a",))), "'; SELECT 1"))
    assert reader.depends_on_mode
    reader.next()
    assert not reader.depends_on_mode


@pytest.mark.parametrize(
    ("conn_type", "row", "mode"),
    [
        ("mysql", ("", "utf8mb4", "utf8mb4"), Mode(True, "literal")),
        ("mysql", ("", "utf8mb4", "latin1"), Mode(True, "literal", repertoire="ascii")),
        ("mysql", ("", "utf8mb4", "utf8mb3"), Mode(True, "literal", repertoire="bmp")),
        (
            "mysql",
            ("STRICT_TRANS_TABLES,ANSI_QUOTES", "utf8mb3", "utf8mb4"),
            Mode(True, "identifier", repertoire="bmp"),
        ),
        (
            "mysql",
            ("NO_BACKSLASH_ESCAPES", "gbk", "gbk"),
            Mode(False, "literal", repertoire="ascii", merging_bytes=True),
        ),
        ("mysql", ("ANSI_QUOTES,MSSQL", b"latin1", b"latin1"), Mode(True, "identifier", True, "ascii")),
        ("postgres", ("on", "UTF8"), Mode()),
        ("postgres", ("off", "GB18030"), Mode(True, repertoire="ascii", merging_bytes=True)),
        ("postgres", (b"on", b"SQL_ASCII"), Mode(repertoire="ascii")),
        ("mssql", (0,), Mode(double_quotes="literal", brackets=True)),
    ],
)
def test_mode_of_a_session(conn_type: str, row: tuple[object, ...], mode: Mode) -> None:
    assert dialect(conn_type).mode(row) == mode


@pytest.mark.parametrize(
    ("conn_type", "row"), [("mysql", None), ("mysql", ("", "utf8mb4")), ("postgres", ("maybe", "UTF8"))]
)
def test_an_answer_that_is_no_mode(conn_type: str, row: tuple[object, ...] | None) -> None:
    with pytest.raises(UnknownMode):
        dialect(conn_type).mode(row)
