"""What Airflow parses after specs were dropped, broken, mended, renamed and removed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from dag_factory import FlowBundle
from dag_factory.discovery.layout import loader_of
from tests.dag_factory.discovery.conftest import GOOD, Workplace


def test_good_specs_become_dags(workplace: Workplace) -> None:
    for number in range(40):
        workplace.good(f"reports/flow_{number}.flow.yaml", f"flow_{number}")
    assert workplace.dags() == {f"flow_{number}" for number in range(40)}
    assert len(workplace.files()) <= 16


def test_default_id_is_the_file_name_and_a_draft_is_a_dag_of_its_own(workplace: Workplace) -> None:
    text = GOOD.replace("id: {id}\n", "schedule:\n  day: {{at: 02:00}}\n").format(number=1)
    workplace.write("daily.flow.yml", text)
    workplace.write("daily.draft.flow.yml", text)
    assert workplace.dags() == {"daily", "daily__draft"}
    dags = workplace.bag().dags
    assert dags["daily"].timetable.can_be_scheduled
    assert not dags["daily__draft"].timetable.can_be_scheduled


def test_bad_spec_is_an_import_error_under_its_own_name_and_harms_no_other(workplace: Workplace) -> None:
    for number in range(32):
        workplace.good(f"flow_{number}.flow.yaml", f"flow_{number}")
    workplace.write("reports/bad.flow.yaml", GOOD.format(id="bad", number=1) + "colour: red\n  wrong\n")
    errors = workplace.errors()
    assert list(errors) == ["reports/bad.flow.yaml.py"]
    assert "\nreports/bad.flow.yaml:6:" in errors["reports/bad.flow.yaml.py"]
    assert "Traceback" not in errors["reports/bad.flow.yaml.py"]
    assert len(workplace.dags()) == 32


def test_every_problem_is_one_line(workplace: Workplace) -> None:
    workplace.write("bad.flow.yaml", GOOD.format(id="bad", number=1) + "colour: red\nshape: round\n")
    lines = workplace.errors()["bad.flow.yaml.py"].splitlines()
    assert [line.split(" ")[0] for line in lines[1:]] == ["bad.flow.yaml:6:1:", "bad.flow.yaml:7:1:"]


def test_error_stays_through_rounds_and_goes_when_mended(workplace: Workplace) -> None:
    workplace.good("good.flow.yaml", "good")
    bad = workplace.write("bad.flow.yaml", "version: 1\n")
    before = workplace.errors()
    for _ in range(8):
        assert workplace.errors() == before
    bad.write_text(GOOD.format(id="bad", number=1))
    Workplace.settle(bad)
    assert workplace.errors() == {}
    assert workplace.dags() == {"good", "bad"}


def test_renamed_and_removed_specs(workplace: Workplace) -> None:
    first = workplace.good("first.flow.yaml", "first")
    second = workplace.good("second.flow.yaml", "second")
    assert workplace.dags() == {"first", "second"}
    first.rename(first.with_name("other.flow.yaml"))
    second.unlink()
    assert workplace.dags() == {"first"}
    assert set(workplace.files()) == {loader_of("first")}


def test_a_removed_bad_spec_leaves_nothing_behind(workplace: Workplace) -> None:
    bad = workplace.write("reports/deep/bad.flow.yaml", "version: 1\n")
    assert workplace.errors()
    bad.unlink()
    assert workplace.errors() == {}
    assert list(workplace.bundle().path.iterdir()) == []


def test_nothing_is_written_where_nothing_changed(workplace: Workplace) -> None:
    workplace.good("good.flow.yaml", "good")
    workplace.write("bad.flow.yaml", "version: 1\n")
    workplace.refresh()
    before = workplace.files()
    workplace.refresh()
    assert workplace.files() == before


def test_only_the_loader_of_a_changed_spec_is_touched(workplace: Workplace) -> None:
    one, other = (
        "flow_1",
        next(f"flow_{n}" for n in range(2, 50) if loader_of(f"flow_{n}") != loader_of("flow_1")),
    )
    workplace.good("one.flow.yaml", one)
    workplace.good("other.flow.yaml", other)
    workplace.refresh()
    before = workplace.files()
    workplace.good("one.flow.yaml", one, number=2)
    workplace.refresh()
    after = workplace.files()
    assert after[loader_of(one)][0] > before[loader_of(one)][0]
    assert after[loader_of(one)][1] == before[loader_of(one)][1]
    assert after[loader_of(other)] == before[loader_of(other)]


def test_a_change_that_airflow_may_have_dropped_is_parsed_again(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow writes a DAG once in so many seconds, and drops what it parses in between."""
    monkeypatch.setenv("AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "1")
    workplace.good("good.flow.yaml", "good")
    workplace.write("bad.flow.yaml", "version: 1\n")
    bundle = workplace.refresh()
    before = workplace.files()
    workplace.good("good.flow.yaml", "good", number=2)
    workplace.write("bad.flow.yaml", "version: 2\n")
    bundle.refresh()
    changed = workplace.files()
    bundle.refresh()
    assert workplace.files() == changed
    time.sleep(1.01)
    bundle.refresh()
    again = workplace.files()
    assert len(before) == 2
    for name in before:
        assert before[name][0] < changed[name][0] < again[name][0], name
    time.sleep(1.01)
    bundle.refresh()
    assert workplace.files() == again


def test_a_new_file_is_parsed_once(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "0")
    bundle = workplace.refresh()
    workplace.good("good.flow.yaml", "good")
    bundle.refresh()
    before = workplace.files()
    bundle.refresh()
    assert workplace.files() == before


def test_only_changed_specs_are_read_again(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        workplace.good(f"flow_{number}.flow.yaml", f"flow_{number}")
    workplace.refresh()
    read: list[str] = []
    from dag_factory.discovery import survey

    real = survey.read_flow
    monkeypatch.setattr(survey, "read_flow", lambda folder, spec: read.append(spec) or real(folder, spec))
    workplace.refresh()
    assert read == []
    workplace.good("flow_3.flow.yaml", "flow_3", number=7)
    workplace.refresh()
    assert read == ["flow_3.flow.yaml"]


def test_a_changed_sql_file_is_a_changed_spec(workplace: Workplace) -> None:
    workplace.write("load.sql", "SELECT 1")
    text = GOOD.replace("sql: SELECT {number}", "sql_file: load.sql").format(id="flow")
    workplace.write("flow.flow.yaml", text)
    workplace.refresh()
    before = workplace.files()[loader_of("flow")][0]
    workplace.write("load.sql", "SELECT 2")
    workplace.refresh()
    assert workplace.files()[loader_of("flow")][0] > before
    assert workplace.bag().dags["flow"].get_task("load").sql == "SELECT 2"


def test_a_sql_file_that_was_missing_mends_its_spec(workplace: Workplace) -> None:
    text = GOOD.replace("sql: SELECT {number}", "sql_file: load.sql").format(id="flow")
    workplace.write("flow.flow.yaml", text)
    assert "load.sql" in workplace.errors()["flow.flow.yaml.py"]
    workplace.write("load.sql", "SELECT 1")
    assert workplace.errors() == {}


def test_who_had_an_id_first_keeps_it(workplace: Workplace) -> None:
    workplace.good("old.flow.yaml", "flow", number=1)
    workplace.refresh()
    new = workplace.good("new.flow.yaml", "flow", number=2)
    error = workplace.errors()
    assert list(error) == ["new.flow.yaml.py"]
    assert (
        "new.flow.yaml:2:5: defined-twice 'flow' is already the id of old.flow.yaml"
        in error["new.flow.yaml.py"]
    )
    assert workplace.bag().dags["flow"].get_task("load").sql == "SELECT 1"
    (workplace.specs / "old.flow.yaml").unlink()
    assert workplace.errors() == {}
    assert workplace.bag().dags["flow"].get_task("load").sql == "SELECT 2"
    assert new.exists()


def test_a_broken_spec_keeps_its_id(workplace: Workplace) -> None:
    old = workplace.good("old.flow.yaml", "flow")
    workplace.refresh()
    old.write_text("version: 1\n")
    Workplace.settle(old)
    workplace.good("new.flow.yaml", "flow", number=2)
    assert set(workplace.errors()) == {"new.flow.yaml.py", "old.flow.yaml.py"}


def test_ignore_rules_are_those_of_airflow(workplace: Workplace) -> None:
    workplace.write(".airflowignore", "old/\n*secret*\n")
    workplace.good("old/one.flow.yaml", "one")
    workplace.good("my_secret.flow.yaml", "two")
    workplace.good("new/three.flow.yaml", "three")
    assert workplace.dags() == {"three"}


def test_the_layout_heals_itself(workplace: Workplace) -> None:
    workplace.good("good.flow.yaml", "good")
    workplace.write("bad.flow.yaml", "version: 1\n")
    workplace.refresh()
    root = workplace.bundle().path.parent
    (root / "state.json").write_bytes(b"{")
    for path in (root / "index").iterdir():
        path.write_bytes(b"")
    for path in root.joinpath("dags").rglob("*.py"):
        path.unlink()
    assert workplace.dags() == {"good"}
    assert set(workplace.errors()) == {"bad.flow.yaml.py"}


@pytest.mark.parametrize(
    "name", ["naïve ✈.flow.yaml", "new\nline.flow.yaml", "x" * 245 + ".flow.yaml", "'\"\\.flow.yaml"]
)
def test_odd_file_names(workplace: Workplace, name: str) -> None:
    workplace.write(name, "version: 1\n")
    workplace.good("good.flow.yaml", "good")
    assert workplace.dags() == {"good"}
    assert len(workplace.errors()) == 1


def test_file_name_that_is_no_text(workplace: Workplace) -> None:
    name = b"\xff.flow.yaml".decode("utf-8", "surrogateescape")
    workplace.write(name, "version: 1\n")
    (stub,) = workplace.errors()
    stub.encode()


def test_two_processes_at_once(workplace: Workplace, tmp_path: Path) -> None:
    for number in range(30):
        workplace.good(f"flow_{number}.flow.yaml", f"flow_{number}")
    code = (
        "from dag_factory import FlowBundle\n"
        f"b = FlowBundle(name='flows', bundle={{'kwargs': {{'path': {str(workplace.specs)!r}}}}})\n"
        "b.initialize()\nfor _ in range(5): b.refresh()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(300) for process in processes] == [0, 0]
    assert set(workplace.bag().dags) == {f"flow_{number}" for number in range(30)}


def test_wrong_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match="classpath and kwargs, not path"):
        FlowBundle(name="flows", bundle={"path": "/tmp"})
