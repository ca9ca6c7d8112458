"""Examples and tables of a Markdown document, with the line and the headings where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOP = "README.md"
DAG_FACTORY = "dag_factory/README.md"
DMS_PROVIDER = "dms_provider/README.md"
DOCUMENTS = (TOP, DAG_FACTORY, DMS_PROVIDER)

_FENCE = re.compile(r"(?P<ticks>`{3,})(?P<info>.*)")
_HEADING = re.compile(r"(?P<level>#+) (?P<text>.+)")
_CELL_END = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Example:
    """One fenced block.

    :param document: path of the document below the checkout
    :param line: of its first line, from 1
    :param language: first word behind the fence
    :param words: further words behind the fence, such as ``flow``
    :param options: ``key=value`` pairs behind the fence
    """

    document: str
    line: int
    language: str
    words: tuple[str, ...]
    options: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Table:
    """One table.

    :param headings: the headings above it, from the top of the document down to the nearest
    :param header: the cells of its first row
    :param rows: its other rows; code marks are gone where they enclose a whole cell
    """

    document: str
    line: int
    headings: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def examples(document: str) -> list[Example]:
    """Return the fenced blocks of a document, in order."""
    found = []
    lines = iter(enumerate((ROOT / document).read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        if not (fence := _FENCE.fullmatch(line)):
            continue
        content = []
        for _, inside in lines:
            if inside == fence["ticks"]:
                break
            content.append(inside)
        language, *words = fence["info"].split() or [""]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        plain = tuple(word for word in words if "=" not in word)
        found.append(Example(document, number + 1, language, plain, options, "\n".join(content) + "\n"))
    return found


def tables(document: str) -> Iterator[Table]:
    """Yield the tables of a document, in order."""
    headings: list[str] = []
    rows: list[tuple[str, ...]] = []
    fenced = False
    start = 0
    text = (ROOT / document).read_text(encoding="utf-8")
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if _FENCE.fullmatch(line):
            fenced = not fenced
        if fenced:
            continue
        if line.startswith("|"):
            start = start if rows else number
            rows.append(_cells(line))
        elif rows:
            yield Table(document, start, tuple(headings), rows[0], tuple(rows[2:]))
            rows = []
        if heading := _HEADING.fullmatch(line):
            headings[len(heading["level"]) - 1 :] = [heading["text"]]


def tables_with(document: str, *header: str) -> list[Table]:
    """Return the tables of a document that begin with these columns; there must be one."""
    found = [table for table in tables(document) if table.header[: len(header)] == header]
    assert found, f"{document} has no table with the columns {header}"
    return found


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return tuple(_plain(cell.strip().replace("\\|", "|")) for cell in _CELL_END.split(inner))


def _plain(cell: str) -> str:
    """Return a cell without the code marks around it; ``"(empty)"`` stands for a text of no characters."""
    for ticks in ("``", "`"):
        inside = cell[len(ticks) : -len(ticks)]
        if cell.startswith(ticks) and cell.endswith(ticks) and inside and "`" not in inside.replace("``", ""):
            return inside.strip(" ") if ticks == "``" else inside
    return cell
