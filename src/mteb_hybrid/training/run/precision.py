"""The precision of a run: what the recipe says, or what the device computes natively."""

from typing import NamedTuple

import torch
from accelerate.utils import gather_object
from sentence_transformers.util import get_device_name

from mteb_hybrid.models.precision import compared, native_bf16, relative_speed

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
LOSS = 0.8
"""From which speed on a precision that was asked for is slow: above is noise."""


class Precision(NamedTuple):
    """What a run computes in.

    Attributes:
        name: ``fp32``, ``bf16`` or ``fp16``, as in a recipe.
        reason: Why, for the log.
        warning: What is wrong with it on this device.
    """

    name: str
    reason: str
    warning: str | None = None


def device() -> torch.device:
    """The device of this process, as sentence-transformers chooses it."""
    return torch.device(get_device_name())


def choose_precision(wanted: str, began: str | None = None) -> Precision:
    """Decide on the precision of a run in one process.

    Args:
        wanted: That of the recipe; ``auto`` is bf16 on a device that computes it natively, which
            CUDA tells and a matrix product shows elsewhere, in 0.1 s; else float32.
        began: That in which a resumed run began: it stays, on whatever device.

    Raises:
        ValueError: If the device cannot train in it.
    """
    wanted, reason = (began, "as the run began") if began else (wanted, "as the recipe says")
    if wanted == "fp32":
        return Precision("fp32", reason)
    here = device()
    if wanted == "auto":
        native, why = native_bf16(here)
        return Precision("bf16" if native else "fp32", why)
    if wanted == "fp16" and here.type == "cpu":
        # Its gradients need scaling, which accelerate does not do on processors.
        speed, found = 0.0, "this cpu cannot train in fp16"
    else:
        speed = relative_speed(DTYPES[wanted], here)
        found = compared(speed, wanted, here)
    if not speed:
        raise ValueError(
            f"training.precision: {found}; expected fp32, or auto, by which a new run takes what "
            "its device computes natively"
        )
    remedy = "with training.precision = 'auto' a new run would not use it here"
    return Precision(wanted, reason, f"{found}; {remedy}" if speed < LOSS else None)


def shared_precision(wanted: str, began: str | None = None) -> Precision:
    """Decide on the precision of a run in all processes alike.

    Each asks its own device, and one without native bf16 makes all take float32.

    Args:
        wanted: As in `choose_precision`.
        began: The same.
    """
    found: list[Precision] = gather_object([choose_precision(wanted, began)])
    return min(found, key=lambda one: (one.name != "fp32", one.warning is None))
