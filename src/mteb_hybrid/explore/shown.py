"""Which results a page shows: one collection in the multilingual setting, of one model or more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.results.evaluation import Evaluation
from mteb_hybrid.results.per_query import read_per_query, read_top
from mteb_hybrid.results.results import Results
from mteb_hybrid.retrieval.views import Setting


def measures(card: TaskCard) -> tuple[str, str]:
    """What is shown of every query: distances are between translations."""
    return "map", "rank_distance" if card.source.parallel else "ndcg_at_20"


class ExploreError(ValueError):
    """Results of which no page can be made."""


@dataclass(frozen=True)
class Shown:
    """What a page shows.

    Attributes:
        card: The collection.
        evaluations: Of each model, by its label.
        queries: By label: the rows of `read_top`, with columns for `measures`.
        lacking: A sentence for each model whose run kept no first passages, or no values per query.
    """

    card: TaskCard
    evaluations: Mapping[str, Evaluation]
    queries: Mapping[str, pl.DataFrame]
    lacking: tuple[str, ...]


def shown(results: Results, task: str | None = None) -> Shown:
    """Choose what to show.

    Args:
        results: Of any models and tasks.
        task: A collection or one of its tasks; needed where there are results of several.

    Raises:
        ExploreError: If the task is unknown or was not evaluated, there are several and none is
            named, models measured on different revisions of the data, or no run kept what is shown.
        PerQueryError: If values per query are missing or damaged.
    """
    found: dict[str, dict[str, Evaluation]] = {}
    for evaluation in results.evaluations:
        if evaluation.setting is Setting.MULTILINGUAL:
            label = results.labels[evaluation.model, evaluation.revision]
            found.setdefault(evaluation.card.file.stem, {})[label] = evaluation
    ours = found[_chosen(found, task)]
    _check_one_revision(ours)
    queries: dict[str, pl.DataFrame] = {}
    lacking = []
    for label, evaluation in ours.items():
        top = read_top(evaluation.folder, evaluation.task)
        if top is None:
            lacking.append(_lack(label, evaluation, "top"))
        elif not any(evaluation.folder.glob(f"{evaluation.task}.per_query/*.parquet")):
            lacking.append(_lack(label, evaluation, "per_query"))
        else:
            queries[label] = top.join(_values(evaluation), on="query", how="left")
    if not queries:
        folders = ", ".join(str(evaluation.folder) for evaluation in ours.values())
        raise ExploreError(f"{folders}: {' '.join(lacking)}")
    first = next(iter(ours.values()))
    kept = {label: evaluation for label, evaluation in ours.items() if label in queries}
    return Shown(first.card, kept, queries, tuple(lacking))


def _chosen(found: Mapping[str, Mapping[str, Evaluation]], task: str | None) -> str:
    """The name of one collection."""
    if task is not None:
        tasks = {name: card.file.stem for name, (card, _) in tasks_by_name().items()}
        known = {stem: stem for stem in tasks.values()} | tasks
        if task not in known:
            raise ExploreError(
                f"no collection or task {task!r}{did_you_mean(task, known)} See `mteb-hybrid tasks "
                "list`."
            )
        if known[task] not in found:
            raise ExploreError(
                f"no results on {known[task]} in the multilingual setting; there are "
                f"{', '.join(found) or 'none on any collection'}."
            )
        return known[task]
    if not found:
        raise ExploreError(
            "no results in the multilingual setting, the one that is shown; make some with "
            "`mteb-hybrid run -m MODEL COLLECTION --setting multilingual`."
        )
    if len(found) > 1:
        said = "; ".join(f"{stem} ({', '.join(models)})" for stem, models in found.items())
        raise ExploreError(
            f"results on different collections: {said}; a page shows one: name it with --task."
        )
    return next(iter(found))


def _check_one_revision(ours: Mapping[str, Evaluation]) -> None:
    on = {evaluation.dataset_revision: label for label, evaluation in ours.items()}
    if len(on) > 1:
        said = ", ".join(f"{label} on {revision or 'unknown'}" for revision, label in on.items())
        raise ExploreError(
            f"models measured on different revisions of the data: {said}; give results on one."
        )


def _lack(label: str, evaluation: Evaluation, what: str) -> str:
    return (
        f"{label}: left out, as there is no {evaluation.task}.{what} beside its results, which "
        "`mteb-hybrid run` keeps, but earlier versions and plain `mteb run` may not have; evaluate "
        "it again with --overwrite-strategy always."
    )


def _values(evaluation: Evaluation) -> pl.DataFrame:
    """Columns query and `measures`; null where undefined."""
    rows = read_per_query(evaluation.folder, evaluation.task)
    wanted = measures(evaluation.card)
    rows = rows.filter(pl.col("measure").is_in(wanted)).with_columns(pl.col("value").fill_nan(None))
    wide = rows.pivot("measure", index="query", values="value")
    return wide.select(
        "query",
        *(
            pl.col(name) if name in wide.columns else pl.lit(None, pl.Float64).alias(name)
            for name in wanted
        ),
    )


def languages(queries: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    """Short codes of all languages of queries and passages, each once."""
    seen = set[str]()
    for frame in queries.values():
        for name in ("query_language", "top_languages", "answer_languages"):
            column = frame[name]
            flat = column.explode() if column.dtype == pl.List else column
            for code in flat.drop_nulls().unique(maintain_order=True):
                if code not in seen:
                    seen.add(code)
                    yield code
