"""Encode once, rank exactly: vectors of distinct texts, and ranks from the full score matrix.

Encoders and similarities are passed in as functions, so nothing here depends on mteb.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = Any
"""A numpy array or torch tensor, whichever the model returns, of shape (texts, dimensions)."""

Encode: TypeAlias = Callable[[list[str]], Vectors]

Scores: TypeAlias = npt.NDArray[np.float32]


NOISE = 0.05
"""Relative distance of two vectors of one text up to which it may be chance."""


class EncoderError(ValueError):
    """A model whose vectors or scores cannot be ranked."""


@dataclass
class TextVectors:
    """Vectors of distinct texts of one model and prompt type; each text is encoded once."""

    _rows: dict[str, int] = field(default_factory=dict)
    _parts: list[Vectors] = field(default_factory=list)

    def get(self, texts: Sequence[str], encode: Encode) -> Vectors:
        """Vectors of some texts, encoding the ones that are new.

        Args:
            texts: N texts, repeats allowed.
            encode: Encodes a list of distinct texts.

        Returns:
            Shape (N, D). They share memory with the ones that are kept, where these lie there in
            that order.

        Raises:
            EncoderError: If the model returns the wrong shape, NaN or infinity.
        """
        rows = [self._rows.get(text, -1) for text in texts]
        if -1 in rows:
            known = len(self._rows)
            unknown = (text for text, row in zip(texts, rows, strict=True) if row < 0)
            new = list(dict.fromkeys(unknown))
            self._parts.append(checked_vectors(encode(new), new))
            self._rows.update(zip(new, range(known, known + len(new)), strict=True))
            rows = [self._rows[text] for text in texts]
        return self._at(np.array(rows))

    def _at(self, rows: npt.NDArray[np.int64]) -> Vectors:
        lowest, highest = rows.min(), rows.max()
        start = 0
        for part in self._parts:
            if start <= lowest and highest < start + len(part):
                break
            start += len(part)
        else:  # they lie in several parts
            part, start = _stack(self._parts), 0
            self._parts = [part]
        if (np.diff(rows) == 1).all():
            return part[lowest - start : highest - start + 1]
        return part[rows - start]


@dataclass
class _Shared:
    probe: list[str]
    probe_vectors: Vectors
    vectors: TextVectors = field(default_factory=TextVectors)


_shared: dict[tuple[str, ...], _Shared] = {}


def shared_vectors(
    key: tuple[str, ...], texts: Sequence[str], encode: Encode, encode_elsewhere: Encode
) -> TextVectors | None:
    """The vectors that earlier tasks of this process left for a model, if they still hold.

    Sharing is checked, not assumed. Two probe texts are encoded again: in the present subset of
    the present task, where the vectors must be bit for bit the ones of the task that came first
    (they are not if the prompt depends on the task, or if the model has been trained since), and
    in another subset, where they must not change (they do if the model reads ``hf_subset``).
    Where these two differ by no more than `NOISE`, the model is one that never answers twice alike
    (some that are reached over the network), and the first check allows as much.

    Args:
        key: What identifies the model, then what identifies prompt type and options. Only the
            last model's vectors are kept.
        texts: Texts to take the probe from, if these are the first.
        encode: Encodes in the present subset.
        encode_elsewhere: Encodes in another subset of the same task.

    Returns:
        The vectors to share, or None if the model reads ``hf_subset``.
    """
    for other in [other for other in _shared if other[0] != key[0]]:
        del _shared[other]
    known = _shared.get(key)
    probe = known.probe if known else list(dict.fromkeys(texts))[:2]
    here = checked_vectors(encode(probe), probe)
    spread = _distance(here, checked_vectors(encode_elsewhere(probe), probe))
    if spread > NOISE:
        return None
    if known is None or _distance(here, known.probe_vectors) > (NOISE if spread else 0):
        _shared[key] = _Shared(probe, here)
    return _shared[key].vectors


def checked_vectors(vectors: Vectors, texts: Sequence[str]) -> Vectors:
    """Check what a model returned for some texts, and bring it to the CPU.

    Raises:
        EncoderError: If the shape is not (texts, dimensions), or a value is not finite.
    """
    if isinstance(vectors, list):
        vectors = np.asarray(vectors)
    shape = tuple(vectors.shape)
    if len(shape) != 2 or shape[0] != len(texts):
        raise EncoderError(
            f"the model returned vectors of shape {shape} for {len(texts)} texts; expected "
            f"({len(texts)}, dimensions). Check its encode method: it must return one vector per "
            "text, in order."
        )
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu()
    # The sum of a row is finite only if all its values are; bfloat16 has no numpy equivalent.
    sums = vectors.sum(1).float().numpy() if hasattr(vectors, "detach") else vectors.sum(1)
    bad = np.flatnonzero(~np.isfinite(sums))
    if bad.size:
        raise EncoderError(
            f"the model returned NaN or infinity for {bad.size} of {len(texts)} texts; the first "
            f"is {texts[bad[0]]!r}. Run it in float32, or check its weights."
        )
    return vectors


def _stack(parts: Sequence[Vectors]) -> Vectors:
    if hasattr(parts[0], "detach"):
        import torch

        return torch.cat(list(parts))
    return np.concatenate(parts)


def _distance(first: Vectors, second: Vectors) -> float:
    """Largest distance between the vectors of one text, relative to their length."""
    if first.shape != second.shape:
        return float("inf")
    one, other = (
        np.asarray(v.float() if hasattr(v, "detach") else v, dtype=np.float64)
        for v in (first, second)
    )
    length = np.linalg.norm(one, axis=1) + np.finfo(np.float64).tiny
    return float((np.linalg.norm(one - other, axis=1) / length).max())
