"""Fingerprints of files and of tables, to tell whether data are those of another time."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from datasets import Dataset
from datasets.table import ConcatenationTable, MemoryMappedTable, Table

from mteb_hybrid.files import places
from mteb_hybrid.files.whole import write_text

VERSION = 2
"""Part of the names of cached digests; raise it when the same content gets another one."""

Stamp: TypeAlias = tuple[str, int, int, int, int]


def stamp(file: Path) -> Stamp:
    """What tells whether a file changed: path, bytes, time, inode, and when any of these changed.

    The last of them (ctime) cannot be set by a program. So a file that is written anew with the
    size and time of the one before is told from it; one that is moved or whose permissions change
    counts as another one.
    """
    stat = file.stat()
    return (
        str(file.resolve()),
        stat.st_size,
        stat.st_mtime_ns,
        stat.st_ino,
        stat.st_ctime_ns,
    )


def table_digest(table: Table) -> str:
    """A hash of all content of a table: 128 bits of XXH3, of each column by name.

    It does not depend on how rows lie in chunks, on the order of columns, or on whether texts have
    offsets of 32 or 64 bits. What it was is kept in the user's cache for the `stamp` of the files
    that a memory-mapped table lies in, so that these are read once and not at every start.
    """
    source = _source(table)
    if source is None:
        return _computed(table.table)
    key = xxhash.xxh3_128_hexdigest(json.dumps([VERSION, source]).encode())
    file = places.cache_folder() / "digests" / key
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = _computed(table.table)
    with suppress(OSError):  # then it is computed again the next time
        write_text(file, found)
    return found


def dataset_digest(dataset: Dataset) -> str:
    """A hash of all content of a dataset and of which rows it has in which order."""
    tables = [dataset.data, *([] if dataset._indices is None else [dataset._indices])]
    return "-".join(map(table_digest, tables))


def _source(table: Table) -> list[Any] | None:
    """The files of a table and what was done with their columns; None if a part is in memory."""
    if isinstance(table, ConcatenationTable):
        rows = [[_source(block) for block in row] for row in table.blocks]
        return None if any(block is None for row in rows for block in row) else rows
    if not isinstance(table, MemoryMappedTable):
        return None
    try:
        replays = json.dumps(table.replays, default=_schema)
    except TypeError:
        return None
    return [stamp(Path(table.path)), replays]


def _schema(value: object) -> str:
    if isinstance(value, pa.Schema):
        return str(value.remove_metadata())
    raise TypeError


def _computed(table: pa.Table) -> str:
    digest = xxhash.xxh3_128()
    for name in sorted(table.column_names):
        # Each kind of part has a hash of its own: parts are the same however rows lie in chunks.
        hashes: dict[str, Any] = defaultdict(xxhash.xxh3_128)
        for chunk in table.column(name).chunks:
            for part, content in _parts(chunk):
                hashes[part].update(content)
        found = [(part, hash.hexdigest()) for part, hash in sorted(hashes.items())]
        digest.update(json.dumps([name, table.num_rows, found]).encode())
    return str(digest.hexdigest())


def _parts(values: pa.Array, path: str = "") -> Iterator[tuple[str, Any]]:
    """What an array consists of, without what lies under nulls and outside of slices."""
    kind = values.type
    yield f"{path}there", np.asarray(values.is_valid()).view(np.uint8)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        filled = values.fill_null("") if values.null_count else values
        _, ends, data = filled.buffers()
        word = np.int64 if pa.types.is_large_string(kind) else np.int32
        places = np.zeros(1, dtype=word)
        if len(filled):
            start = filled.offset * places.itemsize
            places = np.frombuffer(ends, word, len(filled) + 1, start)
        yield f"{path}lengths", np.diff(places).astype(np.int64)
        if data is not None:
            yield f"{path}texts", memoryview(data)[places[0] : places[-1]]
    elif (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        lengths = pc.fill_null(pc.list_value_length(values), 0)
        yield f"{path}lists", np.asarray(lengths).astype(np.int64)
        yield from _parts(values.flatten(), f"{path}list/")
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        zero = pa.scalar(0, pa.int64()).cast(kind)
        numbers = values.fill_null(zero) if values.null_count else values
        yield f"{path}{kind}", np.ascontiguousarray(numbers.to_numpy(zero_copy_only=False))
    else:
        yield f"{path}{kind}", "".join(f"{value!r}," for value in values.to_pylist()).encode()
