"""A trained model's folder, without the training, and results made by hand."""

import json
import shutil

import pytest

from mteb_hybrid.cards.tasks import data_revision, task_views, tasks_by_name
from mteb_hybrid.recipes.kept_run import keep_run
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.training.run.folder import RunFolder

RECIPE = """
name = "tiny"
title = "Tiny <b>| `model`"
description = "For [tests](x)."

[languages]
en = "eng-Latn"
zh = "zho-Hans"

[model]
name = "{model}"
query_prompt = "q: "

[[data]]
name = "sample"
format = "collection"
path = "sample"

[[data]]
name = "own"
format = "json"
path = "{data}"

[batches]
size = 8

[training]
learning_rate = 1e-2
max_steps = 12
seed = 7
"""
VERSIONS = [{"python": "3.11.7", "device": "cpu", "processes": 1, "packages": {"torch": "2.4"}}]
META = {
    "name": "local/tiny",
    "revision": "r1",
    "languages": ["eng-Latn", "zho-Hans"],
    "training_datasets": ["HybridSampleMonolingualRetrieval"],
    "adapted_from": "mteb-hybrid/multilingual-e5-small-q4",
    "license": "cc-by-sa-4.0",
    "max_tokens": 512,
    "embed_dim": 16,
    "n_parameters": 11_120,
}


@pytest.fixture
def run(tmp_path, tiny_model):
    """The folder of a run: a model and what tells of its training."""
    run = RunFolder(tmp_path / "run")
    shutil.copytree(tiny_model, run.model)
    (run.path / "versions.json").write_text(json.dumps(VERSIONS))
    (run.path / "curves.png").write_bytes(b"curves")
    recipe = run.path / "recipe.toml"
    recipe.write_text(RECIPE.format(model=tiny_model.as_posix(), data=tmp_path / "own.jsonl"))
    keep_run(read_recipe(recipe), run.path, run.model)
    return run


@pytest.fixture
def write_results(tmp_path):
    """Write results whose every subset has the same scores; returns their folder."""

    def write(model, revision, tasks, left_out=(), folder=None, data=None, **further):
        folder = folder or tmp_path / "results" / model.replace("/", "__") / revision
        folder.mkdir(parents=True, exist_ok=True)
        meta = {"name": model, "revision": revision}
        (folder / "model_meta.json").write_text(json.dumps(meta))
        for task, scores in tasks.items():
            card, setting = tasks_by_name()[task]
            rows = [
                {"hf_subset": subset, **scores, **further}
                for subset in task_views(card, setting)
                if subset not in left_out
            ]
            content = {
                "task_name": task,
                "mteb_version": "2.26.24",
                "dataset_revision": data or data_revision(card, setting),
                "scores": {card.split: rows},
            }
            (folder / f"{task}.json").write_text(json.dumps(content))
        return tmp_path / "results"

    return write
