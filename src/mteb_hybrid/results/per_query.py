"""Per-query values: one small Parquet file per subset, beside MTEB's result files.

``TASK.per_query/SUBSET.parquet`` has one row per query and measure, so that comparisons and
breakdowns need no second evaluation. In the multilingual setting, ``TASK.rankings/SUBSET.parquet``
has the top of each ranking, so that the rankings of parallel queries can be compared, and
``TASK.top/SUBSET.parquet`` the first passages and where the answers stand, to be looked at. Results
of earlier versions lack the last, and are whole without.

Files of 0.1.0 have neither a checksum nor the revision of the data (`value_files`): they are read
as they are, unless the caller knows of none, and the result file beside them says on which revision
they are, if it has their subset.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import polars as pl

from mteb_hybrid.files.lines import json_file
from mteb_hybrid.files.places import FOLDER_VARIABLE
from mteb_hybrid.measures.ranking_consistency import ranking_consistency
from mteb_hybrid.measures.view import COLUMNS, RANKINGS, TOP_PASSAGES
from mteb_hybrid.results.mteb_files import ROUNDED
from mteb_hybrid.results.value_files import AGAIN, PerQueryError, read_values, write_values

KINDS: dict[str, Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "per_query": COLUMNS,
    "rankings": RANKINGS,
    "top": TOP_PASSAGES,
}
"""What is kept of a task, in ``TASK.KIND``."""
UNKNOWN = "unknown"
"""The revision of values of which neither their file nor the results beside it say one."""


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
    return write_values(rows, file, revision)


def write_rankings(
    tops: pl.DataFrame, folder: Path, task: str, pool: str, revision: str = ""
) -> Path:
    """Write what `top_groups` returned for one subset; otherwise as `write_per_query`."""
    return write_values(tops, folder / f"{task}.rankings" / f"{pool}.parquet", revision)


def write_top(
    passages: pl.DataFrame, folder: Path, task: str, pool: str, revision: str = ""
) -> Path:
    """Write what `top_passages` returned for one subset; otherwise as `write_per_query`."""
    return write_values(passages, folder / f"{task}.top" / f"{pool}.parquet", revision)


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
    read = {file: read_values(file, TOP_PASSAGES) for file in files}
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
    read = {file: read_values(file, RANKINGS) for file in files}
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
    scores: Mapping[str, object] | None = None,
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
        scores: Those of the subset in the result file, if that has them: the values' means.
    """
    try:
        for kind, schema in KINDS.items():
            file = folder / f"{task}.{kind}" / f"{subset}.parquet"
            if (kind == "rankings" and not rankings) or (kind == "top" and not file.exists()):
                continue  # earlier versions kept no top
            table, on = read_values(file, schema, checksums)
            if revision and on not in ("", revision):
                return False
            if kind == "per_query" and (
                table["pool"].unique().to_list() != [subset]
                or not {*measures} <= {*table["measure"].unique()}
                or any(_other_means(table, {subset: scores or {}}))
            ):
                return False
    except (PerQueryError, FileNotFoundError):
        return False
    return True


def data_revisions(folder: Path, task: str = "*") -> dict[str, str]:
    """The revision of the data that values per query are on, by task; of those where it is known.

    Args:
        folder: Folder of a model's result files. They say it where files of values do not.
        task: Name of the one task to look at; all by default.

    Raises:
        PerQueryError: If a file is damaged.
        TextError: If a result file is.
    """
    found = {}
    for kept in sorted(folder.glob(f"{task}.per_query")):
        first = min(kept.glob("*.parquet"), default=None)
        if first and (on := _revisions({first: read_values(first, COLUMNS)[1]})[first]):
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
                if read_values(file, schema)[1] == but:
                    continue
            aside = kept.with_name(f"{kept.name}.outdated")
            aside.mkdir(exist_ok=True)
            file.replace(aside / file.name)


def remove_per_query(folder: Path, task: str, subset: str) -> None:
    """Take away the values of one subset, if there are any, to have it evaluated again."""
    (folder / f"{task}.per_query" / f"{subset}.parquet").unlink(missing_ok=True)


def _results(folder: Path, task: str) -> tuple[str, dict[str, dict[str, object]]]:
    """The revision of the data in a result file, and its scores by subset; empty if it has none."""
    file = folder / f"{task}.json"
    if not file.is_file():
        return "", {}
    found = json_file(file, dict)
    revision = str(found.get("dataset_revision") or "")
    try:
        return revision, {r["hf_subset"]: {**r} for rows in found["scores"].values() for r in rows}
    except (AttributeError, KeyError, TypeError):
        return revision, {}  # no result file of MTEB's


def _other_means(
    values: pl.DataFrame, scores: Mapping[str, Mapping[str, object]]
) -> Iterator[tuple[str, str, object, float]]:
    """Subset, measure, score and mean, where the mean of values is not the score."""
    known = values.with_columns(pl.col("value").fill_nan(None))  # of a query that is left out
    means = known.group_by("pool", "measure", maintain_order=True).agg(pl.col("value").mean())
    for pool, measure, mean in means.iter_rows():
        if measure not in (of := scores.get(pool, {})):
            continue
        said = of[measure]
        lacks = said is None or (isinstance(said, float) and math.isnan(said))
        if lacks or mean is None:
            same = lacks and mean is None
        else:
            same = isinstance(said, int | float) and math.isclose(
                said, mean, rel_tol=1e-9, abs_tol=ROUNDED
            )
        if not same:
            yield pool, measure, said, math.nan if mean is None else mean


def _revisions(files: Mapping[Path, str]) -> dict[Path, str]:
    """The revisions of the files of a task: as they say, or as the results beside them do.

    Those have other subsets than an earlier revision had, so they count for their own only.
    """
    if all(files.values()):
        return dict(files)
    kept = next(iter(files)).parent
    if not kept.with_name(f"{kept.stem}.json").is_file():
        return dict(files)
    revision, listed = _results(kept.parent, kept.stem)
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


def read_per_query(folder: Path, task: str = "*", *, checksums: bool = False) -> pl.DataFrame:
    """Read the per-query values of one model.

    Args:
        folder: Folder of its result files, ``MODEL/REVISION``.
        task: Name of the one task to read; all by default.
        checksums: Whether a file has to have one: those of 0.1.0 do not.

    Returns:
        The rows, with their columns and ``task``.

    Raises:
        PerQueryError: If there are none, a file is damaged, those of a task are on several
            revisions of the data, or their means are not the scores in the result file.
        TextError: If that is damaged.
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
        frame, revision = read_values(file, COLUMNS, checksums)
        revisions.setdefault(file.parent, {})[file] = revision
        if frame["pool"].unique().to_list() != [file.stem]:
            raise PerQueryError(
                f"{file}: holds values of {', '.join(frame['pool'].unique().sort()) or 'nothing'}; "
                f"expected those of {file.stem}. {AGAIN}"
            )
        frames.append(frame.with_columns(task=pl.lit(file.parent.name.removesuffix(".per_query"))))
    for of_task in revisions.values():
        _check_one_revision(of_task)
    found = pl.concat(frames)
    for (name,), values in found.group_by("task", maintain_order=True):
        revision, scores = _results(folder, str(name))
        on = set(revisions[folder / f"{name}.per_query"].values()) - {""}
        if revision and on - {revision}:
            continue  # of other data, and so of another evaluation: `data_revisions` tells
        for pool, measure, said, mean in _other_means(values, scores):
            raise PerQueryError(
                f"{folder / str(name)}.json: the {measure} of {pool} is {said}, and the values per "
                f"query beside it have the mean {mean:.5f}: they are of another evaluation, or one "
                f"of the two was edited. {AGAIN} Or remove the folder {name}.per_query: then there "
                "are no intervals and tests."
            )
    return found
