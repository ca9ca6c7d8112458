"""The code of a statement: its tokens without comments."""

from __future__ import annotations

from dms_provider.dialects import Dialect, Mode, lexer


class Code:
    """One statement as a dialect reads it.

    :param sql: the statement
    :param skip_executable: leave the content of executable comments out
    """

    def __init__(self, sql: str, dialect: Dialect, mode: Mode, *, skip_executable: bool = False) -> None:
        self.sql = sql
        self.tokens: list[lexer.Token] = []
        self.has_executable = False
        self.is_unclear = False
        self._closing = {pair[0]: pair[1] for pair in (dialect.identifier_quotes, '""', "``")}
        inside = False
        for token in dialect.lexicon(mode).tokens(sql):
            kind = token[0]
            if kind == lexer.EXECUTABLE:
                self.has_executable = inside = True
            elif kind == lexer.EXECUTABLE_END:
                inside = False
            elif kind != lexer.COMMENT and not (inside and skip_executable):
                self.is_unclear |= kind in (lexer.UNTERMINATED, lexer.UNKNOWN_QUOTES)
                self.tokens.append(token)

    def __len__(self) -> int:
        return len(self.tokens)

    def word(self, index: int) -> str:
        """Return a token in capitals if it is a word without quotes; else empty."""
        if not 0 <= index < len(self.tokens) or self.tokens[index][0] != lexer.WORD:
            return ""
        return self.text(index).upper()

    def words(self, index: int, *words: str) -> bool:
        """Return whether these words begin at a token."""
        return all(self.word(index + offset) == word for offset, word in enumerate(words))

    def behind(self, index: int, *words: str) -> int:
        """Return the index behind these words where they stand at a token; else that token's index."""
        return index + len(words) if self.words(index, *words) else index

    def text(self, index: int) -> str:
        """Return a token as it was written; empty behind the last one."""
        if not 0 <= index < len(self.tokens):
            return ""
        _, start, end = self.tokens[index]
        return self.sql[start:end]

    def is_name(self, index: int) -> bool:
        """Return whether a token can be a part of a name."""
        return 0 <= index < len(self.tokens) and self.tokens[index][0] in (lexer.WORD, lexer.IDENTIFIER)

    def name(self, index: int) -> tuple[tuple[str, ...], int]:
        """Read a name with points between its parts.

        :return: its parts without quotes, none where no name stands there, and the index behind it
        """
        parts: list[str] = []
        while self.is_name(index):
            parts.append(self._unquoted(index))
            index += 1
            if self.text(index) != "." or not self.is_name(index + 1):
                break
            index += 1
        return tuple(parts), index

    def spelling(self, begin: int, end: int) -> str:
        """Return tokens as they were written, with nothing between them."""
        return "".join(self.text(index) for index in range(begin, end))

    def start(self, index: int) -> int:
        """Return the offset at which a token begins; the end of the code behind the last one."""
        return self.tokens[index][1] if index < len(self.tokens) else self.end

    @property
    def end(self) -> int:
        """Offset behind the last token."""
        return self.tokens[-1][2] if self.tokens else 0

    def with_text(self, offset: int, text: str) -> str:
        """Return the statement with a text put in; all else, comments too, stays as it was written."""
        return self.sql[:offset] + text + self.sql[offset:]

    def _unquoted(self, index: int) -> str:
        text = self.text(index)
        if self.tokens[index][0] == lexer.WORD:
            return text
        closing = self._closing.get(text[0], text[-1])
        return text[1:-1].replace(closing * 2, closing)
