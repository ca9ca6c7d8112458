from __future__ import annotations

import pytest

from dms_provider.dialects import RefusedValue, WrongName, dialect, quoted_name
from dms_provider.variables.references import DataReference
from dms_provider.variables.values import Data


@pytest.mark.parametrize(
    ("conn_type", "name", "quoted"),
    [
        ("postgres", "flights", '"flights"'),
        ("postgres", " ops . Flights ", '"ops"."Flights"'),
        ("postgres", 'a."b.c""d"', '"a"."b.c""d"'),
        ("postgres", "order", '"order"'),
        ("postgres", "`it's`", '"it\'s"'),
        ("postgres", "飞行 记录", '"飞行 记录"'),
        ("mysql", "ops.flights", "`ops`.`flights`"),
        ("mysql", "`a``b`.[c]]d]", "`a``b`.`c]d`"),
        ("mysql", "a; DROP TABLE b --", "`a; DROP TABLE b --`"),
        ("sqlite", '"loaded at"', "`loaded at`"),
        ("mssql", "dbo.[a]]b]", "[dbo].[a]]b]"),
        ("oracle", "FLIGHTS", '"FLIGHTS"'),
        ("maxcompute", "project.t", "`project`.`t`"),
    ],
)
def test_each_part_is_quoted(conn_type: str, name: str, quoted: str) -> None:
    assert quoted_name((name,), dialect(conn_type)) == quoted


@pytest.mark.parametrize(
    "name",
    ["", "  ", ".", "a.", ".a", "a..b", 'a"b', 'a" OR 1=1 --', "a`", "[a", '""', "a\nb", "a\x00", '"a"b'],
)
@pytest.mark.parametrize("conn_type", ["postgres", "mysql", "sqlite", "mssql"])
def test_what_is_no_name(conn_type: str, name: str) -> None:
    with pytest.raises(WrongName):
        quoted_name((name,), dialect(conn_type))


def test_data_is_a_part_of_an_identifier_and_no_more() -> None:
    def name(value: str) -> str:
        return quoted_name(("flights_", DataReference("month", Data((value,)))), dialect("postgres"))

    assert name("202308") == '"flights_202308"'
    for value in ("a.b", 'a"b', "", "a" * 65, "a b", "ä"):
        with pytest.raises(RefusedValue, match="month"):
            name(value)
    with pytest.raises(RefusedValue):
        quoted_name((DataReference("x", Data(("a", "b"), ",")),), dialect("postgres"))
