"""Vectors as encoders return them: of many kinds, checked and brought to one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mteb_hybrid.retrieval.parts import Vectors


class EncoderError(ValueError):
    """A model whose vectors or scores cannot be ranked."""


def name_of(model: Any) -> str | None:
    """The name or folder of a sentence-transformers model; None if its first module has none."""
    try:
        return str(model[0].auto_model.config.name_or_path) or None
    except (AttributeError, IndexError, KeyError, TypeError):
        return None


def checked_vectors(vectors: Vectors, texts: Sequence[str], model: str | None = None) -> Vectors:
    """Check what a model returned for some texts, and bring it to the CPU.

    Args:
        vectors: An array, a tensor on any device, or a list or tuple of either, or of numbers.
        texts: What was encoded.
        model: Its name, for errors.

    Returns:
        An array or a tensor, shape (texts, D), of float16, float32 or float64; what has another
        type (bfloat16, integers) becomes float32.

    Raises:
        EncoderError: If the shape is not (texts, dimensions), they are no numbers, or a value is
            not finite.
    """
    who = f"the model {model}" if model else "the model"
    given, vectors = vectors, _array(vectors)
    shape = None if vectors is None else tuple(vectors.shape)
    if shape is None or len(shape) != 2 or shape[0] != len(texts) or not shape[1]:
        found = _described(given) if shape is None else f"vectors of shape {shape}"
        raise EncoderError(
            f"{who} returned {found} for {len(texts)} texts; expected "
            f"({len(texts)}, dimensions). Check its encode method: it must return one vector per "
            "text, in order, all of one length."
        )
    # Value by value: a row of float16 can be finite where its sum is not.
    finite = vectors.isfinite().numpy() if hasattr(vectors, "detach") else np.isfinite(vectors)
    bad = np.flatnonzero(~finite.all(axis=1))
    if bad.size:
        raise EncoderError(
            f"{who} returned NaN or infinity for {bad.size} of {len(texts)} texts; the first "
            f"is {texts[bad[0]]!r}. Run it in float32, or check its weights."
        )
    return vectors


def _array(vectors: Any) -> Any:
    """The vectors as an array or a tensor of real numbers on the CPU; None if they are none."""
    if isinstance(vectors, list | tuple):
        if vectors and hasattr(vectors[0], "detach"):  # numpy reads no bfloat16, and no device
            vectors = [np.asarray(_array(one)) for one in vectors]
        try:
            vectors = np.asarray(vectors)
        except (ValueError, TypeError):  # ragged
            return None
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu()
        if vectors.is_complex() or str(vectors.layout) != "torch.strided":
            return None
        exact = str(vectors.dtype) in {"torch.float16", "torch.float32", "torch.float64"}
        return vectors if exact else vectors.float()
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind not in "fiub":
        return None
    exact = vectors.dtype.name in {"float16", "float32", "float64"}
    return vectors if exact else vectors.astype(np.float32)


def _described(vectors: Any) -> str:
    """What a model returned, in words."""
    kind = type(vectors).__name__
    shape, dtype = getattr(vectors, "shape", None), getattr(vectors, "dtype", None)
    if shape is not None:
        return f"vectors of shape {tuple(shape)} ({kind} of {dtype})"
    if isinstance(vectors, list | tuple) and vectors:
        lengths = sorted(
            {
                len(one)
                for one in vectors
                if isinstance(one, list | tuple) or getattr(one, "shape", None)
            }
        )
        named = f" of lengths {', '.join(map(str, lengths[:5]))}" if lengths else ""
        return f"a {kind} of {len(vectors)} {type(vectors[0]).__name__}{named}"
    return "None" if vectors is None else f"a {kind}"
