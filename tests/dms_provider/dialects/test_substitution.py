"""What takes the place of data in a statement, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

from dms_provider.dialects import Mode, RefusedValue, dialect, refused_places, substitute
from dms_provider.dialects.substitution import MAX_DATA_BYTES
from dms_provider.variables.references import DataReference, Text
from dms_provider.variables.values import Data

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "substitution.yaml").read_text(encoding="utf-8"))


def data(value: str | list[Any] | None) -> Data:
    if isinstance(value, list):
        combiner, elements = value
        return Data(tuple(elements), combiner)
    return Data((value,))


def text(sql: str, value: str | list[Any] | None) -> Text:
    reference = DataReference("x", data(value))
    parts: list[str | DataReference] = []
    for number, part in enumerate(sql.split("${x}")):
        parts += [reference, part] if number else [part]
    return tuple(part for part in parts if part != "")


def cases(key: str) -> list[Any]:
    return [
        pytest.param(conn_type, case["sql"], each, id=f"{conn_type}: {case['name']}: {str(each)[:20]!a}")
        for case in CASES
        for conn_type in case["dialects"]
        for each in (["a", "1"] if isinstance(case.get(key), str) else case.get(key, []))
    ]


@pytest.mark.parametrize(("conn_type", "sql", "pair"), cases("values"))
def test_accepted(conn_type: str, sql: str, pair: tuple[Any, str]) -> None:
    value, final = pair
    assert substitute(text(sql, value), dialect(conn_type)) == final


@pytest.mark.parametrize(("conn_type", "sql", "value"), cases("refused"))
def test_refused(conn_type: str, sql: str, value: Any) -> None:
    with pytest.raises(RefusedValue, match=r"^\$\{x\}: .+ is(?: not)? accepted .+; .+") as caught:
        substitute(text(sql, value), dialect(conn_type))
    assert caught.value.name == "x"
    assert caught.value.place
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("conn_type", "sql", "forbidden"),
    [(c, case["sql"], case.get("refused") == "all") for case in CASES for c in case["dialects"]],
)
def test_places_where_no_value_is_accepted_are_known_without_values(
    conn_type: str, sql: str, forbidden: bool
) -> None:
    written = text("SELECT '${x}';\n" + sql, "")
    found = list(refused_places(written, dialect(conn_type)))
    if "\\x${x}" in sql or "U&" in sql or "$t_" not in sql:
        assert bool(found) is forbidden
    assert all(refused.name == "x" and refused.value is None for _, refused in found)


def test_refused_place_tells_which_reference() -> None:
    names = [DataReference(name, Data(("1",))) for name in "abc"]
    written: Text = ("SELECT ", names[0], "; SELECT x'", names[1], "', '", names[2], "' -- ", names[0])
    assert [(index, refused.name) for index, refused in refused_places(written, dialect("mysql"))] == [
        (1, "b")
    ]


def test_text_without_data_is_not_touched() -> None:
    assert substitute(("SELECT 'a", "\x00 ' /*!"), dialect("mysql")) == "SELECT 'a\x00 ' /*!"


def test_refusal_survives_a_process_and_hides_long_values() -> None:
    with pytest.raises(RefusedValue) as caught:
        substitute(text("SELECT ${x}", "secret\n" * 1000), dialect("postgres"))
    refused = pickle.loads(pickle.dumps(caught.value))
    assert str(refused) == str(caught.value)
    assert len(str(refused)) < 250
    assert "(7000 characters)" in str(refused)
    assert "put it into quotes" in str(refused)


def test_data_of_a_statement_has_a_limit() -> None:
    at_limit = "报" * (MAX_DATA_BYTES // 3) + "a"
    assert len(substitute(text("SELECT '${x}'", at_limit), dialect("postgres"))) == len(at_limit) + 9
    with pytest.raises(RefusedValue, match="1 MiB"):
        substitute(text("SELECT '${x}'", at_limit + "a"), dialect("postgres"))
    with pytest.raises(RefusedValue, match="1 MiB"):
        substitute(text("SELECT '${x}', '${x}'", at_limit), dialect("postgres"))


ANSI = Mode(backslash_escapes=True)
NO_BACKSLASHES = Mode(double_quotes="literal")


@pytest.mark.parametrize(
    ("conn_type", "mode", "sql", "value", "final"),
    [
        ("mysql", ANSI, 'SELECT 1 AS "${x}"', "a", 'SELECT 1 AS "a"'),
        ("mysql", ANSI, 'SELECT 1 AS "${x}"', "a b", None),
        ("mysql", NO_BACKSLASHES, "SELECT '${x}'", "\\'", "SELECT '\\'''"),
        ("mysql", NO_BACKSLASHES, "SELECT 'a\\${x}'", "'", "SELECT 'a\\'''"),
        ("postgres", Mode(backslash_escapes=True), "SELECT '${x}'", "\\'", "SELECT '\\\\'''"),
        ("postgres", Mode(backslash_escapes=True), "SELECT '\\x${x}'", "27", None),
        ("mysql", Mode(True, "literal", repertoire="ascii"), "SELECT '${x}'", "报", None),
        ("mysql", Mode(True, "literal", repertoire="ascii"), "SELECT '报${x}'", "a", "SELECT '报a'"),
        ("mysql", Mode(True, "literal", False, "ascii", True), "SELECT '报${x}'", "a", None),
        ("mysql", Mode(True, "literal", repertoire="ascii"), "SELECT '${x}'", "\\", "SELECT '\\\\'"),
        ("mysql", Mode(True, "literal", repertoire="bmp"), "SELECT '报${x}'", "报", "SELECT '报报'"),
        ("mysql", Mode(True, "literal", repertoire="bmp"), "SELECT '${x}'", "😀", None),
        ("mysql", Mode(True, brackets=True), "SELECT [a;${x}]", "b", "SELECT [a;b]"),
        ("mssql", Mode(double_quotes="literal", brackets=True), 'SELECT "${x}"', "a b", 'SELECT "a b"'),
    ],
)
def test_modes(conn_type: str, mode: Mode, sql: str, value: str, final: str | None) -> None:
    if final is None:
        with pytest.raises(RefusedValue):
            substitute(text(sql, value), dialect(conn_type), mode)
    else:
        assert substitute(text(sql, value), dialect(conn_type), mode) == final


@pytest.mark.parametrize(
    ("sql", "value", "accepted"),
    [
        ("SELECT '${x}'", "it's", True),
        ("SELECT '${x}'", "a\\", False),
        ("SELECT '\\n${x}'", "a", False),
        ('SELECT "${x}"', "a", False),
        ("SELECT `${x}`", "a", True),
        ("SELECT ${x}", "1", True),
    ],
)
def test_a_mode_that_is_not_known(sql: str, value: str, accepted: bool) -> None:
    mysql = dialect("mysql")
    if accepted:
        substitute(text(sql, value), mysql, mysql.unknown_mode)
    else:
        with pytest.raises(RefusedValue):
            substitute(text(sql, value), mysql, mysql.unknown_mode)
