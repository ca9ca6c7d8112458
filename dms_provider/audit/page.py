"""The report of an audit as one HTML page that needs nothing else.

Everything that is not written here is escaped: names, values and rows come from databases and from people.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping

from dms_provider.audit.checks import shown
from dms_provider.audit.findings import Finding, Sample, Verdict
from dms_provider.audit.plot import plot
from dms_provider.audit.report import Report

_TIME = "%Y-%m-%d %H:%M:%S"
_WORDS: Mapping[Verdict, str] = {"passed": "passed", "warning": "warning", "failed": "failed"}
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that make others appear in another order than they stand."""
_UNBROKEN_CHARACTERS = 24
_STYLE = """\
:root { color-scheme: light dark; --line: #d0d7de; --soft: #59636e; --passed: #1a7f37; --warning: #9a6700;
  --failed: #cf222e; --back: #fff; --head: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #9198a1; --passed: #3fb950;
  --warning: #d29922; --failed: #f85149; --back: #0d1117; --head: #151b23; } }
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  background: var(--back); }
h1, h2 { overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin-bottom: .2rem; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top;
  min-width: 3rem; max-width: 24rem; overflow-wrap: break-word; }
th { background: var(--head); font-weight: 600; white-space: nowrap; }
td.number { font-variant-numeric: tabular-nums; } .soft { color: var(--soft); }
td.verdict { white-space: nowrap; font-weight: 600; }
.rules td { min-width: 8rem; overflow-wrap: anywhere; } .rules td.verdict { min-width: 0; }
.passed { color: var(--passed); fill: var(--passed); }
.warning { color: var(--warning); fill: var(--warning); }
.failed { color: var(--failed); fill: var(--failed); }
svg .line { fill: none; stroke: var(--soft); stroke-width: 1.5; } svg { display: block; }
.sample td, .sample th { white-space: pre-wrap; font-size: .92em; } .null { color: var(--soft); }
.sample .long { min-width: 12rem; } .sample .short { white-space: pre; }
"""


def escape(text: str) -> str:
    """Return a text as HTML that shows it as it is, in the order in which it stands."""
    return html.escape(_TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def page(report: Report) -> str:
    """Return the page."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    title = f"Audit of {report.table}: {_WORDS[report.verdict]}"
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src'
        " 'unsafe-inline'\">"
    )
    yield f"<title>{escape(title)}</title>"
    yield f"<style>\n{_STYLE}</style></head><body>"
    yield (
        f"<h1>Audit of {escape(report.table)}: "
        f'<span class="{report.verdict}">{_WORDS[report.verdict]}</span></h1>'
    )
    yield f'<p class="soft">{escape(_counted(report))}</p>'
    yield "<dl>"
    for name, text in (
        ("Flow, node", f"{report.flow}, {report.node}"),
        ("Run", report.run_id),
        ("Business time", f"{report.business_time.strftime(_TIME)} ({report.business_time.tzinfo})"),
        ("Run time", report.run_time.strftime(_TIME)),
        ("Report made", report.made.strftime(_TIME)),
        ("Connection", report.conn_id),
        ("Rows", report.where.strip() or "all"),
    ):
        yield f"<dt>{name}</dt><dd>{escape(text)}</dd>"
    yield "</dl>"
    yield '<div class="wide"><table class="rules"><thead><tr>'
    yield "".join(
        f"<th>{name}</th>" for name in ("Rule", "Verdict", "Value", "Must be", "What is computed", "Trend")
    )
    yield "</tr></thead><tbody>"
    for finding in report.findings:
        yield _row(finding)
    yield "</tbody></table></div>"
    for finding in report.findings:
        if finding.sample is not None:
            yield from _sample(finding, finding.sample)
    yield "</body></html>"


def _counted(report: Report) -> str:
    verdicts = [finding.verdict for finding in report.findings]
    words = [f"{len(verdicts)} rule{'' if len(verdicts) == 1 else 's'}"]
    for verdict, word in _WORDS.items():
        if count := verdicts.count(verdict):
            words.append(f"{count} {word}{'s' if word == 'warning' and count > 1 else ''}")
    return ", ".join(words)


def _row(finding: Finding) -> str:
    note = "" if finding.hidden or not finding.judgement.note else finding.judgement.note
    bound = escape(finding.shown_bound)
    if note:
        bound += f'<br><span class="soft">{escape(note)}</span>'
    cells = (
        ("", escape(finding.label)),
        (f"verdict {finding.verdict}", _WORDS[finding.verdict]),
        ("number", escape(finding.shown_value)),
        ("number", bound),
        ("soft", escape(finding.what)),
        ("", _trend(finding)),
    )
    return "<tr>" + "".join(f'<td class="{name}">{cell}</td>' for name, cell in cells) + "</tr>"


def _trend(finding: Finding) -> str:
    if finding.hidden or finding.value is None or not finding.value.is_finite():
        return ""
    earlier = list(reversed(finding.earlier))
    texts = [f"{moment.strftime('%Y-%m-%d %H:%M')}: {shown(value)}" for moment, value in earlier]
    return plot(
        [*(value for _, value in earlier), finding.value],
        escape("\n".join([*texts, f"now: {shown(finding.value)}"])),
        finding.verdict,
    )


def _sample(finding: Finding, sample: Sample) -> Iterator[str]:
    yield f"<h2>{escape(finding.label)}: some of the rows that break the rule</h2>"
    if sample.note:
        yield f'<p class="soft">{escape(sample.note)}</p>'
    if not sample.rows:
        return
    yield '<div class="wide"><table class="sample"><thead><tr>'
    yield "".join(f'<th class="{_width(name)}">{escape(name)}</th>' for name in sample.columns)
    yield "</tr></thead><tbody>"
    for row in sample.rows:
        yield f"<tr>{''.join(map(_cell, row))}</tr>"
    yield "</tbody></table></div>"


def _cell(cell: str | None) -> str:
    if cell is None:
        return '<td class="null">NULL</td>'
    return f'<td class="{_width(cell)}">{escape(cell)}</td>'


def _width(text: str) -> str:
    """Return the class of a text: a short one, such as a date, is not broken."""
    return "short" if len(text) <= _UNBROKEN_CHARACTERS else "long"
