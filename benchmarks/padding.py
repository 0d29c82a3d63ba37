"""CPU seconds of a training step on a processor: batches padded whole, and in like parts."""

import argparse
import time

import torch
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from mteb_hybrid import load_collection, load_offline_encoder
from mteb_hybrid.training.run.padding import trim_padding


def main() -> None:
    """Print the seconds of some batches, in turns, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collection", default="mlqa-r")
    parser.add_argument("--size", type=int, default=32, help="pairs of a batch")
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--freeze", action="store_true", help="embeddings, as the recipes do")
    options = parser.parse_args()
    torch.set_num_threads(1)
    collection = load_collection(options.collection)
    model = load_offline_encoder().train()
    trimmed = load_offline_encoder().train()
    trim_padding(trimmed)
    for name, parameter in [*model.named_parameters(), *trimmed.named_parameters()]:
        parameter.requires_grad = not (options.freeze and "word_embeddings" in name)
    sides = []
    for table, prompt in ((collection.queries, "query: "), (collection.passages, "passage: ")):
        some = table.sample(options.size * options.batches, seed=1, shuffle=True)
        sides.append([prompt + text for text in some["text"]])
    sums = [0.0, 0.0]
    for start in range(0, options.size * options.batches, options.size):
        batch = [side[start : start + options.size] for side in sides]
        took = []
        for way, one in enumerate((model, trimmed)):
            features = [one.preprocess(side) for side in batch]
            one.zero_grad()
            began = time.process_time()
            MultipleNegativesRankingLoss(one, scale=50)(features, None).backward()
            took.append(time.process_time() - began)
            sums[way] += took[-1]
        print(f"whole {took[0]:.2f} s, in parts {took[1]:.2f} s, ratio {took[1] / took[0]:.2f}")
    print(f"ratio of all {options.batches}: {sums[1] / sums[0]:.2f}")


if __name__ == "__main__":
    main()
