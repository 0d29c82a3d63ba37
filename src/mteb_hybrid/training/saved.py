"""Parallel data in a folder that `datasets.load_from_disk` reads too."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset

from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.lines import ParallelDataError, json_file
from mteb_hybrid.files.places import expanded, utf8_fault
from mteb_hybrid.files.whole import whole_folder, write_json
from mteb_hybrid.training.corpus import Corpus, Ints
from mteb_hybrid.training.wide import wide_dataset

FORMAT = 1
STATE = "parallel.json"
ORDER = "order.npy"


class Saved(NamedTuple):
    """What a folder holds.

    Attributes:
        corpora: The corpora, memory-mapped.
        weights: Share of the batches of each, or None.
        rows: The order of the rows, as positions in the corpora, or None for their own.
    """

    corpora: list[Corpus]
    weights: dict[str, float] | None
    rows: Ints | None


def save(
    folder: Path,
    corpora: Sequence[Corpus],
    weights: Mapping[str, float] | None,
    rows: Ints | None,
    **options: Any,
) -> None:
    """Write rows in the format of `datasets.Dataset.save_to_disk`, whole or not at all.

    Beside its files there are ``parallel.json`` with the corpora, whose rows are consecutive, and
    ``order.npy`` if they were not.

    Args:
        folder: Where to; what was saved there before is replaced.
        corpora: The corpora.
        weights: Share of the batches of each.
        rows: Those to write, as positions in the corpora one after another, or None for all.
        **options: Those of `datasets.Dataset.save_to_disk`.

    Raises:
        ParallelDataError: If something else is at that place, or the very data.
        DataError: If the path begins at a home folder that is not known.
    """
    folder = expanded(folder).resolve()
    clean(folder)
    if folder.exists() and not (folder.is_dir() and _is_ours(folder)):
        raise ParallelDataError(
            f"{folder}: is no folder of parallel data; expected a new or empty folder, or one that "
            "ParallelDataset.save_to_disk wrote"
        )
    data = wide_dataset(corpora, rows)
    if any(folder in Path(file["filename"]).resolve().parents for file in data.cache_files):
        raise ParallelDataError(
            f"{folder}: holds the data that are to be saved; save them in another folder"
        )
    starts = np.cumsum([0, *map(len, corpora)])
    order = None
    if rows is not None:
        order = np.argsort(np.searchsorted(starts, rows, side="right"), kind="stable")
        data = wide_dataset(corpora, rows[order])
    counts = np.diff(starts)
    if rows is not None:
        counts = np.histogram(rows, starts)[0]
    entries = [
        {
            "name": corpus.name,
            "negatives": corpus.negatives,
            "rows": int(count),
            "columns": corpus.table.column_names,
        }
        for corpus, count in zip(corpora, counts, strict=True)
    ]
    if fault := utf8_fault(folder):
        raise ParallelDataError(f"{folder}: {fault}")
    with whole_folder(folder, overwrite=True) as part:
        data.save_to_disk(part, **options)
        state = {"format": FORMAT, "corpora": entries, "weights": weights}
        write_json(part / STATE, state)
        if order is not None and (np.diff(order) != 1).any():
            np.save(part / ORDER, order, allow_pickle=False)


def _is_ours(folder: Path) -> bool:
    return (folder / STATE).is_file() or not any(folder.iterdir())


def load(folder: Path, keep_in_memory: bool | None = None) -> Saved:
    """What `save` wrote.

    Args:
        folder: Where it wrote to.
        keep_in_memory: Read everything, instead of memory-mapping it.

    Raises:
        ParallelDataError: If it holds something else, or is damaged.
    """
    clean(folder)
    file = folder / STATE
    if fault := utf8_fault(folder):
        raise ParallelDataError(f"{folder}: {fault}")
    if (folder / "dataset_dict.json").is_file():
        splits = json_file(folder / "dataset_dict.json", dict).get("splits") or ["(none)"]
        raise ParallelDataError(
            f"{folder}: holds the splits {', '.join(splits)}; load one of them, such as "
            f"{folder / splits[0]}"
        )
    if not file.is_file():
        raise ParallelDataError(
            f"{folder}: no {STATE}; expected a folder that ParallelDataset.save_to_disk wrote. A "
            "plain dataset is read with datasets.load_from_disk, and made parallel with "
            "ParallelDataset.from_dataset"
        )
    try:
        state = json_file(file)
        entries, weights = state["corpora"], state["weights"]
        counts = [entry["rows"] for entry in entries]
        data = Dataset.load_from_disk(str(folder), keep_in_memory=keep_in_memory)
        order = None
        if (folder / ORDER).is_file():
            order = np.load(folder / ORDER, allow_pickle=False)
        whole = order is None or np.array_equal(np.sort(order), np.arange(len(data)))
        if state["format"] != FORMAT or sum(counts) != len(data) or not whole:
            raise ValueError(f"it says {sum(counts):,} rows, and there are {len(data):,}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParallelDataError(
            f"{folder}: not what ParallelDataset.save_to_disk of this version writes ({error}); "
            "save the data again"
        ) from None
    corpora = []
    for entry, start in zip(entries, np.cumsum([0, *counts]), strict=False):
        if entry["rows"]:
            table = data.data.slice(int(start), entry["rows"]).select(entry["columns"])
            corpora.append(Corpus(entry["name"], table, entry["negatives"]))
    if weights is not None:
        weights = {corpus.name: weights[corpus.name] for corpus in corpora}
    rows = None
    if order is not None:
        rows = np.empty(len(order), dtype=np.int64)
        rows[order] = np.arange(len(order))
    return Saved(corpora, weights, rows)
