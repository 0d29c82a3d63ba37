"""Hard negatives that are texts of the corpus: of their row's own group, or of others."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.corpus import Ints
from mteb_hybrid.training.labels import LABELS, label_depth
from mteb_hybrid.training.readers.groups import blank, hashes

Flags = npt.NDArray[np.bool_]


class Passed(NamedTuple):
    """A hard negative that is passed over.

    Attributes:
        text: The text.
        row: Whose negative it is.
        owner: A row of the same group that has it as a question or passage.
        given: Whether the two rows were given one group by the user.
    """

    text: str
    row: int
    owner: int
    given: bool


class Judged(NamedTuple):
    """The hard negatives of a corpus, judged.

    Attributes:
        used: For each column of lists, which of its texts, one after another, are shown.
        enough: For each language, shape (rows,): whether a row has a passage, and as many
            negatives as are asked for.
        false: How many are texts of their own group, and are not shown.
        example: One of these, if there are any; by preference one that a given group made one.
        groups: Shape (rows,), lists: the other groups whose texts are among those shown.
    """

    used: dict[str, Flags]
    enough: dict[str, Flags]
    false: int
    example: Passed | None
    groups: pa.ListArray


def judged(
    table: pa.Table,
    own: Ints,
    groups: Ints,
    negatives: int,
    name: str,
    shown: Mapping[str, str],
) -> Judged:
    """Find hard negatives that are no negatives, and examples that others may not meet.

    A negative that equals a passage of its row's own group, in any language, is an answer or the
    translation of one; one that equals a question of it says the same as the question. Either is
    passed over, and the next of the list takes its place. If the rows have scores of their
    negatives, it would take the other's score: then the row has no negatives in that language.

    Args:
        table: Columns ``query_xx``, ``passage_xx`` and ``negatives_xx``.
        own: Shape (rows,), the group that each row has by itself.
        groups: Shape (rows,), the group of each row, as `groups.linked` gives it.
        negatives: How many are asked for per row.
        name: What it is, for error messages.
        shown: What the user calls a column, where it is something else.

    Raises:
        ParallelDataError: If a negative is null, empty or blank.
    """
    known, owners = _texts(table)
    scored = _scored(table, negatives)
    used, enough, pairs, false = {}, {}, [], 0
    example: Passed | None = None
    for column in table.column_names:
        role, _, code = column.partition("_")
        if role != "negatives":
            continue
        lists = table.column(column)
        lengths = list_lengths(lists)
        rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        texts = _values(lists)
        _refuse(texts, rows, f"{name}, column {shown.get(column, column)!r}")
        numbers = hashes(texts)
        places = np.searchsorted(known, numbers)
        places[places == len(known)] = 0
        found, owner = known[places] == numbers, owners[places]
        wrong = found & (groups[owner] == groups[rows])
        false += int(np.count_nonzero(wrong))
        if wrong.any() and not (example and example.given):
            given = wrong & (owner != rows) & (own[owner] == own[rows])
            one = int((given if given.any() else wrong).argmax())
            example = Passed(texts[one].as_py(), int(rows[one]), int(owner[one]), bool(given.any()))
        before = np.concatenate([[0], np.cumsum(np.ones_like(wrong) if scored else ~wrong)])
        rank = before[1:] - np.repeat(before[np.cumsum(lengths) - lengths], lengths)
        first = ~wrong & (rank <= negatives)
        enough[code] = np.bincount(rows[first], minlength=len(lengths)) >= negatives
        enough[code] &= _there(table, f"passage_{code}")
        used[column] = first & enough[code][rows]
        met = used[column] & found
        pairs.append(pl.DataFrame({"row": rows[met], "group": groups[owner[met]]}))
    return Judged(used, enough, false, example, _lists(pairs, len(groups)))


def _scored(table: pa.Table, negatives: int) -> bool:
    """Whether labels are scores of the passage and its negatives, or the differences of these.

    A single number with a fraction is the difference of a row with one negative: no loss that
    takes negatives learns the score of a pair. Whole numbers are classes.
    """
    for column in set(LABELS) & set(table.column_names):
        labels = table.column(column)
        depth = label_depth(labels.type)
        if depth == 0:
            return negatives == 1 and pa.types.is_floating(labels.type)
        if depth == 1:
            return pc.max(pc.list_value_length(labels)).as_py() in (negatives, 1 + negatives)
    return False


def _texts(table: pa.Table) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Hashes of all questions and passages in ascending order, and their rows."""
    numbers, rows = [], []
    for column in table.column_names:
        if column.startswith(("query_", "passage_")):
            there = np.flatnonzero(_there(table, column))
            numbers.append(hashes(table.column(column))[there])
            rows.append(there.astype(np.int32))
    flat = np.concatenate(numbers)
    order = np.argsort(flat, kind="stable")
    return flat[order], np.concatenate(rows)[order]


def _there(table: pa.Table, column: str) -> Flags:
    if column not in table.column_names:
        return np.zeros(table.num_rows, dtype=bool)
    return np.asarray(pc.is_valid(table.column(column)).to_numpy(), dtype=bool)


def list_lengths(lists: pa.ChunkedArray) -> Ints:
    """How many texts each list has, 0 for null."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return np.asarray(lengths.to_numpy(), dtype=np.int64)


def _values(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts of lists one after another; what lies under a null is left out."""
    return pa.chunked_array([chunk.flatten() for chunk in lists.chunks], type=lists.type.value_type)


def _refuse(texts: pa.ChunkedArray, rows: npt.NDArray[np.int32], where: str) -> None:
    bad = pc.is_null(texts).to_numpy() | blank(texts)
    if bad.any():
        raise ParallelDataError(
            f"{where}: row {rows[int(bad.argmax())]} has a negative that is null or blank; remove "
            "it from the list"
        )


def _lists(pairs: list[pl.DataFrame], rows: int) -> pa.ListArray:
    """A list of groups for every row, without repetitions, in ascending order."""
    schema = {"row": pl.Int32, "group": pl.Int64}
    flat = pl.concat([pl.DataFrame(schema=schema), *pairs]).unique().sort("row", "group")
    counts = np.bincount(flat["row"].to_numpy(), minlength=rows)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, flat["group"].to_arrow())


def shortened(lists: pa.ChunkedArray, used: Flags) -> pa.ListArray:
    """Lists of the texts that are shown; null where there is none.

    Args:
        lists: Some rows of a column of lists.
        used: Which of their texts, one after another, are shown.
    """
    lengths = list_lengths(lists)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    counts = np.bincount(rows[used], minlength=len(lengths))
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    offsets = pa.array(ends, mask=np.append(counts == 0, False))
    texts = _values(lists).filter(pa.array(used)).combine_chunks()
    return pa.ListArray.from_arrays(offsets, texts.cast(pa.string()))
