"""Check results before they go to MTEB's results repository, and put them in its form.

``mteb submit-results`` commits what it is given. What reviewers, the leaderboard and the tests of
the results repository (github.com/embeddings-benchmark/results, ``tests/``) then stumble over is
found here first: names and revisions that mean nothing elsewhere, missing subsets and run settings,
paths of one's own machine, metadata without which a model is not listed.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from mteb_hybrid.export.upstream.result_file import (
    Finding,
    check_result,
    paths_in,
    read_object,
    read_run_settings,
)
from mteb_hybrid.files.whole import whole
from mteb_hybrid.results.mteb_files import EXPERIMENTS, META, ResultError
from mteb_hybrid.results.run_settings import RUN_SETTINGS

NEEDED = ("languages", "n_parameters", "embed_dim", "max_tokens", "license", "framework")
WISHED = ("release_date", "training_datasets", "reference")
REVISION = re.compile(r"[0-9a-f]{40}|.")
"""A commit, or the one-character version of an API."""


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
    found = [*_misplaced(root), *_duplicates(root)]
    found += [finding for model in models for finding in _model(root, model)]
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
    files = sorted((*root.glob("*/*/*.json"), *root.glob(f"*/*/{RUN_SETTINGS}")))
    with whole(output) as part:
        for file in files:
            target = part / "results" / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return sum(file.name not in (META, RUN_SETTINGS) for file in files)


def results_root(folder: Path) -> Path:
    """The folder that holds the folders of models."""
    return folder / "results" if (folder / "results").is_dir() else folder


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ResultError(f"{folder}: no such folder")
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _misplaced(root: Path) -> Iterator[Finding]:
    for file in sorted((*root.glob("*.json"), *root.glob("*/*.json"))):
        yield Finding(
            str(file.relative_to(root)),
            "lies in no folder of a revision; expected ORG__MODEL/REVISION/TASK.json",
        )


def _duplicates(root: Path) -> Iterator[Finding]:
    for model in _folders(root):
        first: dict[str, Path] = {}
        for file in sorted(model.glob("*/*.json")):
            other = first.setdefault(file.name, file)
            if file.name != META and other != file:
                yield Finding(
                    str(file.relative_to(root)),
                    f"revision {other.parent.name} has the task too; keep one revision of a model",
                )


def _model(root: Path, folder: Path) -> Iterator[Finding]:
    name = str(folder.relative_to(root))
    model, revision = folder.parent.name.replace("__", "/", 1), folder.name
    if model.startswith("local/") or "/" not in model:
        yield Finding(
            name,
            f"{model} is no name that others know; register the model (`mteb-hybrid models add`) "
            "under org/name, and evaluate it by that name",
        )
    elif not _is_mtebs_own(model):
        yield Finding(
            name,
            f"MTEB has no entry for {model}: the results repository can take its results once MTEB "
            "has one",
            is_fault=False,
        )
    if not REVISION.fullmatch(revision):
        yield Finding(
            name,
            f"the revision is {revision}, expected a commit of the hub, 40 hex digits: upload the "
            "model, give its commit to `mteb-hybrid models add … --revision`, and evaluate again",
        )
    yield from _meta(name, folder / META, model, revision)
    if experiments := sorted(path.name for path in folder.glob(f"{EXPERIMENTS}/*")):
        yield Finding(
            f"{name}/{EXPERIMENTS}",
            f"{len(experiments)} experiment(s) with other options ({experiments[0]}, …) are left "
            "out: a submission has the model as it is",
            is_fault=False,
        )
    files = [file for file in sorted(folder.glob("*.json")) if file.name != META]
    if not files:
        yield Finding(name, "no result files; remove the folder")
        return
    settings = folder / RUN_SETTINGS
    covered = read_run_settings(settings)
    if covered is None:
        yield Finding(
            f"{name}/{RUN_SETTINGS}",
            "missing, or not as MTEB writes it: evaluate with `--overwrite-strategy always`",
        )
    else:
        yield from paths_in(f"{name}/{RUN_SETTINGS}", settings.read_text(encoding="utf-8"), "it")
    for file in files:
        yield from check_result(f"{name}/{file.name}", file, covered)


def _meta(folder: str, file: Path, model: str, revision: str) -> Iterator[Finding]:
    name = f"{folder}/{file.name}"
    meta = read_object(file)
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
    yield from paths_in(name, meta)


def _is_mtebs_own(model: str) -> bool:
    """Whether MTEB itself has the model's entry: what that lacks is nobody's to give here."""
    from mteb.models.model_implementations import MODEL_REGISTRY

    from mteb_hybrid.models import offline
    from mteb_hybrid.models.registry import registered
    from mteb_hybrid.repair import offline as repaired_offline

    ours = (offline.MODEL_NAME, repaired_offline.MODEL_NAME, *registered())
    return model in MODEL_REGISTRY and model not in ours
