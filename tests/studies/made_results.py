"""Results of the runs of a study, made up: the layout is real, and no model is needed."""

import json
import shutil

import numpy as np
import polars as pl

from mteb_hybrid.cards.tasks import data_revision, task_views, tasks_by_name
from mteb_hybrid.results.per_query import write_per_query
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.studies.evidence import results_folder
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.study import Study

QUESTIONS = 40
MEASURES = {
    Setting.MONOLINGUAL: ("map",),
    Setting.CROSSLINGUAL: ("map",),
    Setting.MULTILINGUAL: ("map", "rank_distance"),
}
BUDGET = {
    "recipes": {"e5": "e5-small-offline-hybrid"},
    "set": ["evaluation="],
    "seeds": [1, 2, 3],
    "texts": "sample",
    "tests": [{"tasks": ["sample"]}],
}
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
                {"source": "a | paper", "model": "XLM-R", "condition": 0.59, "than": 0.54},
                {"source": "another", "model": "LaBSE", "condition": 0.5, "than": 0.6},
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
    "budgets": {"small": BUDGET},
}
SKILL = {"untrained": 0.3, "repaired": 0.5, "alpha 0.0": 0.58, "alpha 0.5": 0.6, "alpha 1.0": 0.5}


def study_of(budget=None, **changes) -> Study:
    """The study with some keys changed, and some of its budget."""
    budgets = {"small": BUDGET | (budget or {})}
    return Study.model_validate(STUDY | {"budgets": budgets} | changes)


def skill(run, task, view, measure, question):
    """One value, the same in every run of the tests: by condition, seed, language and question."""
    key = [ord(c) for c in f"{task}{view.name}{measure}"]
    noise = np.random.default_rng([*key, question]).uniform(-0.1, 0.1)
    own = np.random.default_rng([*key, question, run.seed or 0]).uniform(-0.01, 0.01)
    value = SKILL.get(run.condition, 0.55) + noise + own + 0.002 * (run.seed or 0)
    return 900 * (1 - value) if measure == "rank_distance" else value


def write_runs(store, study, budget="small", *, value=skill, only=lambda run: True, **options):
    """Write the results of the runs of a study, and return the runs."""
    chosen = [run for run in runs(study, budget) if only(run)]
    for run in chosen:
        write_run(store, run, value=value, **options)
    return chosen


def write_run(
    store, run, *, value=skill, subsets=None, revision=None, per_query=True, measures=None
):
    """Write the results of one run: values per query, and their means as MTEB has them."""
    folder = results_folder(store, run)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    meta = {"name": run.model_name, "revision": run.key}
    (folder / "model_meta.json").write_text(json.dumps(meta), encoding="utf-8")
    for task, selected in run.selected().items():
        card, setting = tasks_by_name()[task]
        on = revision or data_revision(card, setting)
        rows = []
        for subset in selected:
            if subsets is not None and subset not in subsets:
                continue
            view = task_views(card, setting)[subset]
            asked = (measures or MEASURES)[setting]
            values = _values(run, task, view, asked, value)
            if per_query:
                write_per_query(values, folder, task, on)
            known = values.filter(pl.col("value").is_not_nan())
            means = dict(known.group_by("measure").agg(pl.col("value").mean()).iter_rows())
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
