"""Results of runs without their models: packed to be published, and taken into a store again.

``KEY.zip`` has what a store keeps of a run but its weights and the measures that no claim is about:
what made it, its costs, the recipe and log of its training, MTEB's result files, and of each task
``TASK.parquet``, the values per query of all its subsets.
"""

import io
import json
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import polars as pl

from mteb_hybrid.files.archives import opened
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.whole import whole, whole_folder, write_text
from mteb_hybrid.measures.view import COLUMNS
from mteb_hybrid.results.per_query import data_revisions, read_per_query, write_per_query
from mteb_hybrid.studies.plan import Run, key_of
from mteb_hybrid.studies.store import Store, StudyError

TRAINING = ("recipe.toml", "versions.json", "log.jsonl")
"""What stays of a training run once its weights are removed."""
RESULTS = "results/"
"""Where result files are in an archive."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""No file of a zip archive is older."""


def pack(runs: Iterable[Run], store: Store, folder: Path, measures: Collection[str]) -> list[Path]:
    """Pack what a store has of runs, an archive for each; those without results are left out.

    Args:
        runs: The runs.
        store: It has their results.
        folder: Where the archives go; one that is there is replaced. The same results have the
            same bytes.
        measures: The measures whose values per query go in.

    Returns:
        The archives, one for each model.

    Raises:
        PerQueryError, DataError: If results are damaged.
    """
    found = {}
    for run in runs:
        if run.key not in found and any(store.results_of(run).glob("*Retrieval.json")):
            found[run.key] = folder / f"{run.key}.zip"
            content = dict(_content(run, store, measures))
            with whole(found[run.key]) as part, zipfile.ZipFile(part, "w") as zipped:
                for name in sorted(content):
                    member = zipfile.ZipInfo(name, EARLIEST)
                    is_packed = name.endswith(".parquet")
                    member.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
                    zipped.writestr(member, content[name])
    return list(found.values())


def _content(run: Run, store: Store, measures: Collection[str]) -> Iterator[tuple[str, bytes]]:
    made, costs = store.made_file(run.key), store.costs_file(run.key)
    for name, file in (("made.json", made), ("costs.json", costs)):
        if file.is_file():
            yield name, file.read_bytes()
    for name in TRAINING:
        if (file := store.run(run.key) / name).is_file():
            yield f"training/{name}", file.read_bytes()
    results = store.results_of(run)
    for file in sorted([*results.glob("*.json"), *results.glob("*.jsonl")]):
        yield RESULTS + file.name, file.read_bytes()
    for task in sorted(data_revisions(results)):
        kept = read_per_query(results, task).drop("task")
        stream = io.BytesIO()
        kept.filter(pl.col("measure").is_in(list(measures))).sort(
            "measure", "pool", "query"
        ).write_parquet(stream, compression="zstd", compression_level=19)
        yield f"{RESULTS}{task}.parquet", stream.getvalue()


def unpack(folder: Path, store: Store) -> list[str]:
    """Take packed results into a store, but for runs of which it has results.

    Args:
        folder: Where the archives are.
        store: It need not exist.

    Returns:
        The keys of the runs that were taken in.

    Raises:
        DataError: If there are no archives, or one is damaged.
        StudyError: If an archive is of something else than its name says.
    """
    archives = sorted(folder.glob("*.zip"))
    if not archives:
        raise DataError(
            f"{folder}: no packed results (KEY.zip); expected a folder that `mteb-hybrid study "
            "pack` has written"
        )
    return [archive.stem for archive in archives if _take_in(archive, store)]


def _take_in(archive: Path, store: Store) -> bool:
    key = archive.stem
    with opened(archive) as zipped:
        content = {name: zipped.read(name) for name in zipped.namelist()}
    try:
        made = json.loads(content["made.json"])
        model = json.loads(content[f"{RESULTS}model_meta.json"])["name"]
        if not re.fullmatch(r"studies/[\w.-]+", model, re.ASCII):
            raise ValueError(f"a model {model!r}")
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise StudyError(
            f"{archive}: no packed results: it lacks made.json or {RESULTS}model_meta.json, or "
            f"they are damaged ({error}); pack them again with `mteb-hybrid study pack`"
        ) from None
    if key_of(made) != key:
        raise StudyError(
            f"{archive}: was edited or renamed: what made its results has the key {key_of(made)}, "
            "and its name says another. Pack it again with `mteb-hybrid study pack`"
        )
    results = store.results / model.replace("/", "__") / key
    if results.exists():
        return False
    for name, to in (("made.json", store.made_file(key)), ("costs.json", store.costs_file(key))):
        if name in content:
            write_text(to, content[name].decode())
    for name in TRAINING:
        if f"training/{name}" in content:
            write_text(store.run(key) / name, content[f"training/{name}"].decode())
    with whole_folder(results) as part:
        for name, raw in content.items():
            file = Path(name.removeprefix(RESULTS))
            if not name.startswith(RESULTS):
                continue
            if file.suffix != ".parquet":
                (part / file.name).write_bytes(raw)
                continue
            try:
                kept = pl.read_parquet(io.BytesIO(raw))
                revision = json.loads(content[f"{RESULTS}{file.stem}.json"])["dataset_revision"]
            except (pl.exceptions.PolarsError, KeyError, ValueError, TypeError) as error:
                raise StudyError(
                    f"{archive}: {name}, or {file.stem}.json beside it, is missing or damaged "
                    f"({error}). Pack it again with `mteb-hybrid study pack`"
                ) from None
            if kept.schema != pl.Schema(COLUMNS):
                raise StudyError(
                    f"{archive}: {name} has the columns {list(kept.schema)}, expected "
                    f"{list(COLUMNS)}. Pack it again with `mteb-hybrid study pack`"
                )
            for rows in kept.partition_by("pool", maintain_order=True):
                write_per_query(rows, part, file.stem, revision)
    return True
