"""Results of one or more models, with all that limits them: every score, and what made it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.results.cells import COLUMNS, Cell, cell_text
from mteb_hybrid.results.evaluation import Evaluation, Floats, evaluation_of
from mteb_hybrid.results.mteb_files import ResultError, ResultFile, labels, read_result_files
from mteb_hybrid.results.picture import bars
from mteb_hybrid.results.text_table import html
from mteb_hybrid.retrieval.views import Setting

COMPARED = ("map", "rank_distance", "complete_at_10", "removal_gap", "same_language_lift_at_10")
"""Measures whose values per query a report reads, for intervals and tests."""

SCORES = {
    "collection": pl.String,
    "task": pl.String,
    "setting": pl.String,
    "model": pl.String,
    "revision": pl.String,
    "data_revision": pl.String,
    "subset": pl.String,
    "query_language": pl.String,
    "passage_language": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
}


@dataclass(frozen=True)
class Results:
    """Everything that result files say.

    Attributes:
        evaluations: One per result file; models in the order in which they were given.
    """

    evaluations: tuple[Evaluation, ...]

    @cached_property
    def per_query(self) -> pl.DataFrame:
        """Values per query, read when they are first asked for; empty where none were kept.

        Those on another revision of the data than the result file beside them are left out.

        Columns task, model, revision, query, group, query_language, pool, measure, value; of the
        measures in `COMPARED` only, since those of a large collection fill the memory.

        Raises:
            PerQueryError: If a file is damaged.
        """
        tasks: dict[tuple[Path, str, str], dict[str, str]] = {}
        for e in self.evaluations:
            tasks.setdefault((e.folder, e.model, e.revision), {})[e.task] = e.dataset_revision
        frames = [_per_query(*key, ours) for key, ours in tasks.items()]
        return pl.concat(frames, how="diagonal")

    @cached_property
    def scores(self) -> pl.DataFrame:
        """One row per value: see `SCORES`; ``passage_language`` is "multi" for the pool of all."""
        rows = [
            (
                *(e.card.title, e.task, str(e.setting), e.model, e.revision),
                *(e.dataset_revision, subset),
                *(asked := e.views[subset].query_language, subset.removeprefix(f"{asked}-")),
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
        return labels((e.model, e.revision) for e in self.evaluations)

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
        if found:
            return found.values(measure)
        return np.full(len(task_views(self.collections[collection], setting)), np.nan)

    def by_language(self, collection: str, model: str, setting: Setting, measure: str) -> Floats:
        """One measure per query language, of a setting that asks of each in one subset.

        Returns:
            Shape (L,), in the order of the card; NaN where missing, undefined or not there.
        """
        found = self.evaluation(collection, model, setting)
        if found:
            return found.by_language(measure)
        return np.full(len(self.collections[collection].languages), np.nan)

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
        found = self.evaluation(collection, model, setting)
        return found.truncated_at if found else None

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

    def __repr__(self) -> str:
        """What a prompt shows: how much there is, as all of it would fill the screen."""
        models = {(e.model, e.revision) for e in self.evaluations}
        return f"<Results: {len(models)} models, {len(self.evaluations)} tasks; see .scores>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the table, and below it the three settings as bars."""
        cells = {
            title: [(model, list(self._row(title, model))) for model in self.models(title)]
            for title in self.collections
        }
        head = ["Collection", "Model", *(column.title for column in COLUMNS)]
        body = [
            [title, model, *(cell_text(c, at.digits) for c, at in zip(row, COLUMNS, strict=True))]
            for title, rows in cells.items()
            for model, row in rows
        ]
        return "\n".join([html(head, body), *(bars(*one) for one in cells.items())])

    def _row(self, collection: str, model: str) -> Iterable[Cell | None]:
        for column in COLUMNS:
            found = self.evaluation(collection, model, column.setting)
            yield found.mean(column.score) if found else None


def load_results(paths: Path | str | Iterable[Path | str]) -> Results:
    """Read the results of our tasks below some folders.

    Args:
        paths: Result files, or folders to search for them, as for ``mteb-hybrid table``.

    Returns:
        The results, models in the order of `paths`.

    Raises:
        ResultError: If a path does not exist, a file of ours is damaged or has another split,
            an unknown subset or one twice, two files hold the same task of the same model, or none
            is ours.
    """
    given = [Path(path) for path in ([paths] if isinstance(paths, Path | str) else paths)]
    return results_of(read_result_files(given))


def results_of(files: Iterable[ResultFile]) -> Results:
    """The results that some files have.

    Raises:
        ResultError: As `load_results`, of what is in the files.
    """
    found: dict[tuple[str, str, str], Evaluation] = {}
    for file in files:
        evaluation = evaluation_of(file)
        key = (evaluation.model, evaluation.revision, evaluation.task)
        if key in found:
            raise ResultError(
                f"{file.path}: {evaluation.task} of {evaluation.model} ({evaluation.revision}) is "
                f"also in {found[key].folder}; each is shown once. Leave one of them out."
            )
        found[key] = evaluation
    return Results(tuple(found.values()))


def _per_query(folder: Path, model: str, revision: str, tasks: dict[str, str]) -> pl.DataFrame:
    from mteb_hybrid.results.per_query import data_revisions, read_per_query

    columns = ("task", "query", "group", "query_language", "pool", "measure")
    frame = pl.DataFrame(schema=dict.fromkeys(columns, pl.String) | {"value": pl.Float64})
    if any(folder.glob("*.per_query/*.parquet")):
        kept, on = read_per_query(folder), data_revisions(folder)
        same = [task for task, data in tasks.items() if not data or on.get(task, data) == data]
        frame = kept.filter(pl.col("measure").is_in(COMPARED), pl.col("task").is_in(same))
    return frame.with_columns(model=pl.lit(model), revision=pl.lit(revision))
