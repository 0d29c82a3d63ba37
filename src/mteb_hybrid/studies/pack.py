"""Results of runs without their models: packed to be published, and taken into a store again.

``KEY.zip`` has what a store keeps of a run but its weights and the measures that no claim is about:
what made it, its costs, the recipe and log of its training, MTEB's result files, and of each task
``TASK.parquet``, the values per query of all its subsets.
"""

import io
import json
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

from mteb_hybrid.files.archives import opened
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.inside import path_fault
from mteb_hybrid.files.lines import json_file, json_text, text_of
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import whole, whole_folder, write_text
from mteb_hybrid.measures.view import COLUMNS
from mteb_hybrid.recipes.toml import read_recipe, to_toml, without_paths
from mteb_hybrid.results.per_query import data_revisions, read_per_query, write_per_query
from mteb_hybrid.studies.plan import Run, key_of
from mteb_hybrid.studies.store import EARLIER, VERSIONS, Store, StudyError

TRAINING = ("recipe.toml", VERSIONS, EARLIER, "log.jsonl")
"""What stays of a training run once its weights are removed."""
RESULTS = "results/"
"""Where result files are in an archive."""
META = f"{RESULTS}model_meta.json"
OURS = re.compile(
    rf"(made|costs)\.json|training/({'|'.join(map(re.escape, TRAINING))})"
    rf"|{RESULTS}[^/]+\.(json|jsonl|parquet)"
)
"""The members of an archive."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""No file of a zip archive is older."""
AGAIN = "Pack it again with `mteb-hybrid study pack`"


@dataclass(frozen=True)
class _Packed:
    """An archive that was read and checked whole.

    Attributes:
        model: What its results are filed under.
        files: Its members but the values per query, by name.
        values: Values per query, and the revision of the data that they are on, by task.
    """

    model: str
    files: Mapping[str, bytes]
    values: Mapping[str, tuple[pl.DataFrame, str]]


def pack(runs: Iterable[Run], store: Store, folder: Path, measures: Collection[str]) -> list[Path]:
    """Pack what a store has of runs, an archive for each; those without results are left out.

    Args:
        runs: The runs.
        store: It has their results.
        folder: Where the archives go; one that is there is replaced, and what measures it has,
            the new one has too. The same results have the same bytes.
        measures: The measures whose values per query go in.

    Returns:
        The archives, one for each model.

    Raises:
        PerQueryError, DataError: If results are damaged.
        StudyError: If there is nothing to pack, or an archive that is there has values per query
            that the store lacks.
    """
    found = {}
    for run in runs:
        if run.key not in found and _tasks(store.results_of(run)):
            found[run.key] = folder / f"{run.key}.zip"
            content = dict(_content(run, store, measures, found[run.key]))
            with whole(found[run.key]) as part, zipfile.ZipFile(part, "w") as zipped:
                for name in sorted(content):
                    member = zipfile.ZipInfo(name, EARLIEST)
                    is_packed = name.endswith(".parquet")
                    member.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
                    zipped.writestr(member, content[name])
    if not found:
        raise StudyError(
            f"{store.path}: no results of the study at this budget to pack. `mteb-hybrid study "
            "run` makes them; --store names another store"
        )
    return list(found.values())


def _content(
    run: Run, store: Store, measures: Collection[str], archive: Path
) -> Iterator[tuple[str, bytes]]:
    # Not the store's file: it may be gone, and its key has to be the archive's name.
    yield "made.json", f"{json.dumps(run.made, indent=1, ensure_ascii=False)}\n".encode()
    if (costs := store.costs_file(run.key)).is_file():
        yield "costs.json", costs.read_bytes()
    for name in TRAINING:
        if (file := store.run(run.key) / name).is_file():
            yield f"training/{name}", _without_paths(file)
    results, before = store.results_of(run), _packed_before(archive)
    tasks = _tasks(results)
    for file in sorted([*results.glob("*.json"), *results.glob("*.jsonl")]):
        yield RESULTS + file.name, file.read_bytes()
    for task in sorted({*tasks, *before}):
        there = before.get(task, pl.DataFrame(schema=COLUMNS))
        kept = pl.DataFrame(schema=COLUMNS)
        if task in tasks:
            kept = read_per_query(results, task, checksums=True).drop("task")
        lost = there.join(kept, on=["measure", "pool"], how="anti")
        for measure, pool in lost.select("measure", "pool").iter_rows():
            raise StudyError(
                f"{archive}: has values per query of {measure} in {task}, {pool}, which would be "
                f"lost, as {store.path} lacks them. Choose another --output"
            )
        stream = io.BytesIO()
        kept.filter(pl.col("measure").is_in([*measures, *there["measure"].unique()])).sort(
            "measure", "pool", "query"
        ).write_parquet(stream, compression="zstd", compression_level=19)
        yield f"{RESULTS}{task}.parquet", stream.getvalue()


def _without_paths(file: Path) -> bytes:
    """A file of a training; of a recipe, without the folders of the machine, if it names any."""
    if file.suffix == ".toml":
        recipe = read_recipe(file)
        if (plain := without_paths(recipe)) != recipe:
            return to_toml(plain.settings()).encode()
    return file.read_bytes()


def _tasks(results: Path) -> list[str]:
    """The tasks that have results, and values per query on the same revision of the data.

    An archive says but one: values of an evaluation that has just begun have no results yet.
    """
    return [
        task
        for task, revision in data_revisions(results).items()
        if (file := results / f"{task}.json").is_file()
        and json_file(file, dict).get("dataset_revision") == revision
    ]


def _packed_before(archive: Path) -> dict[str, pl.DataFrame]:
    """Values per query of an archive, by task; none if it is damaged, as packing mends that."""
    try:
        values = _read(archive).values if archive.is_file() else {}
    except (DataError, StudyError):
        return {}
    return {task: table for task, (table, _) in values.items()}


def unpack(folder: Path, store: Store) -> tuple[list[str], dict[Path, list[str]]]:
    """Take packed results into a store, but for runs of which it has results.

    Nothing of an archive is written before all of it was read and checked.

    Args:
        folder: Where the archives are.
        store: It need not exist.

    Returns:
        The keys of the runs that were taken in; and of those that stayed as they were, the folders
        of results that lack tasks or subsets of their archive, with these tasks.

    Raises:
        DataError: If there are no archives, or one is damaged.
        LockedError: If another process is at work on a run.
        StudyError: If an archive is of something else than its name says, or has other content
            than `pack` writes.
    """
    archives = sorted(folder.glob("*.zip"))
    if not archives:
        raise DataError(
            f"{folder}: no packed results (KEY.zip); expected a folder that `mteb-hybrid study "
            "pack` has written"
        )
    taken, lacking = [], {}
    for archive in archives:
        packed = _read(archive)
        results = store.results / packed.model.replace("/", "__") / archive.stem
        if _take_in(archive.stem, packed, results, store):
            taken.append(archive.stem)
        elif tasks := _lacking(packed, results):
            lacking[results] = tasks
    return taken, lacking


def _lacking(packed: _Packed, results: Path) -> list[str]:
    """The tasks of an archive of which a store does not have all subsets."""
    return [
        task
        for task, (rows, _) in packed.values.items()
        if {*rows["pool"]} - {file.stem for file in results.glob(f"{task}.per_query/*.parquet")}
    ]


def _take_in(key: str, packed: _Packed, results: Path, store: Store) -> bool:
    if results.exists():
        return False
    with lock(store.run(key), wait=False):
        if results.exists():  # by a run that held the lock until now
            return False
        places = {"made.json": store.made_file(key)}
        if store.has_weights(key):  # of a training here, which these results are not of
            made = {
                task: [*rows["pool"].unique().sort()] for task, (rows, _) in packed.values.items()
            }
            store.keep_earlier(key, _trainings(packed), made)
        else:
            places["costs.json"] = store.costs_file(key)
            places |= {f"training/{name}": store.run(key) / name for name in TRAINING}
        for name, to in places.items():
            if name in packed.files:
                write_text(to, packed.files[name].decode())
        _write_results(results, packed)
    return True


def _trainings(packed: _Packed) -> list[object]:
    """What the trainings of an archive say of themselves."""
    names = [f"training/{name}" for name in (EARLIER, VERSIONS)]
    found = [json_text(Path(name), packed.files.get(name, b"[]")) for name in names]
    return [part for parts in found if isinstance(parts, list) for part in parts]


def _write_results(results: Path, packed: _Packed) -> None:
    with whole_folder(results) as part:  # last, as what is there is not taken in again
        for name, raw in packed.files.items():
            if name.startswith(RESULTS):
                (part / name.removeprefix(RESULTS)).write_bytes(raw)
        for task, (values, revision) in packed.values.items():
            for rows in values.partition_by("pool", maintain_order=True):
                write_per_query(rows, part, task, revision)


def _read(archive: Path) -> _Packed:
    """An archive, read and checked whole; errors as of `unpack`."""
    with opened(archive) as zipped:
        content = {name: zipped.read(name) for name in zipped.namelist()}
    if others := sorted(name for name in content if not OURS.fullmatch(name)):
        raise StudyError(
            f"{archive}: holds {others[0]!r}, which `mteb-hybrid study pack` does not write. Do "
            "not use this archive"
        )
    if missing := [name for name in ("made.json", META) if name not in content]:
        raise StudyError(f"{archive}: no packed results: it lacks {' and '.join(missing)}. {AGAIN}")
    texts = {name: raw for name, raw in content.items() if not name.endswith(".parquet")}
    known = {}
    for name, raw in texts.items():
        text_of(f"{archive / name}", raw)
        if name.endswith(".json"):
            known[name] = json_text(archive / name, raw)
    meta = known[META]
    model = meta.get("name") if isinstance(meta, dict) else None
    if not isinstance(model, str) or not re.fullmatch(r"studies/[\w.-]+", model, re.ASCII):
        raise StudyError(f"{archive / META}: is of a model {model!r}; expected studies/…. {AGAIN}")
    if (made := key_of(known["made.json"])) != archive.stem:
        raise StudyError(
            f"{archive}: was edited or renamed: what made its results has the key {made}, and its "
            f"name says another. {AGAIN}"
        )
    if meta.get("revision") != made:
        raise StudyError(
            f"{archive / META}: was edited: it is of the run {meta.get('revision')!r}; expected "
            f"{made}. {AGAIN}"
        )
    values = {
        PurePosixPath(name).stem: _values(archive, name, raw, known)
        for name, raw in content.items()
        if name.endswith(".parquet")
    }
    if not values:
        raise StudyError(f"{archive}: has no values per query ({RESULTS}TASK.parquet). {AGAIN}")
    return _Packed(model, texts, values)


def _values(
    archive: Path, name: str, raw: bytes, known: Mapping[str, object]
) -> tuple[pl.DataFrame, str]:
    """Values per query of a task, and the revision of the data that they are on."""
    beside = name.replace(".parquet", ".json")
    results = known.get(beside)
    revision = results.get("dataset_revision") if isinstance(results, dict) else None
    if not isinstance(revision, str) or not revision:
        raise StudyError(
            f"{archive / beside}: is missing or damaged: expected results with a "
            f"dataset_revision, found {revision!r}. {AGAIN}"
        )
    try:
        kept = pl.read_parquet(io.BytesIO(raw))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise StudyError(f"{archive / name}: is damaged ({error}). {AGAIN}") from None
    if kept.schema != pl.Schema(COLUMNS):
        raise StudyError(
            f"{archive / name}: has the columns {list(kept.schema)}, expected {list(COLUMNS)}. "
            f"{AGAIN}"
        )
    if kept.is_empty() or any(kept[name].has_nulls() for name in COLUMNS if name != "value"):
        raise StudyError(
            f"{archive / name}: has no rows, or some without a query, group, language, pool or "
            f"measure. {AGAIN}"
        )
    for pool in kept["pool"].unique().sort():
        fault = path_fault(pool) or ("" if PurePosixPath(pool).parts == (pool,) else "is no name")
        if fault:
            raise StudyError(
                f"{archive / name}: a pool {pool!r} {fault}; expected the name of a subset, such "
                "as en-de. Do not use this archive"
            )
    return kept, revision
