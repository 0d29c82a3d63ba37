"""Parallel JSON lines: one row per content, its question and passage in several languages."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mteb_hybrid.files.lines import ParallelDataError, shown
from mteb_hybrid.files.parallel_json import (
    EXAMPLE,
    FilePath,
    check_text,
    existing_files,
    language_reader,
    read_rows,
)
from mteb_hybrid.training.corpus import GROUP, Corpus, Ints
from mteb_hybrid.training.digest import stamp
from mteb_hybrid.training.labels import label_column, label_type
from mteb_hybrid.training.readers.cache import Batches, cached_table
from mteb_hybrid.training.readers.checks import (
    BATCH_ROWS,
    checked_count,
    checked_languages,
    group_number,
    logger,
)
from mteb_hybrid.training.readers.settle import settled_file

VERSION = 3
"""Part of the cached files' names; raise it when the same input gives another table."""

_BATCH_BYTES = 16 * 2**20


class _Row(NamedTuple):
    where: str
    size: int
    id: str | int | None
    group: int
    query: dict[str, str]
    passage: dict[str, str]
    negatives: dict[str, list[str]]
    label: Any


def read_json(
    paths: FilePath | Sequence[FilePath],
    *,
    name: str | None = None,
    languages: Sequence[str] | None = None,
    negatives: int = 0,
    cache_folder: FilePath | None = None,
) -> Corpus:
    """Read parallel JSON lines (format: jsonlines.org, in UTF-8, plain or gzip).

    A line is ``{"id": …, "group": …, "query": {"en": …}, "passage": {"en": …}}``, optionally with
    ``"negatives": {"en": [text, …]}`` and, if the first line has it, a ``label`` or ``score`` (also
    ``labels``, ``scores``): a number, or a list of numbers or of such lists, of one kind in all
    lines. Other keys are ignored, and so are empty lines. A text that is null counts as missing.
    Rows with the same ``group`` may not meet in a batch; it is a string or an integer, by default
    the ``id``, and without both the row has a group of its own. Rows that share a
    text, in any language and on either side, have the same group in any case.

    The files are converted once, in one pass if the languages are given and else in two, in some
    120 MB of memory plus 30 bytes per row and 12 per question or passage; after that the result is
    memory-mapped from the cache. Changed files are converted again.

    Args:
        paths: One file or several, read one after another. Those called ``.gz`` are decompressed.
        name: Name of the corpus; by default that of the first file.
        languages: Read only these, in this order; by default all, in the order of their first
            appearance. A row that has no question or no passage in them is left out.
        negatives: Hard negatives per example. A row in which no passage has that many is left out.
        cache_folder: Where the converted file goes; by default ``parallel`` in the user's cache.

    Returns:
        The corpus.

    Raises:
        ParallelDataError: If a file is missing, cut off, not UTF-8 or not JSON lines; a value has
            the wrong type, a text is blank, or a row has no question or no passage at all; an id
            repeats; a language asked for does not occur, or no row has enough negatives. The
            message gives the file and the line.
    """
    files = existing_files(paths)
    stem = files[0].name.removesuffix(".gz").rpartition(".")[0] or files[0].name
    wanted = None if languages is None else checked_languages(languages, str(files[0]))
    negatives = checked_count(negatives, "negatives", str(files[0]))
    key = ["json", VERSION, [stamp(file) for file in files], wanted, negatives]
    table = cached_table(cache_folder, stem, key, lambda: _convert(files, wanted, negatives))
    found = settled_file(table, key, cache_folder, stem, str(files[0]), negatives)
    return found.renamed(stem if name is None else name)


def _convert(files: list[Path], wanted: tuple[str, ...] | None, negatives: int) -> Batches:
    languages = wanted
    if languages is None:
        languages = tuple(
            dict.fromkeys(
                code for row in _rows(files, None, 0) for code in (*row.query, *row.passage)
            )
        )
    if not languages:
        raise ParallelDataError(f"{files[0]}: no rows; expected lines such as {EXAMPLE}")
    fields = [
        (f"{role}_{code}", pa.string()) for code in languages for role in ("query", "passage")
    ]
    if negatives:
        fields += [(f"negatives_{code}", pa.list_(pa.string())) for code in languages]
    first = next(read_rows(files, ()), None)
    label = label_column(first.where, list(first.content)) if first else None
    if first and label:
        fields.append((label, label_type(first.where, first.content[label])[0]))
    schema = pa.schema([*fields, (GROUP, pa.int64())])
    return schema, _batches(files, languages, negatives, schema)


def _batches(
    files: list[Path], languages: tuple[str, ...], negatives: int, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    columns: dict[str, list[Any]] = {column: [] for column in schema.names}
    ids = array("q")
    label = label_column(str(files[0]), schema.names)
    found: set[str] = set()
    size = kept = left_out = 0
    for row in _rows(files, languages, negatives, label):
        if row.id is not None:
            ids.append(group_number(row.id))
        found.update(row.query, row.passage)
        usable = row.passage.keys() & row.negatives.keys() if negatives else row.passage
        if not row.query or not usable:
            left_out += 1
            continue
        for role, texts in (("query", row.query), ("passage", row.passage)):
            for code in languages:
                columns[f"{role}_{code}"].append(texts.get(code))
        for code in languages if negatives else ():
            columns[f"negatives_{code}"].append(row.negatives.get(code))
        if label:
            columns[label].append(row.label)
        columns[GROUP].append(row.group)
        kept += 1
        size += row.size
        if size >= _BATCH_BYTES or len(columns[GROUP]) >= BATCH_ROWS:
            yield pa.record_batch(columns, schema=schema)
            columns = {column: [] for column in schema.names}
            size = 0
    if columns[GROUP]:
        yield pa.record_batch(columns, schema=schema)
    _refuse_repeated(files, np.array(ids, dtype=np.int64))
    _refuse_missing(files, [code for code in languages if code not in found], found)
    needs = f"a question, and a passage{f' with {negatives} negatives' if negatives else ''}"
    if not kept:
        raise ParallelDataError(
            f"{files[0]}: none of the {left_out:,} rows has {needs} in {', '.join(languages)}; ask "
            f"for {'fewer negatives or ' if negatives else ''}other languages"
        )
    if left_out:
        logger.warning("%s: %d rows left out that lack %s", files[0], left_out, needs)


def _refuse_missing(files: list[Path], missing: list[str], found: set[str]) -> None:
    if missing:
        raise ParallelDataError(
            f"{files[0]}: no row has the language {missing[0]!r}, which was asked for"
            f"{f'; found {sorted(found)}' if found else ''}; correct `languages`"
        )


def _refuse_repeated(files: list[Path], ids: Ints) -> None:
    ordered = np.sort(ids)
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not suspects:
        return
    first: dict[str | int, str] = {}
    for row in _rows(files, (), 0):
        if row.id is None or group_number(row.id) not in suspects:
            continue
        if row.id in first:
            raise ParallelDataError(
                f"{row.where}: repeats the id {row.id!r} of {first[row.id]}; expected an id of its "
                "own for each row: put translations of a content into one row, or correct the id"
            )
        first[row.id] = row.where


def _rows(
    files: list[Path], languages: tuple[str, ...] | None, negatives: int, label: str | None = None
) -> Iterator[_Row]:
    short = language_reader(languages)
    kind = None
    for row in read_rows(files, languages):
        # A path would do as well, but then moving the file would change the data's digest.
        group = next(x for x in (row.group, row.id, f"\0{row.number}") if x is not None)
        lists = {}
        if negatives:
            lists = _negatives(row.where, row.content.get("negatives"), short, negatives)
        value = row.content.get(label) if label else None
        if label:
            found = label_type(row.where, value)
            kind = kind or found
            if found != kind:
                raise ParallelDataError(
                    f"{row.where}: {label} is {_described(*found)}, and {_described(*kind)} in the "
                    "lines before; write all alike, such as 1.0 for 1"
                )
        number = group_number(group)
        yield _Row(row.where, row.size, row.id, number, row.query, row.passage, lists, value)


def _described(kind: pa.DataType, shape: tuple[int, ...]) -> str:
    if shape:
        return f"a list of shape {shape}"
    return "a whole number" if kind == pa.int64() else "a fraction"


def _negatives(
    where: str, value: object, short: Callable[[str, str, str], str | None], negatives: int
) -> dict[str, list[str]]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ParallelDataError(
            f"{where}: 'negatives' is {shown(value)}; expected lists of texts by language, such as "
            '{"en": ["…", "…"]}'
        )
    lists: dict[str, list[str]] = {}
    for key, texts in value.items():
        if texts is None or (code := short(where, "negatives", key)) is None:
            continue
        if not isinstance(texts, list):
            raise ParallelDataError(
                f"{where}: 'negatives.{key}' is {shown(texts)}; expected a list of texts"
            )
        if len(texts) >= negatives:
            for position, text in enumerate(texts):
                check_text(where, f"negatives.{key}[{position}]", text)
            lists[code] = texts
    return lists
