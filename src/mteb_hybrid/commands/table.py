"""``mteb-hybrid table``."""

from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.options import terminal_width
from mteb_hybrid.commands.terminal import say
from mteb_hybrid.results.text_table import Format


def table(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Folders with MTEB results of any models, such as the output folder of "
            "`mteb-hybrid run`; or result files."
        ),
    ],
    format: Annotated[
        Format, typer.Option("--format", "-f", help="How to write it.")
    ] = Format.TEXT,
) -> None:
    r"""Show the table of one or more models: three settings and the bias.

    A mean over some of a setting's subsets only is followed by how many there are, as in (4/11);
    one from rankings that a search model cut by where, as in \[top 1000]. What cannot be seen in a
    name is written as an escape, such as \x1b. In CSV an apostrophe stands before text that begins
    with =, +, - or @, so that no spreadsheet computes it; numbers stay as they are.

    Example: mteb-hybrid table results --format latex
    """
    from mteb_hybrid.results.table import legend, render, result_rows

    rows = result_rows(results)
    print(render(rows, format, terminal_width()))
    if format is Format.TEXT:
        say("", legend(rows))
