"""From result files to what a site keeps of them, one model at a time to spare memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mteb_hybrid.report.glossary import words
from mteb_hybrid.results.evaluation import Evaluation
from mteb_hybrid.results.intervals import mean_interval
from mteb_hybrid.results.mteb_files import ResultFile
from mteb_hybrid.results.results import COMPARED, results_of
from mteb_hybrid.results.summary import (
    CollectionSummary,
    ModelSummary,
    Summary,
    summarise,
)
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.site import describe
from mteb_hybrid.site.compared import compared, said
from mteb_hybrid.site.kept import Collection, Compared, Evaluated, Key, Model, Site, Value

BY_SUBSET = ("map", "rank_distance", "same_language_lift_at_10")
"""Measures that tables rank models by, and so need over the languages that all of them have."""

MEASURES = words().keys() - {"language_concordance_p"}
"""Those that a report knows; but a mean of p-values says nothing."""

Report = Callable[[Summary, Key], None]
"""Writes the report of one model on one collection."""


@dataclass
class Found:
    """What results add to a site.

    Attributes:
        tried: How refusals begin of what was compared now, or was refused.
    """

    collections: dict[str, Collection] = field(default_factory=dict)
    models: dict[Key, Model] = field(default_factory=dict)
    evaluations: list[Evaluated] = field(default_factory=list)
    comparisons: list[Compared] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)


def gather(files: list[ResultFile], report: Report) -> Found:
    """Read the results of every model.

    Args:
        files: What `read_result_files` found. On each collection, the first model with values per
            query is the baseline of all others.
        report: What to do with the summary of a model on a collection.

    Raises:
        ResultError: As `results_of`.
        PerQueryError: If values per query are damaged.
    """
    by_model: dict[Key, list[ResultFile]] = {}
    for file in files:
        by_model.setdefault((file.model.title, file.model.revision), []).append(file)
    found = Found()
    baselines: dict[str, ModelSummary] = {}
    for key, ours in by_model.items():
        summary = summarise(results_of(ours))
        for collection in summary.collections:
            (model,) = collection.models
            name = collection.card.name
            found.collections.setdefault(name, describe.collection_of(collection.card))
            found.models[key] = describe.model_of(next(iter(model.evaluations.values())))
            found.evaluations += [
                _evaluated(model, e, setting) for setting, e in model.evaluations.items()
            ]
            if name in baselines:
                rows, refused = compared(name, baselines[name], model)
                found.comparisons += rows
                found.refused += refused
                both = set(baselines[name].evaluations) & set(model.evaluations)
                found.tried |= {said(name, of, baselines[name], model) for of in both}
            elif model.queries:
                baselines[name] = model
            report(_alone(collection, summary), key)
    return found


def merged(old: Site, found: Found) -> Site:
    """A site with what was found; what it shows of the same model and task already is replaced."""
    place = {(e.key, e.task): e for e in old.evaluations}
    changed = {
        (e.key, e.collection)
        for e in found.evaluations
        if place.get((e.key, e.task)) not in (None, e)
    }
    place |= {(e.key, e.task): e for e in found.evaluations}
    tests = {
        _of(c): c
        for c in old.comparisons
        if not changed & {(c.baseline, c.collection), (c.model, c.collection)}
    }
    tests |= {_of(c): c for c in found.comparisons}
    collections = {c.name: c for c in old.collections} | found.collections
    models = {model.key: model for model in old.models} | found.models
    # In an order of its own, so that the same results give the same site in any number of calls.
    return Site(
        title=old.title,
        collections=[collections[name] for name in sorted(collections)],
        models=[models[key] for key in sorted(models)],
        evaluations=sorted(place.values(), key=lambda e: (e.collection, e.key, e.setting)),
        comparisons=[tests[key] for key in sorted(tests)],
        refused=sorted(
            {*(x for x in old.refused if not x.startswith(tuple(found.tried))), *found.refused}
        ),
    )


def _of(c: Compared) -> tuple[str, Setting, str, Key, Key]:
    return c.collection, c.setting, c.measure, c.baseline, c.model


def _alone(collection: CollectionSummary, summary: Summary) -> Summary:
    ours = [pair for pair in summary.evaluations if pair[1].card is collection.card]
    return Summary((collection,), tuple(ours))


def _evaluated(model: ModelSummary, evaluation: Evaluation, setting: Setting) -> Evaluated:
    versions = describe.versions_of(evaluation)
    frame = model.queries.get(setting)
    means = {}
    for (of, measure), cell in model.cells.items():
        if of is setting and measure in MEASURES and np.isfinite(cell.value):
            known = frame if measure in COMPARED else None
            low, high = mean_interval(known, measure, evaluation.scores) or (None, None)
            means[measure] = Value(
                value=cell.value,
                subsets=cell.subsets,
                measured_on=cell.measured_on,
                low=low,
                high=high,
            )
    return Evaluated(
        collection=evaluation.card.name,
        setting=setting,
        task=evaluation.task,
        model=evaluation.model,
        revision=evaluation.revision,
        data_revision=evaluation.dataset_revision,
        date=evaluation.date,
        versions=versions,
        truncated_at=evaluation.truncated_at,
        trained=describe.trained_on(evaluation),
        signature=describe.signature(evaluation, versions),
        command=describe.command(evaluation),
        commands=list(evaluation.commands),
        expected=evaluation.expected,
        means=dict(sorted(means.items())),
        subsets={
            measure: values
            for measure in BY_SUBSET
            if (values := _finite(evaluation.scores, measure))
        },
    )


def _finite(scores: Mapping[str, Mapping[str, float]], measure: str) -> dict[str, float]:
    values = {subset: of.get(measure, np.nan) for subset, of in scores.items()}
    return {subset: value for subset, value in values.items() if np.isfinite(value)}
