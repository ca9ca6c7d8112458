"""``list`` and ``show``: what is known of flows, as the pages of DMS have it.

Source: DMS reference, sections 1.2, 5.1 and 6.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.models.dag_version import DagVersion
from airflow.utils.session import create_session

from dag_factory.cli.commands import GOOD
from dag_factory.cli.operations.spec import is_spec_of, spec_of
from dag_factory.cli.output import print_json, print_lines
from dag_factory.validation import DRAFT_ID_SUFFIX
from dms_provider.operations.errors import Refused
from dms_provider.operations.flows import KnownFlow, all_flows, check_can_start, find_flow
from dms_provider.operations.freezing import frozen_flows
from dms_provider.operations.runs import business_time_of, decided, newest_runs, state_of

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

_COLUMNS = ("flow", "owner", "error_handling", "concurrency", "schedule", "next_run", "last_state", "is")
_FLAGS = ("draft", "frozen", "paused")


def run_list(arguments: Namespace) -> int:
    """Print the flows whose specs are there."""
    with create_session() as session:
        flows = list(all_flows(session))
        ids = [flow.flow_id for flow in flows]
        frozen, last = frozen_flows(ids, session), newest_runs(ids, session)
        listed = [_listed(flow, last.get(flow.flow_id), flow.flow_id in frozen) for flow in flows]
    if arguments.output == "json":
        print_json(listed)
    else:
        print_lines(_table(listed))
    return GOOD


def run_show(arguments: Namespace) -> int:
    """Print all that is known of one flow."""
    with create_session() as session:
        flow = find_flow(arguments.flow, session)
        frozen = flow.flow_id in frozen_flows([flow.flow_id], session)
        last = newest_runs([flow.flow_id], session).get(flow.flow_id)
        shown = {**_listed(flow, last, frozen), **_details(flow, last, session)}
    if arguments.output == "json":
        print_json(shown)
    else:
        print_lines(_lines(shown))
    return GOOD


def _listed(flow: KnownFlow, last: DagRun | None, frozen: bool) -> dict[str, Any]:
    schedule, draft = flow.schedule, flow.flow_id.endswith(DRAFT_ID_SUFFIX)
    cron = schedule.cron if schedule is not None else None
    rests = draft or frozen or flow.row.is_paused or flow.row.is_stale
    return {
        "flow": flow.flow_id,
        "name": flow.dag.dag_display_name,
        "owner": flow.row.owners,
        "policies": {
            "error_handling": flow.policies.error_handling,
            "concurrency": flow.policies.concurrency,
        },
        "schedule": schedule.describe() if schedule is not None else None,
        "cron": cron and (cron.five_field or cron.quartz),
        "next_run": None if rests else _shown_time(flow.row.next_dagrun_create_after, flow),
        "last_state": state_of(last) if last is not None else None,
        "draft": draft,
        "frozen": frozen,
        "paused": bool(flow.row.is_paused),
    }


def _details(flow: KnownFlow, last: DagRun | None, session: Session) -> dict[str, Any]:
    version = DagVersion.get_latest_version(flow.flow_id, session=session)
    schedule = flow.schedule
    cron = schedule.cron if schedule is not None else None
    details: dict[str, Any] = {
        "policies": {
            "error_handling": flow.policies.error_handling,
            "concurrency": flow.policies.concurrency,
            "mode_2_scope": flow.policies.mode_2_scope,
        },
        "description": flow.dag.description or "",
        "timezone": flow.policies.timezone,
        "quartz": cron and cron.quartz,
        "pools": dict(flow.policies.pools),
        "timeout": _seconds(flow.dag.dagrun_timeout),
        "version": version.version_number if version is not None else None,
        "problem": _problem(flow, session),
        "last_run": last and _run(last, flow),
    }
    spec = spec_of(flow)
    if spec is not None:
        details |= {
            "scenario": spec.scenario,
            "creator": spec.creator or spec.owner,
            "stakeholders": list(spec.stakeholders),
            "public": spec.public,
            "nodes": [
                {"node": node_id, "name": node.name or node_id, "type": node.type, "after": list(node.after)}
                for node_id, node in spec.nodes.items()
            ],
        }
    return details


def _run(run: DagRun, flow: KnownFlow) -> dict[str, Any]:
    said = decided(run)
    return {
        "run_id": run.run_id,
        "kind": said.get("kind"),
        "business_time": business_time_of(run, flow.policies.timezone),
        "state": state_of(run),
        "start": _shown_time(run.start_date, flow),
        "end": _shown_time(run.end_date, flow),
        "skipped_for": said.get("skipped_for"),
        "refused": said.get("refused"),
    }


def _problem(flow: KnownFlow, session: Session) -> str | None:
    """Return why no run of the flow could start now."""
    try:
        check_can_start(flow, session, lambda file: is_spec_of(flow.flow_id, file))
    except Refused as refused:
        return str(refused)
    return None


def _seconds(duration: Any) -> int | None:
    return None if duration is None else int(duration.total_seconds())


def _shown_time(time: datetime | None, flow: KnownFlow) -> str | None:
    if time is None:
        return None
    in_utc = datetime.fromtimestamp(time.timestamp(), timezone.utc)
    return in_utc.astimezone(ZoneInfo(flow.policies.timezone)).isoformat()


def _table(listed: list[dict[str, Any]]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for flow in listed:
        told = {**flow, **flow["policies"], "is": ", ".join(flag for flag in _FLAGS if flow[flag])}
        rows.append(tuple("-" if told[column] is None else str(told[column]) for column in _COLUMNS))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _lines(shown: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in shown.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"{indent}{key}:"
            for item in value:
                yield f"{indent}  - {', '.join(f'{name}: {_text(part)}' for name, part in item.items())}"
        else:
            yield f"{indent}{key}: {_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in (None, "", {}) else str(value)
