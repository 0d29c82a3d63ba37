"""The command ``mteb-hybrid mine``."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mteb_hybrid.commands.options import (
    BatchSizeOption,
    DataOption,
    DeviceOption,
    ModelOption,
    RevisionOption,
    checked_what,
)
from mteb_hybrid.commands.terminal import goes_on, say, told_when_stopped
from mteb_hybrid.files.places import DATA_VARIABLE

if TYPE_CHECKING:
    from mteb_hybrid.training.precompute.mine import MinedLanguage


class Sampling(StrEnum):
    """Which of the candidates are taken."""

    TOP = "top"
    RANDOM = "random"


def mine(
    what: Annotated[
        str,
        typer.Argument(
            help="Training data: a file of parallel JSON lines, plain or gzip, or a collection "
            "(mlqa-r), whose passages without a question become candidates too.",
            callback=checked_what,
        ),
    ],
    model: ModelOption,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Where the rows go; gzipped if it is called .gz."),
    ],
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            help="Languages of the negatives, as seen from the passage that they stand beside: "
            "same, other, all, or a list such as en,de.",
        ),
    ] = "same",
    negatives: Annotated[
        int, typer.Option("--negatives", "-n", help="Negatives beside each passage.", min=1)
    ] = 3,
    range_min: Annotated[
        int, typer.Option(help="Pass over this many of the nearest candidates.", min=0)
    ] = 0,
    range_max: Annotated[
        int | None,
        typer.Option(help="Look at this many of the nearest; by default as many as needed.", min=1),
    ] = None,
    absolute_margin: Annotated[
        float | None,
        typer.Option(
            help="A negative's similarity is at least this far below the positive's; by default "
            "anything goes."
        ),
    ] = None,
    relative_margin: Annotated[
        float | None,
        typer.Option(
            help="The same as a share of the positive's: 0.05 leaves out what is likely to be a "
            "right answer that nobody marked (arXiv:2407.15831)."
        ),
    ] = None,
    max_score: Annotated[
        float | None, typer.Option(help="Highest similarity of a negative; none by default.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Lowest similarity of a negative; none by default.")
    ] = None,
    sampling: Annotated[
        Sampling,
        typer.Option(help="Take the nearest of what is left, or some at random (of --range-max)."),
    ] = Sampling.TOP,
    seed: Annotated[int, typer.Option(help="For --sampling random.", min=0)] = 0,
    data: DataOption = None,
    model_revision: RevisionOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = 32,
) -> None:
    """Mine hard negatives for training: wrong passages that a model takes for right ones.

    The search is sentence-transformers' own, exact, with the question in the language of the
    passage, where there is one. A translation of the right passage is never a negative, nor is one
    of a row that shares a text or a group with it. --from other gives negatives that are wrong in
    content and in language, --from same those of a monolingual batch.

    Read the output with ParallelDataset.from_json(OUTPUT, negatives=3), or in a recipe with
    negatives = 3. Vectors are kept in OUTPUT.work until it is whole; the same command again goes
    on where it stopped.

    Example: mteb-hybrid mine pairs.jsonl -m intfloat/multilingual-e5-small --from all
    --relative-margin 0.05 -o with-negatives.jsonl
    """
    import datasets

    from mteb_hybrid import plugin
    from mteb_hybrid.training.precompute.mine import mine as run
    from mteb_hybrid.training.precompute.model import TextModel
    from mteb_hybrid.training.precompute.pool import checked_from
    from mteb_hybrid.training.precompute.search import Choice
    from mteb_hybrid.training.precompute.source import read_source

    if data:
        os.environ[DATA_VARIABLE] = str(data)
    choice = Choice(
        num_negatives=negatives,
        range_min=range_min,
        range_max=range_max,
        max_score=max_score,
        min_score=min_score,
        absolute_margin=absolute_margin,
        relative_margin=relative_margin,
        sampling_strategy=sampling.value,
    )
    plugin.register()
    datasets.disable_progress_bars()
    source = read_source(what)
    chosen = checked_from(from_, source.corpus.languages)
    miner = TextModel(model, model_revision, device, batch_size)
    with told_when_stopped(goes_on):
        found = run(source, miner, output, chosen, choice, seed)
    say(*_summary(found, negatives))
    say(f"{output}: {len(source.corpus):,} rows")


def _summary(found: "dict[str, MinedLanguage]", negatives: int) -> list[str]:
    lines = [f"{'':8}{'passages':>10}{'negatives':>11}{f'fewer than {negatives}':>15}  from"]
    for code, one in found.items():
        of = ", ".join(f"{language} {count:,}" for language, count in one.negatives.items())
        total = sum(one.negatives.values())
        lines.append(f"{code:8}{one.rows:>10,}{total:>11,}{one.fewer:>15,}  {of}")
    if fewer := sum(one.fewer for one in found.values()):
        lines.append(
            f"{fewer:,} passage(s) with fewer than {negatives} keep what was found; readers with "
            f"negatives={negatives} take them as missing. Ask for fewer, loosen the margins, or "
            "raise --range-max."
        )
    return lines
