"""Names that two may use, and the node that a name comes from."""

from __future__ import annotations

import pytest

from dag_factory.diagnostics import SpecError
from dag_factory.validation import Validated, validate_bytes
from tests.dag_factory.checks.test_patterns import problems

HEAD = "version: 1\nowner: alice\n"


def assignment(node: str, *outputs: str, after: str = "", more: str = "") -> str:
    """A node that gives outputs."""
    given = ", ".join(f"{name}: {{row: 0, column: 0}}" for name in outputs)
    return (
        f"  {node}:\n    type: sql_assignment\n    database: w\n    after: [{after}]\n"
        f"{more}    sql: SELECT 1\n    outputs: {{{given}}}\n"
    )


def user(node: str, text: str, after: str = "", more: str = "") -> str:
    """A node that uses names."""
    return (
        f"  {node}:\n    type: single_instance_sql\n    database: w\n    after: [{after}]\n"
        f'{more}    sql: "{text}"\n'
    )


def validated(text: str) -> Validated:
    return validate_bytes((HEAD + text).encode(), file="x.flow.yaml", path=None, root=None)


@pytest.mark.parametrize(
    "text",
    [
        "nodes:\n"
        + user("a", "${month}", more="    variables: {month: yyyyMM}\n")
        + user("b", "${month}", "a", more="    variables: {month: MM}\n"),
        "variables: {bizdate: yyyyMMdd}\nconstants: {run_id: fixed}\nnodes:\n"
        + user("a", "/*+ ${run_id} */ ${bizdate}"),
        "nodes:\n" + assignment("a", "flow_name") + user("b", "${flow_name}", "a"),
        "nodes:\n" + assignment("a", "n") + assignment("b", "n")
        + user("c", "${n}", "a") + user("d", "${n}", "b"),
        "constants: {n: fixed}\nnodes:\n" + user("a", "${n}") + assignment("b", "n", after="a"),
        "nodes:\n" + user("a", "$${n} and $${"),
    ],
    ids=[
        "two node variables of one name",
        "system variables defined anew",
        "an output named as a system variable",
        "outputs of one name that nobody sees together",
        "an output that nobody sees",
        "escaped dollars",
    ],
)  # fmt: skip
def test_good_flows(text: str) -> None:
    assert validated(text).warnings == ()


def test_a_name_comes_from_the_node_that_gives_it_however_far_upstream() -> None:
    text = "nodes:\n" + user("d", "${n} ${m}", "c") + user("c", "x", "b") + assignment("b", "m", after="a")
    text += assignment("a", "n")
    assert validated(text).inputs == {"d": {"n": "a", "m": "b"}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (assignment("a", "n") + user("b", "${n}"), "which is not upstream of this node: add it to 'after'"),
        (
            user("b", "${n}") + assignment("a", "n", after="b"),
            "an output of node 'a', which runs after this node",
        ),
        (
            assignment("a", "n").replace("SELECT 1", "SELECT ${n}"),
            "this node itself: it has no value before the node has run",
        ),
    ],
)
def test_an_output_without_a_value_yet(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        validated("nodes:\n" + text)
    (problem,) = caught.value.problems
    assert problem.code == "not-upstream"
    assert problem.message.endswith(words)


def test_a_node_variable_is_no_input() -> None:
    text = "nodes:\n" + assignment("a", "n") + user("b", "${n}", more="    variables: {n: yyyy}\n")
    assert validated(text).inputs == {}


@pytest.mark.parametrize(
    ("script_type", "first"), [("shell", "#!/usr/bin/python3"), ("powershell", "param([string] $a)")]
)
def test_data_in_a_script_that_takes_no_variables(script_type: str, first: str) -> None:
    nodes = f"""nodes:
  q:
    type: sql_assignment
    database: w
    sql: SELECT 1
    outputs: {{x: {{row: 0, column: 0}}, n: {{row: 0, column: 0, type: number}}}}
  e:
    type: ecs_remote_command
    after: [q]
    connection: c
    region: r
    instance: i
    script_type: {script_type}
    script: |
      {first}
      print("${{n}}")
      print("${{x}}")
"""
    (problem,) = problems(nodes)
    assert (problem.code, problem.line, problem.column) == ("misplaced-data", 19, 14)
