"""The command ``mteb-hybrid robustness``."""

from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.options import terminal_width
from mteb_hybrid.commands.terminal import prose, say
from mteb_hybrid.results.text_table import Format


def robustness(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Results folders (MODEL/REVISION, or MODEL if it has one revision) of one "
            "model or more; the losses of others are compared with those of the first."
        ),
    ],
    measure: Annotated[
        list[str] | None,
        typer.Option(help="Such as map, the default, or rank_distance; may be repeated."),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="How to write it.")
    ] = Format.TEXT,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.", min=0)] = 0,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap samples, and random sign flips.", min=100)
    ] = 10_000,
) -> None:
    """How much a model loses on rewritten queries, per kind and language, with intervals.

    The queries of `mteb-hybrid rewrite` are compared with themselves, unchanged, in the same
    pools. Needs the per-query values that `mteb-hybrid run` keeps.

    Example: mteb-hybrid robustness results/results/org__model/abc
    """
    from mteb_hybrid.results import robustness_table

    models = robustness_table.read(results)
    print(
        robustness_table.tables(
            *(models, measure or ["map"], format, resamples, seed, terminal_width())
        )
    )
    if format is Format.TEXT:
        say("")
        prose(robustness_table.LEGEND)
    for note in robustness_table.notes(models):
        say(note, err=format is not Format.TEXT)
