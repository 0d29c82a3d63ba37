"""What hybrid batches cost: opening large data, drawing batches, steps per second.

Prints three parts, as ratios where there is something to compare with:

1. Opening 10 million rows in 18 languages with a fifth of the texts missing: CPU seconds and memory
   beyond the memory map, up to the first batch.
2. Time to draw and read a batch, as a share of a training step of a real encoder.
3. Steps per second with HybridBatchCallback against the stock trainer on batches of the same
   texts: the batches of the hybrid run, written out in order as a plain data set.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pyarrow as pa

LANGUAGES = [
    "ar",
    "bn",
    "de",
    "en",
    "es",
    "fa",
    "fi",
    "fr",
    "hi",
    "id",
    "ja",
    "ko",
    "ru",
    "sw",
    "te",
    "th",
    "yo",
    "zh",
]
CHUNK = 65_536


def write_large(file: Path, rows: int) -> None:
    """Write rows of short texts; the texts of a chunk repeat in the next, groups do not."""
    random = np.random.default_rng(0)
    columns = {}
    for role in ("query", "passage"):
        for code in LANGUAGES:
            texts = [f"{role} {code} number {row} of a chunk of rows" for row in range(CHUNK)]
            missing = random.random(CHUNK) < 0.2
            columns[f"{role}_{code}"] = pa.array(texts, mask=missing)
    schema = pa.schema([("group", pa.int64()), *((name, pa.string()) for name in columns)])
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, rows, CHUNK):
            size = min(CHUNK, rows - start)
            group = pa.array(np.arange(start, start + size))
            parts = [group, *(column.slice(0, size) for column in columns.values())]
            writer.write_batch(pa.record_batch(parts, schema=schema))


def anonymous_megabytes() -> float:
    """Memory of this process that no file backs."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


def open_large(file: Path) -> None:
    """Part 1, in a process of its own."""
    from datasets.table import MemoryMappedTable

    from mteb_hybrid import HybridBatchSampler, ParallelDataset
    from mteb_hybrid.training.corpus import Corpus

    before, start = anonymous_megabytes(), time.process_time()
    data = ParallelDataset([Corpus("large", MemoryMappedTable.from_file(str(file)))])
    opened = time.process_time()
    sampler = HybridBatchSampler(data, batch_size=100)
    made = time.process_time()
    batches = iter(sampler)
    first = next(batches)
    data.__getitems__(first)
    ready = time.process_time()
    memory = anonymous_megabytes() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    count = 500
    for keys in islice(batches, count):
        data.__getitems__(keys)
    done = time.process_time()
    size = file.stat().st_size / 1e9
    print(f"{len(data):,} rows x {len(data.languages)} languages, {size:.1f} GB mapped")
    print(
        f"open {opened - start:.2f} s, sampler {made - opened:.2f} s, first batch "
        f"{ready - made:.2f} s: {ready - start:.2f} s in all, CPU"
    )
    print(f"memory beyond the map {memory:.0f} MB (whole process at its peak {peak:.0f} MB)")
    print(f"a batch of 100, drawn and read: {(done - ready) / count * 1e3:.2f} ms CPU")


def compare_steps(steps: int, rounds: int) -> None:
    """Parts 2 and 3, on the embedded sample and the offline encoder."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from torch.utils.data import SequentialSampler

    from mteb_hybrid import HybridBatchCallback, HybridBatchSampler, ParallelDataset
    from mteb_hybrid.cards.catalogue import task_cards
    from mteb_hybrid.models.offline import load_offline_encoder
    from mteb_hybrid.sources import load_collection

    cards = {card.file.stem: card for card in task_cards().values()}
    data = ParallelDataset.from_collection(load_collection(cards["sample"]))
    size, seed = 16, 42
    sampler = HybridBatchSampler(data, size, True, seed=seed)
    rows = []
    for epoch in range(1 + steps // len(sampler)):
        sampler.set_epoch(epoch)
        rows += [row for keys in sampler for row in data.__getitems__(keys)]
    plain = Dataset.from_list(rows[: steps * size])

    def in_order(dataset, batch_size, drop_last, **rest):
        return DefaultBatchSampler(SequentialSampler(dataset), batch_size, drop_last)

    model = load_offline_encoder()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("word_embeddings" not in name)

    def seconds(train_dataset, callbacks, **options):
        with tempfile.TemporaryDirectory() as folder:
            arguments = SentenceTransformerTrainingArguments(
                folder,
                max_steps=steps,
                per_device_train_batch_size=size,
                learning_rate=1e-9,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                logging_steps=steps,
                use_cpu=not torch.cuda.is_available(),
                dataloader_drop_last=True,
                seed=seed,
                **options,
            )
            trainer = SentenceTransformerTrainer(
                model, arguments, train_dataset, loss=MultipleNegativesRankingLoss(model),
                callbacks=callbacks,
            )  # fmt: skip
            start = time.perf_counter()
            trainer.train()
            return time.perf_counter() - start

    seconds(plain, [], batch_sampler=in_order)  # warm up
    stock, hybrid = [], []
    for _ in range(rounds):
        stock.append(seconds(plain, [], batch_sampler=in_order))
        hybrid.append(seconds(data, [HybridBatchCallback()]))
    start = time.perf_counter()
    for keys in sampler:
        data.__getitems__(keys)
    drawn = (time.perf_counter() - start) / len(sampler)
    step = min(hybrid) / steps
    print(f"a step of {size} pairs: {step * 1e3:.0f} ms; drawing and reading its batch")
    print(f"{drawn * 1e3:.2f} ms, {drawn / step:.2%} of it")
    print(
        f"steps per second, hybrid against stock on the same texts: {min(stock) / min(hybrid):.3f} "
        f"(fastest of {rounds} rounds of {steps} steps each)"
    )


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="folder for 18 GB; default: a temporary one")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        open_large(options.open)
        return
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        file = Path(folder) / "large.arrow"
        write_large(file, options.rows)
        subprocess.run([sys.executable, __file__, "--open", str(file)], check=True)
    if options.steps:
        compare_steps(options.steps, options.rounds)


if __name__ == "__main__":
    main()
