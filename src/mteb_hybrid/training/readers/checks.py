"""Checks that the readers of training data share, and the numbers of groups."""

import hashlib
import logging
import operator
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from datasets import Dataset

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.languages.codes import short_code
from mteb_hybrid.training.corpus import Ints

logger = logging.getLogger("mteb_hybrid.training")

BATCH_ROWS = 65_536


def checked_languages(languages: Sequence[str], where: str) -> tuple[str, ...]:
    """The languages asked for, without repetitions.

    Raises:
        ParallelDataError: If there is none, or one is not a short code such as ``de``.
    """
    try:
        found = [short_code(code) for code in languages]
    except (TypeError, ValueError):
        found = []
    if isinstance(languages, str) or not found:
        raise ParallelDataError(
            f"{where}: languages={languages!r}; expected a list of short codes such as "
            "['en', 'de', 'pt-br']"
        )
    return tuple(dict.fromkeys(found))


def checked_count(value: object, what: str, where: str, least: int = 0) -> int:
    """A whole number as it is given: of Python, numpy or torch; True is none.

    Args:
        value: The number.
        what: What it is called.
        where: Whose it is, for error messages.
        least: The least that it may be.

    Raises:
        ParallelDataError: If it is no integer, or less.
    """
    try:
        boolean = isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
        number = least - 1 if boolean else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least:
        raise ParallelDataError(f"{where}: {what}={value!r}; expected an integer from {least}")
    return number


def group_number(value: str | int) -> int:
    """The integer of a group or id: integers as they are, 63 bits of BLAKE2b of a string."""
    if isinstance(value, int):
        return value
    digest = hashlib.blake2b(value.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def group_numbers(column: pa.ChunkedArray, where: str) -> Ints:
    """The integers of a column of groups or ids.

    Args:
        column: Strings or integers.
        where: What it is, for error messages.

    Returns:
        Shape (rows,), as `group_number` gives them.

    Raises:
        ParallelDataError: If it holds something else, or nulls.
    """
    integers = pa.types.is_integer(column.type)
    if not (integers or pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise ParallelDataError(
            f"{where} holds {column.type}; expected strings or integers, cast it with "
            "Dataset.cast_column"
        )
    if column.null_count:
        row = next(row for row, value in enumerate(column) if not value.is_valid)
        raise ParallelDataError(f"{where}: row {row} is null; give every row a value")
    if integers:
        try:
            return np.asarray(column.cast(pa.int64()).to_numpy())
        except pa.ArrowInvalid as error:
            raise ParallelDataError(f"{where}: {error}; expected 64-bit integers") from None
    numbers = [np.empty(0, dtype=np.int64)]
    for chunk in column.chunks:
        for start in range(0, len(chunk), BATCH_ROWS):
            encoded = chunk.slice(start, BATCH_ROWS).dictionary_encode()
            values = [group_number(value) for value in encoded.dictionary.to_pylist()]
            numbers.append(np.array(values, dtype=np.int64)[encoded.indices.to_numpy()])
    return np.concatenate(numbers)


def check_strings(dataset: Dataset, column: str, where: str) -> None:
    """Refuse a column that holds anything but texts and nulls, or nothing but nulls.

    Raises:
        ParallelDataError: If it does.
    """
    kind = dataset.data.schema.field(column).type
    if not any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string)):
        raise ParallelDataError(
            f"{where}: column {column!r} holds {kind}; expected strings, cast it with "
            "Dataset.cast_column or remove it"
        )


def no_column(dataset: Dataset, column: str, where: str) -> ParallelDataError:
    """The error for a dataset without a column."""
    return ParallelDataError(
        f"{where}: no column {column!r} among {dataset.column_names}; give the names of the columns"
    )
