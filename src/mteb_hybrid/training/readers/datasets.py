"""One dataset per language, joined into one corpus by the ids of their rows."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa
from datasets import Dataset

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.corpus import GROUP, Corpus
from mteb_hybrid.training.readers.cache import Batches, cached_table, dataset_key
from mteb_hybrid.training.readers.checks import (
    BATCH_ROWS,
    check_strings,
    checked_count,
    checked_languages,
    group_numbers,
    no_column,
)
from mteb_hybrid.training.readers.columns import LISTS, negative_columns, one_list
from mteb_hybrid.training.readers.groups import blank
from mteb_hybrid.training.readers.settle import settled_file
from mteb_hybrid.training.readers.stream import checked_dataset

VERSION = 2


def from_datasets(
    datasets: Mapping[str, Dataset],
    *,
    query: str = "query",
    passage: str = "passage",
    negatives_columns: str | Sequence[str] | None = None,
    id: str = "id",
    group: str | None = None,
    negatives: int = 0,
    name: str | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Corpus:
    """Join one dataset per language by the ids of their rows.

    A row may be missing in a language. The joined rows, in the order in which ids first appear,
    are written once into an Arrow file in the cache, which the corpus memory-maps.

    Args:
        datasets: Datasets by short code.
        query: Column of the questions, null where one is missing.
        passage: Column of the passages, null where one is missing.
        negatives_columns: Columns of hard negatives, of strings or of lists of strings, taken in
            this order. By default whichever a language has of ``negatives``, ``negative`` and
            ``negative_1``, ``negative_2``, …
        id: Column of strings or integers that tells which rows are translations of each other.
        group: Column of strings or integers; rows with the same one may not meet in a batch. By
            default the id. Rows that share a text have the same one in any case.
        negatives: Hard negatives per example. A row in which no passage has that many is left out.
        name: Name of the corpus; by default ``datasets``.
        cache_folder: Where the joined file goes; by default ``parallel`` in the user's cache.

    Returns:
        The corpus.

    Raises:
        ParallelDataError: If a column is missing or has another type, a text is blank, an id
            repeats in a language, no id is in two languages, an id has different groups, a row
            has no question or no passage at all, or no row has enough negatives.
    """
    stem = "datasets" if name is None else name
    if not isinstance(datasets, Mapping):
        raise ParallelDataError(
            f"{stem}: a {type(datasets).__name__}; expected datasets by short code, such as "
            '{"en": …, "de": …}'
        )
    codes = checked_languages(list(datasets), stem)
    if len(codes) < len(datasets):
        raise ParallelDataError(
            f"{stem}: {[*datasets]} name a language twice; give one dataset for each"
        )
    datasets = {
        code: checked_dataset(
            dataset, f"{stem}, {code}", None if name is None else f"{name}-{code}", cache_folder
        )
        for code, dataset in zip(codes, datasets.values(), strict=True)
    }
    negatives = checked_count(negatives, "negatives", stem)
    frames, lists = [], {}
    for code in codes:
        where = f"{stem}, {code}"
        for column in (query, passage, id, *([] if group is None else [group])):
            if column not in datasets[code].column_names:
                raise no_column(datasets[code], column, where)
        for column in (query, passage):
            if not pa.types.is_null(datasets[code].data.schema.field(column).type):
                check_strings(datasets[code], column, where)
        if negatives:
            lists[code] = negative_columns(datasets[code], negatives_columns, where)
        frames.append(_ids(datasets[code], id, group, where))
    if negatives and not any(lists.values()):
        raise no_column(datasets[codes[0]], "negatives", f"{stem}, {codes[0]}")
    rows = _joined(frames, codes, stem)
    keys = [(code, dataset_key(datasets[code])) for code in codes]
    key = ["join", VERSION, keys, query, passage, id, group, lists]

    def make() -> Batches:
        roles = {"query": query, "passage": passage}
        fields = [(f"{role}_{code}", pa.string()) for code in codes for role in roles]
        fields += [(f"negatives_{code}", LISTS) for code in lists]
        schema = pa.schema([*fields, (GROUP, pa.int64())])
        return schema, (
            _batch(datasets, part, roles, lists, schema, stem)
            for part in rows.iter_slices(BATCH_ROWS // (16 if negatives else 4))
        )

    table = cached_table(cache_folder, stem, key, make)
    return settled_file(table, key, cache_folder, stem, negatives=negatives)


def _ids(dataset: Dataset, id: str, group: str | None, where: str) -> pl.DataFrame:
    """The id, group and position of every row."""
    columns = [id] if group is None else list(dict.fromkeys([id, group]))
    table = dataset.select_columns(columns).with_format("arrow")[:]
    numbers = group_numbers(table[id], f"{where}, column {id!r}")
    if group is not None:
        numbers = group_numbers(table[group], f"{where}, column {group!r}")
    frame = pl.DataFrame({"id": table[id], GROUP: numbers}).with_row_index("row")
    repeated = frame.filter(pl.col("id").is_duplicated())
    if not repeated.is_empty():
        value = repeated["id"][0]
        rows = repeated.filter(pl.col("id") == value)["row"].to_list()
        raise ParallelDataError(
            f"{where}: rows {rows[0]} and {rows[1]} have the same id {value!r}; expected an id of "
            "its own for each row of a language"
        )
    return frame


def _joined(frames: Sequence[pl.DataFrame], codes: Sequence[str], name: str) -> pl.DataFrame:
    """One row per id: the group, and the position in every language or null."""
    if len({frame["id"].dtype == pl.String for frame in frames}) > 1:
        types = {code: str(frame["id"].dtype) for code, frame in zip(codes, frames, strict=True)}
        raise ParallelDataError(f"{name}: ids are of different types {types}; use one type")
    every = pl.concat([frame.select("id", GROUP) for frame in frames], how="vertical_relaxed")
    rows = every.unique("id", keep="first", maintain_order=True)
    if len(rows) == len(every):
        raise ParallelDataError(
            f"{name}: no id is in two of {', '.join(codes)}; translations of a row need the same "
            "id, give the right `id` column (or use from_pairs for a single language)"
        )
    differing = every.unique(maintain_order=True).filter(pl.col("id").is_duplicated())
    if not differing.is_empty():
        raise ParallelDataError(
            f"{name}: id {differing['id'][0]!r} has different groups in different languages; "
            "translations of a row need the same group"
        )
    for code, frame in zip(codes, frames, strict=True):
        positions = frame.select("id", pl.col("row").alias(f"row_{code}"))
        rows = rows.join(positions, on="id", how="left", maintain_order="left")
    return rows


def _batch(
    datasets: Mapping[str, Dataset],
    rows: pl.DataFrame,
    roles: Mapping[str, str],
    lists: Mapping[str, Sequence[str]],
    schema: pa.Schema,
    name: str,
) -> pa.RecordBatch:
    columns = {GROUP: rows[GROUP].to_arrow()}
    there = {role: np.zeros(len(rows), dtype=bool) for role in roles}
    for code, dataset in datasets.items():
        chosen = rows[f"row_{code}"]
        present = chosen.is_not_null()
        negatives = lists.get(code, ())
        wanted = dict.fromkeys([*roles.values(), *negatives])
        texts = dataset.select_columns([*wanted]).with_format("arrow")
        found = texts[chosen.drop_nulls().to_numpy()]
        places = pl.select(pl.when(present).then(present.cum_sum() - 1)).to_series().to_arrow()
        for role, column in roles.items():
            array = found[column].cast(pa.string()).combine_chunks().take(places)
            empty = blank(array)
            if empty.any():
                value = rows["id"][int(empty.argmax())]
                raise ParallelDataError(
                    f"{name}, {code}: id {value!r}: column {column!r} is blank; make a missing "
                    "translation null"
                )
            there[role] |= np.asarray(array.is_valid())
            columns[f"{role}_{code}"] = array
        if code in lists:
            columns[f"negatives_{code}"] = one_list(found, negatives).take(places)
    for role, rows_there in there.items():
        if not rows_there.all():
            raise ParallelDataError(
                f"{name}: id {rows['id'][int(np.argmin(rows_there))]!r} has no {role} in any "
                "language; remove such rows with Dataset.filter"
            )
    return pa.record_batch(columns, schema=schema)
