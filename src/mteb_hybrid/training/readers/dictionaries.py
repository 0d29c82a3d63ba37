"""Datasets that have a dictionary of texts by language in one column, as bitexts on the hub."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.languages.codes import short_code
from mteb_hybrid.training.corpus import GROUP, Corpus
from mteb_hybrid.training.readers.cache import Batches, cached_table, dataset_key
from mteb_hybrid.training.readers.checks import (
    BATCH_ROWS,
    check_strings,
    checked_languages,
    logger,
    no_column,
)
from mteb_hybrid.training.readers.groups import linked
from mteb_hybrid.training.readers.settle import settled_file
from mteb_hybrid.training.readers.stream import checked_dataset

VERSION = 1
"""Part of the cached files' names; raise it when the same input gives another table."""

JSON = "arrow.json"
"""How Arrow names the type that datasets 5 gives to dictionaries with other keys in every row."""


def from_translations(
    dataset: Dataset,
    *,
    column: str = "translation",
    languages: Sequence[str] | None = None,
    name: str | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Corpus:
    """Use sentences that are translations of each other: ``{"translation": {"en": …, "de": …}}``.

    This is how OPUS, WMT and other bitexts lie on the hub. A sentence is the question, and its
    translation the passage. As no sentence answers itself, no language of a row is on both sides,
    and all pairs are cross-lingual, at every alpha below 1: of a row's languages, taken in turn
    from one row to the next, the first half asks and the other half answers. Of two languages, each
    asks in every other row. Rows that share a sentence, on either side, have the same group.

    The sentences are written once into an Arrow file in the cache, which the corpus memory-maps.

    Args:
        dataset: A column of dictionaries by language, null where a translation is missing.
        column: The column.
        languages: Use only these; by default all. A row in fewer than two is left out.
        name: Name of the corpus; by default ``translations``.
        cache_folder: Where the file goes; by default ``parallel`` in the user's cache.

    Returns:
        The corpus.

    Raises:
        ParallelDataError: If it is no dataset or empty, the column is missing or holds something
            else, a key is no language, a text is blank, or no row is in two languages.
    """
    stem = "translations" if name is None else name
    dataset = checked_dataset(dataset, stem, name, cache_folder).with_format(None)
    wanted = None if languages is None else checked_languages(languages, stem)
    spread, found = by_language(dataset, [column], stem)
    codes = tuple(found[column]) if wanted is None else wanted
    for code in codes:
        if code not in found[column]:
            raise no_column(spread, f"{column}.{code}", stem)
        check_strings(spread, f"{column}.{code}", stem)
    spread = spread.select_columns([f"{column}.{code}" for code in codes])
    key = ["translations", VERSION, dataset_key(dataset), column, codes]

    def make() -> Batches:
        flat = spread if spread._indices is None else spread.flatten_indices()
        texts = flat.data.table.rename_columns([f"query_{code}" for code in codes])
        shown = {f"query_{code}": f"{column}.{code}" for code in codes}
        groups = linked(texts, np.arange(len(flat)), stem, shown)
        fields = [
            (f"{role}_{code}", pa.string()) for role in ("query", "passage") for code in codes
        ]
        schema = pa.schema([*fields, (GROUP, pa.int64())])
        return schema, _halves(texts.append_column(GROUP, pa.array(groups)), schema, stem)

    table = cached_table(cache_folder, stem, key, make)
    return settled_file(table, key, cache_folder, stem)


def by_language(
    dataset: Dataset, columns: Sequence[str], where: str
) -> tuple[Dataset, dict[str, list[str]]]:
    """A column for each language in place of columns of dictionaries; nothing is copied.

    Returns:
        A dataset with the columns ``name.xx``, and the short codes of each of the columns.

    Raises:
        ParallelDataError: If a column is missing or has no dictionaries, or a key is no language.
    """
    renamed: dict[str, str] = {}
    codes: dict[str, list[str]] = {}
    for column in columns:
        if column not in dataset.column_names:
            raise no_column(dataset, column, where)
        kind = dataset.data.schema.field(column).type
        if getattr(kind, "extension_name", None) == JSON:
            raise ParallelDataError(
                f"{where}: column {column!r} is of the type Json, as datasets reads JSON lines in "
                "languages that differ from row to row; read the file itself by "
                "ParallelDataset.from_json, or give Dataset.from_list(dataset.to_list())"
            )
        if not pa.types.is_struct(kind):
            raise ParallelDataError(
                f"{where}: column {column!r} holds {kind}; expected dictionaries of texts by "
                'language, such as {"en": "…", "de": "…"}'
            )
        codes[column] = []
        for field in kind:
            try:
                code = short_code(field.name)
            except ValueError:
                code = ""
            if not code or code in codes[column]:
                raise ParallelDataError(
                    f"{where}: column {column!r} has the key {field.name!r}; expected one short "
                    "code such as 'en' or 'pt-br' for each language, change it with Dataset.map"
                )
            codes[column].append(code)
            renamed[f"{column}.{field.name}"] = f"{column}.{code}"
    changed = {old: new for old, new in renamed.items() if old != new}
    return dataset.flatten().rename_columns(changed), codes


def _halves(texts: pa.Table, schema: pa.Schema, name: str) -> Iterator[pa.RecordBatch]:
    """Rows whose languages are on one side each."""
    columns = [column for column in texts.column_names if column != GROUP]
    left_out = 0
    for start in range(0, texts.num_rows, BATCH_ROWS):
        part = texts.slice(start, BATCH_ROWS).combine_chunks()
        there = np.column_stack([pc.is_valid(part.column(column)) for column in columns])
        count = there.sum(axis=1, keepdims=True)
        rows = np.arange(start, start + len(there))[:, None]
        turn = (there.cumsum(axis=1) - 1 + rows) % np.maximum(count, 1)
        asks = turn < (count + 1) // 2
        usable = count[:, 0] >= 2
        left_out += int(np.count_nonzero(~usable))
        sides: list[pa.ChunkedArray] = [
            pc.if_else(pa.array(mask[:, place]), part.column(column), None)
            for mask in (asks, ~asks)
            for place, column in enumerate(columns)
        ]
        table = pa.table([*sides, part.column(GROUP)], names=schema.names)
        yield from table.filter(pa.array(usable)).cast(schema).to_batches()
    if left_out == texts.num_rows:
        raise ParallelDataError(
            f"{name}: none of the {left_out:,} rows is in two languages; ask for other languages"
        )
    if left_out:
        logger.warning("%s: %d rows left out that are in fewer than two languages", name, left_out)
