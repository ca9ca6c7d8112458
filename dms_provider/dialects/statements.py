"""A script, read statement by statement.

Source: flow-spec, *Nodes* (statements run in order) and *Variables*; DMS reference, section 11.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dms_provider.dialects import lexer
from dms_provider.dialects.blocks import Blocks
from dms_provider.dialects.modes import Mode
from dms_provider.dialects.refusals import RefusedValue
from dms_provider.dialects.sources import Source, shown
from dms_provider.variables.references import Text

if TYPE_CHECKING:
    from dms_provider.dialects.base import Dialect

_GO_LINE: Final = re.compile(r"[ \t]*GO(?:[ \t]+([0-9]{1,9}))?[ \t]*;?[ \t]*(?:--[^\n]*)?(?:\n|\Z)", re.I)
_SLASH_LINE: Final = re.compile(r"[ \t]*/[ \t]*\r?(?:\n|\Z)")
_DELIMITER_LINE: Final = re.compile(r"[ \t]*DELIMITER[ \t]+(\S+)[^\n]*(?:\n|\Z)", re.I)
_TERMINATOR_LINE: Final = re.compile(r"--#SET[ \t]+TERMINATOR[ \t]+(\S+)[ \t]*\r?\Z", re.I)
_SUMMARY_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class SplittingRules:
    """How the tools of a dialect cut a script into statements.

    :param semicolons: ``;`` ends a statement
    :param delimiter_command: a line ``DELIMITER //`` sets what ends a statement from there on
    :param terminator_comment: a line ``--#SET TERMINATOR @`` does that
    :param parentheses: no ``;`` within parentheses ends a statement
    :param slash_lines: a line with nothing but ``/`` ends a statement
    :param go_lines: a line ``GO`` or ``GO 5`` ends a batch
    :param whole_script: a script in which this is found is one statement
    :param routine: whether a statement that begins with these words, in capitals, may hold ``;`` of its own;
        ``None`` where the next word must tell
    :param blocks: what follows the ``;`` of such a statement; without it, only a line ``/`` ends it
    """

    semicolons: bool = True
    delimiter_command: bool = False
    terminator_comment: bool = False
    parentheses: bool = False
    slash_lines: bool = False
    go_lines: bool = False
    whole_script: re.Pattern[str] | None = None
    routine: Callable[[Sequence[str]], bool | None] | None = None
    blocks: Callable[[], Blocks] | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script, or one batch where ``GO`` ends a batch.

    :param text: as its author wrote it, without what ends it
    :param line: of its first token that is no comment, counted from 1
    :param repeat: how many times it is to be executed, the number behind ``GO``
    :param lead: text before that token: comments
    """

    text: Text
    line: int
    repeat: int = 1
    lead: int = field(default=0, repr=False)

    @property
    def summary(self) -> str:
        """The first line, shortened, for logs: references as ``${name}``, no data."""
        source = Source(self.text)
        line = shown(source.cut(self.lead, len(source.text))).split("\n", 1)[0].strip()
        return line if len(line) <= _SUMMARY_CHARACTERS else line[: _SUMMARY_CHARACTERS - 1] + "…"


class StatementReader:
    """Reads a script statement by statement, because each may change how the next is to be read.

    :param dialect: of the script
    :param text: the script, author's text in and data still apart
    """

    def __init__(self, dialect: Dialect, text: Text) -> None:
        self._dialect = dialect
        self._source = Source(text)
        self._offset = 0
        self._counted = 0
        self._line = 1
        self._delimiter = ";"
        self._mode: Mode | None = None
        self._tokens: Iterator[lexer.Token] = iter(())
        whole_script = dialect.splitting.whole_script
        self._semicolons = dialect.splitting.semicolons and not (
            whole_script and whole_script.search(self._source.text)
        )
        self._last_mode_character = max(
            (self._source.text.rfind(c) for c in dialect.mode_characters), default=-1
        )

    @property
    def depends_on_mode(self) -> bool:
        """Whether anything not yet read means something else in another mode, or holds data."""
        return max(self._source.last_reference, self._last_mode_character) >= self._offset

    def next(self, mode: Mode | None = None) -> Statement | None:
        """Read one statement.

        :param mode: how the session reads SQL now; default: the dialect's own
        :return: the statement, or ``None`` behind the last one
        :raises RefusedValue: data stands where it would decide what ends a statement
        """
        mode = mode or self._dialect.default_mode
        if mode != self._mode:
            self._mode = mode
            self._go_to(self._offset)
        while (found := self._scan()) is not None:
            start, first, end, repeat = found
            if first >= 0 and repeat:
                text = self._source.cut(start, end)
                return Statement(text, self._line_of(first), repeat, first - start)
        return None

    def _go_to(self, offset: int) -> None:
        assert self._mode is not None
        self._offset = offset
        lexicon = lexer.lexicon(self._dialect.rules, self._mode, self._delimiter)
        self._tokens = lexicon.tokens(self._source.text, offset)

    def _line_of(self, offset: int) -> int:
        self._line += self._source.text.count("\n", self._counted, offset)
        self._counted = offset
        return self._line

    def _scan(self) -> tuple[int, int, int, int] | None:
        """Return start, first token, end and repetitions of what the next delimiter ends."""
        rules = self._dialect.splitting
        text = self._source.text
        body = _Body(rules, own_delimiter=self._delimiter != ";")
        start = first = end = -1
        for kind, begin, behind in self._tokens:
            if kind == lexer.DELIMITER:
                if self._semicolons and not body.hides_delimiter():
                    self._offset = behind
                    return start, first, begin if end < 0 else end, 1
            elif kind == lexer.COMMENT:
                if rules.terminator_comment and self._take_terminator(begin, behind, first):
                    return start, first, end, 1
                start, end = (begin if start < 0 else start), behind
                continue
            elif kind == lexer.WORD:
                if body.may_hide:
                    body.word(text[begin:behind].upper())
                if behind - begin in (2, 9):
                    repeat = self._take_line(begin, behind, first, rules)
                    if repeat is not None:
                        return start, first, end, repeat
            elif (
                kind == lexer.OPERATOR
                and rules.slash_lines
                and text[begin] == "/"
                and (line := _whole_line(_SLASH_LINE, text, begin))
            ):
                self._go_to(line.end())
                return start, first, end, 1
            if body.may_hide and kind != lexer.WORD:
                body.mark(kind, text, begin)
            if first < 0:
                first = begin
                start = begin if start < 0 else start
            end = behind
        self._offset = len(text)
        return None if start < 0 else (start, first, end, 1)

    def _take_line(self, begin: int, behind: int, first: int, rules: SplittingRules) -> int | None:
        """Return the repetitions if the word begins a line of the client: ``GO 5`` or ``DELIMITER //``."""
        text = self._source.text
        if rules.go_lines and behind - begin == 2 and (line := _whole_line(_GO_LINE, text, begin)):
            self._go_to(line.end())
            return int(line[1] or 1)
        if not rules.delimiter_command or not (line := _whole_line(_DELIMITER_LINE, text, begin)):
            return None
        if first >= 0 and self._delimiter == ";":
            return None
        self._refuse_data("behind DELIMITER", begin, line.end())
        self._delimiter = line[1]
        self._go_to(line.end())
        return 1

    def _take_terminator(self, begin: int, behind: int, first: int) -> bool:
        line = _TERMINATOR_LINE.match(self._source.text, begin, behind)
        if line is None:
            return False
        self._refuse_data("behind --#SET TERMINATOR", begin, behind)
        self._delimiter = line[1]
        self._go_to(behind)
        return True

    def _refuse_data(self, place: str, start: int, end: int) -> None:
        for _, reference in self._source.references(start, end):
            raise RefusedValue(reference.name, place, "write the delimiter itself")


class _Body:
    """Whether the delimiters at this point of a statement belong to the statement."""

    __slots__ = ("_blocks", "_depth", "_executable", "_marks", "_routine", "_rules", "_words", "may_hide")

    def __init__(self, rules: SplittingRules, *, own_delimiter: bool) -> None:
        self._rules = rules
        self._blocks: Blocks | None = None
        self._depth = 0
        self._executable = False
        self._routine: bool | None = None if rules.routine and not own_delimiter else False
        self._words: list[str] = []
        self._marks: list[str] = []
        self.may_hide = True

    def word(self, word: str) -> None:
        if self._blocks is not None:
            self._blocks.feed(word)
        elif self._routine is None and self._rules.routine is not None:
            self._words.append(word)
            self._marks.append(word)
            self._routine = self._rules.routine(self._words)
            if self._routine and self._rules.blocks is not None:
                self._blocks = self._rules.blocks()
                for mark in self._marks:
                    self._blocks.feed(mark)

    def mark(self, kind: str, text: str, begin: int) -> None:
        if kind == lexer.OPEN:
            self._depth += 1
        elif kind == lexer.CLOSE:
            self._depth -= 1
        elif kind == lexer.EXECUTABLE:
            self._executable = True
        elif kind == lexer.EXECUTABLE_END:
            self._executable = False
        if self._routine is False or kind == lexer.DELIMITER:
            return
        mark = text[begin] if kind in (lexer.OPERATOR, lexer.OPEN, lexer.CLOSE) else kind
        if self._blocks is not None:
            self._blocks.feed(mark)
        else:
            self._marks.append(mark)

    def hides_delimiter(self) -> bool:
        if self._executable or (self._depth > 0 and self._rules.parentheses):
            return True
        if not self._routine:
            return False
        if self._blocks is None:
            return True
        self._blocks.feed(";")
        return self._blocks.is_open


def _whole_line(pattern: re.Pattern[str], text: str, offset: int) -> re.Match[str] | None:
    return pattern.match(text, text.rfind("\n", 0, offset) + 1)
