"""Rows of a table after a point in time: the query that looks for one.

Source: flow-spec, *table_time_check*; DMS reference, section 1.7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from dms_provider.dialects import Dialect, Mode, is_balanced, quoted_name
from dms_provider.messages import shortened
from dms_provider.variables.output_types import is_number
from dms_provider.variables.references import (
    DataReference,
    Reference,
    Text,
    parse_references,
    splice,
)
from dms_provider.variables.time_format import PointInTime, TimeFormat, TimeFormatError
from dms_provider.variables.values import Data, Value

_SINCE = "since"
_NUMBERS = (int, float, Decimal)


class WrongCheck(ValueError):
    """What the node looks for cannot be asked of the database. The message says what to change."""


@dataclass(frozen=True, slots=True)
class NewerRows:
    """What a ``table_time_check`` looks for, as its author wrote it.

    :param table: name of the table, with references
    :param time_column: name of the column, with references
    :param since: a point in time, with references
    :param where: one expression, with references; empty for all rows
    :param time_format: how the column holds time; ``None`` for a type of the database
    :param inclusive: a row at ``since`` itself counts too
    :param timezone: IANA name of the zone of ``since``
    """

    table: str
    time_column: str
    since: str
    where: str = ""
    time_format: str | None = None
    inclusive: bool = False
    timezone: str = "Asia/Shanghai"

    def names(self) -> set[str]:
        """Return the names that the texts refer to."""
        return {
            segment.name
            for text in (self.table, self.time_column, self.since, self.where)
            for segment in parse_references(text)
            if isinstance(segment, Reference)
        }

    def query(
        self, values: Mapping[str, Value], dialect: Dialect, mode: Mode, *, keep_unknown: bool = False
    ) -> Text:
        """Return a query of at most one row; data in it is not yet in its place.

        It is the newest where the dialect has an order in such a query, which makes the database begin at the
        end of an index on the time column. Where the database compares anything, the query gives the value,
        for :meth:`check_found`.

        :param values: of :meth:`names`
        :param mode: of the session that will execute it
        :param keep_unknown: a name without a value stays as it is written, as in a preview
        :raises WrongCheck: it cannot be asked so
        :raises WrongName: the table or the column has no name
        :raises RefusedValue: data may not stand in a name
        """

        def spliced(text: str) -> Text:
            return splice(parse_references(text), values, keep_unknown=keep_unknown)

        column = quoted_name(spliced(self.time_column), dialect)
        if keep_unknown and self._is_hidden(values):
            since: Text = ("'", *spliced(self.since), "'")
        else:
            since = self._since(spliced(self.since), dialect)
        begin, end = dialect.first_row
        where: Text = ()
        if self.where.strip():
            condition = spliced(self.where)
            if not is_balanced(condition, dialect, mode):
                raise WrongCheck(
                    f"'where' is no balanced expression in {dialect.name}: a quote or parenthesis is not"
                    " closed, or a ';' ends it"
                )
            where = ("AND (\n", *condition, "\n)\n")
        return tuple(
            _joined(
                f"{begin} {column if dialect.compares_anything else 1}"
                f" FROM {quoted_name(spliced(self.table), dialect)}\n"
                f"WHERE {column} {'>=' if self.inclusive else '>'} ",
                *since,
                "\n",
                *where,
                end.format(order=f"{column} DESC"),
            )
        )

    def check_found(self, value: object, values: Mapping[str, Value], dialect: Dialect) -> None:
        """Check that the database has compared times with times, or numbers with numbers.

        :param value: of the column in the row that was found
        :param values: of :meth:`names`
        :raises WrongCheck: it compared a number with a text, which tells nothing
        """
        if not dialect.compares_anything or TimeFormat.parse(self.time_format).kind == "pattern":
            return
        since = self._point(splice(parse_references(self.since), values), dialect).text
        is_text = isinstance(value, str)
        if is_number(since) == (is_number(str(value)) if is_text else isinstance(value, _NUMBERS)):
            return
        raise WrongCheck(
            f"column {self.time_column} holds {str(value)[:40]!r}, with which {dialect.name} cannot compare"
            f" {since!r}; say with time_format how it holds time: epoch, epoch_ms, a pattern, or leave it out"
            " for a type of the database"
        )

    def shown_since(self, values: Mapping[str, Value]) -> str:
        """Return ``since`` for a log.

        :param values: of :meth:`names`; a name without one, such as a secret's, stays as it is written
        """
        text = splice(parse_references(self.since), values, keep_unknown=True)
        shown = "".join(part if isinstance(part, str) else part.data.text for part in text)
        return shortened(shown if shown.isprintable() else ascii(shown))

    def _is_hidden(self, values: Mapping[str, Value]) -> bool:
        """Return whether ``since`` refers to what a preview does not know, or does not show."""
        return any(
            isinstance(segment, Reference)
            and (segment.name not in values or getattr(values[segment.name], "secret", False))
            for segment in parse_references(self.since)
        )

    def _since(self, since: Text, dialect: Dialect) -> Text:
        point = self._point(since, dialect)
        reference = DataReference(_SINCE, Data((point.text,)))
        return (reference,) if point.is_number else ("'", reference, "'")

    def _point(self, since: Text, dialect: Dialect) -> PointInTime:
        for part in since:
            if isinstance(part, DataReference) and len(part.data.elements) != 1:
                raise WrongCheck(f"${{{part.name}}} is a list, and 'since' is one point in time")
        text = "".join(part if isinstance(part, str) else part.data.text for part in since)
        try:
            point = TimeFormat.parse(self.time_format).point(text, self.timezone)
        except TimeFormatError as error:
            raise WrongCheck(error.message) from None
        if point.has_zone and not dialect.offsets_in_times:
            raise WrongCheck(
                f"since is {point.text!r}, and {dialect.name} does not understand the offset of a zone behind"
                " a time; write the time as the column holds it"
            )
        return point

    def to_json(self) -> dict[str, Any]:
        """Return what makes it again: its parameters."""
        return asdict(self)


def _joined(*parts: str | DataReference) -> Iterator[str | DataReference]:
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
        text = ""
        yield part
    if text:
        yield text
