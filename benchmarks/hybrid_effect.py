"""What hybrid batches do to a real encoder: X-X, X-Y, hybrid and the plain shuffle, several seeds.

Trains multilingual-e5-small (the offline weights, word table frozen) and evaluates every model on
whole collections in all three settings. Every run's results are written when it ends, and runs
that are there already are skipped, so that the command can be stopped and given again.
"""

import argparse
import json
import os
import tempfile
import time
from itertools import product
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.evaluation.select import select_tasks
from mteb_hybrid.models.offline import load_offline_encoder
from mteb_hybrid.sources import load_collection
from mteb_hybrid.training.batches.callback import HybridBatchCallback
from mteb_hybrid.training.dataset import ParallelDataset

METHODS = {
    "untrained": {},
    "x-x": {"alpha": 1.0},
    "x-y": {"alpha": 0.0},
    "hybrid": {"alpha": 0.5},
    "shuffle": {"method": "shuffle"},
}


def train(method: str, seed: int, data: ParallelDataset, options: argparse.Namespace, folder: Path):
    """Train one model; returns it and the log of the trainer."""
    model = load_offline_encoder()
    for name, parameter in model.named_parameters():
        if "embeddings.word_embeddings" in name:
            parameter.requires_grad_(False)
    callback = HybridBatchCallback(**METHODS[method])
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=options.steps,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=0.1,
        seed=seed,
        bf16=options.bf16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=10,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        prompts={"query": model.prompts["query"], "passage": model.prompts["document"]},
        dataloader_drop_last=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        loss=MultipleNegativesRankingLoss(model, scale=options.scale),
        callbacks=[callback],
    )
    trainer.train()
    return model, trainer.state.log_history


def measure(model: SentenceTransformer, name: str, options: argparse.Namespace) -> None:
    """Evaluate on the collections, with vectors computed as in training (bfloat16 or float32)."""
    encode = model.encode
    fast = torch.autocast(model.device.type, torch.bfloat16, enabled=options.bf16)

    def encode_fast(*args, **kwargs):
        with fast:
            vectors = encode(*args, **kwargs)
        return np.asarray(torch.as_tensor(vectors).float().cpu())

    model.encode = encode_fast
    model.eval()
    wrapper = SentenceTransformerEncoderWrapper(model)
    wrapper.mteb_model_meta = wrapper.mteb_model_meta.model_copy(
        update={"name": f"hybrid-effect/{name}", "revision": f"steps-{options.steps}"}
    )
    evaluate(wrapper, select_tasks(options.collections), options.output)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train-on", required=True, help="collection or parallel JSON lines")
    parser.add_argument("--collections", nargs="+", default=["xquad-r"])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--scale", type=float, default=50.0)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    cards = {card.file.stem: card for card in task_cards().values()}
    if options.train_on in cards:
        data = ParallelDataset.from_collection(load_collection(cards[options.train_on]))
    else:
        data = ParallelDataset.from_json(options.train_on)
    print(data, flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    for seed, method in product(options.seeds, options.methods):
        name = method if method == "untrained" else f"{method}-seed{seed}"
        log = options.output / f"{name}.json"
        if log.exists():
            continue
        start = time.time()
        history = []
        if method == "untrained":
            model = load_offline_encoder()
        else:
            with tempfile.TemporaryDirectory() as folder:
                model, history = train(method, seed, data, options, Path(folder))
        trained = time.time()
        measure(model, name, options)
        record = {
            "options": {key: str(value) for key, value in vars(options).items() if key != "output"},
            "train_seconds": round(trained - start),
            "evaluation_seconds": round(time.time() - trained),
            "log": history,
        }
        scratch = log.with_suffix(".tmp")
        scratch.write_text(json.dumps(record, indent=1))
        scratch.rename(log)
        print(name, record["train_seconds"], record["evaluation_seconds"], flush=True)


if __name__ == "__main__":
    main()
