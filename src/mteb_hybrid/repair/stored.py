"""Stored vectors, so that no corpus needs to be encoded again: npy, or a column in Parquet."""

from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mteb_hybrid.files.parquet import read_parquet
from mteb_hybrid.files.places import check_writable
from mteb_hybrid.files.whole import whole
from mteb_hybrid.repair.sample import RepairError

Vectors = npt.NDArray[Any]


def check_target(source: Path, target: Path, overwrite: bool) -> None:
    """Find out whether repaired vectors can be written, before any work is done.

    Args:
        source: The file that they are in.
        target: The file for the repaired ones.
        overwrite: Whether to replace what is there.

    Raises:
        RepairError: If the target is the source, is of another kind, or is there and may not be
            replaced.
        OSError: If its folder cannot be written to.
    """
    if source.resolve() == target.resolve():
        raise RepairError(f"{target}: the vectors to repair; choose another --output")
    if target.exists() and not overwrite:
        raise RepairError(f"{target}: is there already; choose another --output, or --overwrite")
    if source.suffix != target.suffix:
        raise RepairError(f"{target}: expected a {source.suffix} file, as {source.name} is one")
    check_writable(target.parent)


def repair_file(
    source: Path, target: Path, repair: Callable[[Vectors, list[str] | None], Vectors]
) -> tuple[int, int]:
    """Repair the vectors in a file, into another of the same kind.

    Args:
        source: ``.npy`` of shape (N, D); or ``.parquet`` with one column of lists of numbers, and
            perhaps one called ``language``. Other columns stay as they are.
        target: Written whole, or not at all; what is there is replaced.
        repair: Vectors, and the language of each if the file says, to new ones.

    Returns:
        N and D.

    Raises:
        RepairError: If the file is neither, or vectors differ in width.
        DataError: If a Parquet file cannot be read.
    """
    if source.suffix == ".npy":
        try:
            # Not loaded: a header may tell of more than the file has.
            vectors = np.asarray(np.lib.format.open_memmap(source, mode="r"))
        except (OSError, ValueError, EOFError, SyntaxError, TokenError, OverflowError) as error:
            raise RepairError(f"{source}: no array of numbers: {error}") from None
        new = _checked(source, vectors, repair(_matrix(source, vectors), None))
        with whole(target, follow=True) as part, part.open("wb") as stream:
            np.save(stream, new, allow_pickle=False)
        return new.shape
    if source.suffix != ".parquet":
        raise RepairError(f"{source}: expected .npy or .parquet")
    table = read_parquet(source)
    columns = [
        name
        for name, kind in table.schema.items()
        if isinstance(kind, pl.List | pl.Array) and kind.inner is not None and kind.inner.is_float()
    ]
    if len(columns) != 1:
        raise RepairError(
            f"{source}: columns of lists of numbers: {', '.join(columns) or 'none'}; expected one, "
            f"the vectors, among {', '.join(table.columns)}"
        )
    column = table[columns[0]]
    widths = column.list.len() if isinstance(column.dtype, pl.List) else None
    if column.null_count() or (widths is not None and widths.n_unique() > 1):
        found = "" if widths is None else f": {sorted(set(widths.drop_nulls()))[:5]}"
        raise RepairError(f"{source}: {columns[0]} has vectors of changing width, or none{found}")
    vectors = np.array(column.to_list(), dtype=_numpy_type(column.dtype))
    languages = table["language"].to_list() if "language" in table.columns else None
    new = _checked(source, vectors, repair(_matrix(source, vectors), languages))
    kept = pl.Series(columns[0], new.tolist(), dtype=column.dtype)
    with whole(target, follow=True) as part, part.open("wb") as stream:
        table.with_columns(kept).write_parquet(stream)
    return new.shape


def _matrix(source: Path, vectors: Vectors) -> Vectors:
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating):
        raise RepairError(
            f"{source}: {vectors.dtype} of shape {vectors.shape}; expected floating-point "
            "numbers of shape (N, D)"
        )
    return vectors


def _checked(source: Path, vectors: Vectors, new: Vectors) -> Vectors:
    if new.shape != vectors.shape or not np.isfinite(new).all():
        raise RepairError(f"{source}: the repaired vectors are not finite; check the file")
    return new


def _numpy_type(kind: Any) -> Any:
    return np.float32 if kind.inner == pl.Float32 else np.float64
