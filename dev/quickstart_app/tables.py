"""Small tables for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def width(text: str) -> int:
    """Return the columns that a text takes in a terminal, where Chinese characters take two.

    :param text: one line
    """
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out a table: numbers to the right, text to the left.

    :param title: line above it
    :param header: names of the columns
    :param rows: cells
    :return: its lines
    """
    cells = [list(header), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(width(line[column]) for line in cells) for column in range(len(header))]
    to_the_right = [
        bool(rows) and all(isinstance(row[column], int | float) for row in rows)
        for column in range(len(header))
    ]

    def lay_out(line: Sequence[str]) -> str:
        padded = []
        for cell, size, right in zip(line, widths, to_the_right, strict=True):
            space = " " * (size - width(cell))
            padded.append(space + cell if right else cell + space)
        return "  " + "  ".join(padded).rstrip()

    rule = "  " + "  ".join("-" * size for size in widths)
    return "\n".join([title, "", lay_out(cells[0]), rule, *[lay_out(line) for line in cells[1:]]])
