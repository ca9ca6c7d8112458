"""What the UI says about a flow: the DAG's documentation and its tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dag_factory.spec import Flow
    from dms_provider.schedules import Schedule

_TAG_LENGTH = 100
"""So many characters a tag of Airflow can have."""

_BACKTICKS = re.compile("`+")


def flow_docs(flow: Flow, text: str, schedule: Schedule | None) -> str:
    """Return a flow's documentation as Markdown, the spec itself at its end.

    :param text: the spec, as its author wrote it
    :param schedule: when the flow runs by itself
    """
    facts = {
        "Owner": flow.owner,
        "Stakeholders": ", ".join(flow.stakeholders),
        "Scenario": flow.scenario,
        "Error handling": flow.error_handling,
        "Concurrency": flow.concurrency,
        "Schedule": schedule.describe() if schedule else "none",
        "Cron": _cron_line(schedule) if schedule else "",
    }
    lines = [f"- **{name}**: {_one_line(value)}" for name, value in facts.items() if value]
    fence = "```"
    while fence in text:
        fence += "`"
    return "\n\n".join(
        [
            *([flow.description] if flow.description else []),
            "\n".join(lines),
            f"{fence}yaml\n{text}\n{fence}",
        ]
    )


def spec_in_docs(docs: str) -> str | None:
    """Return the spec that :func:`flow_docs` put at the end of a flow's documentation."""
    _, newline, fence = docs.rpartition("\n")
    _, opening, text = docs.rpartition(f"{fence}yaml\n")
    if not newline or not opening or not _BACKTICKS.fullmatch(fence):
        return None
    return text.removesuffix(f"\n{fence}")


def flow_tags(flow: Flow, *, draft: bool) -> list[str]:
    """Return the tags of a flow's DAG, sorted."""
    tags = {
        _one_line(flow.scenario),
        f"owner:{_one_line(flow.owner)}",
        f"error_handling:{flow.error_handling}",
        f"concurrency:{flow.concurrency}",
    }
    if draft:
        tags.add("draft")
    return sorted(tag[:_TAG_LENGTH] for tag in tags)


def _cron_line(schedule: Schedule) -> str:
    cron = schedule.cron
    return f"`{cron.five_field}` (Quartz `{cron.quartz}`)" if cron else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
