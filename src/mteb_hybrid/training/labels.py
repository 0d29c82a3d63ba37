"""Labels of training examples: numbers, vectors or scores per row, the same in all languages."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mteb_hybrid.files.lines import ParallelDataError, shown

LABELS = ("label", "labels", "score", "scores")
"""The columns that the trainers of sentence-transformers give to a loss as its labels."""


def label_column(name: str, columns: list[str]) -> str | None:
    """The one column of labels among those of a corpus.

    Args:
        name: The corpus, for error messages.
        columns: Its columns.

    Raises:
        ParallelDataError: If there are several, of which the trainers would tokenise all but one.
    """
    found = [column for column in columns if column in LABELS]
    if len(found) > 1:
        raise ParallelDataError(
            f"{name}: columns {', '.join(found)} all hold labels, and a loss takes one; remove the "
            "others with Dataset.remove_columns"
        )
    return found[0] if found else None


def check_labels(where: str, column: pa.ChunkedArray) -> None:
    """Refuse labels that cannot be stacked into one tensor.

    Args:
        where: Corpus and column, for error messages.
        column: Numbers, or lists of numbers of one length, or lists of such.

    Raises:
        ParallelDataError: If they hold something else, a null, a number that is not finite, or
            lists of different lengths.
    """
    start, per_row = column.type, 1
    while True:
        if column.null_count:
            raise ParallelDataError(f"{where}: a label is null; give every row one or drop it")
        kind = column.type
        if pa.types.is_floating(kind):
            place = pc.index(pc.is_finite(column), False).as_py()
            if place >= 0:
                raise ParallelDataError(
                    f"{where}: row {place // per_row} has {column[place].as_py()}, of which a loss "
                    "would make nan; give it a finite number or drop it"
                )
            return
        if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            return
        lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        if not any(is_list(kind) for is_list in lists):
            raise ParallelDataError(
                f"{where} holds {start}; expected numbers, or lists of numbers; give it another "
                "name if it is no label, or remove it with Dataset.remove_columns"
            )
        lengths = pc.min_max(pc.list_value_length(column)).as_py()
        if lengths["min"] != lengths["max"]:
            raise ParallelDataError(
                f"{where}: lists of {lengths['min']} to {lengths['max']} numbers; expected one "
                "length for all rows"
            )
        column, per_row = pc.list_flatten(column), per_row * (lengths["max"] or 0)


def label_depth(kind: pa.DataType) -> int:
    """How many lists are around the numbers of a type: 0 for numbers, 1 for vectors."""
    depth = 0
    while not pa.types.is_primitive(kind):
        kind, depth = kind.value_type, depth + 1
    return depth


def label_shape(column: pa.ChunkedArray) -> tuple[int, ...]:
    """The shape of every label of a column that `check_labels` has passed: () for numbers."""
    return np.shape(column[0].as_py())


def label_type(where: str, value: Any) -> tuple[pa.DataType, tuple[int, ...]]:
    """The type of a column of labels and the shape of each, from one that JSON holds.

    Whole numbers stay whole, as classes; lists become 32-bit floats, which is what the trainers
    make of them anyway.

    Raises:
        ParallelDataError: If it is not a finite number, or a list of such or of such lists.
    """
    try:
        array = np.array(value)
    except ValueError:  # lists of different lengths
        array = np.array(None)
    if array.dtype.kind not in "biuf" or not array.size or not np.isfinite(array).all():
        raise ParallelDataError(
            f"{where}: the label is {shown(value)}; expected a number, or a list of numbers, in "
            "every row; give it another name if it is no label"
        )
    kind = pa.int64() if array.dtype.kind in "biu" and not array.ndim else pa.float64()
    for _ in array.shape:
        kind = pa.list_(pa.float32() if kind == pa.float64() else kind)
    return kind, array.shape
