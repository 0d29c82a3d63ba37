"""Scores and vectors that say nothing: found, and warned of.

A few ties are harmless: texts that repeat, and scores that meet in the last bit of float32, as many
of a million do. So a score counts here only if it ties with more than a hundredth of all others.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.parts import Parts, take

AT_ONCE = 8192
"""Vectors that are read together."""

MANY = 0.05
"""Share of such scores, or vectors, from which a warning is given."""


MEANING = (
    "with more than a hundredth of the others: among those the model knows no order, and a low "
    "bias means little. Lexical models, which score most passages 0, are like that; else check the "
    "model for collapse (constant or zero vectors) and for low precision."
)
"""What is said of them."""

_gathered: ContextVar[list[str] | None] = ContextVar("gathered", default=None)


class TieWarning(UserWarning):
    """Many scores tie, or many vectors coincide: the order of passages says little."""


def crowded(ascending: npt.NDArray[Any]) -> float:
    """Share of values that equal the one a hundredth of all further up.

    Args:
        ascending: Shape (n,), sorted.

    Returns:
        From 0, also for fewer than two values, to 1, if all are equal.
    """
    step = max(1, len(ascending) // 100)
    if len(ascending) <= step:
        return 0.0
    return float(np.count_nonzero(ascending[step:] == ascending[:-step]) / (len(ascending) - step))


def fingerprints(vectors: Any) -> npt.NDArray[np.int64]:
    """One number per vector; equal vectors, and no others, have the same.

    Args:
        vectors: An array or tensor of shape (N, D); or a list of N of any kind, of which only
            those that are the same object count as equal.

    Returns:
        Shape (N,).
    """
    if isinstance(vectors, list):
        return np.array([id(vector) for vector in vectors], dtype=np.int64)
    if isinstance(vectors, Parts):
        found = np.concatenate([_heads(piece) for piece in vectors.pieces])[vectors.rows]
    else:
        found = _heads(vectors)
    # Vectors that begin alike are read to their end.
    _, inverse, counts = np.unique(found, return_inverse=True, return_counts=True)
    alike = np.flatnonzero(counts[inverse] > 1)
    for start in range(0, len(alike), AT_ONCE):
        some = alike[start : start + AT_ONCE]
        found[some] = [hash(vector.tobytes()) for vector in _array(take(vectors, some))]
    return found


def _heads(vectors: Any) -> npt.NDArray[np.int64]:
    """Shape (N,), the first eight bytes of each vector, or fewer."""
    rows = _array(vectors[:])
    first = np.ascontiguousarray(rows[:, : max(1, 8 // rows.itemsize)])
    heads = np.zeros((len(rows), 8), dtype=np.uint8)
    heads[:, : first.shape[1] * first.itemsize] = first.view(np.uint8).reshape(len(rows), -1)
    return heads.view(np.int64)[:, 0]


def _array(vectors: Any) -> npt.NDArray[Any]:
    if not hasattr(vectors, "detach"):
        return np.asarray(vectors)
    vectors = vectors.detach().cpu()
    # It has no numpy equivalent; float32 holds all its values.
    vectors = vectors.float() if str(vectors.dtype) == "torch.bfloat16" else vectors
    return np.asarray(vectors.numpy())


def warn_if_crowded(share: float, what: str) -> None:
    """Warn where `crowded` found more than `MANY`.

    Args:
        share: What it found.
        what: What was looked at, for the message: "scores tie", "query vectors coincide".
    """
    if share <= MANY:
        return
    said, found = f"{share:.0%} of {what}", _gathered.get()
    if found is None:
        warnings.warn(f"{said} {MEANING}", TieWarning, stacklevel=3)
    else:
        found.append(said)


@contextmanager
def gathered() -> Iterator[list[str]]:
    """Gather what would be warned of, without `MEANING`, for who says it otherwise."""
    found: list[str] = []
    token = _gathered.set(found)
    try:
        yield found
    finally:
        _gathered.reset(token)
