"""What another precision or backend gains and loses: one model, the same texts, in one run."""

import argparse
import os
import time
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.models.encoding import Backend, EncodingPrecision, encoding_as
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.offline import MODEL_NAME
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.sources import load_collection
from mteb_hybrid.training.evaluator import ParallelRetrievalEvaluator

WAYS = {
    "float32": (Backend.TORCH, EncodingPrecision.FLOAT32, ""),
    "bf16": (Backend.TORCH, EncodingPrecision.BF16, ""),
    "openvino": (Backend.OPENVINO, None, "optimum"),
}
"""By name: how, and the package that it needs."""
BATCH = 32


def main() -> None:
    """Print CPU seconds per text as a ratio to float32, and what becomes of the measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=MODEL_NAME)
    parser.add_argument("--collection", default="xquad-r", help="needs MTEB_HYBRID_DATA")
    parser.add_argument("--languages", nargs="+", default=["ar", "en", "zh"])
    parser.add_argument("--groups", type=int, default=300, help="questions; the pool stays whole")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--padding", action="store_true", help="only count what batches pad")
    parser.add_argument(
        "--batch-sizes", type=int, nargs="+", default=[], help="only time these, as 32 4 8 16"
    )
    given = parser.parse_args()

    collection = load_collection(collections()[given.collection])
    if given.padding:
        print_padding(collection, load_model(given.model, device=given.device))
        return
    if given.batch_sizes:
        loaded = load_model(given.model, device=given.device)
        print_batch_sizes(collection, given, loaded)
        return
    evaluate = ParallelRetrievalEvaluator(
        collection, languages=given.languages, max_groups=given.groups, write_csv=False
    )
    ways = {name: way for name, way in WAYS.items() if not way[2] or find_spec(way[2])}
    models: dict[str, Any] = {}
    for name, (backend, precision, _) in ways.items():
        loaded: Any = load_model(given.model, device=given.device)
        models[name] = encoding_as(loaded, backend, precision).model
    texts = some_passages(collection, given.languages, 128)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    vectors = {}
    for _ in range(given.rounds):  # in turn, as other programs may run beside this one
        for name, model in models.items():
            start = time.process_time()
            vectors[name] = np.float64(model.encode_document(texts, convert_to_numpy=True))
            seconds[name].append(time.process_time() - start)
    print(f"{evaluate.texts} texts for the measures, {len(texts)} for the seconds")
    for name, model in models.items():
        found = evaluate(model)
        measures = {key.partition("_")[2]: round(value, 4) for key, value in found.items()}
        faster = min(seconds["float32"]) / min(seconds[name])
        cosines = (vectors[name] * vectors["float32"]).sum(1) / np.prod(
            [np.linalg.norm(vectors[one], axis=1) for one in (name, "float32")], axis=0
        )
        print(f"{name}: {faster:.2f} times as fast, least cosine {cosines.min():.6f}, {measures}")


def some_passages(collection: Collection, languages: list[str], count: int) -> list[str]:
    """Evenly spaced passages of a pool."""
    passages = collection.part(tuple(languages), None, 0).passages["text"]
    return passages.gather_every(max(1, len(passages) // count)).to_list()


def print_batch_sizes(collection: Collection, given: argparse.Namespace, model: Any) -> None:
    """Print how fast a model encodes with each number of texts per batch, against the first."""
    texts = some_passages(collection, given.languages, 320)
    seconds: dict[int, list[float]] = {size: [] for size in given.batch_sizes}
    for _ in range(given.rounds):
        for size, found in seconds.items():
            start = time.process_time()
            model.model.encode_document(texts, batch_size=size)
            found.append(time.process_time() - start)
    first = min(seconds[given.batch_sizes[0]])
    for size, found in seconds.items():
        print(f"{size} texts per batch: {first / min(found):.2f} times as fast")


def print_padding(collection: Collection, model: Any) -> None:
    """Print how many tokens batches hold for each token of their texts, language by language."""
    inner = model.model
    for side, role in (("queries", "query"), ("passages", "document")):
        prompt = inner.prompts.get(role) or ""
        computed, tokens = dict.fromkeys(("as stored", "by characters", "by tokens"), 0), 0
        for _, rows in getattr(collection, side).group_by("language"):
            texts = rows["text"].unique(maintain_order=True).to_list()
            prompted = [prompt + text for text in texts]
            ids = inner.tokenizer(prompted, truncation=True, max_length=inner.max_seq_length)
            counts = dict(zip(texts, map(len, ids["input_ids"]), strict=True))
            tokens += sum(counts.values())
            keys = (lambda text: 0, len, counts.__getitem__)
            for name, key in zip(computed, keys, strict=True):
                ordered = sorted(texts, key=key, reverse=True)
                for start in range(0, len(texts), BATCH):
                    sizes = [counts[text] for text in ordered[start : start + BATCH]]
                    computed[name] += max(sizes) * len(sizes)
        found = {name: round(count / tokens, 2) for name, count in computed.items()}
        print(f"{side}: {tokens:,} tokens; computed for each, in batches of {BATCH}: {found}")


if __name__ == "__main__":
    main()
