"""The command ``mteb-hybrid repair``."""

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.cards.catalogue import collection_card, collections
from mteb_hybrid.cards.tasks import same_texts
from mteb_hybrid.commands.options import (
    BatchSizeOption,
    DataOption,
    DeviceOption,
    RevisionOption,
    checked_model,
)
from mteb_hybrid.commands.terminal import say
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.files.safe_text import line


class Method(StrEnum):
    """Repairs of vectors."""

    PROJECTION = "projection"
    LSAR = "lsar"
    LEACE = "leace"
    CENTRING = "centring"
    LIR = "lir"
    SHIFT = "shift"


def repair(
    model: Annotated[
        str,
        typer.Argument(
            help="A model that MTEB knows, one on the hub, or a local folder.",
            callback=checked_model,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Folder of the repaired model; with --vectors, the new file."
        ),
    ],
    texts: Annotated[
        str | None,
        typer.Option(
            help="Plain text to fit on: a folder with a file for each language (de.txt, one text a "
            "line; parallel if all have as many lines; no other .txt), a collection (ntrex), or a "
            "corpus (JSON lines, Parquet, CSV, TSV) with the columns text and language."
        ),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            help="Repair these stored vectors instead: .npy, or .parquet with a column of lists. "
            "Without --texts, MODEL is a repaired folder, or the name of a repaired model.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    languages: Annotated[
        Path | None,
        typer.Option(
            help="The language of each of the --vectors, one a line, for methods that need it; "
            "Parquet may have a column 'language' instead.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    method: Annotated[
        Method,
        typer.Option(
            help="Centring, lir and shift are for --vectors. What they do: docs/repair.md."
        ),
    ] = Method.PROJECTION,
    directions: Annotated[
        int | None,
        typer.Option(
            help="How many to remove; by default chosen on held-out text, or with --vectors and "
            "--texts that of the method.",
            min=1,
        ),
    ] = None,
    per_language: Annotated[
        int, typer.Option(help="Texts of each language to fit on.", min=2)
    ] = 200,
    held_out: Annotated[
        int,
        typer.Option(
            help="Further texts of each language to choose the strength by; not with --vectors.",
            min=2,
        ),
    ] = 100,
    seed: Annotated[int, typer.Option(help="Decides which texts are drawn.", min=0)] = 0,
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", help="Register the folder as org/name, as `models add` does."),
    ] = None,
    data: DataOption = None,
    model_revision: RevisionOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = 32,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
) -> None:
    """Repair a model's language bias with a linear map, in minutes and without training.

    Writes a folder that plain sentence-transformers loads, unless no repair is needed. How strong
    it is, is chosen on held-out text; the whole curve is shown, and where the bias sat and what is
    left of it; what to run next, too.

    Example: mteb-hybrid repair intfloat/multilingual-e5-small --texts ntrex -o repaired
    """
    if vectors is None and texts is None:
        raise ValueError("no --texts; give text in several languages to fit on")
    if vectors is None and languages is not None:
        raise ValueError("--languages is of stored vectors; name them by --vectors")
    if vectors is not None and name is not None:
        raise ValueError("--name registers a folder, and --vectors makes none; leave it out")
    from mteb_hybrid.repair.apply import repair_folder, repair_vectors

    if data:
        os.environ[DATA_VARIABLE] = str(data)
    if vectors is not None:
        said = repair_vectors(
            model, vectors, output, texts, languages, method.value, directions, per_language, seed,
            model_revision, device, batch_size, overwrite,
        )  # fmt: skip
    elif texts is not None:
        said = repair_folder(
            model, output, texts, method.value, directions, per_language, held_out, seed, name,
            model_revision, device, batch_size, overwrite,
        )  # fmt: skip
    for warning in said.warnings:
        typer.secho(line(f"Warning: {warning}"), err=True, fg=typer.colors.RED, bold=True)
    say(*said.text.split("\n"))
    if said.folder:
        where = ["--data", str(data)] if data else []
        # Never on what it was fitted on.
        fitted = collections().get(str(texts))
        seen = fitted is not None and same_texts(fitted, collection_card("xquad-r"))
        what = "mlqa-r" if seen else "xquad-r"
        for start, one in (("Evaluate both: ", model), ("", name or str(output))):
            say(f"{start:15}{shlex.join(['mteb-hybrid', 'run', '-m', one, what, *where])}")
        report = ["mteb-hybrid", "report", "results", "-o", "report.html", "--repair", str(output)]
        say(f"Compare:       {shlex.join(report)}")
