"""Every text of a flow in which ``${name}`` can stand, inline or in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from dag_factory.diagnostics import Path

if TYPE_CHECKING:
    from dag_factory.spec.flow import Flow
    from dag_factory.spec.nodes import TextKind


class NodeText(NamedTuple):
    """One text of a node.

    :param node_id: the node
    :param keys: path of the text below the node; of the key that names the file, for a text in a file
    :param kind: what the text is
    """

    node_id: str
    keys: Path
    text: str
    kind: TextKind

    @property
    def path(self) -> Path:
        """Path from the top of the spec."""
        return ("nodes", self.node_id, *self.keys)


def texts_of(flow: Flow) -> Iterator[NodeText]:
    """Yield every text that stands in the spec itself, in file order."""
    for node_id, node in flow.nodes.items():
        for keys, text, kind in node.texts():
            yield NodeText(node_id, keys, text, kind)
