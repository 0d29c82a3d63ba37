"""How fast this device encodes: a short probe, which goes for other models by their size."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

TEXTS = 48
"""Texts of a probe, at first."""

SECONDS = 1.0
"""How long a probe takes at least, where there are texts enough: a GPU has to be kept busy."""

WARM_UP = 4
"""Texts that are encoded before: what is made on first use is not to count."""


class Timed(NamedTuple):
    """A probe.

    Attributes:
        texts: How many texts were encoded.
        seconds: How long that took.
    """

    texts: int
    seconds: float


def time_encoding(encode: Callable[[list[str]], Any], texts: Sequence[str]) -> Timed:
    """Encode ever more texts, until it takes a second or all are encoded.

    Args:
        encode: Encodes texts, and waits for their vectors.
        texts: At least one.
    """
    encode(list(texts[:WARM_UP]))
    count = TEXTS
    while True:
        some = list(texts[:count])
        began = time.perf_counter()
        encode(some)
        seconds = time.perf_counter() - began
        if seconds >= SECONDS or count >= len(texts):
            return Timed(len(some), seconds)
        count *= 2


SIZES = {"google-bert/bert-base-multilingual-cased": (177_853_440, 91_812_096)}
"""Parameters, and those of word embeddings, of models that MTEB does not know: by their
configuration, which is 12 layers of 768 and 119,547 tokens."""


def times_slower(name: str) -> float | None:
    """How many times as slow as the offline encoder a model that MTEB knows is taken to be.

    That is how many times its parameters beside the embeddings it has.

    Returns:
        None if neither MTEB nor `SIZES` has the model's size.
    """
    from mteb.models.model_implementations import MODEL_REGISTRY

    wanted, known = MODEL_REGISTRY.get(name), MODEL_REGISTRY["intfloat/multilingual-e5-small"]
    sizes = [(one.n_parameters, one.n_embedding_parameters) for one in (wanted, known) if one]
    if name in SIZES:
        sizes = [SIZES[name], sizes[-1]]
    if len(sizes) < 2 or any(None in size for size in sizes):
        return None
    own, other = ((total or 0) - (embedding or 0) for total, embedding in sizes)
    return own / other


def not_at_hand(name: str, slower: float) -> str:
    """What is said of a model whose speed is that of the offline encoder, by its size."""
    return (
        f"{name} is not at hand: taken to be {slower:.1f} times as slow as the offline encoder, as "
        "it has so many times its parameters beside the embeddings"
    )


def duration(seconds: float) -> str:
    """Seconds in words, such as ``2 h 05 min``; from 100 hours on without minutes."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes >= 6000:
        return f"{minutes / 60:,.0f} h"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
