"""What a kind of database makes of a SQL text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dms_provider.dialects.aggregates import Aggregates
from dms_provider.dialects.lexer import LexicalRules, Lexicon, lexicon
from dms_provider.dialects.modes import Mode, Repertoire, UnknownMode
from dms_provider.dialects.statements import SplittingRules, Statement, StatementReader
from dms_provider.variables.references import Text

_ONLY_MODE: Final = Mode()


@dataclass(frozen=True, slots=True)
class Dialect:
    """One dialect of SQL: data, and the few functions that data cannot say.

    :param name: of the dialect, as messages show it
    :param rules: what its texts are made of
    :param splitting: how a script becomes statements
    :param default_mode: a session's mode where nobody changed it
    :param mode_query: SQL that reads the mode of a session, one row; ``None`` where there is only one mode
    :param read_mode: makes a mode of that row
    :param mode_characters: characters without which a text means the same in every mode
    :param transactions: statements can be undone together
    :param commits: the words of a statement by which it ends a transaction or cannot be in one, given its
        words in capitals; ``None`` where it has none
    :param nests_code: whether the plain literals of a statement that begins with these words hold code
    :param introducers: a name that begins with ``_`` in front of a literal sets its character set
    :param backslashed_quotes: a quote in a literal is written ``\\'``, not ``''``
    :param plain_repertoire: characters that ``'text'`` keeps
    :param national_repertoire: characters that ``N'text'`` keeps
    :param batches: statements need nothing between them, so that one text can hold many
    :param identifier_quotes: what stands before and behind an identifier, in every mode
    :param first_row: the beginning of a query of at most one row, and what stands behind its conditions
    :param joined_lines: a backslash at the end of a line within a literal joins it with the next, and goes
    :param offsets_in_times: the offset of a zone behind a time is understood
    :param compares_anything: a number is compared with a text or a time without an error, and to no purpose
    :param aggregates: what is computed over the rows of a table
    """

    name: str
    rules: LexicalRules
    splitting: SplittingRules
    default_mode: Mode = _ONLY_MODE
    mode_query: str | None = None
    read_mode: Callable[[Sequence[object]], Mode] | None = None
    mode_characters: str = ""
    transactions: bool = True
    commits: Callable[[Sequence[str]], str | None] = lambda words: None
    nests_code: Callable[[Sequence[str]], bool] = lambda words: False
    introducers: bool = False
    backslashed_quotes: bool = False
    plain_repertoire: Repertoire = "unicode"
    national_repertoire: Repertoire = "unicode"
    batches: bool = False
    identifier_quotes: str = '""'
    first_row: tuple[str, str] = ("SELECT", "ORDER BY {order} LIMIT 1")
    joined_lines: bool = False
    offsets_in_times: bool = False
    compares_anything: bool = False
    aggregates: Aggregates = field(default_factory=Aggregates)

    def mode(self, row: Sequence[object] | None) -> Mode:
        """Return the mode that the server's answer to :attr:`mode_query` tells.

        :raises UnknownMode: the row is not what the query asks for
        """
        if self.read_mode is None:
            return self.default_mode
        if row is None:
            raise UnknownMode(f"{self.name}: no answer to {self.mode_query}")
        try:
            return self.read_mode(row)
        except (IndexError, KeyError, TypeError, AttributeError) as error:
            raise UnknownMode(f"{self.name}: {self.mode_query} gave {row!r}") from error

    @property
    def unknown_mode(self) -> Mode:
        """The mode of a session that cannot be asked: data is accepted where every mode reads it alike."""
        if self.read_mode is None:
            return self.default_mode
        unknown_quotes = '"' in self.mode_characters
        return replace(
            self.default_mode,
            known=False,
            double_quotes="unknown" if unknown_quotes else self.default_mode.double_quotes,
        )

    def lexicon(self, mode: Mode | None = None) -> Lexicon:
        """Return the lexer of this dialect in a mode, by default its own."""
        return lexicon(self.rules, mode or self.default_mode)

    def split(self, text: Text, mode: Mode | None = None) -> Iterator[Statement]:
        """Yield the statements of a script that does not change its session's mode.

        :raises RefusedValue: data stands where it would decide what ends a statement
        """
        reader = StatementReader(self, text)
        while (statement := reader.next(mode)) is not None:
            yield statement
