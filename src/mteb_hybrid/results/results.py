"""Results of one or more models, read from MTEB's files and kept with all that limits them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.results.mteb_files import ResultError, model_of, read_result, result_files
from mteb_hybrid.results.per_query import read_consistency, read_per_query
from mteb_hybrid.retrieval.views import Setting

Floats = npt.NDArray[np.float64]

COMPARED = ("map", "rank_distance", "complete_at_10", "removal_gap", "same_language_lift_at_10")
"""Measures whose values per query a report reads, for intervals and tests."""

SCORES = {
    "collection": pl.String,
    "task": pl.String,
    "setting": pl.String,
    "model": pl.String,
    "revision": pl.String,
    "subset": pl.String,
    "query_language": pl.String,
    "passage_language": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
}


@dataclass(frozen=True)
class Evaluation:
    """One result file: a model on one task.

    Attributes:
        card: The task's collection.
        task: Name of the task.
        setting: Its setting.
        model: Name of the model.
        revision: Its revision.
        scores: Subset to measure to value, in the order of the views; NaN where undefined.
        mteb_versions: Versions of MTEB that made the subsets.
        dataset_revision: Revision of the collection's files.
        date: Day of the evaluation (UTC), empty if the file does not say.
        consistency: How alike the rankings of parallel queries are, if they were kept.
    """

    card: TaskCard
    task: str
    setting: Setting
    model: str
    revision: str
    scores: dict[str, dict[str, float]]
    mteb_versions: tuple[str, ...] = ()
    dataset_revision: str = ""
    date: str = ""
    consistency: dict[str, float] = field(default_factory=dict)

    @property
    def expected(self) -> list[str]:
        """The subsets that the task has."""
        return list(task_views(self.card, self.setting))

    @property
    def missing(self) -> list[str]:
        """The subsets that were not evaluated."""
        return [subset for subset in self.expected if subset not in self.scores]


@dataclass(frozen=True)
class Results:
    """Everything a report shows.

    Attributes:
        evaluations: One per result file; models in the order in which they were given.
        per_query: Values per query: task, model, revision, query, group, query_language, pool,
            measure, value; of the measures in `COMPARED` only, since those of a large collection
            fill the memory. Empty where none were kept.
    """

    evaluations: tuple[Evaluation, ...]
    per_query: pl.DataFrame = field(repr=False)

    @cached_property
    def scores(self) -> pl.DataFrame:
        """One row per value: see `SCORES`; ``passage_language`` is "multi" for the pool of all."""
        rows = [
            (
                *(e.card.title, e.task, str(e.setting), e.model, e.revision, subset),
                *subset.rsplit("-", 1),
                measure,
                value,
            )
            for e in self.evaluations
            for subset, values in e.scores.items()
            for measure, value in values.items()
        ]
        return pl.DataFrame(rows, schema=SCORES, orient="row")

    def to_pandas(self) -> Any:
        """`scores` as a pandas frame (needs pandas and pyarrow)."""
        return self.scores.to_pandas()

    @cached_property
    def collections(self) -> dict[str, TaskCard]:
        """Collections by title, benchmarks before samples."""
        found = {e.card.title: e.card for e in self.evaluations}
        order = [card.title for card, _ in tasks_by_name().values()]
        return {title: found[title] for title in dict.fromkeys(order) if title in found}

    @cached_property
    def labels(self) -> dict[tuple[str, str], str]:
        """What each (model, revision) is called: its name, and the revision if there are two."""
        keys = list(dict.fromkeys((e.model, e.revision) for e in self.evaluations))
        names = [model for model, _ in keys]
        return {
            (model, revision): model if names.count(model) == 1 else f"{model} @ {revision[:12]}"
            for model, revision in keys
        }

    @cached_property
    def _by_label(self) -> dict[tuple[str, str, Setting], Evaluation]:
        return {
            (e.card.title, self.labels[e.model, e.revision], e.setting): e for e in self.evaluations
        }

    def models(self, collection: str) -> list[str]:
        """Labels of the models that were evaluated on a collection."""
        return list(
            dict.fromkeys(label for title, label, _ in self._by_label if title == collection)
        )

    def evaluation(self, collection: str, model: str, setting: Setting) -> Evaluation | None:
        """One model's evaluation in one setting, None if there is none."""
        return self._by_label.get((collection, model, setting))

    def values(self, collection: str, model: str, setting: Setting, measure: str) -> Floats:
        """One measure per subset of a setting, in the order of the views.

        Returns:
            Shape (subsets that the setting has,); NaN where missing or undefined.
        """
        found = self.evaluation(collection, model, setting)
        subsets = task_views(self.collections[collection], setting)
        scores = found.scores if found else {}
        return np.array([scores.get(name, {}).get(measure, math.nan) for name in subsets])

    def by_language(self, collection: str, model: str, setting: Setting, measure: str) -> Floats:
        """One measure per query language, of a setting that asks of each in one subset.

        Returns:
            Shape (L,), in the order of the card; NaN where missing, undefined or not there.
        """
        card = self.collections[collection]
        values = self.values(collection, model, setting, measure)
        views = task_views(card, setting).values()
        known = {view.query_language: v for view, v in zip(views, values, strict=True)}
        return np.array([known.get(language, math.nan) for language in card.languages])

    def query_languages(self, collection: str) -> list[str]:
        """The languages of the card, and those that its queries were only translated into."""
        card = self.collections[collection]
        asked = task_views(card, Setting.CROSSLINGUAL).values()
        return list(dict.fromkeys([*card.languages, *(view.query_language for view in asked)]))

    def matrix(self, collection: str, model: str, prefix: str | None = None) -> Floats:
        """A measure for every query language (rows) and passage language (columns).

        Args:
            collection: Its title.
            model: Label of the model.
            prefix: Measures ``PREFIX_XX`` of the multilingual setting, XX being the passage
                language; by default the map of every pair, the transfer matrix.

        Returns:
            Shape (L, L), for the transfer matrix (query languages, L); NaN where missing.
        """
        languages = tuple(self.collections[collection].languages)
        if prefix is not None:
            return np.column_stack(
                [
                    self.by_language(collection, model, Setting.MULTILINGUAL, f"{prefix}_{y}")
                    for y in languages
                ]
            )
        scores = {
            subset: values.get("map", math.nan)
            for setting in (Setting.MONOLINGUAL, Setting.CROSSLINGUAL)
            if (found := self.evaluation(collection, model, setting))
            for subset, values in found.scores.items()
        }
        asked = self.query_languages(collection)
        return np.array([[scores.get(f"{x}-{y}", math.nan) for y in languages] for x in asked])

    def truncated_at(self, collection: str, model: str, setting: Setting) -> int | None:
        """The k of a search model that returned only its top k, None if rankings are whole."""
        cuts = self.values(collection, model, setting, "truncated_at")
        return None if np.isnan(cuts).all() else int(np.nanmax(cuts))

    def queries(self, collection: str, model: str, measures: Sequence[str]) -> pl.DataFrame:
        """Values per query of one model on one collection, in all settings."""
        tasks = {e.task: key for (*key, _), e in self._by_label.items()}
        ours = [task for task, (title, _) in tasks.items() if title == collection]
        (name, revision), *_ = (key for key, label in self.labels.items() if label == model)
        return self.per_query.filter(
            pl.col("task").is_in(ours),
            pl.col("measure").is_in(list(measures)),
            model=name,
            revision=revision,
        )

    def _repr_html_(self) -> str:
        from mteb_hybrid.report import tables
        from mteb_hybrid.report.templates import render

        found = [tables.headline(self, collection) for collection in self.collections]
        return render("headline.html.jinja", tables=found)


def load_results(paths: Path | str | Iterable[Path | str]) -> Results:
    """Read the results of our tasks below some folders.

    Args:
        paths: Result files, or folders to search for them, as for ``mteb-hybrid table``.

    Returns:
        The results, models in the order of `paths`.

    Raises:
        ResultError: If a path does not exist, a file is not a result file or names an unknown
            subset, two files hold the same task of the same model, or none is ours.
    """
    tasks = tasks_by_name()
    given = [Path(path) for path in ([paths] if isinstance(paths, Path | str) else paths)]
    found: dict[tuple[str, str, str], tuple[Path, Evaluation]] = {}
    for file in dict.fromkeys(file.resolve() for file in result_files(given)):
        content = read_result(file)
        if content.get("task_name") not in tasks:
            continue
        evaluation = _evaluation(file, content, *tasks[content["task_name"]])
        key = (evaluation.model, evaluation.revision, evaluation.task)
        if key in found:
            raise ResultError(
                f"{file}: {evaluation.task} of {evaluation.model} ({evaluation.revision}) is also "
                f"in {found[key][0]}; a report shows each once. Leave one of them out."
            )
        found[key] = file, evaluation
    if not found:
        raise ResultError(
            f"no results of our tasks below {', '.join(map(str, given))}; expected MTEB result "
            "files such as results/MODEL/REVISION/XQuADRMultilingualRetrieval.json. Make them "
            "with `mteb run` or `mteb-hybrid run`."
        )
    models = {(e.model, e.revision): file.parent for file, e in found.values()}
    frames = [_per_query(folder, *key) for key, folder in models.items()]
    return Results(
        tuple(evaluation for _, evaluation in found.values()), pl.concat(frames, how="diagonal")
    )


def _evaluation(
    file: Path, content: dict[str, Any], card: TaskCard, setting: Setting
) -> Evaluation:
    order = task_views(card, setting)
    scores: dict[str, dict[str, float]] = {}
    versions: dict[str, None] = {}
    for row in (row for rows in content["scores"].values() for row in rows):
        subset = row.get("hf_subset")
        if subset not in order or subset in scores:
            fault = "is there twice" if subset in scores else f"is none of {card.title}'s"
            raise ResultError(
                f"{file}: subset {subset!r} {fault}; expected subsets such as "
                f"{next(iter(order))!r}, each once. Evaluate that task again."
            )
        scores[subset] = {
            name: math.nan if value is None else float(value)
            for name, value in row.items()
            if (value is None or isinstance(value, int | float)) and name != "main_score"
        }
        versions[str(row.get("mteb_version") or content.get("mteb_version"))] = None
    name, revision = model_of(file)
    date = content.get("date")
    return Evaluation(
        card=card,
        task=content["task_name"],
        setting=setting,
        model=_printable(name),
        revision=_printable(revision),
        scores={subset: scores[subset] for subset in order if subset in scores},
        mteb_versions=tuple(sorted(versions)),
        dataset_revision=str(content.get("dataset_revision") or ""),
        date=f"{datetime.fromtimestamp(date, UTC):%Y-%m-%d}" if date else "",
        consistency=read_consistency(file.parent, content["task_name"]),
    )


def _printable(name: str) -> str:
    """A name without the control characters that neither XML nor a terminal can show."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def _per_query(folder: Path, model: str, revision: str) -> pl.DataFrame:
    columns = ("task", "query", "group", "query_language", "pool", "measure")
    frame = pl.DataFrame(schema=dict.fromkeys(columns, pl.String) | {"value": pl.Float64})
    if any(folder.glob("*.per_query/*.parquet")):
        frame = read_per_query(folder).filter(pl.col("measure").is_in(COMPARED))
    return frame.with_columns(model=pl.lit(model), revision=pl.lit(revision))
