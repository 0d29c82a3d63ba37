"""Per-query values: one small Parquet file per subset, beside MTEB's result files.

``TASK.per_query/SUBSET.parquet`` has one row per query and measure, so that comparisons and
breakdowns need no second evaluation. In the multilingual setting, ``TASK.rankings/SUBSET.parquet``
has the top of each ranking, so that the rankings of parallel queries can be compared.
"""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from mteb_hybrid.files.places import FOLDER_VARIABLE
from mteb_hybrid.measures.ranking_consistency import K, ranking_consistency
from mteb_hybrid.measures.view import COLUMNS
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.ranks import TOP


class PerQueryError(ValueError):
    """Per-query values that are missing or cannot be read."""


def write_per_query(rows: pl.DataFrame, folder: Path, task: str) -> Path:
    """Write the rows of one subset, replacing earlier ones.

    Args:
        rows: What `measure_view` returned.
        folder: Folder of a model's result files.
        task: Name of the task.

    Returns:
        The file.
    """
    return _write(rows, folder / f"{task}.per_query" / f"{rows['pool'][0]}.parquet")


def group_depth(pool: Pool, passage_groups: Mapping[str, str]) -> int:
    """How many places of a ranking hold its first 10 groups, whatever their order.

    Args:
        pool: What is ranked.
        passage_groups: ``{passage id: group}``.
    """
    largest = Counter(passage_groups[id_] for id_ in pool.ids).most_common(K - 1)
    return max(TOP, sum(count for _, count in largest) + 1)


def write_rankings(tops: pl.DataFrame, folder: Path, task: str, pool: str) -> Path:
    """Write what `top_groups` returned for one subset."""
    return _write(tops, folder / f"{task}.rankings" / f"{pool}.parquet")


def read_consistency(folder: Path, task: str) -> dict[str, float]:
    """How alike a model ranks parallel queries, from the rankings kept of one task.

    Args:
        folder: Folder of a model's result files.
        task: Name of a task of the multilingual setting.

    Returns:
        What `mteb_hybrid.measures.ranking_consistency.ranking_consistency` returns; empty if the
        rankings of fewer than two query languages were kept, or a language has several queries of
        a group: captions of one image are not the same question asked again.
    """
    files = sorted((folder / f"{task}.rankings").glob("*.parquet"))
    if len(files) < 2:
        return {}
    tops = pl.concat(pl.read_parquet(file) for file in files)
    if tops.select("group", "query_language").is_duplicated().any():
        return {}
    rankings: dict[str, dict[str, list[str] | None]] = {}
    for group, language, top in tops.iter_rows():
        rankings.setdefault(language, {})[group] = top
    return ranking_consistency(rankings)


def _write(table: pl.DataFrame, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}.tmp")
    table.write_parquet(unfinished, compression="zstd")
    unfinished.replace(file)
    return file


def read_per_query(folder: Path) -> pl.DataFrame:
    """Read the per-query values of one model.

    Args:
        folder: Folder of its result files, ``MODEL/REVISION``.

    Returns:
        The rows of all tasks, with their columns and ``task``.

    Raises:
        PerQueryError: If there are none, or a file is damaged.
    """
    files = sorted(folder.glob("*.per_query/*.parquet"))
    if not files:
        raise PerQueryError(
            f"{folder}: no per-query values (TASK.per_query/SUBSET.parquet). Expected one model's "
            "folder, results/MODEL/REVISION, evaluated with `mteb-hybrid run`, or with `mteb run` "
            f"and the environment variable {FOLDER_VARIABLE} set to the results folder."
        )
    frames = []
    for file in files:
        try:
            frame = pl.read_parquet(file)
        except pl.exceptions.PolarsError as error:
            raise PerQueryError(
                f"{file}: not a Parquet file ({error}). Delete it and evaluate that subset again."
            ) from None
        if frame.schema != pl.Schema(COLUMNS):
            raise PerQueryError(
                f"{file}: has the columns {list(frame.schema)}, expected {list(COLUMNS)}. Delete "
                "it and evaluate that subset again."
            )
        frames.append(frame.with_columns(task=pl.lit(file.parent.name.removesuffix(".per_query"))))
    return pl.concat(frames)
