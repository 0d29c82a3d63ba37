"""Which checkpoint a run keeps: the best pool that costs little within languages, also resumed."""

import json
import math
import re
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerCallback

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.sources import load_collection
from mteb_hybrid.training.evaluator import ParallelRetrievalEvaluator
from mteb_hybrid.training.run.folder import RunFolderError
from mteb_hybrid.training.run.train import train
from mteb_hybrid.training.run.trainer import RunTrainer
from training.run.test_train import command, recipe_file, weights

__all__ = ["recipe_file"]

KEEP = ("evaluation.every=2", "training.save_steps=2", "evaluation.keep_monolingual_within=0.01")
BEFORE = (0.8, 0.3)
# Monolingual and multilingual map after 2, 4, … steps. 0.79 is within the margin, 0.78 is not.
SCRIPT = {
    "a better pool that costs too much": ([(0.80, 0.4), (0.79, 0.5), (0.7, 0.9)], 4),
    "the margin counts from before training": ([(0.9, 0.4), (0.795, 0.5), (0.78, 0.6)], 4),
    "nothing is kept: the least loss": ([(0.7, 0.9), (0.75, 0.6), (0.72, 0.8)], 4),
    "what is kept comes last": ([(0.7, 0.9), (0.7, 0.8), (0.79, 0.2)], 6),
}


def script(monkeypatch, values):
    """An evaluator that says these, whatever the model is."""
    calls = []

    def measure(self, model):
        monolingual, multilingual = values[len(calls)]
        calls.append(model)
        scores = {"monolingual_map": monolingual, "multilingual_map": multilingual}
        return {**scores, "rank_distance": 7.0}

    monkeypatch.setattr(ParallelRetrievalEvaluator, "_measure", measure)
    return calls


class Watch(TrainerCallback):
    """Remembers the weights at every checkpoint, and may end the run at one."""

    def __init__(self, stop_at=None):
        self.saved, self.stop_at = {}, stop_at

    def on_save(self, args, state, control, **kwargs):
        self.saved[state.global_step] = {
            name.partition(".model.")[2]: value.clone()
            for name, value in kwargs["model"].state_dict().items()
        }
        if state.global_step == self.stop_at:
            raise KeyboardInterrupt


def is_that_of(folder, watch):
    """The steps whose weights the model of a run has."""
    found = weights(folder)
    return [
        step
        for step, saved in watch.saved.items()
        if all(torch.equal(found[name], saved[name]) for name in found)
    ]


@pytest.mark.parametrize("name", SCRIPT)
def test_the_best_that_keeps_enough(recipe_file, tmp_path, monkeypatch, capsys, name):
    values, best = SCRIPT[name]
    script(monkeypatch, [BEFORE, *values])
    watch = Watch()
    recipe = read_recipe(recipe_file, [*KEEP, "evaluation.patience=9", "training.max_steps=6"])
    train(recipe, tmp_path / "run", callbacks=[watch])
    assert is_that_of(tmp_path / "run", watch) == [best]
    printed = capsys.readouterr()
    assert "multilingual map 0.3000, rank distance 7.0, 1,067 texts in 0.0 s" in printed.out
    found = re.findall(r"monolingual map ([\d.]+) too low to be kept", printed.out)
    assert found == [f"{0.79 - value:.4f}" for value, _ in values if value < 0.79]
    assert ("no checkpoint kept the monolingual map" in printed.err) == ("nothing" in name)
    (part,) = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert "stopped_at" not in part and part.get("kept_step", 6) == best
    # Metrics are of the last evaluation; the card of another step's weights has none.
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert ("### Metrics" in card) == (best == 6)


def test_a_resumed_run_stops_and_keeps_the_same(recipe_file, tmp_path, monkeypatch):
    """Better ones come after patience is exhausted, at step 10: a run that goes on finds them."""
    values = [BEFORE, (0.8, 0.4), (0.79, 0.5), (0.7, 0.9), (0.6, 0.9), (0.7, 0.9)]
    values += [(0.8, 0.99)] * 9
    recipe = read_recipe(recipe_file, [*KEEP, "evaluation.patience=3", "training.max_steps=24"])

    def constrained(run):
        lines = (tmp_path / run / "log.jsonl").read_text().splitlines()
        key = "eval_sample_constrained_map"
        return [(entry["step"], entry[key]) for entry in map(json.loads, lines) if key in entry]

    def card_log(run):
        card = (tmp_path / run / "model" / "README.md").read_text()
        return re.search(r"### Training Logs\n(.+?)\n\n", card, re.DOTALL)[1]

    watch = Watch()
    calls = script(monkeypatch, values)
    train(recipe, tmp_path / "whole", callbacks=[watch])
    assert is_that_of(tmp_path / "whole", watch) == [4] and len(calls) == 6
    (part,) = json.loads((tmp_path / "whole" / "versions.json").read_text())
    assert (part["stopped_at"], part["kept_step"]) == (10, 4)
    for stop_at in (2, 6, 10):
        run = f"killed-at-{stop_at}"
        calls = script(monkeypatch, values)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / run, callbacks=[Watch(stop_at)])
        if stop_at == 10:  # between the last checkpoint and the model, and moved
            shutil.copytree(tmp_path / run, tmp_path / "lacks")
            shutil.rmtree(tmp_path / "lacks" / "checkpoints" / "checkpoint-4")
            with pytest.raises(RunFolderError, match="checkpoint-4: the best checkpoint so far is"):
                train(recipe, tmp_path / "lacks", resume=True)
            run = (tmp_path / run).rename(tmp_path / "moved").name
        train(recipe, tmp_path / run, resume=True)
        assert is_that_of(tmp_path / run, watch) == [4] and len(calls) == 6
        assert constrained(run) == constrained("whole")
        assert card_log(run) == card_log("whole")


def test_a_best_checkpoint_that_cannot_be_loaded_is_no_reason_to_keep_the_last(
    recipe_file, tmp_path, monkeypatch
):
    def damaged(self, checkpoint, model=None):
        raise OSError("it is damaged")

    script(monkeypatch, [BEFORE, (0.8, 0.9), (0.8, 0.5)])
    monkeypatch.setattr(RunTrainer, "_load_from_checkpoint", damaged)
    given = ("evaluation.every=1", "training.save_steps=1", "training.max_steps=2")
    with pytest.raises(RunFolderError, match=r"checkpoint-1: .* cannot be loaded \(it is damaged"):
        train(read_recipe(recipe_file, given), tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()


def test_a_metric_without_a_value_is_refused_before_training(recipe_file, tmp_path, monkeypatch):
    script(monkeypatch, [(0.8, math.nan)])
    with pytest.raises(ValueError, match=r"_multilingual_map has no value.* another --output-f"):
        train(read_recipe(recipe_file), tmp_path / "run")


class Stop(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == 3


def test_without_patience_the_model_is_that_of_the_last_step(
    recipe_file, tmp_path, monkeypatch, capsys
):
    script(monkeypatch, [BEFORE, (0.8, 0.9)])
    given = ("evaluation.patience=", "evaluation.every=2", "training.save_steps=")
    train(read_recipe(recipe_file, given), tmp_path / "run", callbacks=[Stop()])
    (part,) = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert not {"stopped_at", "kept_step"} & part.keys()
    assert "the model is that of step" not in capsys.readouterr().out


MAPS = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(margin=st.floats(0, 1), before=MAPS, maps=st.lists(MAPS, min_size=1, max_size=6))
def test_the_metric_orders_models_as_the_rule_says(sample, margin, before, maps):
    sample.keep_monolingual_within, sample.monolingual_before = margin, None
    names = ("monolingual_map", "multilingual_map")
    _, *found = (
        sample._constrained(dict(zip(names, pair, strict=True))) for pair in (before, *maps)
    )
    # The rule, told otherwise: first those that keep enough, then the better pool or the less lost.
    least = before[0] - margin
    rule = [(m >= least, p if m >= least else m - least) for m, p in maps]
    best = max(range(len(maps)), key=found.__getitem__)
    assert rule[best] == max(rule)
    assert [value < 0 for value in found] == [not keeps for keeps, _ in rule]


@pytest.fixture(scope="module")
def sample(sample_card):
    return ParallelRetrievalEvaluator(load_collection(sample_card), keep_monolingual_within=0.1)


@pytest.mark.parametrize("given", ["evaluation.patience=", "evaluation.metric=rank_distance"])
def test_a_margin_without_a_choice_is_refused(recipe_file, given):
    with pytest.raises(CardError, match="give patience, and leave metric at 'multilingual_map'"):
        read_recipe(recipe_file, [*KEEP, given])


def test_the_dry_run_says_it(recipe_file):
    given = [part for override in KEEP for part in ("--set", override)]
    said = " ".join(command(recipe_file, "--dry-run", *given).split())
    assert "keeps the best of those that lose at most 0.01 of the untrained model's mono" in said
