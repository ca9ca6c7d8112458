"""Outputs of queries and scripts: which cells of a query they take, and how many rows that needs.

Source: flow-spec, *sql_assignment*, *ecs_remote_command*; DMS reference, section 2.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dms_provider.operators.cells import CellError, cell_text, check_type
from dms_provider.variables.values import Data, OutputType


class OutputError(ValueError):
    """An output cannot be taken from the result of its query. The message names it and says what to do."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"output {name}: {message}")


@dataclass(frozen=True, slots=True)
class Output:
    """One variable that a query gives to the nodes downstream.

    :param row: which row, from 0; ``all`` makes a list of one column's cells
    :param column: which column, from 0 or by its name; ``all`` makes a list of one row's cells
    :param combiner: text between the elements of a list
    :param type: what each value must be
    :param if_empty: the value where there is no such cell; without it the node fails
    """

    row: int | Literal["all"]
    column: int | str
    combiner: str | None = None
    type: OutputType = "text"
    if_empty: str | None = None

    def __post_init__(self) -> None:
        if self.row == "all" and self.column == "all":
            raise ValueError("row and column cannot both be all; take one row or one column")
        if self.is_list and self.combiner is None:
            raise ValueError("all rows or all columns make a list, which needs a combiner")
        for name, index in (("row", self.row), ("column", self.column)):
            if isinstance(index, int) and index < 0:
                raise ValueError(f"{name} counts from 0; {index} is no {name}")

    @property
    def is_list(self) -> bool:
        """Whether the output takes a whole row or a whole column."""
        return self.row == "all" or self.column == "all"


@dataclass(frozen=True, slots=True)
class ScriptOutput:
    """One variable that a script gives to the nodes downstream.

    :param type: what the value must be
    :param if_empty: the value where the script gives none; without it the node fails
    """

    type: OutputType = "text"
    if_empty: str | None = None

    @property
    def is_list(self) -> bool:
        """A script gives single values."""
        return False


def as_declared(name: str, data: Data, giver: object) -> Data:
    """Return an output as the node that gives it declares it.

    Whoever can write to XCom, or trigger the run, gives elements; the text between them and what they may be
    stay the author's.

    :param name: of the output
    :param data: what was found in XCom or in the run's conf
    :param giver: the operator of the node that gives it
    :raises OutputError: it is not what that node declares
    """
    declared = getattr(giver, "outputs", {}).get(name)
    if not isinstance(declared, (Output, ScriptOutput)):
        declared = None
    if data.is_list and (declared is None or not declared.is_list):
        raise OutputError(name, "a list was stored, but its node gives a single value; run that node again")
    if declared is None:
        return data
    try:
        for element in data.elements:
            check_type(element, declared.type)
    except CellError as error:
        raise OutputError(name, f"what was stored or given is not what its node declares: {error}") from None
    combiner = declared.combiner if isinstance(declared, Output) and data.is_list else None
    return Data(data.elements, combiner=combiner, type=declared.type)


class OutputCollector:
    """Takes outputs out of rows as they come, and keeps nothing else.

    :param outputs: by name
    :param columns: names of the result's columns
    :param max_bytes: how many bytes of UTF-8 all values may have together
    :raises OutputError: an output names a column that the result does not have
    """

    def __init__(self, outputs: Mapping[str, Output], columns: Sequence[str], max_bytes: int) -> None:
        self._outputs = outputs
        self._max_bytes = max_bytes
        self._bytes = 0
        self._rows_seen = 0
        self._elements: dict[str, list[str | None]] = {name: [] for name in outputs}
        self._columns = {name: _column_index(name, output, columns) for name, output in outputs.items()}

    @property
    def rows_needed(self) -> int | None:
        """How many rows must be read in all; ``None`` for every row of the result."""
        rows = [output.row for output in self._outputs.values()]
        return None if "all" in rows else max((row + 1 for row in rows if isinstance(row, int)), default=0)

    def add(self, row: Sequence[Any]) -> None:
        """Take what the outputs need from the next row.

        :raises OutputError: a value is not of its type, is binary, or the values are too large together
        """
        for name, output in self._outputs.items():
            if output.row not in ("all", self._rows_seen):
                continue
            column = self._columns[name]
            if column is None:
                for cell in row:
                    self._take(name, output, cell)
            elif column < len(row):
                self._take(name, output, row[column])
        self._rows_seen += 1

    def finish(self) -> dict[str, Data]:
        """Return the values, once enough rows were added.

        :raises OutputError: a cell is not there, and its output has no ``if_empty``
        """
        return {name: self._value(name, output) for name, output in self._outputs.items()}

    def _take(self, name: str, output: Output, cell: Any) -> None:
        try:
            text = cell_text(cell)
            check_type(text, output.type)
        except CellError as error:
            raise OutputError(name, f"row {self._rows_seen}: {error}") from None
        self._bytes += len((text or "").encode("utf-8", errors="replace")) + len(output.combiner or "")
        if self._bytes > self._max_bytes:
            raise OutputError(
                name,
                f"the outputs of this node are larger than {self._max_bytes} bytes together;"
                " aggregate in the query, or let a SQL node move the rows",
            )
        self._elements[name].append(text)

    def _value(self, name: str, output: Output) -> Data:
        elements = self._elements[name]
        if not elements:
            if output.if_empty is None:
                raise OutputError(
                    name,
                    f"there is nothing at row {output.row}, column {output.column};"
                    f" rows read: {self._rows_seen}; change the query, or give the output an if_empty",
                )
            try:
                check_type(output.if_empty, output.type)
            except CellError as error:
                raise OutputError(name, f"if_empty: {error}") from None
            elements = [output.if_empty]
        return Data(tuple(elements), combiner=output.combiner if output.is_list else None, type=output.type)


def _column_index(name: str, output: Output, columns: Sequence[str]) -> int | None:
    """Return where the output's column is, or ``None`` for all of them.

    A name means the column that is spelled like it; if there is none, the only one that differs in case
    alone.
    """
    wanted = output.column
    if wanted == "all":
        return None
    if isinstance(wanted, int):
        if wanted >= len(columns) and output.if_empty is None:
            raise OutputError(
                name, f"there is no column {wanted}: the result has {len(columns)} columns, counted from 0"
            )
        return wanted
    for alike in (
        [index for index, column in enumerate(columns) if column == wanted],
        [index for index, column in enumerate(columns) if column.lower() == wanted.lower()],
    ):
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise OutputError(
                name, f"{len(alike)} columns are named {wanted!r}; give one an alias, or count from 0"
            )
    raise OutputError(name, f"the result has no column {wanted!r}; it has {', '.join(columns)}")
