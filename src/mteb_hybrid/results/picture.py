"""A picture of the three settings, for notebooks: plain SVG, so that it needs no library."""

from collections.abc import Sequence

from mteb_hybrid.files import safe_text
from mteb_hybrid.results.cells import COLUMNS, Cell

# Okabe & Ito's, which colour-blind people tell apart.
_COLOURS = ("#0072b2", "#009e73", "#d55e00")
_LABEL, _WIDTH, _BAR = 70, 420, 14


def bars(title: str, models: Sequence[tuple[str, Sequence[Cell | None]]]) -> str:
    """The map of the three settings, a bar each, for every model on one collection.

    Args:
        title: Name of the collection.
        models: The label of each, and its cells in the order of `COLUMNS`.

    Returns:
        An SVG element with its own description; empty if no cell has a value. Its text has the
        colour of the page around it.
    """
    parts: list[str] = []
    said: list[str] = []
    y = 44
    for label, cells in models:
        there = list(zip(COLUMNS, cells, _COLOURS, strict=False))
        if not any(cell for _, cell, _ in there):
            continue
        parts.append(_text(0, y, label))
        y += 6
        for column, cell, colour in there:
            value = cell.text(column.digits) if cell else "–"
            long = max(0.0, min(1.0, cell.value)) * _WIDTH if cell else 0
            parts += [
                _text(0, y + _BAR - 3, column.title),
                f'<rect x="{_LABEL}" y="{y}" width="{long:.1f}" height="{_BAR - 2}" '
                f'fill="{colour}"/>',
                _text(_LABEL + long + 5, y + _BAR - 3, value),
            ]
            said.append(f"{label}, {column.title}: {value}")
            y += _BAR
        y += 22
    if not parts:
        return ""
    parts.insert(0, _text(0, 20, title, weight="bold"))
    about = safe_text.html(f"{title}: {'; '.join(said)}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{about}" '
        f'viewBox="0 0 {_LABEL + _WIDTH + 150} {y - 10}" '
        f'style="max-width: 640px; width: 100%; font: 12px sans-serif" fill="currentColor">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, words: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y}" font-weight="{weight}">{safe_text.html(words)}</text>'
