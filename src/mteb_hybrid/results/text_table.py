"""Tables of words and numbers as text, Markdown, LaTeX or HTML."""

import io
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from html import escape


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
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    rule = line(["---"] * labels + ["---:"] * (len(head) - labels))
    return "\n".join([line(head), rule, *map(line, body)])


def latex(head: Sequence[str], body: Sequence[Sequence[str]], labels: int = 2) -> str:
    """A LaTeX table (booktabs) whose first `labels` columns are text."""
    special = {c: rf"\{c}" for c in "&%$#_{}"} | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "–": "--",
    }

    def line(cells: Iterable[str]) -> str:
        escaped = (re.sub(r"[\\&%$#_{}~^–]", lambda m: special[m[0]], c) for c in cells)
        return " & ".join(escaped) + r" \\"

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
    """An HTML table whose first `labels` columns are text; every cell is escaped."""

    def line(tag: str, cells: Sequence[str]) -> str:
        sides = ["left"] * labels + ["right"] * (len(cells) - labels)
        shown = (
            f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )
        return f"<tr>{''.join(shown)}</tr>"

    lines = "\n".join(line("td", cells) for cells in body)
    return f"<table>\n<thead>{line('th', head)}</thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def _text(
    head: Sequence[str], body: Sequence[Sequence[str]], width: int | None, labels: int
) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for index, title in enumerate(head):
        table.add_column(title, justify="left" if index < labels else "right", overflow="fold")
    for cells in body:
        table.add_row(*map(Text, cells))
    out = io.StringIO()
    Console(file=out, width=width or 1000, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")
