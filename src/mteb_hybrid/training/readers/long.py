"""A dataset with a row for each content and language."""

import os
from collections.abc import Sequence

import numpy as np
import polars as pl
from datasets import Dataset

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.languages.codes import short_code
from mteb_hybrid.training.corpus import Corpus
from mteb_hybrid.training.readers.checks import check_strings, no_column
from mteb_hybrid.training.readers.datasets import from_datasets
from mteb_hybrid.training.readers.stream import checked_dataset


def from_long(
    dataset: Dataset,
    *,
    language: str = "language",
    query: str = "query",
    passage: str = "passage",
    negatives_columns: str | Sequence[str] | None = None,
    id: str = "id",
    group: str | None = None,
    negatives: int = 0,
    name: str | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Corpus:
    """Use a dataset that has a row for each content and language.

    The rows of each language are joined by their ids; see `from_datasets`.

    Args:
        dataset: One row per content and language.
        language: Column of the languages, strings such as ``en``.
        query: Column of the questions, null where one is missing.
        passage: Column of the passages, null where one is missing.
        negatives_columns: Columns of hard negatives; see `from_datasets`.
        id: Column of strings or integers that tells which rows are translations of each other.
        group: Column of strings or integers; rows with the same one may not meet in a batch. By
            default the id.
        negatives: Hard negatives per example. A row in which no passage has that many is left out.
        name: Name of the corpus; by default ``long``.
        cache_folder: Where the joined file goes; by default ``parallel`` in the user's cache.

    Returns:
        The corpus.

    Raises:
        ParallelDataError: If it is no dataset, a language is none, or for the reasons that
            `from_datasets` gives.
    """
    stem = "long" if name is None else name
    dataset = checked_dataset(dataset, stem, name, cache_folder)
    if language not in dataset.column_names:
        raise no_column(dataset, language, stem)
    column = dataset.select_columns([language]).with_format("arrow")[:][language]
    check_strings(dataset, language, stem)
    written = pl.Series(column)
    rows: dict[str, list[np.ndarray]] = {}
    for value in written.unique(maintain_order=True):
        chosen = np.flatnonzero(written.eq_missing(value).to_numpy())
        try:
            code = short_code(value)
        except (TypeError, ValueError):
            raise ParallelDataError(
                f"{stem}: row {chosen[0]}, column {language!r} is {value!r}; expected a short code "
                "such as 'en' or 'pt-br'"
            ) from None
        rows.setdefault(code, []).append(chosen)
    datasets = {
        code: dataset.select(np.sort(np.concatenate(chosen))) for code, chosen in rows.items()
    }
    return from_datasets(
        datasets,
        query=query,
        passage=passage,
        negatives_columns=negatives_columns,
        id=id,
        group=group,
        negatives=negatives,
        name=stem,
        cache_folder=cache_folder,
    )
