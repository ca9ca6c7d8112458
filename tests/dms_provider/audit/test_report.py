"""Reports: nothing of a database becomes HTML, nothing is lost, nothing is half written."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from dms_provider.audit.checks import Judgement
from dms_provider.audit.findings import Finding, Sample
from dms_provider.audit.page import page
from dms_provider.audit.plot import plot
from dms_provider.audit.report import Report
from dms_provider.audit.store import ReportNotWritten, link, report_name, write_report
from tests.doubles.oss import ObjectStorage

NOW = datetime(2023, 8, 3, 11, tzinfo=ZoneInfo("Asia/Shanghai"))
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></td></table><iframe src='//evil'>",
    "&lt;b&gt; &amp; ' \" ` ${x} {{ y }}",
    "]]></title><!-- --> <svg onload=alert(1)>",
    "\u202eright to left\u0000 nul \x1b[31m",
)
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "span", "p", "dl", "dt", "dd", "div"),
    *("table", "thead", "tbody", "tr", "th", "td", "br", "svg", "polyline", "circle"),
}


def finding(text: str = "rule", **changed: object) -> Finding:
    arguments: dict[str, object] = {
        "label": text,
        "what": text,
        "check": "<= 1",
        "severity": "fail",
        "value": Decimal("2.50"),
        "judgement": Judgement(False, text, text, (">", Decimal(1))),
        "earlier": [(NOW - timedelta(days=day), Decimal(day)) for day in (1, 2, 3)],
        "sample": Sample((text,), ((text,), (None,)), text),
    }
    return Finding(**{**arguments, **changed})  # type: ignore[arg-type]  # by name


def report(*findings: Finding, text: str = "x") -> Report:
    return Report(
        flow=text,
        node=text,
        run_id=text,
        map_index=-1,
        business_time=NOW,
        run_time=NOW,
        made=NOW,
        conn_id=text,
        table=text,
        where=text,
        findings=findings,
    )


class Reader(HTMLParser):
    """Reads a page as a browser does, and keeps its tags and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    read = Reader(page(report(finding(text), text=text)))
    harmless = Reader(page(report(finding("plain"), text="plain")))
    assert read.tags == harmless.tags
    assert {tag for tag, _ in read.tags} <= TAGS
    assert not {name for _, names in read.tags for name in names} & {"href", "src", "style", "onload"}
    shown = [part for part in read.texts if text.replace("\u202e", "\\u202e") in part]
    assert len(shown) == len([part for part in harmless.texts if "plain" in part])


def test_the_page_needs_nothing_else() -> None:
    text = page(report(finding()))
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_hidden_values_are_nowhere() -> None:
    made = report(finding("salary", value=Decimal("98765"), hidden=True, earlier=[(NOW, Decimal("43210"))]))
    for text in (page(made), json.dumps(made.to_json()), json.dumps(made.summary()), str(made.findings[0])):
        assert "98765" not in text
        assert "43210" not in text
        assert "hidden" in text


def test_secrets_are_hidden_in_every_text() -> None:
    made = report(finding("token s3cret"), text="plain").redacted(lambda text: text.replace("s3cret", "***"))
    for text in (page(made), json.dumps(made.to_json()), json.dumps(made.summary())):
        assert "s3cret" not in text
        assert "***" in text


def test_the_json_keeps_every_digit_and_row() -> None:
    value = Decimal("12345678901234567890.1234")
    data = json.loads(json.dumps(report(finding(value=value)).to_json()))
    (rule,) = data["rules"]
    assert (data["format"], data["verdict"], rule["verdict"]) == (1, "failed", "failed")
    assert rule["value"] == "12345678901234567890.1234"
    assert rule["sample"] == {"columns": ["rule"], "rows": [["rule"], [None]], "note": "rule"}
    assert [earlier["value"] for earlier in rule["earlier"]] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([finding(judgement=Judgement(True, ""))], "passed"),
        ([finding(severity="warn"), finding(judgement=Judgement(True, ""))], "warning"),
        ([finding(severity="warn"), finding()], "failed"),
    ],
)
def test_the_worst_rule_is_the_verdict(findings: list[Finding], verdict: str) -> None:
    assert report(*findings).verdict == verdict
    assert f': <span class="{verdict}">' in page(report(*findings))


@pytest.mark.parametrize(
    "values", [[1, 2, 3], [5, 5], ["-1E+400", "1E+400", 0], ["0.1", "0.10000000000000000001"]]
)
def test_a_plot_stays_in_its_frame(values: list[object]) -> None:
    svg = ElementTree.fromstring(plot([Decimal(str(value)) for value in values], "&lt;", "failed"))
    points = svg.findall("polyline")[0].attrib["points"].split()
    assert len(points) == len(values)
    for point in points:
        x, y = map(float, point.split(","))
        assert 0 < x < 180
        assert 0 < y < 40
    assert plot([Decimal(1)], "", "") == ""


def test_each_run_has_files_of_its_own() -> None:
    runs = [
        "manual__2023-08-04T03:00:00+00:00",
        "manual__2023-08-04T03-00-00+00:00",
        "语",
        "词",
        "..",
        "a" * 250,
    ]
    names = [report_name("flow", "node", NOW, run) for run in runs]
    names += [report_name("flow", "node", NOW, runs[0], 0), report_name("flow", "node", NOW, runs[0], 1)]
    names += [report_name("..", "node", NOW, "r"), report_name("flow", "n/../../x", NOW, "r")]
    assert len(set(names)) == len(names)
    assert report_name("flow", "node", NOW, "scheduled__1") == "flow/node/2023-08-03T110000_scheduled__1"
    for name in names:
        parts = Path(name).parts
        assert len(parts) == 3
        assert not any(part.startswith(".") or len(part) > 200 for part in parts)


def test_a_rerun_replaces_its_report_and_leaves_nothing(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        place = write_report(str(tmp_path), "f/n/r", {".json": content, ".html": content}, owner="alice")
        assert place == str(tmp_path / "f/n/r.html")
        assert link(place) == f"file://{tmp_path}/f/n/r.html"
        assert link(place, "https://reports.example.com/") == "https://reports.example.com/f/n/r.html"
    assert sorted(path.name for path in (tmp_path / "f/n").iterdir()) == ["r.html", "r.json"]
    assert (tmp_path / "f/n/r.html").read_bytes() == b"two"


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(str(tmp_path), "r", {".json": b"old", ".html": b"old"}, owner="alice")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportNotWritten, match=r"No space left on device.*give the worker a folder"):
        write_report(str(tmp_path), "r", {".json": b"new", ".html": b"new"}, owner="alice")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.json"]
    assert (tmp_path / "r.html").read_bytes() == b"old"


def test_a_relative_folder_is_below_airflows_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert (
        write_report("reports", "r", {".json": b"", ".html": b""}, owner="a") == f"{tmp_path}/reports/r.html"
    )


def test_reports_go_to_object_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    with ObjectStorage() as running:
        running.buckets["reports"] = {}
        monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", json.dumps(running.connection()))
        for content in (b"old", b"<p>"):
            files = {".json": b"{}", ".html": content}
            place = write_report("oss://archive/reports/quality/", "f/n/r", files, owner="alice")
        assert place == link(place) == "oss://archive/reports/quality/f/n/r.html"
        written = {key: (found.data, found.content_type) for key, found in running.buckets["reports"].items()}
        assert written == {
            "quality/f/n/r.json": (b"{}", "application/json"),
            "quality/f/n/r.html": (b"<p>", "text/html; charset=utf-8"),
        }
        for wrong in ("oss://archive", "oss://nobody/reports/x", "oss://archive/nowhere/x"):
            with pytest.raises(ReportNotWritten, match="the report could not be written: "):
                write_report(wrong, "r", files, owner="alice")
