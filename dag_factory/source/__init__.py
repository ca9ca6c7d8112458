"""A spec file's bytes become plain values, and the place of each value where somebody asks for it.

Values are read as written: a scalar stays the text its author typed (``12:30``, ``007``, ``no``), the
models decide what it means. A value left empty is ``None``; ``null`` and ``~`` are the texts ``null`` and
``~``.
"""

from __future__ import annotations

from dag_factory.source.document import Document, SourceError, read_bytes, read_document
from dag_factory.source.text import MAX_BYTES

__all__ = ["MAX_BYTES", "Document", "SourceError", "read_bytes", "read_document"]
