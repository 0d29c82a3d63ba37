"""Check results before they go to MTEB's results repository, and put them in its form.

``mteb submit-results`` commits what it is given. What reviewers and the leaderboard then stumble
over is found here first: names and revisions that mean nothing elsewhere, missing subsets, paths of
one's own machine, metadata without which a model is not listed.
"""

import json
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mteb_hybrid.table import ResultError

LOCAL_PATH = re.compile(r"(^|[\s\"'=(])(~?/[\w.-]+/[\w./-]+|[A-Za-z]:\\\S+|file://\S+)")
NEEDED = ("languages", "n_parameters", "embed_dim", "max_tokens", "license", "framework")
WISHED = ("release_date", "training_datasets", "reference")
WITHOUT_TASK = {"model_meta.json", "run_settings.jsonl"}


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


def check_results(folder: Path) -> list[Finding]:
    """Look for what would keep results from the leaderboard.

    Args:
        folder: What ``--output-folder`` named, or the ``results`` in it.

    Returns:
        What was found, faults first; none is a fault if all is well.

    Raises:
        ResultError: If there are no results.
    """
    root = results_root(folder)
    models = [revision for model in _folders(root) for revision in _folders(model)]
    if not models:
        raise ResultError(f"{root}: no results; expected ORG__MODEL/REVISION/TASK.json in it")
    found = [finding for model in models for finding in _model(root, model)]
    return sorted(found, key=lambda finding: (not finding.is_fault, finding.file))


def prepare(folder: Path, output: Path) -> int:
    """Copy what belongs into the results repository: results and metadata, nothing else.

    Args:
        folder: As for `check_results`.
        output: A folder that does not exist yet; give it to ``mteb submit-results
            --output-folder``.

    Returns:
        How many result files there are.

    Raises:
        ResultError: If there is a fault, or `output` exists.
    """
    faults = [finding for finding in check_results(folder) if finding.is_fault]
    if faults:
        raise ResultError(
            f"{len(faults)} fault(s), the first: {faults[0].file}: {faults[0].problem}"
        )
    if output.exists():
        raise ResultError(f"{output}: exists already; name another folder, or remove it")
    root = results_root(folder)
    unfinished = output.with_name(f".{output.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    count = 0
    for file in sorted(root.glob("*/*/*.json")):
        target = unfinished / "results" / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        count += file.name not in WITHOUT_TASK
    unfinished.rename(output)
    return count


def results_root(folder: Path) -> Path:
    """The folder that holds the folders of models."""
    return folder / "results" if (folder / "results").is_dir() else folder


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ResultError(f"{folder}: no such folder")
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _model(root: Path, folder: Path) -> Iterator[Finding]:
    name = str(folder.relative_to(root))
    model, revision = folder.parent.name.replace("__", "/", 1), folder.name
    if model.startswith("local/") or "/" not in model:
        yield Finding(
            name,
            f"{model} is no name that others know; register the model (`mteb-hybrid models add`) "
            "under org/name, and evaluate it by that name",
        )
    if revision in ("no_revision_available", "external"):
        yield Finding(name, f"the revision is {revision}; evaluate a model with a revision")
    yield from _meta(name, folder / "model_meta.json", model, revision)
    files = [file for file in sorted(folder.glob("*.json")) if file.name not in WITHOUT_TASK]
    if not files:
        yield Finding(name, "no result files; remove the folder")
    for file in files:
        yield from _result(f"{name}/{file.name}", file)


def _meta(folder: str, file: Path, model: str, revision: str) -> Iterator[Finding]:
    name = f"{folder}/{file.name}"
    meta = _json(file)
    if meta is None:
        yield Finding(name, "missing, or no JSON; MTEB writes it: evaluate one task again")
        return
    for key, expected in (("name", model), ("revision", revision)):
        if meta.get(key) != expected:
            yield Finding(name, f"{key} is {meta.get(key)!r}, the folder says {expected!r}")
    for key in () if _is_mtebs_own(model) else NEEDED:
        if meta.get(key) in (None, []):
            yield Finding(
                name,
                f"{key} is missing; give it with `mteb-hybrid models add … --replace`, or in the "
                "model's entry in MTEB",
            )
    for key in WISHED:
        if meta.get(key) is None:
            yield Finding(name, f"{key} is not known", is_fault=False)
    yield from _paths(name, meta)


def _is_mtebs_own(model: str) -> bool:
    """Whether MTEB itself has the model's entry: what that lacks is nobody's to give here."""
    from mteb.models.model_implementations import MODEL_REGISTRY

    from mteb_hybrid.registry import registered

    return model in MODEL_REGISTRY and model not in registered()


def _result(name: str, file: Path) -> Iterator[Finding]:
    import mteb
    from mteb.results import TaskResult
    from pydantic import ValidationError

    content = _json(file)
    if content is None:
        yield Finding(name, "no JSON, or cut short; delete the file and evaluate the task again")
        return
    try:
        result = TaskResult.from_disk(file)
        task: Any = mteb.get_task(result.task_name)
    except (ValidationError, ValueError) as error:
        yield Finding(name, f"MTEB cannot read it: {str(error).splitlines()[0]}")
        return
    except KeyError:
        yield Finding(name, f"MTEB has no task {content.get('task_name')!r}; delete the file")
        return
    if result.task_name != file.stem:
        yield Finding(name, f"holds results of {result.task_name}; rename or delete it")
    if result.dataset_revision != task.metadata.dataset["revision"]:
        yield Finding(
            name,
            f"made on revision {result.dataset_revision} of the data, the task has "
            f"{task.metadata.dataset['revision']}; evaluate it again",
        )
    if not result.mteb_version:
        yield Finding(name, "does not say with which version of mteb it was made")
    if type(task).__module__.startswith("mteb_hybrid"):
        yield Finding(
            name,
            f"{result.task_name} is a task of this plugin: the results repository can take it "
            "once MTEB has the task",
            is_fault=False,
        )
    for split in task.eval_splits:
        rows = {row["hf_subset"]: row for row in result.scores.get(split, [])}
        missing = [subset for subset in task.hf_subsets if subset not in rows]
        if missing:
            yield Finding(
                name,
                f"split {split}: {len(missing)} of {len(task.hf_subsets)} subsets are missing "
                f"({', '.join(missing[:6])}{', …' if len(missing) > 6 else ''}); the same `mteb "
                "run` again evaluates them",
            )
        for subset, row in rows.items():
            score = row.get("main_score")
            if not isinstance(score, float | int) or not math.isfinite(score):
                yield Finding(name, f"{split}, {subset}: the main score is {score!r}")
    yield from _paths(name, content)


def _paths(name: str, content: Any, key: str = "") -> Iterator[Finding]:
    if isinstance(content, dict):
        for inner, value in content.items():
            yield from _paths(name, value, f"{key}.{inner}".lstrip("."))
    elif isinstance(content, list):
        for value in content:
            yield from _paths(name, value, key)
    elif isinstance(content, str) and (path := LOCAL_PATH.search(content)):
        yield Finding(name, f"{key} holds a path of this machine, {path[2]}; take it out")


def _json(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
