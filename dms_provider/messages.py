"""What messages and logs show of a text that may be long."""

from __future__ import annotations


def shortened(text: str, most: int = 40) -> str:
    """Return a text, or the beginning of a longer one.

    :param text: of any length
    :param most: characters that are shown of it
    """
    return text if len(text) <= most else f"{text[:most]}…"
