"""From the text of a condition to its parts.

Strength, strongest first: comparisons, ``!``, ``&&``, ``||`` (flow-spec, *conditional_branch*).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

from dms_provider.conditions.errors import ConditionError
from dms_provider.conditions.lexer import Token, tokens
from dms_provider.conditions.syntax import (
    STATES,
    AllOf,
    AnyOf,
    Comparison,
    Leaf,
    Membership,
    Not,
    Number,
    Operand,
    Part,
    QuotedText,
    State,
    Variable,
)
from dms_provider.messages import shortened
from dms_provider.variables.references import Reference, ReferenceSyntaxError, Segments, parse_references

MAX_DEPTH = 50
"""Of parentheses and ``!`` inside each other."""

_COMPARISONS = frozenset({"==", "!=", ">", ">=", "<", "<=", "contains"})
_WORD_OPERATORS = frozenset({"in", "contains"})
_OPERATOR_MISSING = "an operator, && or || is missing before"
_MEANT = {"and": "&&", "or": "||", "not": "!", "AND": "&&", "OR": "||", "NOT": "!", "is": "==", "IS": "=="}

_Leaf = TypeVar("_Leaf", Variable, QuotedText, State)


def parse(text: str) -> tuple[Part, tuple[Leaf, ...]]:
    """Read a condition.

    :param text: as its author wrote it
    :return: the whole condition, and every variable, quoted text and state in it
    :raises ConditionError: it is empty, too long, too deep, or not of the language
    """
    parser = _Parser(text)
    whole = parser.condition()
    return whole, tuple(parser.leaves)


class _Parser:
    """One reading of one text. Its methods consume the tokens of what they are named after."""

    def __init__(self, text: str) -> None:
        self.tokens = list(tokens(text))
        self.at = 0
        self.depth = 0
        self.leaves: list[Leaf] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def next_is(self, sign: str) -> bool:
        """Consume the sign if it comes next."""
        token = self.token
        if token.kind == "sign" and token.text == sign:
            self.at += 1
            return True
        return False

    def condition(self) -> Part:
        if self.token.kind == "end":
            raise ConditionError("the condition is empty", 0)
        whole = _as_part(self.any_of())
        if self.token.kind != "end":
            raise self.unexpected(_OPERATOR_MISSING)
        return whole

    def any_of(self) -> Part | Operand:
        first = self.all_of()
        if not self.next_is("||"):
            return first
        parts = [_as_part(first), _as_part(self.all_of())]
        while self.next_is("||"):
            parts.append(_as_part(self.all_of()))
        return AnyOf(tuple(parts), first.offset)

    def all_of(self) -> Part | Operand:
        first = self.negation()
        if not self.next_is("&&"):
            return first
        parts = [_as_part(first), _as_part(self.negation())]
        while self.next_is("&&"):
            parts.append(_as_part(self.negation()))
        return AllOf(tuple(parts), first.offset)

    def negation(self) -> Part | Operand:
        token = self.token
        if not self.next_is("!"):
            return self.comparison()
        self.deeper(token)
        part = _as_part(self.negation())
        self.depth -= 1
        return Not(part, token.offset)

    def comparison(self) -> Part | Operand:
        left = self.primary()
        token = self.token
        compared: Part
        if token.kind in ("sign", "word") and token.text in _COMPARISONS:
            self.at += 1
            compared = Comparison(_as_operand(left), token.text, _as_operand(self.primary()), left.offset)
        elif token.kind == "word" and token.text == "in":
            self.at += 1
            compared = Membership(_as_operand(left), self.choices(), left.offset)
        elif token.kind in ("word", "variable", "number", "text"):
            raise self.unexpected(_OPERATOR_MISSING)
        else:
            return left
        second = self.token
        if second.kind in ("sign", "word") and second.text in _COMPARISONS | _WORD_OPERATORS:
            raise ConditionError(
                f"{second.text}: a comparison has two sides; join comparisons by &&", second.offset
            )
        return compared

    def choices(self) -> tuple[Operand, ...]:
        opening = self.token
        if not self.next_is("("):
            raise ConditionError(
                "in is followed by values in parentheses, for example in ('a', 'b')", opening.offset
            )
        found = [_as_operand(self.primary())]
        while self.next_is(","):
            found.append(_as_operand(self.primary()))
        if not self.next_is(")"):
            raise self.unexpected("a , or the closing ) is missing before")
        return tuple(found)

    def primary(self) -> Part | Operand:
        token = self.token
        if self.next_is("("):
            self.deeper(token)
            inside = self.any_of()
            if not self.next_is(")"):
                raise self.unexpected("the closing ) is missing before")
            self.depth -= 1
            return inside
        leaf = self.leaf(token)
        self.at += 1
        return leaf

    def leaf(self, token: Token) -> Part | Operand:
        if token.kind == "variable":
            return self.noted(Variable(token.text, token.offset))
        if token.kind == "number":
            return Number(token.text, Decimal(token.text), token.offset)
        if token.kind == "text":
            return self.noted(QuotedText(_quoted_segments(token), token.offset))
        if token.kind == "word" and token.text in STATES:
            return self.noted(State(token.text, token.offset))
        raise self.unexpected("a variable, number, quoted text or state belongs before")

    def noted(self, leaf: _Leaf) -> _Leaf:
        self.leaves.append(leaf)
        return leaf

    def deeper(self, token: Token) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ConditionError(f"a condition is at most {MAX_DEPTH} parentheses and ! deep", token.offset)

    def unexpected(self, what: str) -> ConditionError:
        """Return the error at the next token, which cannot stand there."""
        token = self.token
        if token.kind == "end":
            return ConditionError(f"{what} the end", token.offset)
        if token.kind != "word":
            shown = f"${{{token.text}}}" if token.kind == "variable" else token.text
            return ConditionError(f"{what} {shortened(shown)}", token.offset)
        word = shortened(token.text)
        if token.text in STATES | _WORD_OPERATORS:
            return ConditionError(f"{what} {word}", token.offset)
        import difflib  # only a mistake needs it

        close = difflib.get_close_matches(token.text.lower(), STATES | _WORD_OPERATORS, n=1, cutoff=0.7)
        if meant := _MEANT.get(token.text, close[0] if close else None):
            return ConditionError(f"{word} is no word of a condition", token.offset, meant)
        return ConditionError(
            f"{word} is no word of a condition; text stands in quotes, a variable is written ${{{word}}}",
            token.offset,
        )


def _as_part(node: Part | Operand) -> Part:
    if isinstance(node, Operand):
        raise ConditionError(
            "a value alone is neither true nor false; compare it, for example == 1", node.offset
        )
    return node


def _as_operand(node: Part | Operand) -> Operand:
    if isinstance(node, Operand):
        return node
    raise ConditionError("only a variable, a number or quoted text can be compared", node.offset)


def _quoted_segments(token: Token) -> Segments:
    quote = token.text[0]
    try:
        segments = parse_references(token.text[1:-1])
    except ReferenceSyntaxError as error:
        raise ConditionError(error.message, token.offset + 1 + error.offset) from error
    return tuple(
        segment if isinstance(segment, Reference) else segment.replace(quote * 2, quote)
        for segment in segments
    )
