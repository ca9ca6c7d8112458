"""Time patterns: those that cannot be read, and those that say something other than was surely meant.

Source: flow-spec, *Time*; DMS reference, section 2.5 (the letters).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from dag_factory.diagnostics import Finding, Path, closest
from dms_provider.variables.pattern import PatternError, TimePattern

if TYPE_CHECKING:
    from dag_factory.spec.flow import Flow

EPOCHS = ("epoch", "epoch_ms")
"""What ``time_format`` can be other than a pattern."""

_RUN = re.compile(r"'[^']*'|(?P<letter>[A-Za-z])(?P=letter)*|(?P<bar>\|)")
_OFFSET_IN_FORMAT = re.compile(r"(?:[+-][1-9][0-9]{0,3}[yMwdhm])+$")
_FEW_MINUTES = re.compile(r"(?<=[+-])([1-9]|1[0-2])m")
_WRAPPED = re.compile(r"\$?[{\[]+\s*([^{}\[\]]*?)\s*[}\]]+")
_PERCENT = re.compile(r"%[YmdHMS]")
_OF_PERCENT = {"%Y": "yyyy", "%m": "MM", "%d": "dd", "%H": "HH", "%M": "mm", "%S": "ss"}
_HOURS = frozenset("HhkK")
_OF_THE_DAY = _HOURS | frozenset("msa")


class Slip(NamedTuple):
    """What is odd about a pattern that can be read.

    :param offset: characters into the pattern
    :param meant: the pattern that was probably meant
    """

    message: str
    offset: int
    meant: str


class _Run(NamedTuple):
    letter: str
    start: int
    width: int

    def __str__(self) -> str:
        return self.letter * self.width

    def of(self, letter: str) -> str:
        return letter * self.width


def check_patterns(path: Path, patterns: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with the patterns of a mapping.

    :param path: of the mapping
    :param patterns: name of a variable -> its pattern
    """
    for name, pattern in patterns.items():
        yield from _check_pattern((*path, name), pattern)


def check_time_formats(flow: Flow) -> Iterator[Finding]:
    """Yield what is wrong with the ``time_format`` of nodes."""
    for node_id, node in flow.nodes.items():
        text = vars(node).get("time_format")
        if text is not None and text not in EPOCHS:
            yield from _check_time_format(("nodes", node_id, "time_format"), text)


def _check_time_format(path: Path, text: str) -> Iterator[Finding]:
    from dms_provider.variables.time_format import TimeFormat, TimeFormatError

    try:
        TimeFormat.parse(text)
    except TimeFormatError as error:
        slip = None if _mistake(text) else slip_of(text)
        meant = slip.meant if slip else closest(text, EPOCHS)
        yield Finding(path, "wrong-pattern", error.message, offset=error.offset, suggestion=meant)
    else:
        yield from _check_pattern(path, text)


def _check_pattern(path: Path, pattern: str) -> Iterator[Finding]:
    mistake = _mistake(pattern)
    if mistake is not None:
        yield Finding(path, "wrong-pattern", mistake.message, offset=mistake.offset)
    elif (slip := slip_of(pattern)) is not None:
        yield Finding(
            path,
            "unusual-pattern",
            slip.message,
            offset=slip.offset,
            suggestion=slip.meant,
            severity="warning",
        )


def _mistake(pattern: str) -> PatternError | None:
    try:
        TimePattern.parse(pattern)
    except PatternError as error:
        return error
    return None


@lru_cache(maxsize=1024)
def slip_of(pattern: str) -> Slip | None:
    """Return what is odd about a pattern, if anything is.

    :param pattern: that can be read
    """
    if wrapped := _WRAPPED.fullmatch(pattern):
        return Slip("a pattern stands alone, without braces or brackets", 0, wrapped[1])
    if found := _PERCENT.search(pattern):
        meant = _PERCENT.sub(lambda sign: _OF_PERCENT[sign.group()], pattern)
        return Slip("a pattern has letters, no signs with %", found.start(), meant)
    runs, end = _runs(pattern)
    if end == len(pattern) and (found := _OFFSET_IN_FORMAT.search(pattern)):
        meant = f"{pattern[: found.start()]}|{found.group()}"
        return Slip(f"the offset {found.group()} stands behind a |", found.start(), meant)
    slips = _slips_of_letters(runs)
    meant = pattern
    for run, letter, _ in slips:
        meant = meant[: run.start] + run.of(letter) + meant[run.start + run.width :]
    if _OF_THE_DAY.isdisjoint(run.letter for run in runs) and (found := _FEW_MINUTES.search(pattern, end)):
        meant = meant[:end] + _FEW_MINUTES.sub(r"\1M", meant[end:])
        if not slips:
            return Slip("m in an offset is minutes, M is months", found.start(), meant)
    if not slips:
        return None
    run, _, words = slips[0]
    return Slip(words, run.start, meant)


def _runs(pattern: str) -> tuple[list[_Run], int]:
    """Return the runs of letters of the format, and the offset of the ``|`` behind it, or of the end."""
    runs: list[_Run] = []
    for found in _RUN.finditer(pattern):
        if found["bar"]:
            return runs, found.start()
        if found["letter"]:
            runs.append(_Run(found["letter"], found.start(), found.end() - found.start()))
    return runs, len(pattern)


def _slips_of_letters(runs: list[_Run]) -> list[tuple[_Run, str, str]]:
    """Return each odd run with the letter that was meant, and why it is odd."""
    letters = {run.letter for run in runs}
    slips = []
    before = ""
    for run in runs:
        slip = _slip_of_run(run, before, letters)
        if slip is not None:
            slips.append((run, *slip))
        before = run.letter
    return slips


def _slip_of_run(run: _Run, before: str, letters: set[str]) -> tuple[str, str] | None:
    letter = run.letter
    if letter == "D" and run.width < 3:
        return "d", f"{run} is the day of the year, {run.of('d')} the day of the month"
    if letter == "Y" and letters.isdisjoint("wW"):
        return "y", f"{run} is the year that the week belongs to, {run.of('y')} that of the date"
    if letter == "m" and "M" not in letters and letters.isdisjoint(_HOURS) and letters & set("yYdD"):
        return "M", f"{run} is the minute, {run.of('M')} the month"
    if letter == "M" and before in _HOURS and "m" not in letters:
        return "m", f"{run} is the month, {run.of('m')} the minute"
    if letter in "hK" and "a" not in letters:
        span = "1 to 12" if letter == "h" else "0 to 11"
        return "H", f"{run} is the hour from {span}, {run.of('H')} that from 0 to 23"
    return None
