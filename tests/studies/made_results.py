"""Results of the runs of a study, made up: the layout is real, and no model is needed."""

import json
import shutil

import numpy as np
import polars as pl

from mteb_hybrid.cards.tasks import data_revision, task_views, tasks_by_name
from mteb_hybrid.results.per_query import write_per_query
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.store import Store
from mteb_hybrid.studies.study import Study

QUESTIONS = 24
MEASURES = {
    Setting.MONOLINGUAL: ("map",),
    Setting.CROSSLINGUAL: ("map",),
    Setting.MULTILINGUAL: ("map", "rank_distance"),
}
MULTILINGUAL = {
    "tasks": ["sample"],
    "settings": ["multilingual"],
    "query_languages": ["en", "de", "ru"],
}
BUDGET = {
    "recipes": {"e5": "e5-small-offline-hybrid"},
    "set": ["evaluation="],
    "seeds": [1, 2, 3],
    "texts": "sample",
    "tests": [
        MULTILINGUAL | {"settings": ["monolingual", "multilingual"]},
        MULTILINGUAL | {"settings": ["crosslingual"], "passage_languages": ["en", "de", "ru"]},
    ],
}
PAPER = {"collection": "sample", "condition": 0.6, "than": 0.54}
PUBLISHED = BUDGET | {"tests": [MULTILINGUAL | {"tasks": ["xquad-r"]}]}
STUDY = {
    "title": "What alpha | costs",
    "question": "Is <b>half</b> of the batches enough?",
    "conditions": [
        {"name": "untrained"},
        {"name": "repaired", "repair": "projection"},
        {"name": "alpha", "trained": True, "vary": {"batches.alpha": [0.0, 0.5, 1.0]}},
    ],
    "claims": [
        {
            "text": "Hybrid is better | in the pool than X-X.",
            "condition": "alpha 0.5",
            "than": "alpha 1.0",
            "published": [
                PAPER | {"source": "a | paper", "model": "XLM-R", "condition": 0.59},
                PAPER | {"source": "another", "model": "LaBSE", "condition": 0.44},
                PAPER | {"source": "elsewhere", "model": "mBERT", "collection": "xquad-r"},
            ],
        },
        {
            "text": "Hybrid has a smaller rank distance than the untrained model.",
            "condition": "alpha 0.5",
            "than": "untrained",
            "measure": "rank_distance",
            "expect": "lower",
            "by": "script",
            "values": ["Latn"],
        },
        {
            "text": "Within languages nothing changes.",
            "condition": "alpha 0.0",
            "than": "alpha 0.5",
            "setting": "monolingual",
            "expect": "within",
            "margin": 0.02,
        },
    ],
    "budgets": {"small": BUDGET, "paper": PUBLISHED},
}
SKILL = {"untrained": 0.3, "repaired": 0.5, "alpha 0.0": 0.56, "alpha 0.5": 0.6, "alpha 1.0": 0.5}


def study_of(budget=None, **changes) -> Study:
    """The study with some keys changed, and some of its budget."""
    budgets = STUDY["budgets"] | {"small": BUDGET | (budget or {})}
    return Study.model_validate(STUDY | {"budgets": budgets} | changes)


def skill(run, task, view, measure, question):
    """One value, the same in every run of the tests: by condition, seed, language and question."""
    noise = uniform(task, view.name, measure, question)
    own = uniform(run.condition, run.seed, view.name, question)
    trained = 0.001 * uniform(run.condition, run.seed) if run.seed else 0
    value = SKILL.get(run.condition, 0.55) + 0.1 * noise + 0.02 * own + trained
    return 900 * (1 - value) if measure == "rank_distance" else value


def uniform(*key):
    """A number between -1 and 1, always the same for a key."""
    return np.random.default_rng(list(repr(key).encode())).uniform(-1, 1)


def write_runs(store, study, budget="small", *, value=skill, only=lambda run: True, **options):
    """Write the results of the runs of a study, and return the runs."""
    chosen = [run for run in runs(study, budget) if only(run)]
    for run in chosen:
        write_run(store, run, value=value, **options)
    return chosen


def write_run(
    store,
    run,
    *,
    value=skill,
    subsets=None,
    revision=None,
    per_query=True,
    values_on=None,
    wrong_hits=0,
):
    """Write the results of one run: values per query, and their means as MTEB has them.

    Args:
        store: Where.
        run: Of which run.
        value: The value of a query.
        subsets: Only these.
        revision: Of the data; by default today's.
        per_query: Whether to keep values per query.
        values_on: Revision of the data that these are on.
        wrong_hits: By how much the share of queries with a right first passage is not theirs.
    """
    folder = Store(store).results_of(run)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    meta = {"name": run.model_name, "revision": run.key}
    (folder / "model_meta.json").write_text(json.dumps(meta), encoding="utf-8")
    tasks = tasks_by_name()
    for task, selected in run.selected().items():
        card, setting = tasks[task]
        views = task_views(card, setting)
        on = revision or data_revision(card, setting)
        rows = []
        for subset in selected:
            if subsets is not None and subset not in subsets:
                continue
            view = views[subset]
            values = _values(run, task, view, MEASURES[setting], value)
            if per_query:
                write_per_query(values, folder, task, values_on or on)
            known = values.filter(pl.col("value").is_not_nan())
            means = dict(known.group_by("measure").agg(pl.col("value").mean()).iter_rows())
            first = values.filter(measure="map")["value"] == 1
            means["hit_rate_at_1"] = round(first.mean() + wrong_hits, 5)
            rows.append({"hf_subset": subset, "mteb_version": "2.26.24", **means})
        content = {
            **{"task_name": task, "mteb_version": "2.26.24", "dataset_revision": on},
            **{"date": 1795234295.9, "scores": {card.split: rows}},
        }
        (folder / f"{task}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def _values(run, task, view, measures, value):
    return pl.DataFrame(
        [
            {
                "query": f"{view.query_language}:{question:03}",
                "group": f"g{question:03}",
                "query_language": view.query_language,
                "pool": view.name,
                "measure": measure,
                "value": float(value(run, task, view, measure, question)),
            }
            for measure in measures
            for question in range(QUESTIONS)
        ]
    )
