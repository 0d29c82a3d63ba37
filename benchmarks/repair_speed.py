"""How much slower a repaired model is: the same texts with the map and without, in turn."""

import os
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.models.offline import load_offline_encoder
from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.model import repaired
from mteb_hybrid.sources import load_collection

ROUNDS, TEXTS = 8, 96


def main() -> None:
    """Print CPU seconds of both, and their ratio."""
    model = load_offline_encoder("cpu")
    random = np.random.default_rng(0)
    sample = {f"language {i}": random.standard_normal((50, 384)) for i in range(11)}
    new = repaired(model, VECTOR_REPAIRS["projection"].fit(sample))
    texts = load_collection(collections()["sample"]).passages["text"].to_list()[:TEXTS]
    seconds: dict[str, list[float]] = {"model": [], "repaired": []}
    for _ in range(ROUNDS):
        for name, encoder in (("model", model), ("repaired", new)):
            start = time.process_time()
            encoder.encode_document(texts, show_progress_bar=False)
            seconds[name].append(time.process_time() - start)
    fastest = {name: min(times) for name, times in seconds.items()}
    ratio = fastest["repaired"] / fastest["model"]
    print(f"CPU s of {TEXTS} texts, fastest of {ROUNDS}: {fastest}; ratio {ratio:.4f}")


if __name__ == "__main__":
    main()
