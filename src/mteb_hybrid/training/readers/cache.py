"""Arrow files of training data, made once and memory-mapped."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from errno import EACCES
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from datasets import Dataset
from datasets.table import MemoryMappedTable

from mteb_hybrid.files import places
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.files.whole import whole
from mteb_hybrid.training.digest import stamp

Batches: TypeAlias = tuple[pa.Schema, Iterable[pa.RecordBatch]]


def dataset_key(dataset: Dataset) -> list[object]:
    """What the content of a dataset depends on: its fingerprint, and the files that it lies in."""
    return [dataset._fingerprint, [stamp(Path(file["filename"])) for file in dataset.cache_files]]


def cached_file(
    folder: str | os.PathLike[str] | None, stem: str, key: object, make: Callable[[], Batches]
) -> Path:
    """An Arrow stream file, which is made first unless it is there.

    It is written under another name and then renamed, so that no reader ever sees half a file.

    Args:
        folder: Where the file lies; by default ``parallel`` in the user's cache.
        stem: Readable start of its name.
        key: All that its content depends on; the rest of the name is a hash of it.
        make: Gives the schema and the record batches.

    Returns:
        Its path.

    Raises:
        ParallelDataError: If the folder cannot be made, or written to.
    """
    place = places.cache_folder() / "parallel" if folder is None else Path(folder)
    digest = hashlib.blake2b(json.dumps(key).encode(), digest_size=12).hexdigest()
    file = place / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', stem)}-{digest}.arrow"
    if fault := places.utf8_fault(place):
        raise ParallelDataError(
            f"{place}: {fault}, or set XDG_CACHE_HOME, or `cache_folder` of a reader that has it"
        )
    if not file.is_file():
        try:
            place.mkdir(parents=True, exist_ok=True)
            if not os.access(place, os.W_OK):
                raise PermissionError(EACCES, os.strerror(EACCES))
        except OSError as error:
            raise ParallelDataError(
                f"{place}: cannot keep converted data there ({error.strerror}); set "
                "XDG_CACHE_HOME, or `cache_folder` of a reader that has it, to a folder that can "
                "be written"
            ) from None
        schema, batches = make()
        with (
            whole(file) as part,
            part.open("xb") as sink,
            pa.ipc.new_stream(sink, schema) as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)
    return file


def cached_table(
    folder: str | os.PathLike[str] | None, stem: str, key: object, make: Callable[[], Batches]
) -> MemoryMappedTable:
    """The table of a `cached_file`, memory-mapped: it is pickled as the path of the file."""
    table: Any = MemoryMappedTable.from_file(str(cached_file(folder, stem, key, make)))
    return table
