"""``mteb-hybrid probe``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mteb_hybrid.commands.options import (
    BatchSizeOption,
    DeviceOption,
    ModelOption,
    RevisionOption,
    terminal_width,
)
from mteb_hybrid.commands.terminal import say
from mteb_hybrid.results.text_table import Format

if TYPE_CHECKING:
    from mteb_hybrid.probe.probe import Probed


def probe(
    model: ModelOption,
    corpus: Annotated[
        Path,
        typer.Option(
            help="Passages: JSON lines with _id or id, text, language and perhaps title.",
            dir_okay=False,
        ),
    ],
    queries: Annotated[
        Path,
        typer.Option(
            help="Queries: JSON lines with _id or id, text, language and perhaps group, the same "
            "for all translations of one query.",
            dir_okay=False,
        ),
    ],
    repair: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="Measure this repair, too: projection, lsar or leace, fitted on half of the "
            "passages, or a repaired model of `mteb-hybrid repair`.",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(metavar="K", help="How many places, and neighbours.", min=1)
    ] = 10,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="How to write it.")
    ] = Format.TEXT,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="All figures in full precision, in a .json or .csv file, too."
        ),
    ] = None,
    model_revision: RevisionOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = 32,
    seed: Annotated[
        int, typer.Option(help="Of the resamples, and of passages that are drawn.", min=0)
    ] = 0,
    resamples: Annotated[int, typer.Option(help="Bootstrap samples.", min=100)] = 1000,
) -> None:
    """Look at a model on your own corpus of several languages, without judgments.

    Which languages the first places go to, whether translated queries get the same ranking, and how
    separable languages are, with 95% intervals; before and after a repair.

    Example: mteb-hybrid probe -m MODEL --corpus corpus.jsonl --queries queries.jsonl
    """
    from mteb_hybrid.probe.corpus import read_mixed
    from mteb_hybrid.probe.repaired import check_repair
    from mteb_hybrid.probe.tables import check_output

    if output is not None:
        check_output(output)
    if repair is not None:
        check_repair(repair)
    read = read_mixed(corpus, queries)

    from mteb_hybrid.models.load import load_model
    from mteb_hybrid.probe.probe import probe as look

    loaded = load_model(model, model_revision, device)
    show(look(loaded, read, repair, top, batch_size, resamples, seed), format, output)


def show(found: "Probed", format: Format, output: Path | None = None) -> None:
    """Print what was found, and write it."""
    from mteb_hybrid.probe.tables import FEW, SHORTENED, as_csv, heading, tables, write_figures
    from mteb_hybrid.probe.words import words

    if output is not None:
        write_figures(found, output)
    if format is Format.CSV:
        print(as_csv(found))
    else:
        text = format is Format.TEXT
        if text:
            say(heading(found), "")
        print(tables(found, format, terminal_width()))
        if text:
            say("", *words(found))
        if len(found.about["passages"]) > FEW:
            say(SHORTENED, err=True)
    for note in found.notes:
        say(note, err=True)
