from __future__ import annotations

import pytest

from dms_provider.dialects import RefusedValue, bind, dialect, is_balanced
from dms_provider.variables.references import DataReference, parse_references, splice
from dms_provider.variables.values import Data

HOSTILE = "x' OR 1=1 --\\"


def bound(
    text: str, placeholder: str | None, conn_type: str = "postgres", **values: str
) -> tuple[str, tuple[str, ...]]:
    spliced = splice(parse_references(text), {name: Data((value,)) for name, value in values.items()})
    language = dialect(conn_type)
    return bind(spliced, language, language.default_mode, placeholder)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("SELECT 1 FROM t WHERE a = '${x}'", "SELECT 1 FROM t WHERE a = %s"),
        ("SELECT 1 FROM t WHERE a <> '${x}' -- 5%", "SELECT 1 FROM t WHERE a <> %s -- 5%%"),
        (
            "SELECT 1 FROM t WHERE a LIKE /* c */ '${x}' AND b LIKE '%y%'",
            "SELECT 1 FROM t WHERE a LIKE /* c */ %s AND b LIKE '%%y%%'",
        ),
        (
            "SELECT 1 FROM t WHERE a BETWEEN '${x}' AND 'z' AND (b >= '${x}')::bool",
            "SELECT 1 FROM t WHERE a BETWEEN %s AND 'z' AND (b >= %s)::bool",
        ),
    ],
)
def test_an_operand_becomes_a_parameter(text: str, sql: str) -> None:
    found, parameters = bound(text, "%s", x=HOSTILE)
    assert found == sql
    assert set(parameters) == {HOSTILE}
    assert len(parameters) == sql.count("%s")
    assert bound(text, "?", x=HOSTILE)[0] == sql.replace("%s", "?").replace("%%", "%")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM t WHERE a = DATE '${x}'",
        "SELECT 1 FROM t WHERE concat('${x}', b) = 'c'",
        "SELECT 1 FROM t WHERE a LIKE '%${x}%'",
        "SELECT 1 FROM t WHERE a IN ('${x}', 'b')",
    ],
)
def test_other_literals_are_filled_in(text: str) -> None:
    assert bound(text, "%s", x="o'clock 5%") == (text.replace("${x}", "o''clock 5%"), ())


def test_numbers_and_names_are_filled_in() -> None:
    assert bound("SELECT 1 FROM t_${m} WHERE a > ${n} AND b = '${x}'", "?", m="2023", n="5", x="y") == (
        "SELECT 1 FROM t_2023 WHERE a >  5  AND b = ?",
        ("y",),
    )


def test_a_driver_without_parameters_gets_literals() -> None:
    assert bound("SELECT 1 FROM t WHERE a = '${x}' AND b LIKE '5%'", None, "mysql", x=HOSTILE) == (
        "SELECT 1 FROM t WHERE a = 'x'' OR 1=1 --\\\\' AND b LIKE '5%'",
        (),
    )


def test_what_is_refused_in_a_literal_is_refused_as_a_parameter() -> None:
    for value in ("a\x00b", "x" * (1024 * 1024 + 1)):
        with pytest.raises(RefusedValue):
            bound("SELECT 1 FROM t WHERE a = '${x}'", "%s", x=value)
    reference = DataReference("x", Data(("a", "b"), "','"))
    language = dialect("postgres")
    sql, parameters = bind(("SELECT 1 WHERE a = '", reference, "'"), language, language.default_mode, "%s")
    assert (sql, parameters) == ("SELECT 1 WHERE a = 'a','b'", ())


@pytest.mark.parametrize(
    ("text", "balanced"),
    [
        ("a = 1", True),
        ("(a = ')') OR b = '('", True),
        ("a = 1 -- )", True),
        ("a = 1) OR (b = 2", False),
        ("a = 1; DELETE FROM t", False),
        ("a = 'x", False),
        ("a = 1 /* (", False),
        ("(a = 1", False),
    ],
)
@pytest.mark.parametrize("conn_type", ["postgres", "mysql", "sqlite", "mssql"])
def test_a_balanced_expression(conn_type: str, text: str, balanced: bool) -> None:
    assert is_balanced((text,), dialect(conn_type)) is balanced
