"""From parallel texts to a student: mine, teach and train, as the guide has them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from training.run.test_train import SHORT, recipe_file  # noqa: F401 - a fixture


@pytest.fixture
def run(recipe_file, monkeypatch):  # noqa: F811
    monkeypatch.chdir(recipe_file.parent)

    def command(*words):
        done = CliRunner().invoke(app, [*map(str, words)])
        assert done.exit_code == 0, f"{done.output}{done.exception}"
        return done.output

    return command


def train(run, folder, *keys):
    given = [part for one in (*SHORT, *keys) for part in ("--set", one)]
    run("train", "tiny.toml", "-o", folder, *given)
    lines = (Path(folder) / "log.jsonl").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    return next(entry["loss"] for entry in log if "loss" in entry)


def test_scores_of_negatives(run, tiny_model):
    run("mine", "pairs.jsonl", "-m", tiny_model, "-n", 2, "-o", "with-negatives.jsonl")
    run(
        "teach",
        "with-negatives.jsonl",
        "-m",
        tiny_model,
        "-l",
        "en",
        "--scores",
        2,
        "-o",
        "s.jsonl",
    )
    data = ("data.0.path=s.jsonl", "data.0.negatives=2")
    assert train(run, "margins", "training.loss=margin-mse", *data) > 0
    kl = ("training.loss=distill-kl", "training.temperature=0.05", "training.interpolate=0.7")
    assert train(run, "kl", *kl, *data) > 0


def test_vectors(run, tiny_model):
    run("teach", "pairs.jsonl", "-m", tiny_model, "-l", "en", "-o", "v.parquet")
    keys = ("training.loss=mse", "data.0.format=parquet", "data.0.path=v.parquet")
    assert train(run, "vectors", *keys) > 0
