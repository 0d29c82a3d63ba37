"""Training corpora from Parquet files, as `mteb-hybrid teach` writes them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.files.parallel_json import FilePath
from mteb_hybrid.training.corpus import Corpus
from mteb_hybrid.training.digest import stamp
from mteb_hybrid.training.readers.cache import Batches, cached_file
from mteb_hybrid.training.readers.dataset import from_dataset


def read_parquet(
    path: FilePath,
    *,
    name: str | None = None,
    languages: Sequence[str] | None = None,
    negatives: int = 0,
    cache_folder: FilePath | None = None,
) -> Corpus:
    """Read a Parquet file with a column per language and role, or dictionaries by language.

    The columns are those that `from_dataset` takes by default: ``query_en``, ``passage_de``,
    ``negatives_en``, ``group`` and a label. The file is converted once, and memory-mapped from then
    on; a changed file is converted again.

    Args:
        path: The file.
        name: Name of the corpus; by default that of the file.
        languages: Use only these; by default all that have a column.
        negatives: Hard negatives per example.
        cache_folder: Where the converted file goes; by default ``parallel`` in the user's cache.

    Returns:
        The corpus.

    Raises:
        ParallelDataError: If the file is missing or not Parquet, or for the reasons that
            `from_dataset` gives.
    """
    file = Path(path)
    if not file.is_file():
        found = "a folder" if file.is_dir() else "no such file"
        raise ParallelDataError(f"{file}: {found}; expected a Parquet file")

    key = ["parquet", stamp(file)]
    table = cached_file(cache_folder, file.stem, key, lambda: _read(file))
    dataset = Dataset.from_file(str(table))
    # Until then, errors name the file.
    corpus = from_dataset(dataset, name=file.name, languages=languages, negatives=negatives)
    return corpus.renamed(file.stem if name is None else name)


def _read(file: Path) -> Batches:
    with _readable(file):
        content = pq.ParquetFile(pa.OSFile(os.fsencode(file)))
    return content.schema_arrow, _batches(file, content)


def _batches(file: Path, content: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    with _readable(file):
        yield from content.iter_batches()


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ParallelDataError(
            f"{file}: cannot be read as Parquet ({error}); expected a whole file, write it anew"
        ) from None
