"""Parquet files of others."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mteb_hybrid.files.errors import DataError


def read_parquet(file: Path) -> pl.DataFrame:
    """Read a Parquet file; by Arrow, since polars' own reader panics on many that are damaged.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        with file.open("rb") as stream:  # opened here: its path need not be UTF-8
            found = pl.from_arrow(pq.read_table(stream))
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as Parquet: {error}") from None
    assert isinstance(found, pl.DataFrame)  # noqa: S101 - of a table, never a series
    return found
