"""Which ``;`` of a routine lie inside its body: blocks as MySQL, Db2, SQLite and PostgreSQL have them."""

from __future__ import annotations

from typing import Final

_STATEMENT_FOLLOWS: Final = frozenset({";", "BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", ":", "ATOMIC"})
_ENDED_BY_NAME: Final = frozenset({"IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"})
_CONTROL: Final = frozenset({"IF", "LOOP", "WHILE", "REPEAT", "FOR"})
_SIMPLE: Final = frozenset(
    {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "REPLACE",
        "SET",
        "CALL",
        "RETURN",
        "WITH",
        "SIGNAL",
        "DROP",
        "TRUNCATE",
    }
)
_NO_STATEMENT_BEFORE: Final = frozenset({"BEFORE", "AFTER", "OR", "OF", "CHARACTER", "CHAR", ",", "ON"})
_NAME_FOLLOWS: Final = frozenset(
    {"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "IN", "OUT", "INOUT", "(", ","}
)


class Blocks:
    """Follows the words and marks of one routine and knows at each ``;`` whether a block is open.

    :param control_statements: ``IF``, ``LOOP``, ``WHILE``, ``REPEAT`` and ``FOR`` have an ``END`` too
    :param only_atomic: a block begins with ``BEGIN ATOMIC`` only
    """

    __slots__ = (
        "_atomic",
        "_body_is_simple",
        "_control",
        "_handler",
        "_open",
        "_parentheses",
        "_pending_function",
        "_previous",
    )

    def __init__(self, *, control_statements: bool, only_atomic: bool = False) -> None:
        self._control = control_statements
        self._atomic = only_atomic
        self._open: list[str] = []
        self._previous = ""
        self._body_is_simple = False
        self._handler = False
        self._parentheses = 0
        self._pending_function: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a ``;`` at this point belongs to the body."""
        return bool(self._open)

    def feed(self, mark: str) -> None:
        """Take in the next token.

        :param mark: a word in capitals; a mark such as ``;`` or ``(``; any other text for a literal or name
        """
        previous, self._previous = self._previous, mark
        if self._pending_function is not None:
            self._function_or_statement(mark)
        if mark == "(":
            self._parentheses += 1
        elif mark == ")":
            self._parentheses -= 1
        if previous == ".":
            self._previous = "a name"
        else:
            self._follow(mark, previous)

    def _follow(self, mark: str, previous: str) -> None:
        if previous == "END" and mark in _ENDED_BY_NAME:
            self._close(mark)
        elif previous == "END" and self._open and self._open[-1] != "REPEAT":
            self._open.pop()
            self._body_is_simple = not self._open
        if mark == ";":
            self._handler = False
        elif mark == "END" and not self._ends_here(previous):
            self._previous = "a name"
        elif mark == "HANDLER":
            self._handler = True
        elif mark == "CASE" and previous != "END":
            self._open.append("CASE" if self._at_statement(previous) else "CASE expression")
        elif mark == "BEGIN" and not self._atomic and (self._handler or self._at_statement(previous)):
            self._handler = False
            self._open.append("BEGIN")
        elif mark == "ATOMIC" and self._atomic and previous == "BEGIN":
            self._open.append("BEGIN")
        elif mark in _CONTROL and self._control and previous != "END" and self._at_statement(previous):
            self._open_control(mark, previous)
        elif mark in _SIMPLE and self._begins_simple_body(previous):
            self._body_is_simple = True

    def _begins_simple_body(self, previous: str) -> bool:
        return (
            self._control
            and not self._open
            and not self._parentheses
            and previous not in _NO_STATEMENT_BEFORE
        )

    def _at_statement(self, previous: str) -> bool:
        if self._open:
            return self._open[-1] != "CASE expression" and previous in _STATEMENT_FOLLOWS
        return not self._body_is_simple and previous not in _NAME_FOLLOWS

    def _ends_here(self, previous: str) -> bool:
        if not self._open:
            return False
        return self._open[-1] in ("CASE", "CASE expression", "REPEAT") or previous in _STATEMENT_FOLLOWS

    def _open_control(self, mark: str, previous: str) -> None:
        if not self._open and mark == "FOR":
            return  # FOR EACH ROW
        self._open.append(mark)
        if mark in ("IF", "REPEAT"):
            self._pending_function = (0, 0)

    def _function_or_statement(self, mark: str) -> None:
        # IF(a, b, c) and REPEAT('x', 3) are functions; IF (a) THEN is a statement
        depth, commas = self._pending_function or (0, 0)
        if mark == "(":
            self._pending_function = (depth + 1, commas)
        elif depth == 0:
            self._pending_function = None
        elif mark == ",":
            self._pending_function = (depth, commas + (depth == 1))
        elif mark == ")":
            self._pending_function = (depth - 1, commas)
            if depth == 1:
                self._pending_function = None
                if commas:
                    self._open.pop()
        elif mark == ";":
            self._pending_function = None

    def _close(self, mark: str) -> None:
        if self._open and self._open[-1] == "CASE expression" and mark != "CASE":
            self._open.pop()
            return
        if self._open:
            self._open.pop()
        self._previous = "END " + mark
        self._body_is_simple = not self._open
