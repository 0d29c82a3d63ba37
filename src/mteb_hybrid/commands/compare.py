"""``mteb-hybrid compare``."""

from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.options import terminal_width
from mteb_hybrid.commands.terminal import prose, say
from mteb_hybrid.languages.traits import By
from mteb_hybrid.results.text_table import Format


def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Results folders (MODEL/REVISION, or MODEL if it has one revision) of two "
            "models or more; the first is the baseline of all others."
        ),
    ],
    measure: Annotated[
        list[str] | None,
        typer.Option(
            help="Such as map or rank_distance; may be repeated. By default those of "
            "`mteb-hybrid table`."
        ),
    ] = None,
    by: Annotated[
        By,
        typer.Option(metavar="WHAT", help=f"Break the results down by {', '.join(By)}."),
    ] = By.QUERY_LANGUAGE,
    trained_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LANGUAGE",
            help="For --by seen: a language in training, such as deu; may be repeated.",
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="How to write it.")
    ] = Format.TEXT,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.", min=0)] = 0,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap samples, and random sign flips.", min=100)
    ] = 10_000,
) -> None:
    """Compare models query by query: difference, interval, p-values, queries won and lost.

    Needs the per-query values that `mteb-hybrid run` keeps beside MTEB's results. Tasks that only
    one of two models was evaluated on are left out; within a task, subsets and queries must agree.

    Example: mteb-hybrid compare results/results/org__base/abc results/results/org__new/def
    --by family
    """
    from mteb_hybrid.results import compare_table
    from mteb_hybrid.results.compare import CompareError

    if trained_on and by is not By.SEEN:
        raise CompareError(f"--trained-on is for --by {By.SEEN}; give that, or leave it out")
    revisions = compare_table.shared_data(results)
    models = compare_table.read_models(results)
    beside = compare_table.results_beside(results)
    for name, tasks in compare_table.left_out(models).items():
        say(f"{name}: left out, as only one of the two has it: {', '.join(tasks)}", err=True)
    measures = measure or compare_table.default_measures(models)
    print(
        compare_table.tables(
            *(models, measures, by, trained_on or (), format, resamples, seed),
            *(terminal_width(), revisions, compare_table.cuts(beside)),
        )
    )
    if format is Format.TEXT:
        say("")
        prose(compare_table.LEGEND)
    for note in (*compare_table.other_data(revisions), *compare_table.other_versions(beside)):
        say(note, err=format is not Format.TEXT)
