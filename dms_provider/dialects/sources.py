"""A text with data references as one string that a lexer can read."""

from __future__ import annotations

from bisect import bisect_left

from dms_provider.variables.references import DataReference, Text

PLACEHOLDER = "\ufdd0"
"""Stands where a data reference stands. A noncharacter that every dialect reads as a letter of a name."""


class Source:
    """The string of a text, in which each data reference is one :data:`PLACEHOLDER`, known by its offset.

    :param text: author's text and data references
    """

    __slots__ = ("_offsets", "_references", "text")

    def __init__(self, text: Text) -> None:
        self._offsets: list[int] = []
        self._references: list[DataReference] = []
        if len(text) == 1 and isinstance(text[0], str):
            self.text = text[0]
            return
        parts: list[str] = []
        offset = 0
        for segment in text:
            if isinstance(segment, str):
                parts.append(segment)
                offset += len(segment)
            else:
                self._offsets.append(offset)
                self._references.append(segment)
                parts.append(PLACEHOLDER)
                offset += 1
        self.text = "".join(parts)

    @property
    def last_reference(self) -> int:
        """Offset of the last data reference, -1 without one."""
        return self._offsets[-1] if self._offsets else -1

    def references(self, start: int, end: int) -> list[tuple[int, DataReference]]:
        """Return the data references between two offsets, with their offsets."""
        if not self._offsets:
            return []
        first, behind = bisect_left(self._offsets, start), bisect_left(self._offsets, end)
        return list(zip(self._offsets[first:behind], self._references[first:behind], strict=True))

    def cut(self, start: int, end: int) -> Text:
        """Return the text between two offsets."""
        segments: list[str | DataReference] = []
        for offset, reference in self.references(start, end):
            if offset > start:
                segments.append(self.text[start:offset])
            segments.append(reference)
            start = offset + 1
        if end > start:
            segments.append(self.text[start:end])
        return tuple(segments)


def shown(text: Text) -> str:
    """Return the text as its author wrote it: each data reference is ``${name}``."""
    return "".join(part if isinstance(part, str) else f"${{{part.name}}}" for part in text)
