"""The last step of every reader: texts are checked, and rows get their groups."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets.table import InMemoryTable, Table, concat_tables

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.files.parallel_json import FilePath
from mteb_hybrid.training.corpus import GROUP, NEGATIVE_GROUPS, Corpus, Ints
from mteb_hybrid.training.readers.cache import Batches, cached_table
from mteb_hybrid.training.readers.checks import BATCH_ROWS, logger
from mteb_hybrid.training.readers.groups import linked
from mteb_hybrid.training.readers.negatives import (
    Flags,
    Judged,
    Passed,
    judged,
    list_lengths,
    shortened,
)

VERSION = 4
"""Part of the names of cached files; raise it when the same texts get other groups or negatives."""

Store: TypeAlias = Callable[[Callable[[], Batches]], Table]


def in_memory(make: Callable[[], Batches]) -> Table:
    """Keep what is made in memory; beside it, there is `cache.cached_table`."""
    schema, batches = make()
    return InMemoryTable(pa.Table.from_batches(batches, schema))


def settled(
    texts: Table,
    own: Callable[[], Ints],
    store: Store,
    *,
    name: str,
    negatives: int = 0,
    drop: bool = True,
    shown: Mapping[str, str] | None = None,
) -> Corpus:
    """Check the texts of a corpus, and give every row its group.

    Texts are not copied, unless rows or hard negatives have to be left out.

    Args:
        texts: Columns ``query_xx`` and ``passage_xx``, and ``negatives_xx`` if there shall be any.
        own: Gives the group that each row has by itself, shape (rows,).
        store: Keeps the columns that are made, and gives them back. If it has them already, from
            another time, nothing is checked or computed again.
        name: Name of the corpus.
        negatives: Hard negatives per example. A row in which no passage has that many is left out.
        drop: Whether a row without a question or without a passage is left out, or refused.
        shown: What the user calls a column, where it is something else.

    Returns:
        The corpus. See `groups.linked` for its groups, and `negatives.judged` for hard negatives.

    Raises:
        ParallelDataError: If a text is blank, a row may not be left out but has no question or
            no passage, or no row is left.
    """
    empty = texts.schema.empty_table().append_column(GROUP, pa.array([], pa.int64()))
    Corpus(name, InMemoryTable(empty), negatives)  # refuses what it cannot use, before the work
    made = store(lambda: _columns(texts.table, own(), name, negatives, drop, shown or {}))
    rest = [column for column in texts.column_names if column not in made.column_names]
    table = concat_tables([texts.select(rest), made], axis=1) if rest else made
    return Corpus(name, table, negatives)


def settled_file(
    table: Table,
    key: object,
    folder: FilePath | None,
    stem: str,
    name: str | None = None,
    negatives: int = 0,
) -> Corpus:
    """Settle a table whose texts and own groups were converted: its groups lie in a file beside.

    Args:
        table: Texts, and the column ``group``.
        key: All that its content depends on.
        folder: The folder that `cache.cached_table` has.
        stem: Readable start of the file's name.
        name: Name of the corpus; by default the stem.
        negatives: Hard negatives per example.

    Raises:
        ParallelDataError: As `settled`.
    """
    return settled(
        table.select([column for column in table.column_names if column != GROUP]),
        lambda: np.asarray(table.column(GROUP).to_numpy()),
        partial(cached_table, folder, f"{stem}-groups", ["groups", VERSION, negatives, key]),
        name=stem if name is None else name,
        negatives=negatives,
    )


def _columns(
    texts: pa.Table, own: Ints, name: str, negatives: int, drop: bool, shown: Mapping[str, str]
) -> Batches:
    """The columns that texts lack or that take the place of theirs: all if rows are left out."""
    complete = _usable(texts, None)
    if not drop and not complete.all():
        raise ParallelDataError(
            f"{name}: row {int(np.argmin(complete))} has no question or no passage in any "
            "language; remove such rows with Dataset.filter"
        )
    if not complete.any():
        _say_left_out(texts, complete, name, negatives)
    groups = linked(texts, own, name, shown)
    told = ""
    made = {GROUP: pa.array(groups)}
    found = None
    if negatives:
        found = judged(texts, own, groups, negatives, name, shown)
        made[NEGATIVE_GROUPS] = found.groups
        if found.example:
            told = _passed_over(found.false, found.example, int(groups[found.example.row]))
            logger.warning("%s: %s", name, told)
    usable = _usable(texts, found)
    if not usable.all():
        _say_left_out(texts, usable, name, negatives, told)
    lists = found.used if found is not None and found.false else {}
    table = texts.select([*lists] if usable.all() else texts.column_names)
    for column, values in made.items():
        table = table.append_column(column, values)
    fields = [
        field.with_type(pa.list_(pa.string())) if field.name in lists else field
        for field in table.schema
    ]
    schema = pa.schema(fields)
    return schema, _batches(table, schema, usable, lists)


def _batches(
    table: pa.Table, schema: pa.Schema, usable: Flags, lists: Mapping[str, Flags]
) -> Iterator[pa.RecordBatch]:
    step = BATCH_ROWS // (8 if lists else 1)
    done = dict.fromkeys(lists, 0)
    for start in range(0, table.num_rows, step):
        part = table.slice(start, step)
        for column, used in lists.items():
            values = part.column(column)
            end = done[column] + int(list_lengths(values).sum())
            place = part.schema.get_field_index(column)
            texts = shortened(values, used[done[column] : end])
            part = part.set_column(place, schema.field(column), texts)
            done[column] = end
        yield from part.filter(pa.array(usable[start : start + step])).cast(schema).to_batches()


def _usable(texts: pa.Table, found: Judged | None) -> Flags:
    """Which rows have a question, and a passage with enough negatives."""
    sides = {role: np.zeros(texts.num_rows, dtype=bool) for role in ("query", "passage")}
    for column in texts.column_names:
        role, _, code = column.partition("_")
        if role in sides:
            if role == "query" or found is None:
                sides[role] |= pc.is_valid(texts.column(column)).to_numpy()
            elif code in found.enough:
                sides[role] |= found.enough[code]
    return sides["query"] & sides["passage"]


def _passed_over(count: int, example: Passed, group: int) -> str:
    text, row, owner, given = example
    said = (
        f"{count} hard negatives left out that are texts of their own group, such as {text[:60]!r} "
        f"of row {row}, "
    )
    if row == owner:
        return said + "which has it as a question or passage"
    said += f"a question or passage of row {owner} in the same group, {group}"
    if given:
        said += (
            "; if the groups that were given are wider than one content (an article, say), give "
            "none: rows that share a text have one group anyway"
        )
    return said


def _say_left_out(
    texts: pa.Table, usable: Flags, name: str, negatives: int, told: str = ""
) -> None:
    needs = f"a question, and a passage{f' with {negatives} negatives' if negatives else ''}"
    if not usable.any():
        sides = [column.partition("_") for column in texts.column_names]
        codes = dict.fromkeys(code for role, _, code in sides if role in ("query", "passage"))
        raise ParallelDataError(
            f"{name}: none of the {len(usable):,} rows has {needs} in {', '.join(codes)}; ask for "
            f"{'fewer negatives or ' if negatives else ''}other languages"
            f"{f' ({told})' if told else ''}"
        )
    logger.warning("%s: %d rows left out that lack %s", name, np.count_nonzero(~usable), needs)
