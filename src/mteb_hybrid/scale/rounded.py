"""Vectors in fewer bits than a model returns."""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.parts import Vectors

PRECISIONS = ("float16", "int8")
"""In which vectors can be kept, beside the one that the model returns."""


@dataclass(frozen=True)
class Rounded:
    """Vectors that are kept in fewer bits, and are float32 when they are asked for.

    Attributes:
        values: Array of float16, or of int8; shape (N, D).
        scales: Shape (N,), what the int8 of each vector are multiplied by; None for float16.
        tensor: Whether tensors are handed out, as the model returned them.
    """

    values: npt.NDArray[Any]
    scales: npt.NDArray[np.float32] | None
    tensor: bool

    @classmethod
    def of(cls, vectors: Vectors, precision: str) -> Self:
        """Round vectors.

        Args:
            vectors: Shape (N, D).
            precision: ``float16``; or ``int8``, with a scale for each vector so that its largest
                component is 127.

        Raises:
            ValueError: If a component is no finite number of float32, or too large for float16.
        """
        tensor = hasattr(vectors, "detach")
        rows = np.asarray(vectors.numpy() if tensor else vectors, dtype=np.float32)
        largest = np.abs(rows).max(axis=1)
        if not np.isfinite(largest).all():
            raise ValueError("a vector has a component that is no finite number of float32")
        if precision == "int8":
            least = np.finfo(np.float32).tiny  # a scale below it would have few bits itself
            scales = np.maximum(largest / np.float32(127), least).astype(np.float32)
            return cls(np.rint(rows / scales[:, None]).astype(np.int8), scales, tensor)
        if largest.max() > np.finfo(np.float16).max:
            raise ValueError(
                f"a vector has a component of {largest.max():.3g}, too large for float16; keep "
                "vectors as float32 or int8"
            )
        return cls(rows.astype(np.float16), None, tensor)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        return len(self), int(self.values.shape[1])

    def __getitem__(self, places: Any) -> Vectors:
        """Some vectors, by a slice or an array of places: shape (n, D), float32."""
        found = self.values[places].astype(np.float32)
        if self.scales is not None:
            found *= self.scales[places][:, None]
        return as_tensor(found) if self.tensor else found


def as_tensor(array: npt.NDArray[Any]) -> Any:
    """A tensor that shares the memory of an array."""
    import torch

    with warnings.catch_warnings():  # that it must not be written to
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)
