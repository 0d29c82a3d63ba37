"""Which rows an index, a slice or a list of indices means."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.corpus import Ints

_OF_CACHES = frozenset(
    {
        "indices_cache_file_name",
        "keep_in_memory",
        "load_from_cache_file",
        "new_fingerprint",
        "writer_batch_size",
    }
)


def check_options(method: str, options: Mapping[str, Any]) -> None:
    """Refuse options that a method does not know.

    Those of `datasets.Dataset` about caches are let through: a selection is a few numbers in
    memory, and there is nothing to cache.

    Raises:
        ParallelDataError: If there is another one.
    """
    unknown = [name for name in options if name not in _OF_CACHES]
    if unknown:
        raise ParallelDataError(
            f"{method} of parallel data does not take {', '.join(unknown)}; leave it out"
        )


def positions(key: slice | Iterable[Any], size: int) -> Ints:
    """The rows that a key means, in its order.

    Args:
        key: A slice, or whole numbers (a list, a range, an array, a Series, a generator), negative
            ones from the end.
        size: Number of rows.

    Returns:
        Shape (chosen rows,).

    Raises:
        TypeError: If they are no whole numbers.
        IndexError: If one is out of range.
    """
    if isinstance(key, slice):
        key = range(size)[key]
    if isinstance(key, range):
        found = np.arange(key.start, key.stop, key.step)
    else:
        found = np.asarray(key if hasattr(key, "__array__") else list(key))
    if not found.size:
        return np.empty(0, dtype=np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise TypeError(
            f"indices of rows are {found.dtype} in {found.ndim} dimension(s); expected whole "
            "numbers in one (of a mask, take np.flatnonzero)"
        )
    low, high = int(found.min()), int(found.max())
    if low < -size or high >= size:
        raise IndexError(f"row {low if low < -size else high} of a dataset with {size:,} rows")
    found = found.astype(np.int64)
    return found if low >= 0 else np.where(found < 0, found + size, found)
