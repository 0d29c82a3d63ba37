"""Groups of rows that may not meet in a batch, because they share a text in some language."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.corpus import Ints
from mteb_hybrid.training.readers.checks import logger

Hashes: TypeAlias = npt.NDArray[np.uint64]

_PART, _FEW = 2**20, 2**16
_BLANK = r"\A[\s\x1c-\x1f]*\z"  # what str.isspace() and no character at all are
_LARGE_SHARE, _LARGE = 100, 50


def hashes(texts: pa.ChunkedArray) -> Hashes:
    """64 bits of every text; two of 20 million different texts share theirs with chance 1e-5.

    They are of the NFC form: texts that differ only in how accents are encoded are equal.
    They are for comparison within one process: another version of polars gives others.

    Args:
        texts: A column of strings.

    Returns:
        Shape (rows,); any number where the text is null.
    """
    values = pl.Series(texts)
    found = values.hash().to_numpy().copy()
    unlike_ascii = (values.str.len_bytes() != values.str.len_chars()).fill_null(False)
    candidates = np.flatnonzero(unlike_ascii.to_numpy())
    for start in range(0, len(candidates), _FEW):
        places = candidates[start : start + _FEW]
        part = values.gather(places)
        other = [not unicodedata.is_normalized("NFC", text) for text in part]
        if any(other):
            found[places[other]] = part.filter(other).str.normalize("NFC").hash().to_numpy()
    return found


def blank(texts: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Which texts are empty or blank, as `str.isspace` has it; nulls are not."""
    return pl.Series(texts).str.contains(_BLANK).fill_null(False).to_numpy()


def linked(table: pa.Table, own: Ints, name: str, shown: Mapping[str, str]) -> Ints:
    """One group for all rows that are connected by groups or by texts.

    Two rows are connected if they have the same group, or a text of one is a text of the other, be
    it in different languages, or a question of one and a passage of the other (which the
    ``no_duplicates`` sampler of sentence-transformers keeps apart too). So questions with one
    passage, or passages of one question, never meet, in whatever translations they are drawn.
    Where hashes of texts collide (see
    `hashes`), rows are kept apart without need.

    Takes about 30 bytes per row, and 12 per text.

    Args:
        table: Columns ``query_xx`` and ``passage_xx``; others are left alone.
        own: Shape (rows,), the group that each row has by itself.
        name: What it is, for error messages.
        shown: What the user calls a column, where it is something else.

    Returns:
        Shape (rows,), the smallest own group of all rows that a row is connected with.

    Raises:
        ParallelDataError: If a text is empty or blank.
    """
    _, labels = np.unique(own, return_inverse=True)
    before = labels = labels.astype(np.int32)
    _refuse_blank(table, name, shown)
    labels = _joined_by_texts([table], labels)
    smallest = np.full(labels.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(smallest, labels, own)
    if len(smallest) < before.max(initial=-1) + 1:
        _warn_of_large(table, before, labels, name, shown)
    return smallest[labels]


def linked_over(tables: Sequence[pa.Table], groups: Sequence[Ints]) -> Ints:
    """One number for all rows of several corpora that are connected by groups or by texts.

    Args:
        tables: One of each corpus, as `linked` takes them.
        groups: The groups of the rows of each, which mean nothing to the others.

    Returns:
        Shape (rows of all,), from 0.
    """
    labels, count = [], 0
    for own in groups:
        found, numbers = np.unique(own, return_inverse=True)
        labels.append(numbers + count)
        count += len(found)
    return _joined_by_texts(tables, np.concatenate(labels).astype(np.int32))


def _sides(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name.startswith(("query_", "passage_"))]


def _refuse_blank(table: pa.Table, name: str, shown: Mapping[str, str]) -> None:
    for column in _sides(table):
        empty = blank(table.column(column))
        if empty.any():
            raise ParallelDataError(
                f"{name}: row {int(empty.argmax())}, column {shown.get(column, column)!r} is "
                "blank; expected a text, make a missing translation null"
            )


def _joined_by_texts(tables: Sequence[pa.Table], labels: Ints) -> Ints:
    parts, rows, start = [], [], 0
    for table in tables:
        for column in _sides(table):
            texts = table.column(column)
            there = np.flatnonzero(pc.is_valid(texts).to_numpy())
            found = hashes(texts)
            parts.append(found if len(there) == len(found) else found[there])
            rows.append((there + start).astype(np.int32))
        start += table.num_rows
    numbers, places = np.concatenate(parts), np.concatenate(rows)
    del parts, rows
    # Texts that are equal have equal last bits: one such part at a time bounds what sorting takes.
    count = np.uint64(len(numbers) // max(len(labels), _PART) + 1)
    for part in range(int(count)):
        chosen = np.flatnonzero(numbers % count == part)
        values, where = numbers[chosen], places[chosen]
        order = np.argsort(values)
        values, where = values[order], where[order]
        same = values[1:] == values[:-1]
        labels = _joined(labels, where[1:][same], where[:-1][same])
    return labels


def _joined(labels: Ints, left: Ints, right: Ints) -> Ints:
    """The labels after those of some pairs of rows became one."""
    size = int(labels.max(initial=-1)) + 1
    edges = coo_array(
        (np.ones(len(left), dtype=np.int8), (labels[left], labels[right])), shape=(size, size)
    )
    _, merged = connected_components(edges, directed=False)
    return np.asarray(merged[labels])


def _warn_of_large(
    table: pa.Table, before: Ints, after: Ints, name: str, shown: Mapping[str, str]
) -> None:
    """Say which text made the largest group, if texts made it and it is large."""
    size = np.bincount(after)
    largest = int(size.argmax())
    rows = after == largest
    # What the largest of the groups that it was made of already had is not due to texts.
    added = int(size[largest]) - int(np.bincount(before[rows]).max())
    if added <= max(len(after) // _LARGE_SHARE, _LARGE):
        return
    mask, most = pa.array(rows), (0, "", "")
    for column in _sides(table):
        texts = pl.Series("text", table.column(column).filter(mask)).drop_nulls()
        for text, count in texts.value_counts(sort=True).head(1).iter_rows():
            most = max(most, (count, shown.get(column, column), text))
    logger.warning(
        "%s: %d of %d rows are connected by texts that they share, and never meet in a batch; most "
        "have %r, %d times in column %r. If that is no question and no answer, such as a heading, "
        "remove it",
        name,
        size[largest],
        len(after),
        most[2][:60],
        most[0],
        most[1],
    )
