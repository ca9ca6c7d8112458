"""Every link inside the documents leads somewhere."""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import DOCUMENTS, ROOT

_LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def links(document: str) -> list[tuple[str, str, str]]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [(document, path, anchor or "") for path, anchor in _LINK.findall(text)]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


@pytest.mark.parametrize(
    ("document", "path", "anchor"), [link for document in DOCUMENTS for link in sorted(set(links(document)))]
)
def test_a_link_leads_somewhere(document: str, path: str, anchor: str) -> None:
    target = ((ROOT / document).parent / path).resolve() if path else ROOT / document
    assert target.exists()
    if anchor:
        assert anchor in anchors(target.read_text(encoding="utf-8"))


def test_the_documents_have_links() -> None:
    assert all(links(document) for document in DOCUMENTS)
