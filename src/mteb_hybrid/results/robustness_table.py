"""The tables of ``mteb-hybrid robustness``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from mteb_hybrid.cards.rewritten import RewrittenCard, rewrite_provenance
from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.results.cells import LEFT_OUT, limits
from mteb_hybrid.results.compare import CompareError, compare_models
from mteb_hybrid.results.compare_table import interval, model_folders, other_data
from mteb_hybrid.results.per_query import data_revisions, read_per_query
from mteb_hybrid.results.robustness import losses, robustness
from mteb_hybrid.results.text_table import Format, write_csv, write_table

LEGEND = (
    "Original and rewritten: the same questions, in the same pools; means over queries, then "
    "unweighted over subsets. Difference: rewritten minus original. Interval: 95%, paired "
    "bootstrap over questions with all their translations, not corrected for the number of rows. "
    "p: paired randomisation test over the same questions, two-sided; Holm p: corrected for all "
    "rows of the model, or of the second table. Won, lost, tied: queries that are better "
    "rewritten, worse, or the same."
)


class Evaluated(NamedTuple):
    """What there is of a model.

    Attributes:
        values: Per-query values.
        revisions: The revision of the data by task, where it is known.
    """

    values: pl.DataFrame
    revisions: dict[str, str]


def read(folders: Sequence[Path]) -> dict[str, Evaluated]:
    """What there is of some models, by name, in the order given.

    Args:
        folders: One model's results each: MODEL/REVISION, or MODEL if it has one revision.

    Raises:
        CompareError: If a folder has no per-query values, or those of several models.
    """
    return {
        name: Evaluated(read_per_query(folder), data_revisions(folder))
        for name, folder in model_folders(folders).items()
    }


def tables(
    models: Mapping[str, Evaluated],
    measures: Sequence[str],
    format: Format,
    resamples: int,
    seed: int,
    width: int | None,
) -> str:
    """What each model loses; and, of several, whether others lose more than the first.

    As CSV it is the first table, in full precision.

    Raises:
        CompareError: As `robustness`, and `compare` of several models.
    """
    table = pl.concat(
        [
            robustness(found.values, measures, found.revisions, resamples, seed).with_columns(
                model=pl.lit(name)
            )
            for name, found in models.items()
        ]
    )
    if format is Format.CSV:
        keys = ["task", "measure", "model", "language"]
        renamed = table.select(*keys, pl.all().exclude(keys)).rename(
            {"first": "original", "second": "rewritten"}
        )
        return write_csv(renamed.columns, renamed.iter_rows())
    head = ["Queries", "Measure", "Model", "language", "queries", "original", "rewritten"]
    tests = ["95% interval", "p", "Holm p"]
    body = [
        [*_labels(row), str(row["language"]), str(row["queries"]), *_means(row), *_tests(row)]
        + [str(row[name]) if row[name] is not None else "–" for name in ("wins", "losses", "ties")]
        for row in table.iter_rows(named=True)
    ]
    head = [*head, "difference", *tests, "won", "lost", "tied"]
    written = [write_table(head, body, format, width, labels=4)]
    if len(models) > 1:
        written.append(_between(models, measures, format, resamples, seed, width))
    if format is Format.TEXT and table["left_out"].sum():
        written.append(LEFT_OUT)
    return "\n\n".join(written)


def notes(models: Mapping[str, Evaluated]) -> list[str]:
    """What else to know: queries that are left out, data that have changed since."""
    tasks = {task for found in models.values() for task in found.values["task"].unique()}
    cards = {
        card.of.file.stem: card.of
        for task, (card, _) in tasks_by_name().items()
        if task in tasks and isinstance(card, RewrittenCard)
    }
    said = []
    for name, card in cards.items():
        about = rewrite_provenance(card)
        if about and about.excluded:
            told = ", ".join(f"{x} {len(ids)}" for x, ids in about.excluded.items() if ids)
            said.append(f"{name}: queries known to be weak are left out: {told}.")
    for found in models.values():
        said += other_data(found.revisions)
    return list(dict.fromkeys(said))


def _between(
    models: Mapping[str, Evaluated],
    measures: Sequence[str],
    format: Format,
    resamples: int,
    seed: int,
    width: int | None,
) -> str:
    """Whether other models lose more than the first, on the tasks of both."""
    (baseline, first), *others = models.items()
    for name, found in others:
        for task, revision in found.revisions.items():
            if _is_rewritten(task) and first.revisions.get(task, revision) != revision:
                raise CompareError(
                    f"{task}: {baseline} is on revision {first.revisions[task]} of the data, "
                    f"{name} on {revision}; evaluate both on the same"
                )
    lost = {name: losses(found.values, found.revisions) for name, found in models.items()}
    body = [
        [*_labels(row), *_means(row), *_tests(row)]
        for row in compare_models(lost, measures, resamples, seed).iter_rows(named=True)
    ]
    head = ["Queries", "Measure", "Model", f"difference of {baseline}", "of the model", "more"]
    return write_table([*head, "95% interval", "p", "Holm p"], body, format, width, labels=3)


def _is_rewritten(task: str) -> bool:
    card, _ = tasks_by_name().get(task, (None, None))
    return isinstance(card, RewrittenCard)


def _labels(row: dict[str, object]) -> list[str]:
    card, setting = tasks_by_name()[str(row["task"])]
    return [f"{card.title} {setting}", f"{row['measure']}{limits(row)}", str(row["model"])]


def _means(row: dict[str, object]) -> list[str]:
    return [_number(row[name], row) for name in ("first", "second", "difference")]


def _tests(row: dict[str, object]) -> list[str]:
    return [interval(row, _number), f"{row['p']:.4f}", f"{row['p_holm']:.4f}"]


def _number(value: object, row: dict[str, object]) -> str:
    """Four decimals, or as many as suit large means."""
    large = max(abs(float(str(row[name]))) for name in ("first", "second")) >= 10
    return f"{float(str(value)):.1f}" if large else f"{float(str(value)):.4f}"
