"""What is wrong with a condition, and where."""

from __future__ import annotations


class ConditionError(ValueError):
    """A condition cannot be read, or its values cannot be compared.

    :param offset: of what is wrong, in characters from the beginning of the condition
    :param suggestion: the word that was probably meant
    """

    def __init__(self, message: str, offset: int, suggestion: str | None = None) -> None:
        super().__init__(f"{message}; did you mean {suggestion}?" if suggestion else message)
        self.message = message
        self.offset = offset
        self.suggestion = suggestion

    def __reduce__(self) -> tuple[type, tuple[str, int, str | None]]:
        return type(self), (self.message, self.offset, self.suggestion)
