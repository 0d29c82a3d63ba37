"""Trains a minute model on hybrid batches: what a user's script is, in one or several processes.

Run as ``training_script.py MODEL RUNS``, RUNS being JSON: pairs of an output folder and options,
which are arguments of the trainer and ``stop_after`` (a step), ``resume``, ``alpha``, ``gather``,
and ``several``: options of the callback for a dictionary of data sets with a loss each.
"""

import json
import os
import sys
from pathlib import Path

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    MultipleNegativesRankingLoss,
)
from transformers import TrainerCallback

from mteb_hybrid import HybridBatchCallback, ParallelDataset
from training.conftest import make_corpus


class KilledError(Exception):
    """Stands for a job that the machine ended."""


class KillAfter(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_save(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KilledError


def several_datasets(model, contrastive):
    """Two parallel data sets and scored pairs, and a loss for each."""
    words = ["one", "two", "three", "four", "five", "six", "seven"]
    pairs = [
        {"sentence1": f"{words[row % 7]} {words[row % 5]}", "sentence2": words[row % 3]}
        | {"score": row % 4 / 4}
        for row in range(22)
    ]
    datasets = {
        "parallel": ParallelDataset([make_corpus(48, ["en", "de", "th"], missing=0.2)]),
        "sts": Dataset.from_list(pairs),
        "other": ParallelDataset([make_corpus(17, ["de", "fr"], seed=1)]),
    }
    return datasets, {"parallel": contrastive, "sts": CoSENTLoss(model), "other": contrastive}


def train(
    model_folder,
    output,
    *,
    stop_after=None,
    resume=False,
    alpha=0.5,
    gather=False,
    several=None,
    **options,
):
    """Train; returns the trainer, or None if it was killed."""
    torch.manual_seed(0)
    model = SentenceTransformer(str(model_folder), device="cpu")
    arguments = {
        "num_train_epochs": 3,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "save_steps": 1,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        **options,
    }
    callbacks = [HybridBatchCallback(alpha, **(several or {}))]
    if stop_after is not None:
        callbacks.append(KillAfter(stop_after))
    data = ParallelDataset([make_corpus(48, ["en", "de", "th"], missing=0.2)])
    loss = MultipleNegativesRankingLoss(model, gather_across_devices=gather)
    if several is not None:
        data, loss = several_datasets(model, loss)
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(output_dir=str(output), **arguments),
        train_dataset=data,
        loss=loss,
        callbacks=callbacks,
    )
    try:
        trainer.train(resume_from_checkpoint=resume)
    except KilledError:
        return None
    return trainer


if __name__ == "__main__":
    torch.set_num_threads(1)
    model_folder, runs = sys.argv[1:]
    for output, options in json.loads(runs):
        trained = train(model_folder, output, **options)
        if trained is not None and trained.is_world_process_zero():
            torch.save(trained.model.state_dict(), Path(output) / "final.pt")
            Path(output, "log.json").write_text(json.dumps(trained.state.log_history))
    # Threads of gloo may still run when the interpreter ends, which then aborts. All is written.
    torch.distributed.barrier()
    os._exit(0)
