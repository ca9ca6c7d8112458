"""The values of earlier runs as a small picture."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

WIDTH, HEIGHT, MARGIN = 180, 40, 5


def plot(values: Sequence[Decimal], title: str, css_class: str) -> str:
    """Return a line through values as an inline SVG element, its last point marked.

    :param values: the oldest first
    :param title: already HTML
    :param css_class: of the last point
    :return: empty where there are fewer than two values
    """
    if len(values) < 2:
        return ""
    points = [f"{x:.1f},{y:.1f}" for x, y in _places(values)]
    last_x, last_y = points[-1].split(",")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f"<title>{title}</title>"
        f'<polyline points="{" ".join(points)}" class="line"/>'
        f'<circle cx="{last_x}" cy="{last_y}" r="3" class="{css_class}"/></svg>'
    )


def _places(values: Sequence[Decimal]) -> list[tuple[float, float]]:
    exact = [Fraction(value) for value in values]
    low, high = min(exact), max(exact)
    wide, tall = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    return [
        (
            MARGIN + wide * index / (len(exact) - 1),
            MARGIN + tall * (float((high - value) / (high - low)) if high > low else 0.5),
        )
        for index, value in enumerate(exact)
    ]
