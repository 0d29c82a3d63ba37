"""Predictions, written whole: MTEB reads, changes and writes back one file for each task."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.evaluation.saving import set_aside
from mteb_hybrid.files.lines import shown
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import write_text
from mteb_hybrid.retrieval.ranks import Ranks

if TYPE_CHECKING:
    from mteb.models import ModelMeta


class PredictionsError(ValueError):
    """Predictions that cannot be saved where they should. The message gives the remedy."""


def check_predictions(file: Path, model: "ModelMeta") -> None:
    """Refuse a file with the predictions of another model: MTEB would take all for that one's.

    Args:
        file: The file of the task; it need not exist.
        model: Whose predictions are to be added.

    Raises:
        PredictionsError: If the file has those of another model or revision.
    """
    if not file.exists():
        return
    try:
        _check_model(file, json.loads(file.read_bytes()), model)
    except PredictionsError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return  # damaged, which is for `save_predictions` to say


def _check_model(file: Path, content: Mapping[str, Any], model: "ModelMeta") -> None:
    there = content["mteb_model_meta"]
    name, revision = there.get("model_name"), there.get("revision", model.revision)
    experiment = there.get("experiment_name")  # MTEB does not say it
    if (name, revision, experiment) != (model.name, model.revision, model.experiment_name):
        apart = f" ({shown(experiment)})" if experiment else ""
        ours = f" ({model.experiment_name})" if model.experiment_name else ""
        raise PredictionsError(
            f"{file}: holds predictions of {shown(name)} at revision {shown(revision)}{apart}; "
            f"those of {model.name} at {model.revision}{ours} need a folder of their own. Choose "
            "another --prediction-folder, or move that file away."
        )


def ranked_subsets(
    file: Path, model: "ModelMeta", split: str, dataset_revision: str | None = None
) -> set[str]:
    """The subsets of which a file has rankings.

    Args:
        file: The file of the task; it need not exist. A damaged one is set aside.
        model: Whose rankings.
        split: Of which split.
        dataset_revision: Of which data. A file with rankings of others is set aside.

    Raises:
        PredictionsError: As `check_predictions`.
    """
    if not file.exists():
        return set()
    with lock(file):
        content = _read(file, dataset_revision)
    if content is None:
        return set()
    _check_model(file, content, model)
    return {subset for subset, by_split in content.items() if by_split.get(split)}


def save_predictions(
    file: Path,
    predictions: Mapping[str, Any],
    model: "ModelMeta",
    split: str,
    subset: str,
    dataset_revision: str | None = None,
) -> None:
    """Add the rankings of one subset to a file of predictions, in MTEB's layout.

    Args:
        file: The file of the task. A damaged one, or one of other data, is set aside.
        predictions: ``{query id: {passage id: score}}``.
        model: Whose they are.
        split: Their split.
        subset: Their subset.
        dataset_revision: Revision of the data.

    Raises:
        PredictionsError: As `check_predictions`.
    """
    about = {"model_name": model.name, "revision": model.revision}
    if model.experiment_name:
        about["experiment_name"] = model.experiment_name
    if dataset_revision:
        about["dataset_revision"] = dataset_revision
    with lock(file):
        content = _read(file, dataset_revision) or {"mteb_model_meta": about}
        _check_model(file, content, model)
        content.setdefault(subset, {})[split] = predictions
        write_text(file, json.dumps(content))  # many times as fast as json.dump


def first_places(ranks: Ranks, queries: Iterable[str], k: int) -> dict[str, dict[str, float]]:
    """The first places of rankings, as MTEB saves them.

    Args:
        ranks: Ranks of Q queries.
        queries: Their ids, in the order of the rows.
        k: How many places at most.

    Returns:
        ``{query id: {passage id: score}}``, best first.
    """
    ids, found = ranks.pool.ids, {}
    for query, places, scores in zip(queries, ranks.top[:, :k], ranks.top_scores, strict=True):
        names = [ids[place] for place in places[places >= 0].tolist()]
        found[query] = dict(zip(names, scores.tolist(), strict=False))
    return found


def _read(file: Path, dataset_revision: str | None) -> dict[str, Any] | None:
    if not file.exists():
        return None
    try:
        # Read again for every subset, so by the fastest parser; it is our own file, or MTEB's.
        content = json.loads(file.read_bytes())
        if isinstance(content, dict) and all(isinstance(x, dict) for x in content.values()):
            if "mteb_model_meta" in content:
                return content if _is_of(file, content, dataset_revision) else None
            raise ValueError("it does not say whose they are")
        fault = "not {subset: {split: {query: {passage: score}}}}"
    except (ValueError, RecursionError) as error:
        fault = str(error)
    set_aside(
        file,
        fault,
        "The same `mteb-hybrid run` makes the rankings of the subsets in it again.",
    )
    return None


def _is_of(file: Path, content: Mapping[str, Any], dataset_revision: str | None) -> bool:
    """Whether rankings may be of the data; a file of others is set aside."""
    there = content["mteb_model_meta"].get("dataset_revision")
    if not there or not dataset_revision or there == dataset_revision:
        return True
    fault = f"of revision {shown(there)} of the data, which now have {dataset_revision}"
    set_aside(file, fault, "The rankings that are asked for are made anew.", "outdated")
    file.unlink()
    return False
