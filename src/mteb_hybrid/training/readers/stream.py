"""Datasets as readers take them; those that are streamed are written to disk first, once."""

import os
from collections.abc import Iterator, Mapping

import pyarrow as pa
from datasets import Dataset, IterableDataset
from tqdm import tqdm

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.files.safe_text import visible
from mteb_hybrid.training.readers.cache import Batches, cached_file
from mteb_hybrid.training.readers.checks import logger

VERSION = 1
"""Part of the cached files' names; raise it when the same stream gives another table."""

_ROWS = 1024


def checked_dataset(
    dataset: object,
    where: str,
    stem: str | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Dataset:
    """A dataset with rows on disk or in memory; what is none is refused.

    A `datasets.IterableDataset`, be it streamed from the hub or larger than memory, is written
    into an Arrow file whole or not at all, with a progress bar, and memory-mapped from then on.
    What a stream holds cannot be known before it is read. So the file is found again by the name
    that the user gives, and by where on the hub the stream is from: to have it made again, give
    another name or delete the file, which is named in the log.

    Args:
        dataset: What a reader was given.
        where: What it is, for error messages.
        stem: The name that the user gave; None if none was.
        cache_folder: Where the file goes; by default ``parallel`` in the user's cache.

    Raises:
        ParallelDataError: If it is no dataset, has no rows, or is streamed and has no name; or rows
            of a stream are of different types.
    """
    if isinstance(dataset, IterableDataset):
        if stem is None:
            raise ParallelDataError(
                f"{where}: an IterableDataset; it is written to disk once and found again by its "
                "name, so give a `name` of its own (or load it without streaming)"
            )
        dataset = _stored(dataset, where, stem, cache_folder)
    if not isinstance(dataset, Dataset):
        remedy = "make one with Dataset.from_list, from_polars or from_generator"
        if isinstance(dataset, Mapping):
            remedy = f"choose one of its splits {[*dataset]}"
        raise ParallelDataError(
            f"{where}: a {type(dataset).__name__}; expected a datasets.Dataset, {remedy}"
        )
    if not len(dataset):
        raise ParallelDataError(f"{where}: the dataset has no rows")
    return dataset


def _stored(
    stream: IterableDataset, where: str, stem: str, folder: str | os.PathLike[str] | None
) -> Dataset:
    info = stream.info
    origin = [info.builder_name, info.config_name, str(info.version), str(stream.split)]
    key = ["stream", VERSION, stem, *origin, stream.column_names]
    file = cached_file(folder, f"{stem}-stream", key, lambda: _read(stream, where))
    logger.info("%s: streamed data as they were written to %s", where, file)
    return Dataset.from_file(str(file))


def _read(stream: IterableDataset, where: str) -> Batches:
    if stream.features is not None:
        schema = stream.features.arrow_schema
    else:
        first = next(iter(stream.with_format(None).iter(_ROWS)), None)
        if first is None:
            raise ParallelDataError(f"{where}: the dataset has no rows")
        schema = pa.table(first).schema
    return schema, _batches(stream, schema, where)


def _batches(stream: IterableDataset, schema: pa.Schema, where: str) -> Iterator[pa.RecordBatch]:
    splits = stream.info.splits or {}
    total = splits[stream.split].num_examples if stream.split in splits else None
    row = 0
    with tqdm(
        total=total, unit=" rows", unit_scale=True, delay=5, leave=False, disable=None
    ) as bar:
        bar.set_description(visible(where), refresh=False)
        for columns in stream.with_format(None).iter(_ROWS):
            try:
                part = pa.RecordBatch.from_pydict(columns, schema)
            except (KeyError, pa.ArrowException) as error:
                raise ParallelDataError(
                    f"{where}: among rows {row} to {row + _ROWS - 1} is one of another type than "
                    f"the first ({error}); give all rows their types with IterableDataset.cast"
                ) from None
            yield part
            row += part.num_rows
            bar.update(part.num_rows)
