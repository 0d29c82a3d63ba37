"""The rankings that MTEB saves of one task, one for each subset."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.lines import TextError, json_file, one_line, shown
from mteb_hybrid.files.runs import scores_of


@dataclass(frozen=True)
class Run:
    """A ranking of one view.

    Attributes:
        scores: ``{query id: {passage id: score}}``.
        tag: What TREC's last column says, without white space.
        file: Where it comes from, for messages.
    """

    scores: Mapping[str, Mapping[str, float]]
    tag: str = "mteb-hybrid"
    file: Path = Path("run")


def read_predictions(
    file: Path, split: str, revisions: Collection[str] | None = None
) -> dict[str, Run]:
    """Read the predictions that MTEB saved of one task.

    Args:
        file: What ``mteb-hybrid run --prediction-folder`` left there.
        split: The split of the task.
        revisions: Of the data that were ranked: one of these, where the file says which it was.

    Returns:
        Rankings by subset.

    Raises:
        ExportError: If the file is not of that kind, lacks the split, or ranks other data.
    """
    expected = "expected MTEB predictions, as `mteb-hybrid run --prediction-folder` saves them"
    again = "Save them again, with `--overwrite-strategy always` if the results are there"
    try:
        data: Any = json_file(file)
    except TextError as error:
        raise ExportError(f"{error}; {expected}. {again}.") from None
    if not isinstance(data, dict) or "mteb_model_meta" not in data:
        raise ExportError(f"{file}: no key 'mteb_model_meta'; {expected}. Give that file.")
    meta = data.pop("mteb_model_meta")
    name = meta.get("model_name") if isinstance(meta, dict) else None
    made_on = meta.get("dataset_revision") if isinstance(meta, dict) else None
    if made_on and revisions is not None and made_on not in [*revisions]:
        raise ExportError(
            f"{file}: ranks revision {shown(made_on)} of its data; expected "
            f"{' or '.join(sorted(revisions))}. Give predictions of a task of this collection, "
            "made on its data of today."
        )
    tag = "".join(one_line(str(name or "mteb")).split()) or "mteb"
    runs = {}
    for subset, splits in data.items():
        where = f"{file}: subset {shown(subset)}"
        if not isinstance(splits, dict):
            raise ExportError(
                f"{where}: expected {{split: {{query: {{passage: score}}}}}}. {again}."
            )
        if split not in splits:
            raise ExportError(
                f"{where} has the splits {', '.join(splits)}; expected {split}. Give the "
                "predictions of a task of this collection."
            )
        try:
            runs[subset] = Run(scores_of(where, splits[split]), tag, file)
        except TextError as error:
            raise ExportError(f"{str(error).removesuffix('.')}. {again}.") from None
    return runs
