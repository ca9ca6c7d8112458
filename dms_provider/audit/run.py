"""An audit at work: its statements, one session after the other, that can be stopped at any moment.

Source: flow-spec, *audit*.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

from dms_provider.audit.findings import Sample
from dms_provider.audit.groups import Part
from dms_provider.audit.metrics import WrongValue, number
from dms_provider.audit.plan import SOME_ROWS, AuditPlan, OwnQuery, WrongAudit
from dms_provider.audit.rules import AuditRule
from dms_provider.dialects import Dialect, Mode, bind, dialect, quoted_name, substitute
from dms_provider.sessions.session import DatabaseError, Session
from dms_provider.sessions.source import Source
from dms_provider.variables.references import Text
from dms_provider.variables.values import Value

_SHOWN_CHARACTERS = 200


class AuditRun:
    """Computes the values of an audit's rules, and looks for rows that break them.

    :param source: the database
    :param log: of the task
    """

    def __init__(self, source: Source, log: Any) -> None:
        self._source = source
        self._log = log
        self._session: Session | None = None
        self._killed = False
        self.dialect = dialect(source.conn_type)

    def kill(self) -> None:
        """Stop what runs, on the server too, and everything further."""
        self._killed = True
        if self._session is not None:
            self._session.kill()

    def values(
        self, table: str, where: str, rules: Sequence[AuditRule], known: Mapping[str, Value]
    ) -> tuple[AuditPlan, list[Decimal | None]]:
        """Compute the values of all rules.

        :param table: name of the table, with references
        :param where: one expression, with references; empty for all rows
        :param known: values of the names in all texts
        :return: the plan, and the value of each rule; ``None`` where there is none
        :raises WrongAudit: a rule cannot be asked of this database, or a statement failed
        :raises WrongValue: what the database gave is no number
        """
        from dms_provider.operators.sql import server_mode

        source, log = self._source, self._log
        answers: dict[Part, Any] = {}
        with self._opened() as session:
            mode = server_mode(session, self.dialect)
            estimate = partial(self._expected_rows, session, mode)
            plan = AuditPlan(table, where, rules, known, self.dialect, mode, estimate=estimate)
            for note in session.begin_snapshot():
                log.warning("%s: %s", source.conn_id, note)
            for count, scan in enumerate(plan.scans, 1):
                sql, parameters = bind(scan.text, self.dialect, mode, source.server.placeholder)
                log.info(
                    "Scan %d of %d, for %d rule%s%s: %s",
                    count,
                    len(plan.scans),
                    scan.rules,
                    "" if scan.rules == 1 else "s",
                    ", of columns whose distinct values are counted" if scan.parts[0].apart else "",
                    source.redactor.redact(sql),
                )
                begin = time.monotonic()
                row = self._asked(f"Scan {count}", lambda: session.row(sql, parameters))  # noqa: B023  # called at once
                log.info("Scan %d: %.3f s", count, time.monotonic() - begin)
                answers.update(zip(scan.parts, row or (), strict=True))
        own = {query.rule: self._own_value(plan, query) for query in plan.own}
        found: list[Decimal | None] = []
        for index, rule in enumerate(rules):
            if rule.sql is not None:
                found.append(own[index])
                continue
            try:
                found.append(plan.value(index, answers))
            except WrongValue as error:
                raise WrongValue(f"rule {plan.labels[index]!r}: {error}") from None
        return plan, found

    def sample(
        self, plan: AuditPlan, rule: int, beyond: tuple[str, Decimal] | None, sensitive: Collection[str]
    ) -> Sample | None:
        """Look for some rows that break a rule; a failure of that is a note in the sample.

        :param rule: its index
        :param beyond: where its value is and should not be
        :param sensitive: names of columns that are never asked for, of :func:`sensitive_names`
        :return: ``None`` where no row can be said to break such a rule
        """
        if beyond is None or plan.rules[rule].sql is not None:
            return None
        try:
            columns = self._columns(plan, sensitive)
            query = plan.sample_query(rule, beyond, columns) if columns else None
            if query is None:
                return None if columns else Sample(note="every column is sensitive")
            is_hidden = is_sensitive(plan.column(rule), sensitive)
            if is_hidden and plan.rules[rule].metric in ("duplicate_count", "unique_rate"):
                return Sample(note="the column is sensitive")
            self._log.info(
                "Looking for rows that break rule %s", self._source.redactor.redact(plan.labels[rule])
            )
            names, rows = self._rows(query, SOME_ROWS)
        except (DatabaseError, ValueError) as error:
            return Sample(note=f"could not look for rows: {error}")
        return Sample(names, [[_cell(cell) for cell in row] for row in rows])

    def _expected_rows(self, session: Session, mode: Mode, plan: Text) -> int | None:
        """Ask the database for a plan; what is wrong with it is told by the scan, if it is asked."""
        try:
            (answer,) = session.first_row(substitute(plan, self.dialect, mode))
            found = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
            return int(found[0]["Plan"]["Plan Rows"])
        except (DatabaseError, LookupError, TypeError, ValueError):
            return None

    def _columns(self, plan: AuditPlan, sensitive: Collection[str]) -> list[str]:
        names, _ = self._rows(plan.columns_query(), 1)
        return [name for name in names if not is_sensitive(plan.quoted(name), sensitive)]

    def _own_value(self, plan: AuditPlan, query: OwnQuery) -> Decimal | None:
        label = plan.labels[query.rule]
        self._log.info("Rule %s asks a query of its own", self._source.redactor.redact(label))
        columns, rows = self._asked(f"The query of rule {label!r}", lambda: self._rows(query.text, 2))
        if len(columns) != 1 or len(rows) > 1:
            raise WrongAudit(
                f"rule {label!r}: its sql must give one number, but gave"
                f" {'several rows' if len(rows) > 1 else f'{len(columns)} columns'}"
            )
        try:
            return number(rows[0][0]) if rows else None
        except WrongValue as error:
            raise WrongValue(f"rule {label!r}: {error}") from None

    def _rows(self, text: Text, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        from dms_provider.operators.sql import server_mode

        with self._opened() as session:
            sql = substitute(text, self.dialect, server_mode(session, self.dialect))
            rows: list[tuple[Any, ...]] = []
            with session.query(sql) as query:
                while len(rows) < most and not query.at_end:
                    rows.extend(query.fetch(most - len(rows)))
                return list(query.columns), rows

    def _asked(self, what: str, ask: Any) -> Any:
        problem: str | None = None
        try:
            return ask()
        except DatabaseError as error:
            problem = f"{what} failed on {self._source.conn_id}: {error}"
        # Outside of an except clause, so that the driver's words are not shown beside ours.
        raise WrongAudit(problem)

    @contextmanager
    def _opened(self) -> Iterator[Session]:
        session = Session(self._source)
        self._session = session
        if self._killed:
            session.kill()
        with session:
            for note in session.notes:
                self._log.warning("%s: %s", self._source.conn_id, note)
            yield session


def sensitive_names(columns: Sequence[str], language: Dialect) -> frozenset[str]:
    """Return the names of columns that are never shown, as :func:`is_sensitive` compares them.

    :param columns: as their author wrote them; capitals do not count
    :raises WrongName: one is no name
    """
    return frozenset(quoted_name((name,), language).casefold() for name in columns)


def is_sensitive(column: str, sensitive: Collection[str]) -> bool:
    """Return whether a column is one of those that are never shown.

    :param column: quoted
    :param sensitive: of :func:`sensitive_names`
    """
    folded = column.casefold()
    return any(folded == name or folded.endswith(f".{name}") for name in sensitive)


def _cell(cell: Any) -> str | None:
    from dms_provider.operators.cells import CellError, cell_text

    try:
        text = cell_text(cell)
    except CellError:
        return "(binary)"
    return text if text is None or len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
