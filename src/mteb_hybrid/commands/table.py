"""``mteb-hybrid table``."""

import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.options import terminal_width
from mteb_hybrid.commands.terminal import prose, say
from mteb_hybrid.files.safe_text import message
from mteb_hybrid.results.text_table import Format

EVERY = 2.0
"""Seconds between two looks at a run."""


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
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Follow a run: show the table anew until all subsets of its tasks are there. A "
            "run of a part of them does not get there: end it with Ctrl-C.",
        ),
    ] = False,
) -> None:
    r"""Show the table of one or more models: three settings and the bias.

    A mean over some of a setting's subsets only is followed by how many there are, as in (4/11);
    one from rankings that a search model cut by where, as in \[top 1000]. What cannot be seen in a
    name is written as an escape, such as \x1b. In CSV an apostrophe stands before text that begins
    with =, +, - or @, so that no spreadsheet computes it; numbers stay as they are.

    Example: mteb-hybrid table results --format latex
    """
    if watch:
        if format is not Format.TEXT:
            raise ValueError(f"--watch shows text, not {format}; leave one of the two out")
        follow(results)
        return
    from mteb_hybrid.results.table import legend, render, result_rows

    rows = result_rows(results)
    print(render(rows, format, terminal_width()))
    if format is Format.TEXT:
        say("")
        prose(legend(rows))


def follow(results: list[Path]) -> None:
    """Show the table whenever it changes, in one place on a terminal, until it is complete."""
    from rich.live import Live
    from rich.text import Text

    width = terminal_width()
    shown = ""
    with suppress(KeyboardInterrupt), Live(auto_refresh=False) if width else nullcontext() as live:
        while True:
            text, missing = _now(results, width)
            if text != shown and live:
                live.update(Text(text), refresh=True)
            elif text != shown:
                print(text, flush=True)
            shown = text
            if not missing:
                return
            time.sleep(EVERY)


def _now(results: list[Path], width: int | None) -> tuple[str, int]:
    """The table as it is, and how many subsets are missing; 1 if nothing can be read yet."""
    from mteb_hybrid.results.mteb_files import ResultError
    from mteb_hybrid.results.table import render, result_rows

    try:
        rows = result_rows(results)
    except ResultError as error:  # none yet, or one that is being written
        absent = [str(path) for path in results if not path.exists()]
        why = f"there is no {' and no '.join(absent)} yet" if absent else error
        return message(f"Waiting for results: {why} (Ctrl-C ends it)"), 1
    missing = sum(row.missing for row in rows)
    what = f"{missing} subset{'s' * (missing != 1)} to come" if missing else "complete"
    return f"{render(rows, width=width)}\n{what}\n", missing
