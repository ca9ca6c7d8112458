"""Keeps secrets out of what people read, also short ones and parts of them."""

from __future__ import annotations

from collections.abc import Iterable

_MASK = "***"
_SHORTEST_PART = 4


class Redactor:
    """Hides known secrets in texts.

    Servers quote parts of a statement in their errors, and cut them anywhere, so a part of a secret of at
    least four characters is hidden too. Airflow's own masker knows whole values only, and no short ones.

    :param secrets: the texts to hide
    """

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        self._parts: dict[str, None] = {}
        self.add(secrets)

    def add(self, secrets: Iterable[str | None]) -> None:
        """Hide these texts from now on, too."""
        for secret in secrets:
            folded = _fold(secret or "")
            length = min(len(folded), _SHORTEST_PART)
            for start in range(len(folded) - length + 1):
                part = folded[start : start + length]
                if part.strip():
                    self._parts[part] = None

    def redact(self, text: str) -> str:
        """Return the text with three stars in the place of each secret or part of one."""
        folded = _fold(text)
        hidden = bytearray(len(text))
        for part in self._parts:
            start = folded.find(part)
            while start >= 0:
                hidden[start : start + len(part)] = b"\1" * len(part)
                start = folded.find(part, start + 1)
        if not any(hidden):
            return text
        shown: list[str] = []
        for index, character in enumerate(text):
            if not hidden[index]:
                shown.append(character)
            elif index == 0 or not hidden[index - 1]:
                shown.append(_MASK)
        return "".join(shown)


def _fold(text: str) -> str:
    folded = text.lower()
    return folded if len(folded) == len(text) else text
