"""What an audit has found: for each rule its value, the verdict, and rows that break it.

Source: flow-spec, *audit*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from dms_provider.audit.checks import Judgement, shown
from dms_provider.audit.rules import Severity

Verdict = Literal["passed", "warning", "failed"]

HIDDEN = "hidden, as the column is sensitive"


@dataclass(frozen=True, slots=True)
class Sample:
    """Some rows that break a rule.

    :param columns: their names; sensitive ones are not among them
    :param rows: cells as text, ``None`` for NULL
    :param note: why there are none, or what these rows are
    """

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str | None]] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one rule.

    :param label: what the rule is called
    :param what: what was computed, for people
    :param check: as its author wrote it
    :param severity: what a broken rule does
    :param value: ``None`` where there is none
    :param judgement: whether the value is what the rule asks for
    :param hidden: the value tells a cell of a sensitive column
    :param earlier: business times and values of earlier runs, the newest first
    :param sample: some rows that break the rule
    """

    label: str
    what: str
    check: str
    severity: Severity
    value: Decimal | None
    judgement: Judgement
    hidden: bool = False
    earlier: Sequence[tuple[datetime, Decimal]] = field(default=())
    sample: Sample | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the rule holds, and what it does if not."""
        if self.judgement.passed:
            return "passed"
        return "warning" if self.severity == "warn" else "failed"

    @property
    def shown_value(self) -> str:
        """The value for people."""
        return HIDDEN if self.hidden else shown(self.value)

    def __str__(self) -> str:
        note = f" ({self.judgement.note})" if self.judgement.note and not self.hidden else ""
        return f"{self.label}: {self.shown_value}, must be {self.shown_bound}{note}"

    @property
    def shown_bound(self) -> str:
        """What the value must be, for people; of a hidden value not its mean."""
        return self.check.strip() if self.hidden else self.judgement.bound
