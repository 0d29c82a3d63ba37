"""Faults of one result file: those that MTEB's results repository tests for, and others."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from packaging.version import InvalidVersion, Version

from mteb_hybrid.files.documents import parse_json
from mteb_hybrid.files.lines import TextError, json_file
from mteb_hybrid.results.run_settings import RUN_SETTINGS

LOCAL_PATH = re.compile(r"(^|[\s\"'=(])(~?/[\w.-]+/[\w./-]+|[A-Za-z]:\\\S+|file://\S+)")
OLDEST_MTEB = Version("2.14.0")
LARGEST_FILE = 10 * 2**20

Covered: TypeAlias = tuple[str, str, str]
"""A task, a split and a subset."""


@dataclass(frozen=True)
class Finding:
    """Something about a results folder.

    Attributes:
        file: The file or folder, from the results folder on.
        problem: What is wrong, and the remedy.
        is_fault: Whether it stands in the way; else it is only worth knowing.
    """

    file: str
    problem: str
    is_fault: bool = True


def check_result(name: str, file: Path, covered: set[Covered] | None) -> Iterator[Finding]:
    """Look for faults of one result file.

    Args:
        name: What to call it.
        file: The file.
        covered: What the run settings speak of, None if they are missing.
    """
    import mteb
    from mteb.results import TaskResult

    from mteb_hybrid.evaluation.salvage import FAULTS

    content = read_object(file)
    if content is None:
        yield Finding(name, "no JSON, or cut short; delete the file and evaluate the task again")
        return
    try:
        result = TaskResult.from_disk(file)
    except FAULTS as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        yield Finding(name, f"MTEB cannot read it: {first}")
        return
    try:
        task: Any = mteb.get_task(result.task_name)
    except KeyError:
        yield Finding(name, f"MTEB has no task {content.get('task_name')!r}; delete the file")
        return
    if result.task_name != file.stem:
        yield Finding(name, f"holds results of {result.task_name}; rename or delete it")
    if file.stat().st_size > LARGEST_FILE:
        yield Finding(name, "larger than 10 MB; take the indentation out of the JSON")
    if result.dataset_revision != task.metadata.dataset["revision"]:
        yield Finding(
            name,
            f"made on revision {result.dataset_revision} of the data, the task has "
            f"{task.metadata.dataset['revision']}; evaluate it again",
        )
    if type(task).__module__.startswith("mteb_hybrid"):
        yield Finding(
            name,
            f"{result.task_name} is a task of this plugin: the results repository can take it "
            "once MTEB has the task",
            is_fault=False,
        )
    rows = [row for split in result.scores.values() for row in split]
    for version in sorted({str(row.get("mteb_version") or "unknown") for row in rows}):
        if not _is_recent(version):
            yield Finding(
                name,
                f"the version of mteb is {version}, expected {OLDEST_MTEB} or newer; evaluate it "
                "again",
            )
    for split in task.eval_splits:
        yield from _subsets(name, task, split, result.scores.get(split, []), covered)
    yield from paths_in(name, content)


def _subsets(
    name: str, task: Any, split: str, rows: list[Any], covered: set[Covered] | None
) -> Iterator[Finding]:
    scores = {row["hf_subset"]: row.get("main_score") for row in rows}
    again = "; the same `mteb run` again evaluates them"
    if missing := [subset for subset in task.hf_subsets if subset not in scores]:
        some = _some(missing)
        count = f"{len(missing)} of {len(task.hf_subsets)}"
        yield Finding(name, f"split {split}: {count} subsets are missing ({some}){again}")
    for subset, score in scores.items():
        if not isinstance(score, float | int) or not math.isfinite(score):
            yield Finding(name, f"{split}, {subset}: the main score is {score!r}")
    if covered is None:
        return
    if bare := [s for s in scores if (task.metadata.name, split, s) not in covered]:
        yield Finding(
            name,
            f"split {split}: {RUN_SETTINGS} does not say how {len(bare)} subsets were run "
            f"({_some(bare)}); evaluate with `--overwrite-strategy always`",
        )


def _some(subsets: list[str]) -> str:
    return ", ".join(subsets[:6]) + (", …" if len(subsets) > 6 else "")


def _is_recent(version: str) -> bool:
    try:
        return Version(version) >= OLDEST_MTEB
    except InvalidVersion:
        return False


def read_run_settings(file: Path) -> set[Covered] | None:
    """What MTEB's run settings speak of, None if they are missing or damaged.

    Args:
        file: ``run_settings.jsonl``; before mteb 2.18.17, each line had one split and one subset.
    """
    try:
        lines = [parse_json(line) for line in file.read_bytes().split(b"\n") if line]
        return {
            (line["task"], split, subset)
            for line in lines
            for split in line.get("splits") or [line["split"]]
            for subset in line.get("subsets") or [line["subset"]]
            if _is_recent(line["version"]["mteb"])
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def paths_in(name: str, content: Any, key: str = "") -> Iterator[Finding]:
    """Look for paths of a machine in the texts of a JSON file."""
    if isinstance(content, dict):
        for inner, value in content.items():
            yield from paths_in(name, value, f"{key}.{inner}".lstrip("."))
    elif isinstance(content, list):
        for value in content:
            yield from paths_in(name, value, key)
    elif isinstance(content, str) and (path := LOCAL_PATH.search(content)):
        yield Finding(name, f"{key} holds a path of this machine, {path[2]}; take it out")


def read_object(file: Path) -> dict[str, Any] | None:
    """An object in a JSON file, None if there is none."""
    try:
        found: dict[str, Any] = json_file(file, dict)
    except (OSError, TextError):
        return None
    return found
