"""Per-query values: one small Parquet file per subset, beside MTEB's result files.

``TASK.per_query/SUBSET.parquet`` has one row per query and measure, so that comparisons and
breakdowns need no second evaluation. In the multilingual setting, ``TASK.rankings/SUBSET.parquet``
has the top of each ranking, so that the rankings of parallel queries can be compared.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from mteb_hybrid.measures import measures_of
from mteb_hybrid.measures.ranking_consistency import K, ranking_consistency
from mteb_hybrid.ranks import Ranks
from mteb_hybrid.settings import Setting

FOLDER_VARIABLE = "MTEB_HYBRID_PER_QUERY"

COLUMNS = {
    "query": pl.String,
    "group": pl.String,
    "query_language": pl.String,
    "pool": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
}

RANKINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "group": pl.String,
    "query_language": pl.String,
    "top": pl.List(pl.String),
}


class PerQueryError(ValueError):
    """Per-query values that are missing or cannot be read."""


def measure_view(
    ranks: Ranks,
    setting: Setting,
    groups: Mapping[str, str],
    pool: str,
    parallel: bool = True,
) -> tuple[dict[str, float], pl.DataFrame]:
    """All measures of one view.

    Args:
        ranks: Ranks of Q queries.
        setting: Which measures apply.
        groups: ``{query id: group}``, in the order of the rows.
        pool: Name of the subset.
        parallel: As for `mteb_hybrid.measures.measures_of`.

    Returns:
        Means by name, and the rows they are means of: one per query and measure, and per language
        for measures with a value for each language; NaN where a query is left out.
    """
    scores: dict[str, float] = {}
    columns: dict[str, object] = {}
    for measure in measures_of(parallel):
        if setting not in measure.settings:
            continue
        values = measure.values(ranks)
        means = measure.means(values, ranks)
        scores |= means
        if not measure.of_view:
            table = values if measure.by_language else values[:, None]
            columns |= dict(zip(means, np.asarray(table).T, strict=True))
    wide = pl.DataFrame({"query": list(groups), "group": list(groups.values()), **columns})
    rows = wide.unpivot(index=["query", "group"], variable_name="measure", value_name="value")
    rows = rows.with_columns(query_language=pl.lit(ranks.query_language), pool=pl.lit(pool))
    return scores, rows.select(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items())


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


def top_groups(
    ranks: Ranks, groups: Mapping[str, str], passage_groups: Mapping[str, str]
) -> pl.DataFrame:
    """The first passages of every ranking, each mapped to its group, without repeats.

    Args:
        ranks: Ranks of Q queries.
        groups: ``{query id: group}``, in the order of the rows.
        passage_groups: ``{passage id: group}``.

    Returns:
        One row per query: group, query_language, and top, a list of up to 10 groups.
    """
    tops = [
        list(dict.fromkeys(passage_groups[ranks.pool.ids[i]] for i in row if i >= 0))[:K]
        for row in ranks.top.tolist()
    ]
    return pl.DataFrame(
        {"group": list(groups.values()), "query_language": ranks.query_language, "top": tops},
        schema=RANKINGS,
    )


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
    rankings: dict[str, dict[str, list[str]]] = {}
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
