"""Whether a checkpoint belongs to the run that is to go on from it."""

import json
from collections.abc import Mapping
from typing import Any

from mteb_hybrid.training.batches.error import HybridBatchError
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.digest import dataset_digest

DRAWING = 2
"""Version of how batches are drawn: raised when the same data, settings and seed give others."""

OTHERWISE = "load the checkpoint as the model and train without resume_from_checkpoint"


def fingerprint(
    samplers: Mapping[str, Any], datasets: Mapping[str, Any], processes: int, per_step: int
) -> dict[str, Any]:
    """All but the settings of the plan that the batches of a run depend on, as plain values.

    Of data sets that are not parallel it sees what is stored, not what a transform makes of it.

    Args:
        samplers: The sampler of each data set, by its name; an empty name if there is but one.
        datasets: The data sets, by the same names.
        processes: Number of processes.
        per_step: Batches of one process per optimizer step.
    """
    found: dict[str, Any] = {
        "drawing": DRAWING,
        "processes": processes,
        "batches_per_step": per_step,
    }
    if len(samplers) > 1:
        found["datasets"] = list(samplers)
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


def check_resumable(stored: Any, settings: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare a checkpoint with the run that is to go on from it.

    Args:
        stored: What the callback has left in the checkpoint.
        settings: Of the callback.
        now: Fingerprint of the run.

    Raises:
        HybridBatchError: If they differ, with each difference.
    """
    if not stored:
        raise HybridBatchError(
            f"the checkpoint was not trained with HybridBatchCallback; {OTHERWISE}"
        )
    before = stored["attributes"]["_fingerprint"]
    if before.get("drawing") != DRAWING:
        raise HybridBatchError(
            "the checkpoint was written by another version of mteb-hybrid, which draws other "
            f"batches from the same data and seed; finish the run with that version, or {OTHERWISE}"
        )
    before = {**stored["args"], **before}
    now = {**settings, **now}
    changed = [
        f"{key}: {before.get(key)!r} in the checkpoint, {now.get(key)!r} now"
        for key in dict.fromkeys([*now, *before])
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise HybridBatchError(
            f"the checkpoint belongs to another run ({'; '.join(changed)}); set these as they "
            f"were, or {OTHERWISE}"
        )
