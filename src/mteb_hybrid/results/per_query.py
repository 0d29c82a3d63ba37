"""Per-query values: one small Parquet file per subset, beside MTEB's result files.

``TASK.per_query/SUBSET.parquet`` has one row per query and measure, so that comparisons and
breakdowns need no second evaluation. In the multilingual setting, ``TASK.rankings/SUBSET.parquet``
has the top of each ranking, so that the rankings of parallel queries can be compared.

Each file keeps a checksum of its values in its metadata, so that a byte that flips is noticed, or
changes nothing. Files of earlier versions have none and are read as they are.
"""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from mteb_hybrid.files.places import FOLDER_VARIABLE
from mteb_hybrid.files.whole import whole
from mteb_hybrid.measures.ranking_consistency import ranking_consistency
from mteb_hybrid.measures.view import COLUMNS, RANKINGS

CHECKSUM = "mteb_hybrid.checksum"


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

    Raises:
        PerQueryError: If a file is damaged.
    """
    files = sorted((folder / f"{task}.rankings").glob("*.parquet"))
    if len(files) < 2:
        return {}
    tops = pl.concat(_read(file, RANKINGS) for file in files)
    if tops.select("group", "query_language").is_duplicated().any():
        return {}
    rankings: dict[str, dict[str, list[str] | None]] = {}
    for group, language, top in tops.iter_rows():
        rankings.setdefault(language, {})[group] = top
    return ranking_consistency(rankings)


def _write(table: pl.DataFrame, file: Path) -> Path:
    with whole(file) as part:
        table.write_parquet(part, compression="zstd", metadata={CHECKSUM: _checksum(table)})
    return file


def _read(file: Path, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    remedy = "Delete it and evaluate that subset again."
    raw = io.BytesIO(file.read_bytes())
    try:
        table = pl.read_parquet(raw)
        expected = pl.read_parquet_metadata(raw).get(CHECKSUM)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise PerQueryError(f"{file}: not a Parquet file ({error}). {remedy}") from None
    if table.schema != pl.Schema(schema):
        raise PerQueryError(
            f"{file}: has the columns {list(table.schema)}, expected {list(schema)}. {remedy}"
        )
    if expected not in (None, _checksum(table)):
        raise PerQueryError(f"{file}: damaged: its values do not have its checksum. {remedy}")
    return table


def _checksum(table: pl.DataFrame) -> str:
    """Of the values, however they are encoded: nulls, lengths and contents of each column."""
    digest = hashlib.sha256()
    for column in table:
        if column.dtype == pl.List:
            digest.update(column.list.len().cast(pl.UInt64).to_numpy().tobytes())
            column = column.explode()
        digest.update(column.is_null().to_numpy().tobytes())
        if column.dtype == pl.String:
            digest.update(column.str.len_bytes().cast(pl.UInt64).to_numpy().tobytes())
            digest.update(column.str.join().item().encode())
        else:
            digest.update(column.fill_nan(float("nan")).to_numpy().tobytes())
    return digest.hexdigest()


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
        frame = _read(file, COLUMNS)
        if frame["pool"].unique().to_list() != [file.stem]:
            raise PerQueryError(
                f"{file}: holds values of {', '.join(frame['pool'].unique().sort()) or 'nothing'}; "
                f"expected those of {file.stem}. Delete it and evaluate that subset again."
            )
        frames.append(frame.with_columns(task=pl.lit(file.parent.name.removesuffix(".per_query"))))
    return pl.concat(frames)
