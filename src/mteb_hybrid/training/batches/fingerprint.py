"""Whether a checkpoint belongs to the run that is to go on from it."""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from datasets.fingerprint import Hasher

from mteb_hybrid.training.batches.error import HybridBatchError
from mteb_hybrid.training.batches.prompts import Prompts, before_texts
from mteb_hybrid.training.batches.sampler import DRAWINGS, HybridBatchSampler
from mteb_hybrid.training.digest import dataset_digest

logger = logging.getLogger(__name__)

TRANSFORMS = "transforms"
IN_TURN = "args.multi_dataset_batch_sampler"
PROMPTS = "args.prompts"
OTHERWISE = "load the checkpoint as the model and train without resume_from_checkpoint"
OTHER_VERSION = (
    "the checkpoint was written by another version of mteb-hybrid, which draws other batches from "
    f"the same data and seed; finish the run with that version, or {OTHERWISE}"
)


def fingerprint(
    samplers: Mapping[str, Any],
    datasets: Mapping[str, Any],
    processes: int,
    per_step: int,
    *,
    in_turn: bool,
    prompts: Prompts,
) -> dict[str, Any]:
    """All but the settings of the plan that the batches of a run depend on, as plain values.

    Of data it sees what is stored, and of a transform its code, as far as that can be hashed.

    Args:
        samplers: The sampler of each data set, by its name; an empty name if there is but one.
        datasets: The data sets, by the same names.
        processes: Number of processes.
        per_step: Batches of one process per optimizer step.
        in_turn: Whether several data sets give a batch each in turn.
        prompts: What the collator puts before texts.
    """
    found: dict[str, Any] = {
        "drawing": max(getattr(sampler, "drawing", 0) for sampler in samplers.values()),
        "processes": processes,
        "batches_per_step": per_step,
        PROMPTS: before_texts(prompts, datasets),
    }
    if len(samplers) > 1:
        found["datasets"] = list(samplers)
        found[IN_TURN] = "round_robin" if in_turn else "proportional"
    transforms = {name: _transform(dataset) for name, dataset in datasets.items()}
    if any(transforms.values()):
        found[TRANSFORMS] = transforms
    for name, sampler in samplers.items():
        own = {key: getattr(sampler, key, None) for key in ("seed", "batch_size", "drop_last")}
        dataset = datasets[name]
        if isinstance(sampler, HybridBatchSampler):
            own |= {
                "data": dataset.digest,
                "rows": len(dataset),
                "corpora": {corpus.name: len(corpus) for corpus in dataset.corpora},
                "weights": dataset.weights,
            }
        else:
            own |= {
                "sampler": type(sampler).__name__,
                "data": dataset_digest(dataset),
                "batches": len(sampler),
            }
        found |= {f"{name}: {key}" if name else key: value for key, value in own.items()}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def _transform(dataset: Any) -> str | None:
    """What tells one function given to ``set_transform`` from another; None if there is none."""
    transform = getattr(dataset, "_format_kwargs", {}).get("transform")
    if transform is None:
        return None
    try:
        return str(Hasher.hash(transform))
    except Exception as error:  # whatever pickling what a function refers to may raise
        return f"unknown: {error}"


def check_resumable(
    stored: Any, settings: Mapping[str, Any], now: Mapping[str, Any], languages: Iterable[str]
) -> None:
    """Compare a checkpoint with the run that is to go on from it.

    Another transform gets a warning, since its code may change without what it does.

    Args:
        stored: What the callback has left in the checkpoint.
        settings: Of the callback.
        now: Fingerprint of the run.
        languages: All languages of the data, which is what None in the settings means.

    Raises:
        HybridBatchError: If they differ, with each difference.
    """
    if not stored:
        raise HybridBatchError(
            f"the checkpoint was not trained with HybridBatchCallback; {OTHERWISE}"
        )
    before = stored["attributes"]["_fingerprint"]
    if before.get("drawing") not in DRAWINGS:
        raise HybridBatchError(OTHER_VERSION)
    # Checkpoints of earlier versions do not say these.
    unknown = {IN_TURN, PROMPTS} - before.keys()
    before = {**stored["args"], **before}
    now = {key: value for key, value in {**settings, **now}.items() if key not in unknown}
    for run in (before, now):
        run["languages"] = sorted(run["languages"] or languages)
    if before.pop(TRANSFORMS, None) != now.pop(TRANSFORMS, None):
        logger.warning(
            "the function given to set_transform is not that of the checkpoint, or cannot be "
            "compared with it; the run goes on as it was only if both make the same of every row"
        )
    changed = [
        f"{key}: {before.get(key)!r} in the checkpoint, {now.get(key)!r} now"
        for key in dict.fromkeys([*now, *before])
        if before.get(key) != now.get(key) and key != "drawing"
    ]
    if changed:
        raise HybridBatchError(
            f"the checkpoint belongs to another run ({'; '.join(changed)}); set these as they "
            f"were, or {OTHERWISE}"
        )
    if before["drawing"] != now["drawing"]:
        raise HybridBatchError(OTHER_VERSION)
