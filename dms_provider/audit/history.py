"""What a rule's value was at earlier business times: kept in XCom, found without reading every run.

Source: flow-spec, *audit*: "the mean of this rule's values at the 7 newest earlier business times that have
one".

Each run leaves its values in two XComs of its own, whose keys hold the day and the month of its business
time. Airflow gives a task the XComs of one key of all its earlier runs, in no order. So a run asks for this
day and the one before, and then for one month after the other, until it has as many business times as it
needs. What was cleared or deleted is gone at once, and nothing is ever written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

MOST_MONTHS = 36
"""How far back values are looked for that a rule compares with."""
MONTHS_FOR_LIKED = 3
"""The same for what is only shown."""

_MANY_A_DAY = 24
_MOST_DAYS = 366

Pull = Callable[[str], Any]
"""Returns what ``xcom_pull`` gives for a key, of this task's run and all runs before it."""


@dataclass(frozen=True, slots=True)
class Values:
    """The values of all rules in one run.

    :param business_time: of the run
    :param written: when, so that the newest run of one business time is known
    :param values: by identity of the rule
    :param map_index: of a mapped task; -1 for others
    """

    business_time: datetime
    written: datetime
    values: Mapping[str, Decimal]
    map_index: int = -1

    def xcom_keys(self) -> tuple[str, str]:
        """Return the keys of the XComs that hold it."""
        return _day_key(self.business_time.date()), _month_key(self.business_time.date())

    def to_xcom(self) -> dict[str, Any]:
        """Return it as the JSON object that is kept in XCom."""
        return {
            "business_time": self.business_time.isoformat(),
            "written": self.written.astimezone(timezone.utc).isoformat(),
            "map_index": self.map_index,
            "values": {name: str(value) for name, value in self.values.items() if value.is_finite()},
        }

    @classmethod
    def from_xcom(cls, stored: Any) -> Values | None:
        """Read back what :meth:`to_xcom` gave; ``None`` for anything else."""
        try:
            business_time = datetime.fromisoformat(stored["business_time"])
            written = datetime.fromisoformat(stored["written"])
            values = {
                str(name): Decimal(value) for name, value in stored["values"].items() if _is_finite(value)
            }
            map_index = int(stored["map_index"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        if business_time.tzinfo is None or written.tzinfo is None:
            return None
        return cls(business_time, written, values, map_index)


class History:
    """The values of earlier business times, the newest first.

    :param found: of any runs, in any order
    :param business_time: of the run that asks
    :param map_index: of the task that asks
    """

    def __init__(self, found: Iterable[Values], business_time: datetime, map_index: int = -1) -> None:
        newest: dict[datetime, Values] = {}
        for values in found:
            moment = values.business_time.astimezone(timezone.utc)
            if moment >= business_time.astimezone(timezone.utc) or values.map_index != map_index:
                continue
            if moment not in newest or newest[moment].written < values.written:
                newest[moment] = values
        self._values = [newest[moment] for moment in sorted(newest, reverse=True)]

    def of(self, identities: Sequence[str]) -> list[tuple[datetime, Decimal]]:
        """Return business times and values of a rule.

        :param identities: of the rule, the one that counts more first
        """
        found: list[tuple[datetime, Decimal]] = []
        for values in self._values:
            name = next((name for name in identities if name in values.values), None)
            if name is not None:
                found.append((values.business_time, values.values[name]))
        return found


def read_history(
    pull: Pull,
    business_time: datetime,
    needed: Mapping[Sequence[str], int],
    liked: Mapping[Sequence[str], int],
    *,
    map_index: int = -1,
) -> History:
    """Look for earlier values until each rule has enough of them.

    :param business_time: of the run that asks, in the flow's zone
    :param needed: identities of each rule -> how many values it compares with; looked for far back
    :param liked: the same for what is good to have, and looked for in a few months only
    :param map_index: of the task that asks
    """
    found: list[Values] = []
    history = History((), business_time, map_index)

    def look(key: str) -> int:
        nonlocal history
        more = _several(pull(key))
        found.extend(more)
        history = History(found, business_time, map_index)
        return len(more)

    def lacks(wanted: Mapping[Sequence[str], int]) -> bool:
        return any(len(history.of(rule)) < count for rule, count in wanted.items())

    day = business_time.date()
    for back in range(_MOST_DAYS):
        if not lacks(needed) and not lacks(liked):
            return history
        if look(_day_key(day - timedelta(days=back))) < _MANY_A_DAY and back:
            break
    month = day.replace(day=1)
    for back in range(MOST_MONTHS):
        if not lacks(needed) and (back >= MONTHS_FOR_LIKED or not lacks(liked)):
            break
        look(_month_key(month))
        month = (month - timedelta(days=1)).replace(day=1)
    return history


def _several(pulled: Any) -> list[Values]:
    """Return what was pulled: Airflow gives a single XCom as it is, several as a list."""
    stored = pulled if isinstance(pulled, (list, tuple)) else [pulled]
    return [values for value in stored if (values := Values.from_xcom(value)) is not None]


def _is_finite(text: Any) -> bool:
    try:
        return isinstance(text, str) and Decimal(text).is_finite()
    except ArithmeticError:
        return False


def _day_key(day: date) -> str:
    return f"dms_audit_values_{day.isoformat()}"


def _month_key(day: date) -> str:
    return f"dms_audit_values_{day.isoformat()[:7]}"
