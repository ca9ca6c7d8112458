"""Earlier values: which are found, and in what order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from dms_provider.audit.history import Values, read_history
from dms_provider.audit.rules import AuditRule

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2023, 8, 3, 11, tzinfo=ZONE)
WRITTEN = datetime(2023, 8, 4, tzinfo=timezone.utc)


class Store:
    """XComs of the runs before, as Airflow gives them: a single one by itself, several in no order."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Any]] = defaultdict(list)
        self.asked: list[str] = []

    def keep(self, moment: datetime, value: object, *, rules: Sequence[str] = ("r",), **more: Any) -> None:
        values = dict.fromkeys(rules, Decimal(str(value)))
        kept = Values(moment, more.pop("written", WRITTEN), values, **more)
        for key in kept.xcom_keys():
            self.kept[key].insert(0, kept.to_xcom())

    def pull(self, key: str) -> Any:
        self.asked.append(key)
        found = self.kept.get(key, [])
        return found if len(found) > 1 else next(iter(found), None)

    def newest(self, count: int, rule: Sequence[str] = ("r",), now: datetime = NOW) -> list[str]:
        history = read_history(self.pull, now, {tuple(rule): count}, {})
        return [str(value) for _, value in history.of(rule)][:count]


@given(
    st.lists(
        st.integers(min_value=-3, max_value=400).map(lambda half_days: NOW - timedelta(hours=12 * half_days)),
        max_size=40,
        unique=True,
    ),
    st.integers(min_value=1, max_value=12),
)
def test_the_newest_earlier_values_are_found(moments: list[datetime], count: int) -> None:
    store = Store()
    for moment in moments:
        store.keep(moment, int(moment.timestamp()))
    wanted = sorted((moment for moment in moments if moment < NOW), reverse=True)[:count]
    assert store.newest(count) == [str(int(moment.timestamp())) for moment in wanted]


def test_many_runs_a_day_are_found_without_their_month() -> None:
    store = Store()
    for minutes in range(5, 5 * 1000, 5):
        store.keep(NOW - timedelta(minutes=minutes), minutes)
    assert store.newest(700) == [str(minutes) for minutes in range(5, 5 * 701, 5)]
    assert store.asked == [f"dms_audit_values_2023-08-0{day}" for day in (3, 2, 1)]


def test_a_daily_flow_asks_for_few_keys() -> None:
    store = Store()
    for days in range(1, 60):
        store.keep(NOW - timedelta(days=days), days)
    assert store.newest(7) == ["1", "2", "3", "4", "5", "6", "7"]
    assert store.asked == [f"dms_audit_values_2023-{part}" for part in ("08-03", "08-02", "08", "07")]


def test_a_flow_that_stood_still_for_a_year() -> None:
    store = Store()
    store.keep(NOW - timedelta(days=400), "5.50")
    assert store.newest(1) == ["5.50"]


def test_what_is_only_shown_is_not_looked_for_far_back() -> None:
    store = Store()
    store.keep(NOW - timedelta(days=400), 5)
    read_history(store.pull, NOW, {}, {("r",): 30})
    assert store.asked == [f"dms_audit_values_2023-{part}" for part in ("08-03", "08-02", "08", "07", "06")]
    store.asked.clear()
    read_history(store.pull, NOW, {}, {})
    assert store.asked == []


def test_a_rerun_replaces_its_own_business_time_and_never_counts_itself() -> None:
    store = Store()
    store.keep(NOW, 99)
    store.keep(NOW - timedelta(days=1), 1, written=WRITTEN)
    store.keep(NOW - timedelta(days=1), 2, written=WRITTEN + timedelta(hours=1))
    store.keep(NOW - timedelta(days=1), 3, written=WRITTEN - timedelta(hours=1))
    store.keep((NOW - timedelta(days=2)).astimezone(timezone.utc), 4)
    assert store.newest(5) == ["2", "4"]


def test_other_mapped_tasks_and_what_is_no_value_are_passed_over() -> None:
    store = Store()
    store.keep(NOW - timedelta(days=1), 1, map_index=3)
    store.keep(NOW - timedelta(days=2), 2)
    broken: list[Any] = [None, 5, "x", {}, {"business_time": "2023-08-02T00:00:00"}, {"business_time": 3}]
    broken += [{**store.kept["dms_audit_values_2023-08"][0], "values": {"r": 5}}]
    broken += [{**store.kept["dms_audit_values_2023-08"][0], "values": ["r"]}]
    store.kept["dms_audit_values_2023-08"] += broken
    assert store.newest(5) == ["2"]


def test_a_rule_is_known_by_its_name_or_by_what_it_computes() -> None:
    def identities(**changed: Any) -> tuple[str, ...]:
        given = {"metric": "max", "column": "delay", "check": "> 0", **changed}
        return AuditRule(**given).identities("flights", "")

    store = Store()
    named, renamed = identities(name="late"), identities(name="very late")
    store.keep(NOW - timedelta(days=1), 1, rules=named)
    assert store.newest(1, renamed) == ["1"]
    assert store.newest(1, identities(name="late", column="wait")) == ["1"]
    assert store.newest(1, identities(check="> 5")) == ["1"]
    assert store.newest(1, identities(column="wait")) == []
    assert store.newest(1, AuditRule(metric="max", column="delay", check="> 0").identities("other", "")) == []
