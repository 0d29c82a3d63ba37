"""What hybrid batches do to a real encoder: X-X, X-Y, hybrid and the plain shuffle, several seeds.

Trains multilingual-e5-small (the offline weights, word table frozen) and evaluates every model on
whole collections in all three settings: as it was trained, between its start and there
(--interpolate), and each of these with the language directions projected out as well (--repair).
Trained parameters and the results of every model are written when they are there, and what is
there already is skipped, so that the command can be stopped and given again.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from safetensors.torch import load_file, save_file
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from mteb_hybrid.cards.catalogue import collections, task_cards
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.evaluation.select import select_tasks
from mteb_hybrid.files.whole import whole, write_json
from mteb_hybrid.models.offline import load_offline_encoder
from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.texts import read_corpus
from mteb_hybrid.repair.vector_repair import FittedRepair
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


def start(options: argparse.Namespace) -> SentenceTransformer:
    """The encoder before training, its word table and what is named frozen."""
    model = SentenceTransformer(str(options.start)) if options.start else load_offline_encoder()
    frozen = ("embeddings.word_embeddings", *options.freeze)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(part in name for part in frozen))
    return model


def train(method: str, seed: int, data: ParallelDataset, options: argparse.Namespace, folder: Path):
    """Train one model; returns its trained parameters and the log of the trainer."""
    model = start(options)
    if options.max_tokens:
        model.max_seq_length = options.max_tokens
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
    trained = {
        name: parameter.detach().cpu()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    return trained, trainer.state.log_history


def variants(
    name: str, trained: dict[str, torch.Tensor], options: argparse.Namespace
) -> Iterator[tuple[str, SentenceTransformer]]:
    """Names and models between the start and the trained parameters."""
    for share in options.interpolate if trained else [1.0]:
        model = start(options)
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if key in trained:
                    parameter.lerp_(trained[key], share)
        method, _, seed = name.partition("-seed")
        label = method if share == 1 else f"{method}-{share:g}"
        yield (f"{label}-seed{seed}" if seed else label), model


def fit_projection(model: SentenceTransformer, collection: str) -> FittedRepair:
    """The projection of `mteb-hybrid repair --texts ntrex`, for a collection's languages."""
    languages = collections()[collection].languages
    sample = {
        code: model.encode_document(texts, show_progress_bar=False)
        for code, texts in read_corpus("ntrex").fit.items()
        if code in languages
    }
    return VECTOR_REPAIRS["projection"].fit(sample)


def measure(model: SentenceTransformer, name: str, options: argparse.Namespace) -> None:
    """Evaluate on the collections, with vectors computed as in training (bfloat16 or float32)."""
    encode = model.encode
    fast = torch.autocast(model.device.type, torch.bfloat16, enabled=options.bf16)
    known: dict[tuple[str | None, str], np.ndarray] = {}
    repair: FittedRepair | None = None

    def encode_fast(inputs, prompt=None, prompt_name=None, **arguments):
        prompt = model.prompts[prompt_name] if prompt_name else prompt
        new = [text for text in dict.fromkeys(inputs) if (prompt, text) not in known]
        if new:
            with fast:
                vectors = torch.as_tensor(encode(new, prompt=prompt, **arguments)).float().cpu()
            known.update(zip(((prompt, text) for text in new), vectors.numpy(), strict=True))
        found = np.stack([known[prompt, text] for text in inputs])
        return found if repair is None else repair(found).astype(np.float32)

    model.encode = encode_fast
    model.eval()
    for collection in options.collections:
        for repaired in (False, True) if options.repair else (False,):
            repair = fit_projection(model, collection) if repaired else None
            wrapper = SentenceTransformerEncoderWrapper(model)
            method, _, seed = name.partition("-seed")
            label = f"{method}+projection" if repaired else method
            label += f"-seed{seed}" if seed else ""
            meta = {"name": f"hybrid-effect/{label}", "revision": f"steps-{options.steps}"}
            wrapper.mteb_model_meta = wrapper.mteb_model_meta.model_copy(update=meta)
            evaluate(wrapper, select_tasks([collection]), options.output)
        repair = None


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
    parser.add_argument(
        "--max-tokens", type=int, help="of a text in training; one that is long takes memory"
    )
    parser.add_argument(
        "--interpolate",
        nargs="+",
        type=float,
        default=[1.0],
        help="shares of the way from the start to the trained parameters (arXiv:2109.01903)",
    )
    parser.add_argument("--start", type=Path, help="folder of a model to train instead")
    parser.add_argument("--freeze", nargs="+", default=[], help="parts of names of parameters")
    parser.add_argument("--repair", action="store_true", help="with a projection as well")
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
        log, parameters = (options.output / f"{name}{end}" for end in (".json", ".safetensors"))
        trained = {}
        if method != "untrained" and not parameters.exists():
            began = time.time()
            with tempfile.TemporaryDirectory() as folder:
                trained, history = train(method, seed, data, options, Path(folder))
            record = {
                "options": {k: str(value) for k, value in vars(options).items() if k != "output"},
                "train_seconds": round(time.time() - began),
                "log": history,
            }
            write_json(log, record)
            with whole(parameters) as part:
                save_file(trained, part)
        elif method != "untrained":
            trained = load_file(parameters)
        for variant, model in variants(name, trained, options):
            began = time.time()
            measure(model, variant, options)
            print(variant, round(time.time() - began), flush=True)


if __name__ == "__main__":
    main()
