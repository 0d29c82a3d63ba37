"""Hard negatives of a row in one list, whichever columns they lie in."""

import re
from collections.abc import Iterator, Sequence

import polars as pl
import pyarrow as pa
from datasets import Dataset

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.readers.cache import Batches
from mteb_hybrid.training.readers.checks import BATCH_ROWS, no_column

LISTS = pa.list_(pa.string())

_NUMBERED = re.compile(r"negative_([1-9]\d*)")


def negative_columns(
    dataset: Dataset, wanted: str | Sequence[str] | None, where: str
) -> tuple[str, ...]:
    """The columns of hard negatives, in the order in which they are to be taken.

    Args:
        dataset: Its columns of negatives hold strings, null where there is none, or lists of such.
        wanted: The columns. None for whichever there are of ``negatives``, ``negative`` and
            ``negative_1``, ``negative_2``, …: the last two are what sentence-transformers'
            `mine_hard_negatives` writes.
        where: What it is, for error messages.

    Returns:
        Their names; none only if none was given.

    Raises:
        ParallelDataError: If one is missing or holds something else.
    """
    if wanted is None:
        numbered = [m for m in map(_NUMBERED.fullmatch, dataset.column_names) if m]
        names = [
            "negatives",
            "negative",
            *(m[0] for m in sorted(numbered, key=lambda m: int(m[1]))),
        ]
        wanted = [name for name in names if name in dataset.column_names]
    columns = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for column in columns:
        if column not in dataset.column_names:
            raise no_column(dataset, column, where)
        kind = dataset.data.schema.field(column).type
        text = kind.value_type if is_list(kind) else kind
        if not any(
            is_(text) for is_ in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
        ):
            raise ParallelDataError(
                f"{where}: column {column!r} holds {kind}; expected strings or lists of strings, "
                "give the columns of negatives"
            )
    return columns


def one_list(table: pa.Table, columns: Sequence[str]) -> pa.Array:
    """The negatives of each row one after another, an empty list where there are none.

    Args:
        table: A part of a dataset that fits into memory.
        columns: As `negative_columns` gives them.
    """
    parts = [pl.Series([[]] * table.num_rows, dtype=pl.List(pl.String))]
    for column in columns:
        values = table.column(column)
        if is_list(values.type):
            parts.append(pl.Series(values.cast(LISTS)).fill_null([]))
        else:
            texts = pl.Series(values.cast(pa.string()))
            parts.append(texts.reshape((len(texts), 1)).arr.to_list().list.drop_nulls())
    return pl.select(pl.concat_list(parts)).to_series().to_arrow().cast(LISTS)


def list_batches(table: pa.Table, columns: Sequence[str], name: str) -> Batches:
    """`one_list` of a whole table, as the column of that name."""

    def batches() -> Iterator[pa.RecordBatch]:
        step = BATCH_ROWS // 8
        for start in range(0, table.num_rows, step):
            lists = one_list(table.slice(start, step), columns)
            yield pa.record_batch([lists], names=[name])

    return pa.schema([(name, LISTS)]), batches()


def is_list(kind: pa.DataType) -> bool:
    """Whether a column has a list in each row."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
