"""The precision of a run: what the recipe says, or what the device computes natively.

A processor without bf16 computes it, but slowly: 40 times more so than float32 (oneDNN on AVX2).
Nothing that torch tells says so; a matrix product does.
"""

import time
from typing import NamedTuple

import torch
from accelerate.utils import gather_object
from sentence_transformers.util import get_device_name

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
GAIN = 1.2
"""How much faster than float32 bf16 has to be, since it costs accuracy."""
LOSS = 0.8
"""From which speed on a precision that was asked for is slow: above is noise."""
SIZES = {"cpu": 256}
SIZE = 2048
REPETITIONS = 9


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
    if wanted == "auto" and here.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        card = torch.cuda.get_device_name(here)
        how = "natively" if native else "by emulation only"
        return Precision("bf16" if native else "fp32", f"{card} computes bf16 {how}")
    name = "bf16" if wanted == "auto" else wanted
    # Its gradients need scaling, which accelerate does not do on processors.
    speed = 0.0 if wanted == "fp16" and here.type == "cpu" else relative_speed(DTYPES[name], here)
    found = (
        f"a matrix product takes {1 / speed:.2g} times as long in {name} as in float32 on this "
        f"{here.type}"
        if speed
        else f"this {here.type} cannot train in {name}"
    )
    if wanted == "auto":
        return Precision("bf16" if speed >= GAIN else "fp32", found)
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


def relative_speed(dtype: torch.dtype, place: torch.device) -> float:
    """How many times as fast as in float32 a matrix product is; 0 if it cannot be computed.

    The least of a few, taken in turns: what else the machine does can only add to them, and two
    runs on one machine have to find the same.

    Args:
        dtype: The type.
        place: The device.
    """
    size = SIZES.get(place.type, SIZE)
    try:
        factors = [torch.ones(size, size, device=place, dtype=t) for t in (torch.float32, dtype)]
        _seconds(factors)  # the first of its kind is compiled or looked up
        single, other = zip(*(_seconds(factors) for _ in range(REPETITIONS)), strict=True)
    except (RuntimeError, TypeError):  # MPS before macOS 14 has no bf16
        return 0.0
    return float(min(single) / min(other))


def _seconds(factors: list[torch.Tensor]) -> list[float]:
    found = []
    for factor in factors:
        start = time.perf_counter()
        (factor @ factor)[0, 0].item()  # a number: accelerators compute behind one's back
        found.append(time.perf_counter() - start)
    return found
