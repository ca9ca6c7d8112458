"""References where nobody reads them."""

from __future__ import annotations

import pytest

from tests.dag_factory.checks.test_patterns import problems

NODE = "nodes:\n  a: {type: single_instance_sql, database: w, sql: 'SELECT ${bizdate}'}\n"
GIVER = "  q: {type: sql_assignment, database: w, sql: SELECT 1, outputs: {x: {row: 0, column: 0}}}\n"


@pytest.mark.parametrize(
    "key",
    [
        "name: Report of ${bizdate}",
        "owner_: x\nscenario: ${bizdate}",
        "stakeholders: [bob, '${bizdate}']",
        "pool: p_${region}",
        "secrets: {token: 'report_${bizdate}'}",
        "notifications: {success: ['${bizdate}']}",
        "notifications: {timeout: {to: ['ops_${bizdate}']}}",
    ],
)
def test_a_reference_in_a_key_of_the_flow(key: str) -> None:
    found = [problem for problem in problems(f"{key}\n{NODE}") if problem.code != "unknown-key"]
    assert [(problem.severity, "$" in problem.message) for problem in found] == [("error", True)]


@pytest.mark.parametrize(
    "node",
    [
        "type: single_instance_sql, database: '${bizdate}', sql: SELECT 1",
        "type: single_instance_sql, database: w, sql: SELECT 1, queue: '${bizdate}'",
        "type: single_instance_sql, database: w, sql: SELECT 1, name: 'x ${bizdate}'",
        "type: sql_assignment, database: w, sql: SELECT 1, outputs: {o: {row: 0, column: '${bizdate}'}}",
        "type: sql_assignment, database: w, sql: SELECT 1,"
        " outputs: {o: {row: 0, column: 0, if_empty: '${bizdate}'}}",
        "type: ecs_remote_command, connection: c, region: '${bizdate}', instance: i, script: ls",
        "type: audit, database: w, table: t,"
        " rules: [{metric: in_set_rate, column: c, values: ['${bizdate}'], check: < 1}]",
    ],
)
def test_a_reference_in_a_key_of_a_node(node: str) -> None:
    (problem,) = problems(f"nodes:\n  n: {{{node}}}\n")
    assert problem.severity == "error"
    assert "${bizdate}" in problem.message
    assert problem.line == 4


def test_a_reference_in_a_constant_is_a_warning() -> None:
    (problem,) = problems("constants: {path: 'a/${bizdate}'}\n" + NODE)
    assert (problem.severity, problem.line, problem.column) == ("warning", 3, 22)


@pytest.mark.parametrize(
    "text",
    [
        "description: fills report_${month}\n" + NODE,
        "# ${bizdate}\n" + NODE,
        NODE + GIVER + "  c: {type: conditional_branch, after: [q], condition: '${x} > 1'}\n",
        NODE + "  t: {type: table_time_check, database: w, table: 't_${bizdate}', time_column: c,"
        " since: '${bizdate}', where: \"d = '${bizdate}'\"}\n",
        NODE + "  e: {type: ecs_remote_command, connection: c, region: r, instance: ['i-${bizdate}'],"
        " script: 'echo ${HOME} ${x:-1}', working_directory: '/${bizdate}', username: 'u${bizdate}'}\n",
        "description: ${month}\n" + NODE + "  e: {type: ecs_remote_command, connection: c, region: r,"
        " instance: 'i-${bizdate}', script: ls}\n",
        NODE + "  u: {type: single_instance_sql, database: w, sql: SELECT 1,"
        " unload: {to: 'oss://a/b/${bizdate}.csv'}}\n",
    ],
)
def test_references_where_they_are_read_are_good(text: str) -> None:
    assert problems(text) == ()


def test_a_node_that_could_not_be_read_tells_nothing_more() -> None:
    node = "  b: {type: sqll, database: w, sql: 'SELECT ${bizdate}'}\n"
    assert [problem.code for problem in problems(NODE + node)] == ["unknown-type"]


def test_a_mistake_beside_a_text_does_not_make_its_references_a_mistake() -> None:
    rules = "[{metric: row_count, check: '== ${bizdate}'}, {metric: row_count, check: between 5 and 1}]"
    node = f"  b: {{type: audit, database: w, table: t, rules: {rules}}}\n"
    assert [problem.code for problem in problems(NODE + node)] == ["wrong-value"]
