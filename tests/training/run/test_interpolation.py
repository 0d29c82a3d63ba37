"""The model that is kept, between the untrained and the trained one."""

import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer

from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.training.evaluator import ParallelRetrievalEvaluator
from mteb_hybrid.training.run.interpolation import interpolate, trained_parameters
from mteb_hybrid.training.run.train import train
from training.run.test_train import (  # noqa: F401 - a fixture
    command,
    interrupted,
    recipe_file,
    weights,
)

FROZEN = "model.freeze=['embeddings.word']"


def between(before, trained, share):
    return before + torch.tensor(share, dtype=torch.float32) * (trained - before)


def test_it_is_start_plus_share_of_the_way(recipe_file, tmp_path, tiny_model):  # noqa: F811
    before = load_file(tiny_model / "model.safetensors")
    recipe = read_recipe(recipe_file, ["evaluation=", FROZEN])
    train(recipe, tmp_path / "all")
    trained = weights(tmp_path / "all")
    changed = {name for name in before if not torch.equal(before[name], trained[name])}
    assert changed and "embeddings.word_embeddings.weight" not in changed

    part = read_recipe(recipe_file, ["evaluation=", FROZEN, "training.interpolate=0.25"])
    train(part, tmp_path / "part")
    interrupted(part, tmp_path / "halves")
    assert train(part, tmp_path / "halves", resume=True)
    found, resumed = weights(tmp_path / "part"), weights(tmp_path / "halves")
    assert found.keys() == before.keys() == resumed.keys()
    for name in before:
        assert torch.equal(found[name], between(before[name], trained[name], 0.25)), name
        assert torch.equal(found[name], resumed[name]), name


def test_with_patience_it_is_between_the_start_and_the_best_checkpoint(
    recipe_file,  # noqa: F811
    tmp_path,
    tiny_model,
    monkeypatch,
):
    evaluate = ParallelRetrievalEvaluator.__call__

    def worse_and_worse(self, model, output_path=None, epoch=-1, steps=-1):
        found = evaluate(self, model, output_path, epoch, steps)
        return {**found, "sample_multilingual_map": -steps}

    monkeypatch.setattr(ParallelRetrievalEvaluator, "__call__", worse_and_worse)
    train(read_recipe(recipe_file, ["training.interpolate=0.5"]), tmp_path / "run")
    best, last = (
        load_file(tmp_path / "run" / "checkpoints" / f"checkpoint-{step}" / "model.safetensors")
        for step in (4, 12)
    )
    before = load_file(tiny_model / "model.safetensors")
    assert any(not torch.equal(best[name], last[name]) for name in before)
    for name, found in weights(tmp_path / "run").items():
        assert torch.equal(found, between(before[name], best[name], 0.5)), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_arithmetic_is_that_of_float32(tiny_model, dtype):
    model = SentenceTransformer(str(tiny_model), device="cpu").to(dtype)
    start = trained_parameters(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3)
    trained = trained_parameters(model)
    interpolate(model, start, 1.0)
    assert all(torch.equal(value, trained[name]) for name, value in model.named_parameters())
    interpolate(model, start, 0.7)
    for name, value in model.named_parameters():
        expected = between(start[name].float(), trained[name].float(), 0.7).to(dtype)
        assert torch.equal(value, expected)


def test_it_is_said(recipe_file, tmp_path):  # noqa: F811
    given = ["training.interpolate=0.7", "evaluation=", "training.max_steps=2"]
    options = [part for one in given for part in ("--set", one)]
    words = "0.7 of the way from the untrained parameters to the trained"
    assert f"model kept {words}" in " ".join(command(recipe_file, "--dry-run", *options).split())
    command(recipe_file, "-o", tmp_path / "run", *options)
    assert f"kept {words}" in (tmp_path / "run" / "model" / "README.md").read_text()
