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


def _text(
    head: Sequence[str], body: Sequence[Sequence[str]], width: int | None, labels: int
) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def _words(cell: str) -> Text:
        return Text(safe_text.visible(cell))

    table = Table(box=box.SIMPLE_HEAD)
    for index, title in enumerate(head):
        table.add_column(
            _words(title), justify="left" if index < labels else "right", overflow="fold"
        )
    for cells in body:
        table.add_row(*map(_words, cells))
    out = io.StringIO()
    Console(file=out, width=width or 1000, color_system=None).print(table)
    # Only now, since what keeps directions apart has no width.
    return "\n".join(safe_text.line(line.rstrip()) for line in out.getvalue().split("\n")).strip(
        "\n"
    )
