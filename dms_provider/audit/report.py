"""The report of an audit, as data.

Source: flow-spec, *audit*, ``report``; DMS reference, section 1.8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dms_provider.audit.checks import exact
from dms_provider.audit.findings import Finding, Sample, Verdict

FORMAT = 1
"""Grows when a program that reads reports would have to change."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and what was found.

    :param flow: the DAG id
    :param node: the task id
    :param run_id: of the run
    :param map_index: of a mapped task; -1 for others
    :param business_time: of the run
    :param run_time: of the run
    :param made: when the report was made
    :param conn_id: Airflow connection of the database
    :param table: as its author wrote it, with the author's text in
    :param where: the same
    :param findings: one for each rule, in the author's order
    """

    flow: str
    node: str
    run_id: str
    map_index: int
    business_time: datetime
    run_time: datetime
    made: datetime
    conn_id: str
    table: str
    where: str
    findings: Sequence[Finding]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of a rule."""
        verdicts = {finding.verdict for finding in self.findings}
        worst: tuple[Verdict, ...] = ("failed", "warning")
        return next((verdict for verdict in worst if verdict in verdicts), "passed")

    def redacted(self, redact: Callable[[str], str]) -> Report:
        """Return the report without secrets in its texts.

        :param redact: hides them in a text
        """
        return replace(
            self,
            table=redact(self.table),
            where=redact(self.where),
            findings=tuple(_redacted(finding, redact) for finding in self.findings),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report for programs. Numbers are texts, so that no digit of a decimal is lost."""
        return {
            "format": FORMAT,
            "verdict": self.verdict,
            "flow": self.flow,
            "node": self.node,
            "run_id": self.run_id,
            "map_index": self.map_index,
            "business_time": self.business_time.isoformat(),
            "run_time": self.run_time.isoformat(),
            "made": self.made.isoformat(),
            "connection": self.conn_id,
            "table": self.table,
            "where": self.where or None,
            "rules": [_rule(finding) for finding in self.findings],
        }

    def summary(self) -> dict[str, Any]:
        """Return what is kept in XCom: verdicts and values, without rows and earlier values."""
        left_out = ("sample", "earlier", "what")
        return {
            "verdict": self.verdict,
            "rules": [
                {key: value for key, value in _rule(finding).items() if key not in left_out}
                for finding in self.findings
            ],
        }


def _rule(finding: Finding) -> dict[str, Any]:
    is_shown = finding.value is not None and not finding.hidden
    return {
        "rule": finding.label,
        "what": finding.what,
        "check": finding.check,
        "severity": finding.severity,
        "verdict": finding.verdict,
        "value": exact(finding.value) if is_shown and finding.value is not None else None,
        "hidden": finding.hidden,
        "bound": finding.shown_bound,
        "note": None if finding.hidden else finding.judgement.note,
        "earlier": []
        if finding.hidden
        else [
            {"business_time": moment.isoformat(), "value": exact(value)} for moment, value in finding.earlier
        ],
        "sample": None
        if finding.sample is None
        else {
            "columns": list(finding.sample.columns),
            "rows": [list(row) for row in finding.sample.rows],
            "note": finding.sample.note,
        },
    }


def _redacted(finding: Finding, redact: Callable[[str], str]) -> Finding:
    sample = finding.sample
    if sample is not None:
        sample = Sample(
            [redact(name) for name in sample.columns],
            [[None if cell is None else redact(cell) for cell in row] for row in sample.rows],
            None if sample.note is None else redact(sample.note),
        )
    judgement = finding.judgement
    return replace(
        finding,
        label=redact(finding.label),
        what=redact(finding.what),
        check=redact(finding.check),
        judgement=replace(
            judgement,
            bound=redact(judgement.bound),
            note=None if judgement.note is None else redact(judgement.note),
        ),
        sample=sample,
    )
