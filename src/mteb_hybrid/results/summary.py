"""What results come to: means, matrices and intervals, each computed once and handed down."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import card_settings
from mteb_hybrid.cards.translations import query_language_codes
from mteb_hybrid.results.cells import POOL_LOSS, Cell, mean
from mteb_hybrid.results.evaluation import MEASURED_ON, Evaluation, Floats
from mteb_hybrid.results.resample import bootstrap_interval
from mteb_hybrid.results.results import COMPARED, Results
from mteb_hybrid.retrieval.views import Setting

RESAMPLES = 2_000
GOLD_LANGUAGE_GAP = "gold_language_gap"
BY_PASSAGE_LANGUAGE = ("mean_rank", "language_share_at_10", "pool_share")


@dataclass(frozen=True)
class ModelSummary:
    """One model on one collection of L languages; arrays are in the order of the card.

    Attributes:
        label: What to call the model, unlike any other.
        model: Its name.
        revision: Its revision.
        adapted_from: Name of the model that it was made of; empty if unknown.
        evaluations: What it was evaluated in, by setting.
        cells: Means of every score, and of the derived ones, by setting and name.
        concordant: How many query languages have a language concordance with p < 0.05, and how
            many have one at all.
        transfer: Map of every query language and passage language, shape (query languages, L).
        gold_language: Map in the pool with the answer of one passage language left, shape (L, L).
        by_passage_language: Measures of the pool with a value per passage language, their means
            over query languages, shape (L,).
        pool_map: Map in the pool of all languages by query language, shape (L,).
        pool_loss: Monolingual map minus that, shape (L,).
        pool_map_intervals: 95% intervals of `pool_map`, shape (L, 2).
        queries: Values per query of the measures that are compared, by setting; none where they
            were not kept, or not asked for.
    """

    label: str
    model: str
    revision: str
    adapted_from: str
    evaluations: Mapping[Setting, Evaluation]
    cells: Mapping[tuple[Setting, str], Cell]
    concordant: tuple[int, int]
    transfer: Floats
    gold_language: Floats
    by_passage_language: Mapping[str, Floats]
    pool_map: Floats
    pool_loss: Floats
    pool_map_intervals: Floats
    queries: Mapping[Setting, pl.DataFrame]

    def marked(self, setting: Setting, measure: str = "map", *, means: bool = False) -> str:
        """Its label over values of a setting, with the mark of their mean.

        Args:
            setting: The setting.
            measure: Which mean.
            means: Whether the values are means over subsets themselves.
        """
        cell = self.cells.get((setting, measure))
        return self.label + ((cell.partial if means else "") + cell.mark if cell else "")


@dataclass(frozen=True)
class CollectionSummary:
    """One collection, and the models that were evaluated on it.

    Attributes:
        card: Its card.
        settings: The settings that it has.
        query_languages: The languages of the card, and those its queries were translated into.
        codes: Language codes by short code, of both.
        models: In the order in which they were given.
    """

    card: TaskCard
    settings: tuple[Setting, ...]
    query_languages: tuple[str, ...]
    codes: Mapping[str, str]
    models: tuple[ModelSummary, ...]

    @property
    def title(self) -> str:
        """Title of the collection."""
        return self.card.title


@dataclass(frozen=True)
class Summary:
    """Everything that tables, reports and model cards show.

    Attributes:
        collections: Benchmarks before samples.
        evaluations: Every evaluation with the label of its model, in the order given.
    """

    collections: tuple[CollectionSummary, ...]
    evaluations: tuple[tuple[str, Evaluation], ...]


def summarise(results: Results, *, queries: bool = True) -> Summary:
    """Sum results up.

    Args:
        results: What `load_results` returned.
        queries: Whether to read the values per query too, which intervals, tests and the
            consistency of rankings need.

    Raises:
        PerQueryError: If values per query are damaged.
    """
    collections = []
    for title, card in results.collections.items():
        collections.append(
            CollectionSummary(
                card=card,
                settings=card_settings(card),
                query_languages=tuple(results.query_languages(title)),
                codes=query_language_codes(card),
                models=tuple(_model(results, title, m, queries) for m in results.models(title)),
            )
        )
    labelled = ((results.labels[e.model, e.revision], e) for e in results.evaluations)
    return Summary(tuple(collections), tuple(labelled))


def _model(results: Results, collection: str, label: str, queries: bool) -> ModelSummary:
    card = results.collections[collection]
    evaluations = {
        setting: found
        for setting in Setting
        if (found := results.evaluation(collection, label, setting))
    }
    alone, pooled = (
        results.by_language(collection, label, setting, "map")
        for setting in (Setting.MONOLINGUAL, Setting.MULTILINGUAL)
    )
    pool_loss = alone - pooled
    if card.source.judged_across and not card.source.parallel:
        pool_loss[:] = np.nan  # each pool has queries and answers of its own
    gold_language = results.matrix(collection, label, "gold_language_map")
    cells = _means(evaluations)
    if Setting.MULTILINGUAL in evaluations:
        cells |= _derived(evaluations[Setting.MULTILINGUAL], pool_loss, gold_language)
    frames = _queries(results, collection, label, evaluations) if queries else {}
    if queries:
        cells |= _consistency(evaluations)
    p_values = results.values(collection, label, Setting.MULTILINGUAL, "language_concordance_p")
    first = next(iter(evaluations.values()))
    return ModelSummary(
        label=label,
        model=first.model,
        revision=first.revision,
        adapted_from=first.adapted_from,
        evaluations=evaluations,
        cells={
            (setting, name): replace(
                _with_data(cell, evaluations, setting, name),
                truncated_at=evaluations[setting].truncated_at,
            )
            for (setting, name), cell in cells.items()
            if cell
        },
        concordant=(int((p_values < 0.05).sum()), int((~np.isnan(p_values)).sum())),
        transfer=results.matrix(collection, label),
        gold_language=gold_language,
        by_passage_language={
            measure: macro(results.matrix(collection, label, measure))
            for measure in BY_PASSAGE_LANGUAGE
        },
        pool_map=pooled,
        pool_loss=pool_loss,
        pool_map_intervals=map_intervals(frames.get(Setting.MULTILINGUAL), tuple(card.languages)),
        queries=frames,
    )


Cells = dict[tuple[Setting, str], Cell | None]


def _with_data(
    cell: Cell, evaluations: Mapping[Setting, Evaluation], setting: Setting, name: str
) -> Cell:
    """A cell with the revisions of the data that it was measured on, and those they have now."""
    settings = (Setting.MONOLINGUAL, setting) if name == POOL_LOSS else (setting,)
    used = [evaluations[one] for one in settings if one in evaluations]
    return replace(
        cell,
        data=", ".join(dict.fromkeys(e.dataset_revision for e in used)),
        data_now=", ".join(dict.fromkeys(e.current_revision for e in used)),
    )


def _means(evaluations: Mapping[Setting, Evaluation]) -> Cells:
    return {
        (setting, name): found.mean(name)
        for setting, found in evaluations.items()
        for name in {name: None for values in found.scores.values() for name in values}
        if name != "truncated_at" and not name.endswith(MEASURED_ON)
        if not name.startswith("rounding_")
    }


def _derived(pooled: Evaluation, pool_loss: Floats, gold_language: Floats) -> Cells:
    asked = {view.query_language for view in pooled.views.values()}
    losses = [loss for x, loss in zip(pooled.card.languages, pool_loss, strict=True) if x in asked]
    return {
        (Setting.MULTILINGUAL, POOL_LOSS): mean(losses),
        (Setting.MULTILINGUAL, GOLD_LANGUAGE_GAP): gold_language_gap(gold_language),
    }


def _consistency(evaluations: Mapping[Setting, Evaluation]) -> Cells:
    return {
        (setting, name): Cell(
            value,
            found.ranked,
            len(found.expected),
            measured_on=found.consistency.get(name + MEASURED_ON),
        )
        for setting, found in evaluations.items()
        for name, value in found.consistency.items()
        if not name.endswith(MEASURED_ON) and not math.isnan(value)
    }


def _queries(
    results: Results, collection: str, label: str, evaluations: Mapping[Setting, Evaluation]
) -> dict[Setting, pl.DataFrame]:
    frame = results.queries(collection, label, COMPARED)
    found = {setting: frame.filter(task=e.task) for setting, e in evaluations.items()}
    return {setting: rows for setting, rows in found.items() if not rows.is_empty()}


def gold_language_gap(matrix: Floats) -> Cell | None:
    """Mean of the diagonal minus mean of the rest, of a matrix of shape (L, L)."""
    own = np.eye(len(matrix), dtype=bool)
    diagonal, rest = mean(matrix[own]), mean(matrix[~own])
    if diagonal is None or rest is None:
        return None
    asked = int((~np.isnan(matrix)).any(axis=1).sum())
    return Cell(diagonal.value - rest.value, asked, len(matrix))


def macro(matrix: Floats) -> Floats:
    """Mean over query languages, the rows, of what is there.

    Returns:
        Shape (L,); NaN where no query language has a value.
    """
    counts = (~np.isnan(matrix)).sum(axis=0)
    none = np.full(matrix.shape[1], np.nan)
    return np.asarray(np.divide(np.nansum(matrix, axis=0), counts, out=none, where=counts > 0))


def map_intervals(frame: pl.DataFrame | None, languages: tuple[str, ...]) -> Floats:
    """95% intervals of the map in the pool of all languages, per query language.

    Percentile bootstrap over groups, as comparisons between models have it.

    Args:
        frame: Values per query of one model in the multilingual setting, if there are any.
        languages: The query languages, L of them.

    Returns:
        Shape (L, 2), low and high; NaN where there are no values per query, or too few.
    """
    intervals = np.full((len(languages), 2), np.nan)
    if frame is None:
        return intervals
    for place, language in enumerate(languages):
        values = frame.filter(measure="map", pool=f"{language}-multi", query_language=language)
        values = values.filter(values["value"].is_not_nan())
        if not values.is_empty():
            groups = values.group_by("group", maintain_order=True).agg(
                pl.col("value").sum(), size=pl.len()
            )
            # Sorted, so that the draws do not depend on the order of a hash table.
            sums, sizes = groups.sort("group").select("value", "size").cast(pl.Float64)
            columns = (sums.to_numpy()[:, None], sizes.to_numpy()[:, None])
            intervals[place] = bootstrap_interval(columns[0], columns[1], RESAMPLES, seed=0)
    return intervals
