"""Predictions, written whole: MTEB reads, changes and writes back one file for each task."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.evaluation.saving import set_aside
from mteb_hybrid.files.documents import parse_json
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import whole

if TYPE_CHECKING:
    from mteb.models import ModelMeta


def save_predictions(
    file: Path, predictions: Mapping[str, Any], model: "ModelMeta", split: str, subset: str
) -> None:
    """Add the rankings of one subset to a file of predictions, in MTEB's layout.

    Args:
        file: The file of the task. A damaged one is set aside.
        predictions: ``{query id: {passage id: score}}``.
        model: Whose they are.
        split: Their split.
        subset: Their subset.
    """
    about = {"model_name": model.name, "revision": model.revision}
    with lock(file):
        content = _read(file) or {"mteb_model_meta": about}
        content.setdefault(subset, {})[split] = predictions
        with whole(file) as part, part.open("w", encoding="utf-8") as stream:
            json.dump(content, stream)


def _read(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    try:
        content = parse_json(file.read_bytes())
        if isinstance(content, dict) and all(isinstance(x, dict) for x in content.values()):
            return content
        fault = "not {subset: {split: {query: {passage: score}}}}"
    except ValueError as error:
        fault = str(error)
    set_aside(
        file,
        fault,
        "For the predictions of the subsets in it, evaluate them again with "
        "`--overwrite-strategy always`.",
    )
    return None
