"""Made-up results of three models on two collections, in the layout of MTEB and of ours."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from mteb_hybrid.cards.tasks import data_revision, task_views, tasks_by_name
from mteb_hybrid.measures import measures_of
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import summarise
from mteb_hybrid.retrieval.views import Setting

HOSTILE = "<script>alert(1)</script>/x&y"


class Made(NamedTuple):
    """A folder of results, and the names of the models in it."""

    folder: Path
    models: tuple[str, ...]


def summarised(folder):
    """Summaries of the collections below a folder, by title."""
    found = summarise(load_results(folder))
    return {collection.title: collection for collection in found.collections}


def model_of(collection, label):
    """One model of a summary."""
    return {model.label: model for model in collection.models}[label]


def scores_of(setting, view, languages, random, skill, parallel, peer=math.nan):
    """Plausible values of every measure on one subset."""
    if setting is not Setting.MULTILINGUAL:
        found = {
            "map": skill + (0.1 if setting is Setting.MONOLINGUAL else random.uniform(-0.2, 0))
        }
        return found if parallel else found | {"unjudged_at_10": 0.25}
    found = {"map": skill - 0.3 + random.uniform(-0.05, 0.05)}
    for measure in measures_of(parallel):
        top = measure.highest if math.isfinite(measure.highest) else 900
        for language in languages if measure.by_language else ("",):
            value = random.uniform(max(measure.lowest, 0), top)
            if measure.name == "gold_language_map":
                value = skill - 0.2 + 0.2 * (language == view.query_language)
            if "share" in measure.name and measure.by_language:
                value = 1 / len(languages)
            name = f"{measure.name}_{language}" if language else measure.name
            found.setdefault(name, value)
    return found | ({"peer": peer} if parallel else {})


def write_task(
    folder,
    model,
    task,
    skill,
    *,
    left_out=(),
    per_query=True,
    dataset_revision=None,
    mteb_version="2.26.24",
    extra=None,
):
    """Write one result file, and values per query that average to its map."""
    card, setting = tasks_by_name()[task]
    languages = tuple(card.languages)
    target = folder / model.replace("/", "__").replace("<", "_") / "r1"
    target.mkdir(parents=True, exist_ok=True)
    meta = json.dumps({"name": model, "revision": "r1"})
    (target / "model_meta.json").write_text(meta, encoding="utf-8")
    random = np.random.default_rng(len(task))
    rows = []
    for name, view in task_views(card, setting).items():
        if name in left_out:
            continue
        parallel = card.source.parallel
        values = scores_of(setting, view, languages, random, skill, parallel) | (extra or {})
        rows.append({"hf_subset": name, "mteb_version": mteb_version, **values})
        if per_query:
            write_queries(target / f"{task}.per_query" / f"{name}.parquet", name, values, random)
    content = {
        "task_name": task,
        "mteb_version": mteb_version,
        "dataset_revision": dataset_revision or data_revision(card, setting),
        "date": 1795234295.9,
        "scores": {card.split: rows},
    }
    (target / f"{task}.json").write_text(json.dumps(content), encoding="utf-8")
    return target


def write_queries(file, subset, values, random, queries=40):
    file.parent.mkdir(parents=True, exist_ok=True)
    frames = []
    for measure in ("map", "rank_distance", "complete_at_10", "removal_gap", "unjudged_at_10"):
        if measure in values:
            noise = random.uniform(-0.1, 0.1, queries)
            frame = pl.DataFrame({"value": values[measure] + noise - noise.mean()})
            language = subset.partition("-")[0]
            names = [f"{language}:{i:03}" for i in range(queries)]
            groups = [f"g{i:03}" for i in range(queries)]
            frames.append(
                frame.select(
                    query=pl.Series(names),
                    group=pl.Series(groups),
                    query_language=pl.lit(language),
                    pool=pl.lit(subset),
                    measure=pl.lit(measure),
                    value=pl.col("value"),
                )
            )
    pl.concat(frames).write_parquet(file)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    """Two whole models, one of them with values per query of MLQA-R only, and a partial one."""
    folder = tmp_path_factory.mktemp("made") / "results"
    models = ("org/first", "org/second", HOSTILE)
    for setting in Setting:
        name = setting.title()
        for model, skill in zip(models[:2], (0.6, 0.7), strict=True):
            write_task(folder, model, f"MLQAR{name}Retrieval", skill)
            write_task(
                folder, model, f"HybridSample{name}Retrieval", skill, per_query=model == models[0]
            )
    write_task(
        *(folder, HOSTILE, "MLQARMultilingualRetrieval", 0.5),
        left_out=("de-multi", "vi-multi"),
        per_query=False,
        dataset_revision="b" * 40,
        mteb_version="2.27.0",
        extra={"truncated_at": 1000, "language_concordance": None},
    )
    return Made(folder, models)
