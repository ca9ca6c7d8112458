"""Every table of examples is computed again."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import yaml

from dag_factory.spec.schedule import Schedule
from dms_provider.conditions import ConditionError, parse_condition
from dms_provider.dialects import RefusedValue, dialect, substitute
from dms_provider.variables.pattern import Locale, TimePattern
from dms_provider.variables.references import parse_references, splice
from dms_provider.variables.values import Data, Value
from tests.docs.markdown import DAG_FACTORY, tables_with

ZONE = ZoneInfo("Asia/Shanghai")
ZH: Locale = "zh"
EN: Locale = "en"


def rows(*header: str) -> list[tuple[str, ...]]:
    return [row for table in tables_with(DAG_FACTORY, *header) for row in table.rows]


@pytest.mark.parametrize(
    ("pattern", "time", "locale", "gives"), rows("pattern", "business time", "locale", "gives")
)
def test_a_time_pattern(pattern: str, time: str, locale: Locale, gives: str) -> None:
    moment = datetime.fromisoformat(time).replace(tzinfo=ZONE)
    assert TimePattern.parse(pattern).format(moment, locale) == gives


@pytest.mark.parametrize(
    ("letter", "means", "most", "english", "chinese"),
    rows("letter", "means", "at most", "`en` example", "`zh` example"),
)
def test_a_pattern_letter(letter: str, means: str, most: str, english: str, chinese: str) -> None:
    moment = datetime(2023, 8, 5, 14, 7, 9, tzinfo=ZONE)
    assert TimePattern.parse(letter).format(moment, EN) == english
    assert TimePattern.parse(letter).format(moment, ZH) == chinese


@pytest.mark.parametrize(("condition", "values", "result"), rows("condition", "values", "result"))
def test_a_condition(condition: str, values: str, result: str) -> None:
    if result == "not valid":
        with pytest.raises(ConditionError):
            parse_condition(condition)
        return
    given: dict[str, Value] = {
        name: Data((value,)) for name, value in (pair.split("=") for pair in values.split())
    }
    if result == "fails":
        parsed = parse_condition(condition)
        with pytest.raises(ConditionError):
            parsed.evaluate(given, {})
        return
    assert parse_condition(condition).evaluate(given, {}) is {"true": True, "false": False}[result]


@pytest.mark.parametrize(("language", "sql", "data", "becomes"), rows("dialect", "SQL", "data", "becomes"))
def test_data_in_sql(language: str, sql: str, data: str, becomes: str) -> None:
    text = splice(parse_references(sql), {"v": _data(data)})
    if becomes == "refused":
        with pytest.raises(RefusedValue):
            substitute(text, dialect(language))
        return
    # Markdown keeps no space at the end of a cell
    assert substitute(text, dialect(language)).rstrip() == becomes


def _data(cell: str) -> Data:
    if cell == "NULL":
        return Data((None,))
    if cell == "empty list":
        return Data((), combiner=",")
    if cell.startswith("list "):
        elements, _, combiner = cell.removeprefix("list ").partition(" with combiner ")
        return Data(tuple(re.findall(r"`([^`]*)`", elements)), combiner=combiner.strip("`"))
    return Data((cell,))


@pytest.mark.parametrize(
    ("spec", "start", "end", "times", "cron", "quartz"),
    rows("schedule", "from", "to", "run times", "cron", "Quartz"),
)
def test_a_schedule(spec: str, start: str, end: str, times: str, cron: str, quartz: str) -> None:
    given = yaml.load(spec, Loader=yaml.BaseLoader)
    schedule = Schedule.model_validate(given).to_schedule()
    span = [datetime.fromisoformat(day).replace(tzinfo=ZONE) for day in (start, end)]
    found = list(schedule.slots(*span))
    one_day = (span[1] - span[0]).days == 1
    shown = [f"{time:%H:%M}" for time in found] if one_day else [f"{time:%m-%d %H:%M}" for time in found]
    assert (" " if one_day else ", ").join(shown) == times
    text = schedule.cron
    assert (text.five_field if text else "none") == cron
    assert (text.quartz if text else "none") == quartz
