from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dag_factory.diagnostics import Problem, SpecError
from dag_factory.validation import SpecFile, validate_bytes, validate_file, validate_specs

INVALID = Path(__file__).parents[1] / "flows" / "invalid"


def problems_of(path: Path, **options: Any) -> list[Problem]:
    """Everything that is wrong with a spec, warnings of a good one too."""
    try:
        return list(validate_file(path, **options).warnings)
    except SpecError as error:
        return list(error.problems)


@pytest.mark.parametrize(
    "spec", sorted(INVALID.glob("*.flow.yaml")), ids=lambda spec: spec.name[: -len(".flow.yaml")]
)
def test_every_problem_is_told_with_its_place(spec: Path) -> None:
    """Beside each spec stands what is to be told of it."""
    expected = json.loads(spec.with_name(spec.name.replace(".flow.yaml", ".expected.json")).read_text())
    found = problems_of(spec, shown_as=spec.name)
    keys = ("file", "line", "column", "code", "severity", "suggestion")
    assert [{key: getattr(problem, key) for key in keys} for problem in found] == expected
    assert all(problem.message and problem.message.isprintable() for problem in found)


DOCUMENTED_CODES = """
    syntax duplicate-key unknown-key missing-key wrong-type wrong-value unknown-node cycle unknown-type
    wrong-schedule wrong-pattern undefined-variable not-upstream defined-twice not-a-query wrong-condition
    unreadable-file too-large wrong-encoding
"""


def test_there_is_a_spec_for_each_documented_code() -> None:
    listed = [json.loads(path.read_text()) for path in INVALID.glob("*.expected.json")]
    codes = {problem["code"] for problems in listed for problem in problems}
    assert set(DOCUMENTED_CODES.split()) - codes == {"too-large"}, (
        "the file that is too large is made by a test below"
    )


GOOD = """\
version: 1
owner: alice
variables: {month: yyyyMM|-1M}
constants: {region: east}
nodes:
  load:
    type: single_instance_sql
    database: warehouse
    sql: |
      DELETE FROM report_${month} WHERE day = '${bizdate}';
      INSERT INTO report_${month} SELECT * FROM flights WHERE day = '${bizdate}' AND region = '${region}';
  late:
    type: sql_assignment
    after: [load]
    database: warehouse
    sql: WITH late AS (SELECT * FROM flights WHERE delay > 0) SELECT count(*), max(delay) FROM late
    outputs:
      late_flights: {row: 0, column: 0, type: number}
      worst: {row: 0, column: 1, type: number}
  many:
    type: conditional_branch
    after: [late]
    condition: ${late_flights} > 100 && ${worst} >= 60
  report:
    type: single_instance_sql
    after: [many]
    database: warehouse
    sql: INSERT INTO report VALUES ('${region}', ${late_flights}, '${run_id}')
  clean:
    type: single_instance_sql
    after: [report]
    database: warehouse
    sql_file: sql/clean.sql
"""


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A folder with one good flow and its SQL file."""
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "clean.sql").write_text("DELETE FROM report WHERE n = ${worst};\n")
    (tmp_path / "daily.flow.yaml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("text", ["-- nothing yet", "/* nothing */\n"])
def test_a_text_without_a_statement(specs: Path, text: str) -> None:
    (specs / "sql" / "clean.sql").write_text(text)
    (problem,) = problems_of(specs / "daily.flow.yaml", shown_as="daily.flow.yaml")
    assert (problem.file, problem.line, problem.code) == ("sql/clean.sql", 1, "no-statement")


@pytest.mark.parametrize("sign", ["(", "[", "{", "`", "-", "/", "$", "'", ";"])
def test_a_long_text_of_signs_does_not_keep_anybody_waiting(specs: Path, sign: str) -> None:
    spec = specs / "daily.flow.yaml"
    spec.write_text(GOOD.replace("WITH late", f"WITH {sign * 300_000}"))
    begin = time.process_time()
    problems_of(spec)
    assert time.process_time() - begin < 3


def test_references_in_the_checks_of_rules_are_checked_and_found(specs: Path) -> None:
    node = (
        "{type: audit, after: [late], database: w, table: t, rules: [{metric: row_count, check: '> ${N}'}]}"
    )
    spec = specs / "daily.flow.yaml"
    spec.write_text(f"{GOOD}  checked: {node.replace('N', 'worst')}\n")
    assert validate_file(spec).inputs["checked"] == {"worst": "late"}
    spec.write_text(f"{GOOD}  checked: {node.replace('N', 'wors')}\n")
    (problem,) = problems_of(spec)
    assert (problem.code, problem.line, problem.suggestion) == ("undefined-variable", 34, "worst")


def test_a_good_flow_with_all_that_was_found_out(specs: Path) -> None:
    validated = validate_file(specs / "daily.flow.yaml")
    assert validated.flow_id == "daily"
    assert validated.text == GOOD
    assert validated.warnings == ()
    assert validated.inputs == {
        "many": {"late_flights": "late", "worst": "late"},
        "report": {"late_flights": "late"},
        "clean": {"worst": "late"},
    }
    assert validated.file_texts == {
        ("nodes", "clean", "sql_file"): "DELETE FROM report WHERE n = ${worst};\n"
    }
    assert validated.files == (specs / "daily.flow.yaml", (specs / "sql" / "clean.sql").resolve())


def test_a_draft_has_an_id_of_its_own(specs: Path) -> None:
    draft = specs / "daily.draft.flow.yaml"
    draft.write_text(GOOD)
    assert validate_file(draft).flow_id == "daily__draft"
    draft.write_text("id: other\n" + GOOD)
    assert validate_file(draft).flow_id == "other__draft"


def test_ids_are_claimed_once(specs: Path) -> None:
    (specs / "other.flow.yml").write_text("# a copy\nid: daily\n" + GOOD)
    (specs / "daily.draft.flow.yaml").write_text(GOOD)
    files = [SpecFile(path, specs, path.name) for path in sorted(specs.glob("*.flow.y*ml"))]
    assert [str(problem) for problem in validate_specs(files)] == [
        f"{place}: defined-twice 'daily' is also the id of {other}: give each flow an id of its own"
        for place, other in [
            ("daily.flow.yaml:1:1", "other.flow.yml"),
            ("other.flow.yml:2:5", "daily.flow.yaml"),
        ]
    ]


def test_files_may_lie_anywhere_below_the_root_of_all_specs(specs: Path) -> None:
    (specs / "team").mkdir()
    spec = specs / "team" / "daily.flow.yaml"
    spec.write_text(GOOD.replace("sql/clean.sql", "../sql/clean.sql"))
    (problem,) = problems_of(spec)
    assert problem.code == "unreadable-file"
    assert problems_of(spec, root=specs) == []
    (specs / "sql" / "clean.sql").write_text("\n\nDELETE FROM report WHERE n = ${worse};\n")
    (problem,) = problems_of(spec, root=specs, shown_as="flows/team/daily.flow.yaml")
    assert (problem.file, problem.line, problem.column) == ("flows/sql/clean.sql", 3, 30)
    assert problem.suggestion == "worst"


def test_a_link_out_of_the_root_is_refused_and_one_within_is_followed(
    specs: Path, tmp_path_factory: Any
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "clean.sql"
    outside.write_text("DELETE FROM report")
    linked = specs / "sql" / "clean.sql"
    linked.rename(specs / "real.sql")
    linked.symlink_to(specs / "real.sql")
    assert problems_of(specs / "daily.flow.yaml") == []
    linked.unlink()
    linked.symlink_to(outside)
    (problem,) = problems_of(specs / "daily.flow.yaml")
    assert problem.code == "unreadable-file"
    linked.unlink()
    linked.symlink_to(linked)
    (problem,) = problems_of(specs / "daily.flow.yaml")
    assert problem.code == "unreadable-file"


def test_a_pipe_or_a_device_blocks_nobody(specs: Path) -> None:
    (specs / "sql" / "clean.sql").unlink()
    os.mkfifo(specs / "sql" / "clean.sql")
    (problem,) = problems_of(specs / "daily.flow.yaml")
    assert (problem.code, problem.line, problem.column) == ("unreadable-file", 33, 15)


@pytest.mark.parametrize("size", [4 * 1024 * 1024 + 1, 50 * 1024 * 1024])
def test_a_huge_file_of_sql(specs: Path, size: int) -> None:
    with (specs / "sql" / "clean.sql").open("wb") as stream:
        stream.truncate(size)
    (problem,) = problems_of(specs / "daily.flow.yaml")
    assert problem.code == "unreadable-file"
    assert "4 MiB" in problem.message


def test_fifty_megabytes_of_spec(specs: Path) -> None:
    spec = specs / "daily.flow.yaml"
    spec.write_bytes(GOOD.encode() + b"# " + b"x" * (50 * 1024 * 1024))
    begin = time.process_time()
    (problem,) = problems_of(spec)
    assert problem.code == "too-large"
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("name", ["missing.flow.yaml", "sql", "a\0b.flow.yaml"])
def test_a_spec_that_cannot_be_read(specs: Path, name: str) -> None:
    (problem,) = problems_of(specs / name)
    assert problem.code == "unreadable-file"


def test_words_of_the_file_never_break_the_line(specs: Path) -> None:
    spec = specs / "daily.flow.yaml"
    spec.write_text('"own\\ner\\e[31m": alice\n' + GOOD)
    (problem,) = problems_of(spec)
    assert problem.code == "unknown-key"
    assert str(problem).isprintable()
    assert "own\\ner\\x1b[31m" in problem.message


def test_a_chain_of_a_thousand_nodes_is_checked_quickly() -> None:
    node = """\
  n{number}:
    type: sql_assignment
    database: warehouse
    after: [{before}]
    sql: SELECT '${{bizdate}}' {of_before}
    outputs: {{out{number}: {{row: 0, column: 0}}}}
"""
    text = "version: 1\nowner: alice\nnodes:\n" + node.format(number=0, before="", of_before="")
    for number in range(1, 1000):
        text += node.format(number=number, before=f"n{number - 1}", of_before=f", ${{out{number - 1}}}")
    begin = time.process_time()
    validated = validate_bytes(text.encode(), file="chain.flow.yaml", path=None, root=None)
    assert time.process_time() - begin < 5
    assert validated.inputs["n999"] == {"out998": "n998"}


MUTATIONS = [
    *("${", "}", "$${", "${late_flights}", "'", '"', ":", "- ", "{", "[", "]", "\n", "\n  ", "\t", "|", ">"),
    *("&a ", "*a", "!!x ", "<<: ", "---\n", "...\n", "?", "#", "\0", "\ufeff", "日", "\x85"),
    *("after: [load, late, many]", "all", "1e9", "9" * 30),
]


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD)), st.integers(0, 30), st.sampled_from(MUTATIONS) | st.text(max_size=8)
        ),
        max_size=6,
    )
)
def test_no_text_is_answered_by_a_traceback(mutations: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for at, removed, added in mutations:
        text = text[:at] + added + text[at + removed :]
    check_answer(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=60), st.integers(0, len(GOOD)))
def test_no_bytes_are_answered_by_a_traceback(added: bytes, at: int) -> None:
    check_answer(GOOD.encode()[:at] + added + GOOD.encode()[at:])
    check_answer(added)


SCALARS = st.none() | st.sampled_from(
    ["", "1", "load", "${late_flights}", "${", "all", "yyyy|Q", "single_instance_sql"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "after", "sql", "x", ""]), inner)
    ),
    max_leaves=6,
)


@given(st.data())
def test_no_values_are_answered_by_a_traceback(data: st.DataObject) -> None:
    """Any value of the flow is replaced by any other kind of value, any key by another."""
    spec: Any = yaml.load(GOOD, yaml.BaseLoader)
    for _ in range(data.draw(st.integers(1, 3))):
        here = spec
        while True:
            key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
            below = here[key]
            if isinstance(below, (dict, list)) and below and data.draw(st.booleans()):
                here = below
                continue
            if data.draw(st.booleans()) and isinstance(here, dict):
                here[
                    data.draw(st.sampled_from(["after", "outputs", "variables", "nodes", "schedule", "x"]))
                ] = below
            here[key] = data.draw(VALUES)
            break
    check_answer(yaml.safe_dump(spec, allow_unicode=True).encode())


def check_answer(spec: bytes) -> None:
    """A spec is either a flow or a list of problems, each with a place in the file."""
    lines = len(re.split(rb"\r\n|\r|\n", spec))
    problems: tuple[Problem, ...] = ()
    try:
        validate_bytes(spec, file="x.flow.yaml", path=Path("/nowhere/x.flow.yaml"), root=None)
    except SpecError as error:
        problems = error.problems
        refused = any(problem.severity == "error" for problem in problems)
        assert refused
    for problem in problems:
        assert 1 <= problem.line <= lines, problem
        assert problem.column >= 1, problem
        assert str(problem).isprintable()
