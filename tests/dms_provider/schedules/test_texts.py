from __future__ import annotations

from datetime import date, datetime, time

import pytest

from dms_provider.schedules import (
    Cron,
    CronText,
    Daily,
    HourInterval,
    HoursOfDay,
    Monthly,
    Once,
    Rule,
    Schedule,
    ScheduleError,
    Weekly,
)

# DMS reference, 5.1: the settings of the console and the texts they become.
CRON_TEXTS: list[tuple[Rule, str | None, str | None]] = [
    (Daily(time(2, 55)), "55 2 * * *", "0 55 2 * * ?"),
    (Weekly((1, 4), time(0, 0)), "0 0 * * 2,5", "0 0 0 ? * 3,6"),
    (Weekly((0, 3), time(0, 0)), "0 0 * * 1,4", "0 0 0 ? * 2,5"),
    (Weekly((6, 0), time(0, 0)), "0 0 * * 0,1", "0 0 0 ? * 1,2"),
    (Weekly((0, 1, 2, 3, 4, 5, 6), time(0, 0)), "0 0 * * *", "0 0 0 * * ?"),
    (Monthly((1,), time(1, 0)), "0 1 1 * *", "0 0 1 1 * ?"),
    (Monthly(("last",), time(1, 0)), "0 1 L * *", "0 0 1 L * ?"),
    (Monthly((1, 15, "last"), time(1, 0)), "0 1 1,15,L * *", None),
    (HoursOfDay((0, 5)), "0 0,5 * * *", "0 0 0,5 * * ?"),
    (HoursOfDay(tuple(range(24))), "0 * * * *", "0 0 * * * ?"),
    (HourInterval(time(0, 0), 6, time(20, 59)), "0 0,6,12,18 * * *", "0 0 0,6,12,18 * * ?"),
    (HourInterval(time(1, 30), 5, time(20, 59)), "30 1,6,11,16 * * *", "0 30 1,6,11,16 * * ?"),
    (HourInterval(time(0, 30), 6, time(18, 15)), "30 0,6,12 * * *", "0 30 0,6,12 * * ?"),
    (Daily(time(2, 55, 30)), None, "30 55 2 * * ?"),
    (Cron("0 0  13 * 5"), "0 0 13 * 5", None),
    (Cron("0 0 * * 5L"), "0 0 * * 5L", "0 0 0 ? * 6L"),
    (Cron("0 0 0 LW * ?"), "0 0 LW * *", "0 0 0 LW * ?"),
    (Cron("0 0 0 ? * 2#1"), "0 0 * * 1#1", "0 0 0 ? * 2#1"),
    (Cron("30 0 0 * * ?"), None, "30 0 0 * * ?"),
    (Cron("0 0 0 1 1 ? 2030"), None, "0 0 0 1 1 ? 2030"),
    (Cron("0 0 0 1 1 ? *"), "0 0 1 1 *", "0 0 0 1 1 ? *"),
]


@pytest.mark.parametrize(("rule", "five_field", "quartz"), CRON_TEXTS)
def test_cron_texts(rule: Rule, five_field: str | None, quartz: str | None) -> None:
    assert Schedule(rule).cron == CronText(five_field, quartz)


def test_one_time_has_no_cron_text() -> None:
    assert Schedule(Once(datetime(2026, 12, 1, 2))).cron is None


DESCRIPTIONS: list[tuple[Schedule, str, str]] = [
    (
        Schedule(Weekly((3, 0), time(0)), effective_from=date(2023, 8, 3), effective_to=date(2023, 8, 31)),
        "Mon, Thu 00:00 (Asia/Shanghai)",
        "Mon, Thu 00:00 (Asia/Shanghai) from 2023-08-03 to 2023-08-31",
    ),
    (Schedule(Cron("0 55 2 * * ?"), "UTC"), "0 55 2 * * ? (UTC)", "0 55 2 * * ? (UTC)"),
    (Schedule(Daily(time(2, 55)), enabled=False), "off: every day 02:55 (Asia/Shanghai)", ""),
    (Schedule(HourInterval(time(0), 6, time(20, 59)), "UTC"), "every 6 hours from 00:00 to 20:59 (UTC)", ""),
    (Schedule(HoursOfDay((5, 0)), "UTC"), "at 00:00, 05:00 (UTC)", ""),
    (Schedule(HoursOfDay(tuple(range(24))), "UTC"), "every hour (UTC)", ""),
    (Schedule(Monthly((1, "last"), time(1)), "UTC"), "every month on 1, last day 01:00 (UTC)", ""),
    (Schedule(Once(datetime(2026, 12, 1, 2)), "UTC"), "once 2026-12-01 02:00 (UTC)", ""),
]


@pytest.mark.parametrize(("schedule", "summary", "description"), DESCRIPTIONS)
def test_words(schedule: Schedule, summary: str, description: str) -> None:
    assert schedule.summary == summary
    assert schedule.describe() == (description or summary)


@pytest.mark.parametrize("data", [{}, {"hour": {}}, {"week": {"days": [0]}}])
def test_values_without_a_rule_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(ScheduleError):
        Schedule.from_json({**data, "timezone": "UTC", "start_late": 0})
