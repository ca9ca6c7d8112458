"""The node type ``audit``: checks rules about a table's data, and writes a report.

Source: flow-spec, *audit*; DMS reference, section 1.8, which does not say whether a broken rule fails the
node.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from dms_provider.audit.rules import AuditRule, Severity, WrongRule, labels
from dms_provider.operators.base import FlowOperator
from dms_provider.operators.links import AuditReportLink
from dms_provider.variables.references import Reference, parse_references, splice
from dms_provider.variables.run_times import RunTimes, run_times
from dms_provider.variables.scope import FlowScope
from dms_provider.variables.values import AuthorText, Value

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.audit.checks import Check
    from dms_provider.audit.findings import Finding
    from dms_provider.audit.history import History
    from dms_provider.audit.plan import AuditPlan
    from dms_provider.audit.report import Report
    from dms_provider.audit.run import AuditRun
    from dms_provider.sessions.source import Source

AUDIT_XCOM_KEY = "dms_audit"
"""Verdicts and values of the run, and where its report is."""

_TREND = 30


class AuditFailed(RuntimeError):
    """Rules are broken, or the audit could not be made. The message says which, and why."""


class AuditOperator(FlowOperator):
    """Check rules about the data of a table, and write a report.

    All rules with a metric share one pass over the table; counts of distinct values take one more statement,
    a ``sql`` rule one of its own. A broken rule fails the node or is a warning in its log, after the report
    was written.

    :param conn_id: Airflow connection of the data source
    :param table: the table, as the database's catalogue has it; ``schema.table`` for one in another schema
    :param rules: what must hold
    :param where: one expression in SQL that says which rows count; ``None`` for all
    :param report: a folder, below Airflow's home if it is relative, or ``oss://CONNECTION/BUCKET/KEY``;
        ``None`` for no report
    :param severity: what a broken rule does that does not say it itself
    :param sensitive: columns whose cells are never shown
    :param scope: what every node of the flow can name
    :param variables: node variables: pattern of each name
    :param inputs: outputs of upstream nodes: the task id that gives each name
    """

    ui_color = "#fdf1d6"
    template_fields: Sequence[str] = ("conn_id", "table", "where", "report")
    template_fields_renderers: ClassVar[dict[str, str]] = {"where": "sql"}
    reference_fields: ClassVar[tuple[str, ...]] = ("table", "where", "report")
    operator_extra_links = (AuditReportLink(),)
    _run: AuditRun | None = None
    _killed = False

    def __init__(
        self,
        *,
        conn_id: str,
        table: str,
        rules: Sequence[AuditRule],
        where: str | None = None,
        report: str | None = None,
        severity: Severity = "fail",
        sensitive: Sequence[str] = (),
        scope: FlowScope | None = None,
        variables: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope=scope, variables=variables, inputs=inputs, **kwargs)
        if severity not in ("fail", "warn"):
            raise WrongRule(f"severity is {severity!r}; write fail or warn")
        if not rules:
            raise WrongRule("an audit needs at least one rule")
        labels(rules)
        self.conn_id = self.plain(conn_id)
        self.table = self.plain(table)
        self.rules = tuple(rules)
        self.where = self.plain(where or "")
        self.report = self.plain(report or "")
        self.severity = severity
        self.sensitive = tuple(sensitive)

    def do_work(self, context: Context) -> dict[str, Any]:
        """Compute the rules' values, write the report, and then fail if a rule is broken that fails.

        :return: what is in XCom too: the verdict of each rule
        :raises AuditFailed: a rule is broken, or the audit could not be made
        :raises ReportNotWritten: the report could not be written
        """
        from dms_provider.sessions.source import open_source

        place = self.author_text("report", context)
        values = self.resolve(self._names(), context)
        source = open_source(self.conn_id, owner=self.owner, timeout=self.execution_timeout)
        source.redactor.add(
            value.text for value in values.values() if isinstance(value, AuthorText) and value.secret
        )
        redact = source.redactor.redact
        report = self._audit(source, values, context).redacted(redact)
        location = self._write(report, place)
        summary = {**report.summary(), "report": location}
        context["ti"].xcom_push(key=AUDIT_XCOM_KEY, value=summary)
        for finding in report.findings:
            level = self.log.info if finding.verdict == "passed" else self.log.warning
            level("%s: %s", finding.verdict, finding)
        broken = [str(finding) for finding in report.findings if finding.verdict == "failed"]
        if broken:
            noun = "rule is" if len(broken) == 1 else "rules are"
            at = f"; report: {location}" if location else ""
            raise AuditFailed(f"{len(broken)} {noun} broken: {'; '.join(broken)}{at}")
        return summary

    def describe(self, context: Context) -> None:
        """Log the statements that the audit would execute.

        The connection's record is read, and no connection opened. Outputs of other nodes stay ``${name}``.

        :raises SourceError: the connection cannot be used, or is not there
        :raises WrongAudit: a rule cannot be asked of the database
        :raises WrongCheck: a check refers to what is no number
        :raises RefusedValue: data may not stand where its reference stands
        :raises WrongAddress: the report has no place to go to
        """
        from dms_provider.audit.checks import check_names, with_values
        from dms_provider.audit.plan import AuditPlan
        from dms_provider.audit.store import check_place
        from dms_provider.dialects import dialect, substitute
        from dms_provider.sessions.source import find_source

        source = find_source(self.conn_id, owner=self.owner, timeout=self.execution_timeout)
        language = dialect(source.conn_type)
        known = self.known(self._names(), context)
        plan = AuditPlan(
            self.as_written("table"),
            self.as_written("where"),
            self.rules,
            known,
            language,
            language.default_mode,
            keep_unknown=True,
        )
        for number, text in enumerate(plan.statements(), 1):
            self.log.info("Statement %d for %s: %s", number, self.conn_id, substitute(text, language))
        for label, rule in zip(plan.labels, self.rules, strict=True):
            check = rule.parsed_check()
            names = check_names(check)
            if all(isinstance(known.get(name), AuthorText) for name in names) and not self._secret(names):
                with_values(check, known)
            self.log.info("Rule %s must be %s", label, rule.check)
        check_place(self.author_text("report", context), owner=self.owner)

    def on_kill(self) -> None:
        """Stop what runs, on the server itself. Airflow calls this when the task is to end."""
        self._killed = True
        if self._run is not None:
            # A signal can come while this thread holds the lock of its log; waiting for it would never end.
            note = ("Told to stop: cancelling what runs on %s", self.conn_id)
            threading.Thread(target=self.log.info, args=note, daemon=True).start()
            self._run.kill()

    def _names(self) -> set[str]:
        texts = (self.as_written("table"), self.as_written("where"))
        in_texts = {
            segment.name
            for text in texts
            for segment in parse_references(text)
            if isinstance(segment, Reference)
        }
        return in_texts.union(*(rule.names() for rule in self.rules))

    def _secret(self, names: set[str]) -> bool:
        return any(name in self.scope.secrets for name in names)

    def _audit(self, source: Source, values: Mapping[str, Value], context: Context) -> Report:
        from dms_provider.audit.checks import WrongCheck, with_values
        from dms_provider.audit.metrics import WrongValue
        from dms_provider.audit.plan import WrongAudit
        from dms_provider.audit.report import Report
        from dms_provider.audit.run import AuditRun, sensitive_names

        table, where = self.as_written("table"), self.as_written("where")
        run = self._run = AuditRun(source, self.log)
        if self._killed:
            run.kill()
        sensitive = sensitive_names(self.sensitive, run.dialect)
        problem: str | None = None
        try:
            checks = [with_values(rule.parsed_check(), values) for rule in self.rules]
            plan, found = run.values(table, where, self.rules, values)
        except (WrongAudit, WrongCheck, WrongValue) as error:
            problem = source.redactor.redact(str(error))
        if problem is not None:
            raise AuditFailed(problem)
        dag_run, ti = context["dag_run"], context["ti"]
        times = run_times(dag_run, self.scope.timezone)
        history = self._history(times, context)
        self._keep(found, times, context)
        findings = [
            self._finding(index, run, plan, check, value, history, sensitive)
            for index, (check, value) in enumerate(zip(checks, found, strict=True))
        ]
        return Report(
            flow=dag_run.dag_id,
            node=ti.task_id,
            run_id=dag_run.run_id,
            map_index=_map_index(ti),
            business_time=times.business_time,
            run_time=times.run_time,
            made=datetime.now(timezone.utc).astimezone(times.run_time.tzinfo),
            conn_id=self.conn_id,
            table=self._plain_text(table, values),
            where=self._plain_text(where, values),
            findings=findings,
        )

    def _finding(
        self,
        index: int,
        run: AuditRun,
        plan: AuditPlan,
        check: Check,
        value: Decimal | None,
        history: History,
        sensitive: Collection[str],
    ) -> Finding:
        from dms_provider.audit.checks import judge
        from dms_provider.audit.findings import Finding
        from dms_provider.audit.metrics import METRICS
        from dms_provider.audit.run import is_sensitive

        rule = self.rules[index]
        earlier = history.of(rule.identities(self.as_written("table"), self.as_written("where")))
        judgement = judge(value, check, [number for _, number in earlier])
        hidden = bool(
            rule.metric and METRICS[rule.metric].shows_cells and is_sensitive(plan.column(index), sensitive)
        )
        sample = None
        if self.as_written("report") and not judgement.passed:
            sample = run.sample(plan, index, judgement.beyond, sensitive)
        return Finding(
            label=plan.labels[index],
            what=rule.what,
            check=rule.check,
            severity=rule.severity or self.severity,
            value=value,
            judgement=judgement,
            hidden=hidden,
            earlier=earlier[:_TREND],
            sample=sample,
        )

    def _history(self, times: RunTimes, context: Context) -> History:
        """Look for earlier values: as many as rules compare with, and some for the report."""
        from dms_provider.audit.checks import WithinRecent
        from dms_provider.audit.history import read_history

        table, where = self.as_written("table"), self.as_written("where")
        ti = context["ti"]
        needed: dict[Sequence[str], int] = {}
        liked: dict[Sequence[str], int] = {}
        for rule in self.rules:
            identities, check = rule.identities(table, where), rule.parsed_check()
            if isinstance(check, WithinRecent):
                needed[identities] = max(check.last, needed.get(identities, 0))
            if self.as_written("report"):
                liked[identities] = _TREND

        def pull(key: str) -> Any:
            return ti.xcom_pull(task_ids=ti.task_id, key=key, include_prior_dates=True)

        return read_history(pull, times.business_time, needed, liked, map_index=_map_index(ti))

    def _keep(self, found: Sequence[Decimal | None], times: RunTimes, context: Context) -> None:
        """Leave this run's values for later runs."""
        from dms_provider.audit.history import Values

        table, where = self.as_written("table"), self.as_written("where")
        ti = context["ti"]
        numbers = {
            identity: value
            for rule, value in zip(self.rules, found, strict=True)
            if value is not None
            for identity in rule.identities(table, where)
        }
        kept = Values(times.business_time, datetime.now(timezone.utc), numbers, _map_index(ti))
        for key in kept.xcom_keys():
            ti.xcom_push(key=key, value=kept.to_xcom())

    def _write(self, report: Report, place: str) -> str | None:
        from dms_provider.audit.page import page
        from dms_provider.audit.store import report_name, write_report

        if not place:
            return None
        name = report_name(report.flow, report.node, report.business_time, report.run_id, report.map_index)
        content = json.dumps(report.to_json(), ensure_ascii=False, indent=2)
        files = {".json": content.encode(), ".html": page(report).encode()}
        location = write_report(place, name, files, owner=self.owner)
        self.log.info("Report: %s", location)
        return location

    @staticmethod
    def _plain_text(text: str, values: Mapping[str, Value]) -> str:
        spliced = splice(parse_references(text), values)
        return "".join(part if isinstance(part, str) else part.data.text for part in spliced)


def _map_index(ti: Any) -> int:
    return -1 if ti.map_index is None else int(ti.map_index)
