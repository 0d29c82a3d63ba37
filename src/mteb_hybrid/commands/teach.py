"""The command ``mteb-hybrid teach``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid.commands.options import (
    BatchSizeOption,
    DataOption,
    DeviceOption,
    RevisionOption,
    checked_model,
    checked_what,
)
from mteb_hybrid.commands.terminal import goes_on, say, told_when_stopped
from mteb_hybrid.files.places import DATA_VARIABLE


def teach(
    what: Annotated[
        str,
        typer.Argument(
            help="Training data: a file of parallel JSON lines, plain or gzip, or a collection "
            "(mlqa-r).",
            callback=checked_what,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="The teacher: a model that MTEB knows, one on the hub, or a local folder. For "
            "--scores, a cross-encoder too.",
            callback=checked_model,
        ),
    ],
    language: Annotated[
        str, typer.Option("--language", "-l", help="The language that the teacher reads (en).")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Where the rows go: .parquet for vectors; for scores JSON lines, gzipped if "
            "called .gz.",
        ),
    ],
    scores: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Instead of vectors, score each question with its passage and its first N hard "
            "negatives, which `mteb-hybrid mine` makes.",
            min=1,
        ),
    ] = None,
    data: DataOption = None,
    model_revision: RevisionOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = 32,
) -> None:
    """Make a teacher's labels for training, once: its vectors, or its scores of hard negatives.

    The teacher reads one language, and the student learns the same in all languages of a row: a
    monolingual or a larger model becomes the teacher of a multilingual one. Labels stand in the
    column "label". Vectors suit MSELoss: read them with ParallelDataset.from_parquet(OUTPUT), or in
    a recipe with format = "parquet" and loss = "mse". Scores suit MarginMSELoss and
    DistillKLDivLoss: ParallelDataset.from_json(OUTPUT, negatives=N), or format = "json", negatives
    = N and loss = "margin-mse" or "distill-kl".

    What is made is kept in OUTPUT.work until the output is whole; the same command again goes on
    where it stopped.

    Example: mteb-hybrid teach pairs.jsonl -m intfloat/e5-large-v2 -l en -o vectors.parquet

    Example: mteb-hybrid teach with-negatives.jsonl -m TEACHER -l en --scores 3 -o scores.jsonl
    """
    if (output.suffix == ".parquet") != (scores is None):
        raise ValueError(
            f"{output}: vectors go to a file called .parquet, scores (--scores N) to JSON lines"
        )
    import datasets

    from mteb_hybrid import plugin
    from mteb_hybrid.languages.codes import find_language
    from mteb_hybrid.languages.near import did_you_mean_language
    from mteb_hybrid.training.precompute.model import TextModel
    from mteb_hybrid.training.precompute.source import read_source
    from mteb_hybrid.training.precompute.teach import teach_scores, teach_vectors

    if data:
        os.environ[DATA_VARIABLE] = str(data)
    plugin.register()
    datasets.disable_progress_bars()
    source = read_source(what)
    known = {one: one for one in source.corpus.languages}
    code = find_language(language, known)
    if code is None:
        raise ValueError(
            f"--language {language}: {what} has none in it{did_you_mean_language(language, known)} "
            f"It has {', '.join(known)}"
        )
    teacher = TextModel(model, model_revision, device, batch_size)
    with told_when_stopped(goes_on):
        if scores is None:
            rows = teach_vectors(source, teacher, output, code)
        else:
            rows = teach_scores(source, teacher, output, code, scores)
    left_out = len(source.corpus) - rows
    say(
        f"{output}: {rows:,} rows with labels; {left_out:,} left out that lack a text in {code}"
        f"{' or negatives' if scores else ''}"
    )
