"""Per-query values: one small Parquet file per subset, beside MTEB's result files.

``TASK.per_query/SUBSET.parquet`` has one row per query and measure, so that comparisons and
breakdowns need no second evaluation. In the multilingual setting, ``TASK.rankings/SUBSET.parquet``
has the top of each ranking, so that the rankings of parallel queries can be compared, and
``TASK.top/SUBSET.parquet`` the first passages and where the answers stand, to be looked at. Results
of earlier versions lack the last, and are whole without.

Each file has the checksum of its own bytes in its metadata, taken with zeros in its place: damage
is noticed before a reader of Parquet meets it. The revision of the data stands there too. Files of
0.1.0 have neither: they are read as they are, unless the caller knows of none, and the result file
beside them says on which revision they are, if it has their subset.
"""

import hashlib
import io
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import polars as pl

from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.places import FOLDER_VARIABLE
from mteb_hybrid.files.whole import whole
from mteb_hybrid.measures.ranking_consistency import ranking_consistency
from mteb_hybrid.measures.view import COLUMNS, RANKINGS, TOP_PASSAGES

KINDS: dict[str, Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "per_query": COLUMNS,
    "rankings": RANKINGS,
    "top": TOP_PASSAGES,
}
"""What is kept of a task, in ``TASK.KIND``."""
CHECKSUM = "mteb_hybrid.sha256"
DATA = "mteb_hybrid.data_revision"
UNKNOWN = "unknown"
"""The revision of values of which neither their file nor the results beside it say one."""
AGAIN = (
    "Evaluate that subset again: the `mteb-hybrid run` or `mteb-hybrid study run` that evaluated "
    "it does, and writes the file anew."
)
_NONE = b"0" * 64
_CHECKSUM = re.compile(re.escape(CHECKSUM.encode()) + rb".{1,3}?([0-9a-f]{64})", re.DOTALL)


class PerQueryError(ValueError):
    """Per-query values that are missing or cannot be read."""


def write_per_query(rows: pl.DataFrame, folder: Path, task: str, revision: str = "") -> Path:
    """Write the rows of one subset, replacing earlier ones.

    Args:
        rows: What `measure_view` returned.
        folder: Folder of a model's result files.
        task: Name of the task.
        revision: That of the data; empty if it is not known.

    Returns:
        The file.
    """
    file = folder / f"{task}.per_query" / f"{rows['pool'][0]}.parquet"
    return _write(rows, file, revision)


def write_rankings(
    tops: pl.DataFrame, folder: Path, task: str, pool: str, revision: str = ""
) -> Path:
    """Write what `top_groups` returned for one subset; otherwise as `write_per_query`."""
    return _write(tops, folder / f"{task}.rankings" / f"{pool}.parquet", revision)


def write_top(
    passages: pl.DataFrame, folder: Path, task: str, pool: str, revision: str = ""
) -> Path:
    """Write what `top_passages` returned for one subset; otherwise as `write_per_query`."""
    return _write(passages, folder / f"{task}.top" / f"{pool}.parquet", revision)


def read_top(folder: Path, task: str) -> pl.DataFrame | None:
    """The first passages of each ranking of one task, and where the answers stand.

    Args:
        folder: Folder of a model's result files.
        task: Name of a task of the multilingual setting.

    Returns:
        What `mteb_hybrid.measures.view.top_passages` returned for each subset, one below another;
        None if they were not kept.

    Raises:
        PerQueryError: If a file is damaged, or they are on several revisions of the data.
        TextError: If the result file is damaged that says on which revision they are.
    """
    files = sorted((folder / f"{task}.top").glob("*.parquet"))
    read = {file: _read(file, TOP_PASSAGES) for file in files}
    if not read:
        return None
    _check_one_revision({file: revision for file, (_, revision) in read.items()})
    return pl.concat(table for table, _ in read.values())


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
        PerQueryError: If a file is damaged, or they are on several revisions of the data.
        TextError: If the result file is damaged that says on which revision they are.
    """
    files = sorted((folder / f"{task}.rankings").glob("*.parquet"))
    if len(files) < 2:
        return {}
    read = {file: _read(file, RANKINGS) for file in files}
    _check_one_revision({file: revision for file, (_, revision) in read.items()})
    tops = pl.concat(table for table, _ in read.values())
    if tops.select("group", "query_language").is_duplicated().any():
        return {}
    rankings: dict[str, dict[str, list[str] | None]] = {}
    for group, language, top in tops.iter_rows():
        rankings.setdefault(language, {})[group] = top
    return ranking_consistency(rankings)


def is_kept(
    folder: Path,
    task: str,
    subset: str,
    rankings: bool,
    revision: str = "",
    *,
    checksums: bool = False,
    measures: Collection[str] = (),
) -> bool:
    """Whether what is kept of one subset is there, whole, and on the data's revision.

    Args:
        folder: Folder of a model's result files.
        task: Name of the task.
        subset: Its subset.
        rankings: Whether rankings are kept of it too.
        revision: The revision of the data; empty if any will do.
        checksums: As for `read_per_query`.
        measures: Which measures it has to have, beside others.
    """
    try:
        for kind, schema in KINDS.items():
            file = folder / f"{task}.{kind}" / f"{subset}.parquet"
            if (kind == "rankings" and not rankings) or (kind == "top" and not file.exists()):
                continue  # earlier versions kept no top
            table, on = _read(file, schema, checksums)
            if revision and on not in ("", revision):
                return False
            if kind == "per_query" and (
                table["pool"].unique().to_list() != [subset]
                or not {*measures} <= {*table["measure"].unique()}
            ):
                return False
    except (PerQueryError, FileNotFoundError):
        return False
    return True


def data_revisions(folder: Path) -> dict[str, str]:
    """The revision of the data that values per query are on, by task; of those where it is known.

    Args:
        folder: Folder of a model's result files. They say it where files of values do not.

    Raises:
        PerQueryError: If a file is damaged.
        TextError: If a result file is.
    """
    found = {}
    for kept in sorted(folder.glob("*.per_query")):
        first = min(kept.glob("*.parquet"), default=None)
        if first and (on := _revisions({first: _read(first, COLUMNS)[1]})[first]):
            found[kept.name.removesuffix(".per_query")] = on
    return found


def set_values_aside(folder: Path, task: str, but: str | None) -> None:
    """Move what is kept of a task to ``TASK.KIND.outdated``.

    Args:
        folder: Folder of a model's result files.
        task: Name of the task.
        but: The revision of which it stays. What does not say one is of another.
    """
    for kind, schema in KINDS.items():
        kept = folder / f"{task}.{kind}"
        for file in sorted(kept.glob("*.parquet")):
            with suppress(PerQueryError):
                if _read(file, schema)[1] == but:
                    continue
            aside = kept.with_name(f"{kept.name}.outdated")
            aside.mkdir(exist_ok=True)
            file.replace(aside / file.name)


def remove_per_query(folder: Path, task: str, subset: str) -> None:
    """Take away the values of one subset, if there are any, to have it evaluated again."""
    (folder / f"{task}.per_query" / f"{subset}.parquet").unlink(missing_ok=True)


def _revisions(files: Mapping[Path, str]) -> dict[Path, str]:
    """The revisions of the files of a task: as they say, or as the results beside them do.

    Those have other subsets than an earlier revision had, so they count for their own only.
    """
    if all(files.values()):
        return dict(files)
    kept = next(iter(files)).parent
    results = kept.with_name(f"{kept.stem}.json")
    if not results.is_file():
        return dict(files)
    found = json_file(results, dict)
    revision = str(found.get("dataset_revision") or "")
    try:
        listed = {row["hf_subset"] for rows in found["scores"].values() for row in rows}
    except (AttributeError, KeyError, TypeError):
        listed = set()  # no result file of MTEB's
    return {
        file: on or (revision if file.stem in listed else UNKNOWN) for file, on in files.items()
    }


def _check_one_revision(files: Mapping[Path, str]) -> None:
    """Refuse the files of a task that are on several revisions of the data."""
    first: dict[str, Path] = {}
    for file, revision in _revisions(files).items():
        first.setdefault(revision or UNKNOWN, file)
    if len(first) > 1:
        said = ", ".join(f"{file.name} on {revision}" for revision, file in first.items())
        raise PerQueryError(
            f"{next(iter(files)).parent}: values on several revisions of the data: {said}. Go on "
            "with the evaluation, by the same command, until all subsets are there; or delete the "
            "files of the earlier one."
        )


def _write(table: pl.DataFrame, file: Path, revision: str) -> Path:
    stream = io.BytesIO()
    known = {CHECKSUM: _NONE.decode()} | ({DATA: revision} if revision else {})
    table.write_parquet(stream, compression="zstd", metadata=known)
    raw = stream.getvalue()
    place = _place(raw)
    with whole(file) as part:
        part.write_bytes(raw[:place] + _checksum(raw, place) + raw[place + len(_NONE) :])
    return file


def _read(
    file: Path,
    schema: Mapping[str, pl.DataType | type[pl.DataType]],
    checksum: bool = False,
) -> tuple[pl.DataFrame, str]:
    """The rows of a file, and the revision of the data; that is empty if it does not say."""
    raw = file.read_bytes()
    place = _place(raw)
    if checksum and not place:
        raise PerQueryError(f"{file}: has no checksum, so it may have been edited. {AGAIN}")
    if place and raw[place : place + len(_NONE)] != _checksum(raw, place):
        raise PerQueryError(f"{file}: damaged: its bytes do not have its checksum. {AGAIN}")
    if len(raw) < 12 or not raw.startswith(b"PAR1") or not raw.endswith(b"PAR1"):
        raise PerQueryError(f"{file}: not a Parquet file, or cut short. {AGAIN}")
    try:
        table = pl.read_parquet(io.BytesIO(raw))
        revision = pl.read_parquet_metadata(io.BytesIO(raw)).get(DATA, "")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise PerQueryError(f"{file}: not a Parquet file ({error}). {AGAIN}") from None
    if table.schema != pl.Schema(schema):
        raise PerQueryError(
            f"{file}: has the columns {list(table.schema)}, expected {list(schema)}. {AGAIN}"
        )
    return table, revision


def _place(raw: bytes) -> int:
    """Where the checksum of a file stands, 0 if nowhere. It is in the footer, after all values."""
    found = list(_CHECKSUM.finditer(raw, max(len(raw) - 2**16, 0)))
    return found[-1].start(1) if found else 0


def _checksum(raw: bytes, place: int) -> bytes:
    digest = hashlib.sha256(raw[:place] + _NONE)
    digest.update(raw[place + len(_NONE) :])
    return digest.hexdigest().encode()


def read_per_query(folder: Path, task: str = "*", *, checksums: bool = False) -> pl.DataFrame:
    """Read the per-query values of one model.

    Args:
        folder: Folder of its result files, ``MODEL/REVISION``.
        task: Name of the one task to read; all by default.
        checksums: Whether a file has to have one: those of 0.1.0 do not.

    Returns:
        The rows, with their columns and ``task``.

    Raises:
        PerQueryError: If there are none, a file is damaged, or those of a task are on several
            revisions of the data.
        TextError: If a result file is damaged that says on which revision they are.
    """
    files = sorted(folder.glob(f"{task}.per_query/*.parquet"))
    if not files:
        raise PerQueryError(
            f"{folder}: no per-query values (TASK.per_query/SUBSET.parquet). Expected one model's "
            "folder, results/MODEL/REVISION, evaluated with `mteb-hybrid run`, or with `mteb run` "
            f"and the environment variable {FOLDER_VARIABLE} set to the results folder."
        )
    frames = []
    revisions: dict[Path, dict[Path, str]] = {}
    for file in files:
        frame, revision = _read(file, COLUMNS, checksums)
        revisions.setdefault(file.parent, {})[file] = revision
        if frame["pool"].unique().to_list() != [file.stem]:
            raise PerQueryError(
                f"{file}: holds values of {', '.join(frame['pool'].unique().sort()) or 'nothing'}; "
                f"expected those of {file.stem}. {AGAIN}"
            )
        frames.append(frame.with_columns(task=pl.lit(file.parent.name.removesuffix(".per_query"))))
    for of_task in revisions.values():
        _check_one_revision(of_task)
    return pl.concat(frames)
