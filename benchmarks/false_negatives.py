"""False negatives in batches of hybrid training, beside those of stock samplers; and their cost.

A false negative: two examples of a batch whose rows share a question or a passage, in whatever
language, so that the answer to one counts as wrong for the other. They are looked for in the texts
of the file, with a rule of its own. The stock samplers of sentence-transformers get the same rows
in one pair of languages each, written out as a plain dataset.
"""

import argparse
import json
import logging
import os
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
from datasets import Dataset
from sentence_transformers.base.sampler import DefaultBatchSampler, NoDuplicatesBatchSampler
from torch import Generator
from torch.utils.data import RandomSampler

from mteb_hybrid import BatchPlan, HybridBatchSampler, ParallelDataset


def texts_of_rows(file: Path) -> list[frozenset[tuple[str, str]]]:
    """Every text of every row, with its role."""
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        frozenset((role, text) for role in ("query", "passage") for text in row[role].values())
        for row in rows
    ]


def has_false_negative(rows: list[int], texts: list[frozenset[tuple[str, str]]]) -> bool:
    """Whether two rows of a batch share a text."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if not seen.isdisjoint(texts[row]):
            return True
        seen |= texts[row]
    return False


def written_out(data: ParallelDataset, seed: int) -> Dataset:
    """Each row in one pair of languages, drawn as a cross-lingual batch draws it."""
    sampler = HybridBatchSampler(data, 1, seed=seed, plan=BatchPlan(alpha=0))
    examples = {data.example(key).row: data.__getitems__([key])[0] for (key,) in sampler}
    return Dataset.from_list([{**examples[row], "row": row} for row in sorted(examples)])


def main() -> None:
    """Print a line per sampler."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="parallel JSON lines, not compressed")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    data = ParallelDataset.from_json(options.file)
    texts = texts_of_rows(options.file)
    plain = written_out(data, 0)
    numbers, size = np.asarray(plain["row"]), options.batch_size
    pairs = plain.remove_columns("row")

    def hybrid(seed: int, alpha: float):
        for keys in HybridBatchSampler(data, size, True, seed=seed, plan=BatchPlan(alpha=alpha)):
            data.__getitems__(keys)
            yield [data.example(key).row for key in keys]

    def stock(seed: int, sampler):
        generator = Generator().manual_seed(seed)
        for rows in sampler(generator):
            pairs.__getitems__(rows)
            yield numbers[rows].tolist()

    kinds = {f"hybrid, alpha {alpha:g}": lambda s, a=alpha: hybrid(s, a) for alpha in (0, 0.5, 1)}
    kinds["no_duplicates"] = lambda seed: stock(
        seed, lambda g: NoDuplicatesBatchSampler(pairs, size, True, [], g, seed)
    )
    kinds["batch_sampler"] = lambda seed: stock(
        seed,
        lambda g: DefaultBatchSampler(RandomSampler(pairs, generator=g), size, True),
    )
    print("| batches | with a false negative | CPU ms to draw and read one |")
    print("| --- | ---: | ---: |")
    for name, batches in kinds.items():
        found, began = [], time.process_time()
        for seed in range(options.seeds):
            found += list(batches(seed))
        cost = (time.process_time() - began) / len(found) * 1e3
        bad = sum(has_false_negative(rows, texts) for rows in found)
        print(f"| {name} | {bad} of {len(found)} | {cost:.2f} |", flush=True)


if __name__ == "__main__":
    main()
