"""A run that was killed and resumed ends with the very parameters of one that was not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from mteb_hybrid import BatchPlan, HybridBatchSampler, ParallelDataset
from training import training_script
from training.conftest import make_corpus, tagged_corpus

TESTS = Path(__file__).parents[2]
SOAK = pytest.mark.soak


def final(trainer):
    return trainer.model.state_dict()


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def logged(trainer):
    """What the trainer logged at each step, times left out."""
    return [
        {key: value for key, value in row.items() if "runtime" not in key and "second" not in key}
        for row in trainer.state.log_history
        if "loss" in row
    ]


# 48 rows in batches of 4 are 12 batches: 12 steps an epoch, 6 with two batches a step.
@pytest.mark.parametrize(
    ("accumulation", "step"),
    [(1, 5), (1, 12), (2, 3), (2, 14), *(pytest.param(*x, marks=SOAK) for x in ((1, 17), (2, 6)))],
    ids=lambda value: str(value),
)
def test_resumed_parameters_are_bit_identical(tiny_model, tmp_path, accumulation, step):
    options = {"gradient_accumulation_steps": accumulation}
    whole = training_script.train(tiny_model, tmp_path / "whole", save_strategy="no", **options)
    killed = training_script.train(tiny_model, tmp_path / "parts", stop_after=step, **options)
    assert killed is None
    resumed = training_script.train(tiny_model, tmp_path / "parts", resume=True, **options)
    assert same(final(whole), final(resumed))
    # Losses, alpha, shares and counts of pairs go on as if nothing had happened.
    assert logged(resumed)[step:] == logged(whole)[step:]
    counts = [key for key in logged(whole)[-1] if key.startswith("hybrid/pairs/")]
    assert counts and sum(logged(whole)[-1][key] for key in counts) == 3 * 48


# 12, 6 and 5 batches are 23 an epoch: 12 steps with two a step.
@pytest.mark.parametrize(
    ("several", "accumulation", "step"),
    [
        ({}, 1, 31),
        ({"dataset_weights": {"parallel": 1, "sts": 4, "other": 1}}, 2, 15),
    ],
    ids=["proportional", "weights"],
)
def test_several_data_sets_resume_exactly_in_a_later_epoch(
    tiny_model, tmp_path, several, accumulation, step
):
    options = {
        "num_train_epochs": 2,
        "gradient_accumulation_steps": accumulation,
        "several": several,
        "alpha": [[0, 1.0], [20, 0.0]],
    }
    whole = training_script.train(tiny_model, tmp_path / "whole", save_strategy="no", **options)
    options["save_steps"] = step
    killed = training_script.train(tiny_model, tmp_path / "parts", stop_after=step, **options)
    assert killed is None
    resumed = training_script.train(tiny_model, tmp_path / "parts", resume=True, **options)
    assert same(final(whole), final(resumed))
    assert logged(resumed)[step:] == logged(whole)[step:]
    counts = {key: n for key, n in logged(whole)[-1].items() if "hybrid/examples" in key}
    assert set(counts) == {f"hybrid/examples/{name}" for name in ("parallel", "sts", "other")}
    if not several:
        assert list(counts.values()) == [2 * 17, 2 * 48, 2 * 22], "each row once an epoch"


def test_an_untrained_and_a_trained_model_differ(tiny_model, tmp_path):
    """Guards the test above: equality would be no wonder if nothing were trained."""
    trained = training_script.train(tiny_model, tmp_path, save_strategy="no", num_train_epochs=1)
    other = training_script.train(
        tiny_model, tmp_path, save_strategy="no", num_train_epochs=1, seed=7
    )
    assert not same(final(trained), final(other))


def torchrun(model, *runs):
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", str(TESTS / "training" / "training_script.py")]
    done = subprocess.run(
        [*command, str(model), json.dumps([(str(output), options) for output, options in runs])],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("gather", [False, pytest.param(True, marks=SOAK)])
def test_two_processes_resume_exactly_in_a_later_epoch(tiny_model, tmp_path, gather):
    # 12 batches for two processes: 6 steps an epoch.
    options = {"num_train_epochs": 2, "gather": gather}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    torchrun(tiny_model, (whole, options), (parts, {**options, "stop_after": 8}))
    assert not (parts / "final.pt").exists()
    torchrun(tiny_model, (parts, {**options, "resume": True}))
    whole, parts = (torch.load(folder / "final.pt") for folder in (whole, parts))
    assert same(whole, parts)
    log = json.loads((tmp_path / "whole" / "log.json").read_text())
    counts = [value for key, value in log[-2].items() if key.startswith("hybrid/pairs/")]
    assert sum(counts) == 2 * 48, "of both processes together"


@SOAK
def test_two_processes_resume_several_data_sets_exactly(tiny_model, tmp_path):
    # 6, 2 and 2 batches for each process are 10 steps an epoch.
    options = {"num_train_epochs": 2, "several": {}, "save_steps": 13}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    torchrun(tiny_model, (whole, options), (parts, {**options, "stop_after": 13}))
    assert not (parts / "final.pt").exists()
    torchrun(tiny_model, (parts, {**options, "resume": True}))
    whole, parts = (torch.load(folder / "final.pt") for folder in (whole, parts))
    assert same(whole, parts)
    log = json.loads((tmp_path / "whole" / "log.json").read_text())[-2]
    counts = {key: n for key, n in log.items() if key.startswith("hybrid/examples/")}
    assert list(counts.values()) == [32, 96, 32], "of both processes together"


def test_a_checkpoint_of_another_run_is_refused(tiny_model, tmp_path):
    from mteb_hybrid.training.batches.callback import HybridBatchError

    training_script.train(tiny_model, tmp_path, stop_after=2)
    with pytest.raises(HybridBatchError, match=r"alpha: 0.5 in the checkpoint, 0.25 now"):
        training_script.train(tiny_model, tmp_path, resume=True, alpha=0.25)
    with pytest.raises(HybridBatchError, match="seed: 42 in the checkpoint, 1 now"):
        training_script.train(tiny_model, tmp_path, resume=True, seed=1)


def test_a_checkpoint_of_other_data_is_refused(tiny_model, tmp_path, monkeypatch):
    from mteb_hybrid.training.batches.callback import HybridBatchError

    training_script.train(tiny_model, tmp_path, stop_after=2)
    monkeypatch.setattr(
        training_script,
        "make_corpus",
        lambda rows, languages, missing: make_corpus(rows, languages, missing, seed=1),
    )
    with pytest.raises(HybridBatchError, match="data: "):
        training_script.train(tiny_model, tmp_path, resume=True)


@pytest.mark.parametrize("change", ["text", "score", "order"])
def test_an_edited_row_of_a_data_set_that_is_not_parallel_is_noticed(
    tiny_model, tmp_path, monkeypatch, change
):
    from mteb_hybrid.training.batches.callback import HybridBatchError

    def edited(model, contrastive):
        data, loss = original(model, contrastive)
        if change == "order":
            data["sts"] = data["sts"].select([1, 0, *range(2, 22)])
        else:
            rows = data["sts"].to_list()
            rows[13] |= {"sentence1": "thirteen"} if change == "text" else {"score": 0.26}
            data["sts"] = Dataset.from_list(rows)
        return data, loss

    original = training_script.several_datasets
    training_script.train(tiny_model, tmp_path, stop_after=2, several={})
    monkeypatch.setattr(training_script, "several_datasets", edited)
    with pytest.raises(HybridBatchError, match=r"another run \(sts: data: '\S+' in the checkpoint"):
        training_script.train(tiny_model, tmp_path, resume=True, several={})


def test_each_difference_from_the_checkpoint_is_named(tiny_model, tmp_path):
    from mteb_hybrid.training.batches.callback import HybridBatchError

    several = {"dataset_weights": {"parallel": 3, "sts": 1, "other": 1}}
    training_script.train(tiny_model, tmp_path, stop_after=2, several=several)
    several = {"dataset_weights": {"parallel": 2, "sts": 1, "other": 1}}
    with pytest.raises(HybridBatchError, match=r"dataset_weights: .*'parallel': 3.0.* in the"):
        training_script.train(tiny_model, tmp_path, resume=True, several=several)
    with pytest.raises(HybridBatchError) as caught:
        training_script.train(
            tiny_model,
            tmp_path,
            resume=True,
            several={},
            prompts={"query": "q: "},
            dataloader_drop_last=True,
        )
    for said in (
        "dataset_weights: {'other': 1.0, 'parallel': 3.0, 'sts': 1.0} in the checkpoint, None now",
        "sts: drop_last: False in the checkpoint, True now",
        "sts: batches: 6 in the checkpoint, 5 now",
        "prompts: {} in the checkpoint, {'query': 'q: '} now",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("began", "goes_on", "said"),
    [
        (
            {"multi_dataset_batch_sampler": "round_robin"},
            {"multi_dataset_batch_sampler": "proportional"},
            "args.multi_dataset_batch_sampler: 'round_robin' in the checkpoint, 'proportional' now",
        ),
        (
            {"prompts": {"parallel": {"query": "q: "}, "sts": {"sentence1": "s: "}}},
            {"prompts": {"parallel": {"query": "q: "}}},
            "args.prompts: {'parallel': {'query': 'q: '}, 'sts': {'sentence1': 's: '}} in the",
        ),
    ],
    ids=["order", "prompts"],
)
def test_another_order_or_other_prompts_of_several_data_sets_are_refused(
    tiny_model, tmp_path, began, goes_on, said
):
    """But by checkpoints of a version that did not keep them, which go on."""
    from mteb_hybrid.training.batches.callback import HybridBatchError

    training_script.train(tiny_model, tmp_path, stop_after=2, several={}, **began)
    with pytest.raises(HybridBatchError) as caught:
        training_script.train(tiny_model, tmp_path, resume=True, several={}, **goes_on)
    assert said in str(caught.value)
    state = tmp_path / "checkpoint-2" / "trainer_state.json"
    content = json.loads(state.read_text())
    kept = content["stateful_callbacks"]["HybridBatchCallback"]["attributes"]["_fingerprint"]
    del kept["args.prompts"], kept["args.multi_dataset_batch_sampler"]
    state.write_text(json.dumps(content))
    training_script.train(tiny_model, tmp_path, resume=True, several={}, stop_after=3, **goes_on)
    assert (tmp_path / "checkpoint-3").is_dir()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda a, b: ParallelDataset.mix({"a": a, "b": b}, {"a": 2, "b": 1}),
            "weights: None in the checkpoint, {'a': 0.66",
        ),
        (
            lambda a, b: ParallelDataset.mix({"a": a, "c": b}),
            r"corpora: {'a': 24, 'b': 24} in the checkpoint, {'a': 24, 'c': 24} now",
        ),
        (lambda a, b: ParallelDataset.mix({"a": a, "b": b}).select(range(40)), "rows: 48 in the"),
    ],
    ids=["weights", "names", "rows"],
)
def test_a_mix_that_was_changed_is_refused(tiny_model, tmp_path, monkeypatch, change, said):
    from mteb_hybrid.training.batches.callback import HybridBatchError

    parts = [ParallelDataset([make_corpus(24, ["en", "de"], seed=seed)]) for seed in (0, 1)]
    mix = ParallelDataset.mix(dict(zip("ab", parts, strict=True)))
    monkeypatch.setattr(training_script, "ParallelDataset", lambda corpora: mix)
    training_script.train(tiny_model, tmp_path, stop_after=2)
    monkeypatch.setattr(training_script, "ParallelDataset", lambda corpora: change(*parts))
    with pytest.raises(HybridBatchError, match=said):
        training_script.train(tiny_model, tmp_path, resume=True)


def test_a_checkpoint_of_an_earlier_version_is_refused_with_the_reason(tiny_model, tmp_path):
    from mteb_hybrid.training.batches.callback import HybridBatchError

    training_script.train(tiny_model, tmp_path, stop_after=2)
    state = tmp_path / "checkpoint-2" / "trainer_state.json"
    content = json.loads(state.read_text())
    stored = content["stateful_callbacks"]["HybridBatchCallback"]["attributes"]
    keys = ("data", "rows", "seed", "batch_size", "processes", "batches_per_step")
    stored["_fingerprint"] = {key: stored["_fingerprint"][key] for key in keys}  # as 0.1.0 did
    state.write_text(json.dumps(content))
    with pytest.raises(HybridBatchError, match="another version of mteb-hybrid, which draws other"):
        training_script.train(tiny_model, tmp_path, resume=True)


def test_a_checkpoint_of_an_earlier_version_goes_on_where_it_drew_the_same_batches():
    from mteb_hybrid.training.batches.callback import HybridBatchError
    from mteb_hybrid.training.batches.fingerprint import check_resumable, fingerprint

    def goes_on(data, size, **changes):
        plan = BatchPlan(alpha=1.0)
        sampler = HybridBatchSampler(data, size, drop_last=True, plan=plan)
        now = fingerprint({"": sampler}, {"": data}, 1, 1, in_turn=False, prompts=None)
        before = {"args": plan.settings(), "attributes": {"_fingerprint": {**now, **changes}}}
        check_resumable(before, plan.settings(), now, data.languages)

    apart = {"en": np.arange(22) < 11, "de": np.arange(22) >= 11}
    left_over = ParallelDataset([tagged_corpus(apart)])
    both = {code: np.ones(22, dtype=bool) for code in apart}
    linked = ParallelDataset(
        [tagged_corpus(both, negative_groups=[[row ^ 1] for row in range(22)])]
    )
    for data in (linked, linked.shuffle(seed=1)):
        goes_on(data, 4, drawing=2)
    for data in (left_over, linked.repeat(2)):
        goes_on(data, 4)
        with pytest.raises(HybridBatchError, match="another version of mteb-hybrid"):
            goes_on(data, 4, drawing=2)
        with pytest.raises(HybridBatchError, match="batch_size: 5 in the checkpoint, 4 now"):
            goes_on(data, 4, drawing=2, batch_size=5)


def test_a_checkpoint_without_hybrid_batches_is_refused(tiny_model, tmp_path):
    from mteb_hybrid.training.batches.callback import HybridBatchError

    training_script.train(tiny_model, tmp_path, stop_after=2)
    state = tmp_path / "checkpoint-2" / "trainer_state.json"
    content = json.loads(state.read_text())
    del content["stateful_callbacks"]["HybridBatchCallback"]
    state.write_text(json.dumps(content))
    shutil.rmtree(tmp_path / "checkpoint-1")
    with pytest.raises(HybridBatchError, match="not trained with HybridBatchCallback"):
        training_script.train(tiny_model, tmp_path, resume=True)


def test_callbacks_that_the_trainer_restores_resume_exactly_too(tiny_model, tmp_path):
    """It makes new ones from what the checkpoint holds, which have not seen the trainer begin."""
    weights = {"parallel": 1, "sts": 1, "other": 2}
    options = {"num_train_epochs": 1, "several": {"dataset_weights": weights}}
    whole = training_script.train(tiny_model, tmp_path / "whole", save_strategy="no", **options)
    options["save_steps"] = 9
    training_script.train(tiny_model, tmp_path / "parts", stop_after=9, **options)
    options["restore_callback_states_from_checkpoint"] = True
    resumed = training_script.train(tiny_model, tmp_path / "parts", resume=True, **options)
    assert same(final(whole), final(resumed)) and logged(resumed)[9:] == logged(whole)[9:]


def test_no_languages_and_all_of_them_are_the_same_run(tiny_model, tmp_path):
    training_script.train(tiny_model, tmp_path, stop_after=2, several={})
    every = {"languages": ["th", "fr", "en", "de"]}
    training_script.train(tiny_model, tmp_path, resume=True, several=every, stop_after=4)
    training_script.train(tiny_model, tmp_path, resume=True, several={}, stop_after=5)
    from mteb_hybrid.training.batches.callback import HybridBatchError

    with pytest.raises(
        HybridBatchError, match=r"languages: \['de', 'en', 'fr', 'th'\] in the check"
    ):
        training_script.train(
            tiny_model, tmp_path, resume=True, several={"languages": ["en", "de"]}
        )


def upper(batch):
    return {**batch, "query": [text.upper() for text in batch["query"]]}


def lower(batch):
    return {**batch, "query": [text.lower() for text in batch["query"]]}


def test_another_transform_is_warned_of(tiny_model, tmp_path, monkeypatch, caplog):
    def transformed(function):
        def make(corpora):
            return ParallelDataset(corpora).with_transform(function)

        monkeypatch.setattr(training_script, "ParallelDataset", make)

    transformed(upper)
    training_script.train(tiny_model, tmp_path, stop_after=2)
    training_script.train(tiny_model, tmp_path, resume=True, stop_after=3)
    assert "set_transform" not in caplog.text
    for function in (lower, None):
        transformed(function)
        caplog.clear()
        training_script.train(tiny_model, tmp_path, resume=True, stop_after=4)
        assert "the function given to set_transform is not that of the checkpoint" in caplog.text
        shutil.rmtree(tmp_path / "checkpoint-4")
