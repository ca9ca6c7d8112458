"""A script as a node would run it, without a server: its statements, and why it would be refused.

Source: flow-spec, *single_instance_sql* and *sql_assignment*.
"""

from __future__ import annotations

from dataclasses import dataclass

from dms_provider.dialects.base import Dialect
from dms_provider.dialects.queries import query_problem
from dms_provider.dialects.substitution import substitute
from dms_provider.dialects.transactions import commits_by_itself
from dms_provider.variables.references import Text


@dataclass(frozen=True, slots=True)
class FilledStatement:
    """One statement with everything in it that is known.

    :param sql: as the server would get it
    :param line: of the script, counted from 1
    :param commits: the words by which it ends a transaction or cannot be in one; ``None``: it can be undone
    """

    sql: str
    line: int
    commits: str | None


def fill_script(text: Text, dialect: Dialect) -> list[FilledStatement]:
    """Cut a script into statements and put its data in, for a session that nobody has changed.

    :param text: author's text and data references; a reference that stayed is text
    :raises RefusedValue: data may not stand where its reference stands
    """
    return [
        FilledStatement(
            _repeated(substitute(statement.text, dialect), statement.repeat),
            statement.line,
            commits_by_itself(statement.text, dialect),
        )
        for statement in dialect.split(text)
    ]


def script_problem(
    text: Text, statements: list[FilledStatement], dialect: Dialect, *, transaction: bool, one_query: bool
) -> str | None:
    """Return why a script would be refused before, or by, its first statement.

    :param text: the script
    :param statements: of :func:`fill_script`
    :param transaction: all statements are to be committed together
    :param one_query: it must be one SELECT that changes nothing
    :return: for people; ``None``: nothing is wrong with it
    """
    if not statements:
        return "there is no statement in the text of this node"
    for statement in statements:
        if transaction and statement.commits:
            return (
                f"line {statement.line}: {statement.commits} commits by itself in {dialect.name}, and"
                " 'transaction' is true"
            )
    problem = query_problem(text, dialect) if one_query else None
    return problem and f"one SELECT belongs here, and in {dialect.name} this {problem}"


def _repeated(sql: str, times: int) -> str:
    return sql if times == 1 else f"{sql}\nGO {times}"
