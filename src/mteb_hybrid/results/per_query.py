"""Per-query values: one small Parquet file per subset, beside MTEB's result files.

``TASK.per_query/SUBSET.parquet`` has one row per query and measure, so that comparisons and
breakdowns need no second evaluation. In the multilingual setting, ``TASK.rankings/SUBSET.parquet``
has the top of each ranking, so that the rankings of parallel queries can be compared.

Each file has the checksum of its own bytes in its metadata, taken with zeros in its place: damage
is noticed before a reader of Parquet meets it. Files of earlier versions have none and are read as
they are.
"""

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from mteb_hybrid.files.places import FOLDER_VARIABLE
from mteb_hybrid.files.whole import whole
from mteb_hybrid.measures.ranking_consistency import ranking_consistency
from mteb_hybrid.measures.view import COLUMNS, RANKINGS

CHECKSUM = "mteb_hybrid.sha256"
_NONE = b"0" * 64
_CHECKSUM = re.compile(re.escape(CHECKSUM.encode()) + rb".{1,3}?([0-9a-f]{64})", re.DOTALL)


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


def is_kept(folder: Path, task: str, subset: str, rankings: bool) -> bool:
    """Whether what is kept of one subset is there, and whole.

    Args:
        folder: Folder of a model's result files.
        task: Name of the task.
        subset: Its subset.
        rankings: Whether rankings are kept of it too.
    """
    kinds = {"per_query": COLUMNS} | ({"rankings": RANKINGS} if rankings else {})
    try:
        for kind, schema in kinds.items():
            table = _read(folder / f"{task}.{kind}" / f"{subset}.parquet", schema)
            if kind == "per_query" and table["pool"].unique().to_list() != [subset]:
                return False
    except (PerQueryError, FileNotFoundError):
        return False
    return True


def _write(table: pl.DataFrame, file: Path) -> Path:
    stream = io.BytesIO()
    table.write_parquet(stream, compression="zstd", metadata={CHECKSUM: _NONE.decode()})
    raw = stream.getvalue()
    place = _place(raw)
    with whole(file) as part:
        part.write_bytes(raw[:place] + _checksum(raw, place) + raw[place + len(_NONE) :])
    return file


def _read(file: Path, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    remedy = (
        "Evaluate that subset again: the `mteb-hybrid run` that evaluated it does, and writes "
        "the file anew."
    )
    raw = file.read_bytes()
    place = _place(raw)
    if place and raw[place : place + len(_NONE)] != _checksum(raw, place):
        raise PerQueryError(f"{file}: damaged: its bytes do not have its checksum. {remedy}")
    if len(raw) < 12 or not raw.startswith(b"PAR1") or not raw.endswith(b"PAR1"):
        raise PerQueryError(f"{file}: not a Parquet file, or cut short. {remedy}")
    try:
        table = pl.read_parquet(io.BytesIO(raw))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise PerQueryError(f"{file}: not a Parquet file ({error}). {remedy}") from None
    if table.schema != pl.Schema(schema):
        raise PerQueryError(
            f"{file}: has the columns {list(table.schema)}, expected {list(schema)}. {remedy}"
        )
    return table


def _place(raw: bytes) -> int:
    """Where the checksum of a file stands, 0 if nowhere. It is in the footer, after all values."""
    found = list(_CHECKSUM.finditer(raw, max(len(raw) - 2**16, 0)))
    return found[-1].start(1) if found else 0


def _checksum(raw: bytes, place: int) -> bytes:
    digest = hashlib.sha256(raw[:place] + _NONE)
    digest.update(raw[place + len(_NONE) :])
    return digest.hexdigest().encode()


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
                f"expected those of {file.stem}. Evaluate that subset again: the "
                "`mteb-hybrid run` that evaluated it does, and writes the file anew."
            )
        frames.append(frame.with_columns(task=pl.lit(file.parent.name.removesuffix(".per_query"))))
    return pl.concat(frames)
