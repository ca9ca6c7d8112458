"""Every text of a flow in which ``${name}`` can stand, inline or in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dag_factory.checks.files import FILE_KEYS, LoadedFile
from dag_factory.diagnostics import Path

if TYPE_CHECKING:
    from dag_factory.spec.flow import Flow
    from dag_factory.spec.nodes import TextKind


@dataclass(frozen=True, slots=True)
class NodeText:
    """One text of a node.

    :param node_id: the node
    :param path: of the text from the top of the spec; of the key that names the file, for a text in a file
    :param kind: what the text is
    """

    node_id: str
    path: Path
    text: str
    kind: TextKind


def texts_of(flow: Flow, files: Mapping[Path, LoadedFile]) -> Iterator[NodeText]:
    """Yield every text of every node in file order.

    :param files: what was read of the files that the flow names
    """
    for node_id, node in flow.nodes.items():
        for path, text, kind in node.texts():
            yield NodeText(node_id, ("nodes", node_id, *path), text, kind)
    for path, loaded in files.items():
        yield NodeText(str(path[1]), path, loaded.text, FILE_KEYS[str(path[-1])])
