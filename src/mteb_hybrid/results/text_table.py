"""Tables of words and numbers as text, Markdown, LaTeX, HTML or CSV.

Cells may hold anything: each is made safe for its format by `mteb_hybrid.files.safe_text`.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Literal

from mteb_hybrid.files import safe_text


class Format(StrEnum):
    """How to write a table."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"


def write_table(
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    format: Format,
    width: int | None = None,
    labels: int = 2,
) -> str:
    """A table whose first `labels` columns are text; not for ``csv``, which wants plain values."""
    match format:
        case Format.MARKDOWN:
            return markdown(head, body, labels)
        case Format.LATEX:
            return latex(head, body, labels)
    return _text(head, body, width, labels)


def markdown(head: Sequence[str], body: Sequence[Sequence[str]], labels: int = 2) -> str:
    """A Markdown table whose first `labels` columns are text."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(map(safe_text.markdown, cells)) + " |"

    rule = " | ".join(["---"] * labels + ["---:"] * (len(head) - labels))
    return "\n".join([line(head), f"| {rule} |", *map(line, body)])


def latex(head: Sequence[str], body: Sequence[Sequence[str]], labels: int = 2) -> str:
    """A LaTeX table (booktabs) whose first `labels` columns are text."""

    def line(cells: Iterable[str]) -> str:
        return " & ".join(map(safe_text.latex, cells)) + r" \\"

    return "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * labels}{'r' * (len(head) - labels)}}}",
            r"\toprule",
            line(head),
            r"\midrule",
            *map(line, body),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def html(head: Sequence[str], body: Sequence[Sequence[str]], labels: int = 2) -> str:
    """An HTML table whose first `labels` columns are text."""

    def line(tag: str, cells: Sequence[str]) -> str:
        sides = ["left"] * labels + ["right"] * (len(cells) - labels)
        shown = (
            f'<{tag} style="text-align: {side}">{safe_text.html(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )
        return f"<tr>{''.join(shown)}</tr>"

    lines = "\n".join(line("td", cells) for cells in body)
    return f"<table>\n<thead>{line('th', head)}</thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def write_csv(head: Sequence[str], body: Iterable[Sequence[str | float | None]]) -> str:
    """CSV in full precision: numbers as they are, and text that no spreadsheet computes.

    Texts that begin with ``=``, ``+``, ``-`` or ``@`` get an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for cells in (head, *body):
        writer.writerow(safe_text.csv_cell(c) if isinstance(c, str) else c for c in cells)
    return out.getvalue().rstrip("\n")


GAP = 3
"""What stands between two columns; one less where there is little room."""
FOLDED = 12
"""How wide a column of words is at least, before lines grow too long."""


def _text(
    head: Sequence[str], body: Sequence[Sequence[str]], width: int | None, labels: int
) -> str:
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [[safe_text.visible(cell) for cell in cells] for cells in (head, *body)]
    columns = list(zip(*shown, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    narrow = bool(width) and sum(widths) + GAP * len(widths) > (width or 0)
    if width and narrow:
        # A number that goes on in the next line is read as two, so it breaks at spaces alone.
        least = [
            max(cell_len(word) for cell in c for word in cell.split() or [""]) for c in columns
        ]
        least = [min(one, FOLDED) for one in least[:labels]] + least[labels:]
        widths = _between(least, widths, width - (GAP - 1) * len(widths))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0 if narrow else 1))
    for index, title in enumerate(shown[0]):
        justify: Literal["left", "right"] = "left" if index < labels else "right"
        table.add_column(Text(title), justify=justify, overflow="fold", width=widths[index])
    for cells in shown[1:]:
        table.add_row(*map(Text, cells))
    out = io.StringIO()
    # Lines that are too long for a terminal are better than columns that it lacks.
    Console(file=out, width=sum(widths) + GAP * (len(widths) + 1), color_system=None).print(table)
    # Only now, since what keeps directions apart has no width.
    return "\n".join(safe_text.line(line.rstrip()) for line in out.getvalue().split("\n")).strip(
        "\n"
    )


def _between(least: Sequence[int], most: Sequence[int], total: int) -> list[int]:
    """Widths that sum to `total` if that can be: narrow columns are the first to be whole."""
    widths = list(least)
    while sum(widths) < total and any(map(int.__lt__, widths, most)):
        grow = min((w, place) for place, w in enumerate(widths) if w < most[place])[1]
        widths[grow] += 1
    return widths
