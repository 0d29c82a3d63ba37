"""Tables of words and numbers as text, Markdown, LaTeX, HTML or CSV.

Cells may hold anything: each is made safe for its format by `mteb_hybrid.files.safe_text`.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from enum import StrEnum

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


FOLDED = 12
"""How wide a column of words is at least, before lines grow too long."""


def _text(
    head: Sequence[str], body: Sequence[Sequence[str]], width: int | None, labels: int
) -> str:
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    def _words(cell: str) -> Text:
        return Text(safe_text.visible(cell))

    def _table(narrow: bool) -> Table:
        table = Table(box=box.SIMPLE_HEAD, collapse_padding=narrow)
        for title in head[:labels]:
            table.add_column(_words(title), overflow="fold")
        for title in head[labels:]:
            # A number that goes on in the next line is read as two.
            shown = Text("\n").join(map(_words, title.split())) if narrow else _words(title)
            table.add_column(shown, justify="right", no_wrap=True)
        for cells in body:
            table.add_row(*map(_words, cells))
        return table

    out = io.StringIO()
    console = Console(file=out, width=10_000, color_system=None)
    table = _table(narrow=False)
    if width and console.measure(table).maximum > width:
        table = _table(narrow=True)
        longest = [
            Measurement.get(console, console.options, Text("\n").join(map(_words, column))).minimum
            for column in zip(head, *body, strict=True)
        ]
        spare = sum(max(word - FOLDED, 0) for word in longest[:labels])
        # Lines that are too long for a terminal are better than columns that it lacks.
        console.width = max(width, console.measure(table).minimum - spare)
    console.print(table)
    # Only now, since what keeps directions apart has no width.
    return "\n".join(safe_text.line(line.rstrip()) for line in out.getvalue().split("\n")).strip(
        "\n"
    )
