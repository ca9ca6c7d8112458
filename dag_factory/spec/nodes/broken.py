"""A node with mistakes, in the place of the model that could not read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ConfigDict, Field

from dag_factory.diagnostics import Path
from dag_factory.spec.nodes.common import Node, TextKind, texts_below


class BrokenNode(Node):
    """A node with mistakes, as far as it could be read: so that what else is wrong with the flow can be told.

    :param given: the keys without mistake, as written
    """

    model_config = ConfigDict(extra="ignore")

    given: dict[str, Any] = Field({}, exclude=True)
    outputs: dict[str, Any] = Field({}, exclude=True)
    kinds: Mapping[tuple[str, ...], TextKind] = Field({}, exclude=True)
    queries: bool = Field(False, exclude=True)

    @property
    def one_query(self) -> bool:
        """Each text of this node in SQL must be one query."""
        return self.queries

    def texts(self) -> Iterator[tuple[Path, str, TextKind]]:
        """Give the texts that could be read."""
        for keys, kind in self.kinds.items():
            yield from ((path, text, kind) for path, text in texts_below(self.given, keys))
