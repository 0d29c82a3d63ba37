"""Whether a device computes bf16 natively.

A processor without bf16 computes it, but slowly: 40 times more so than float32 (oneDNN on AVX2).
Nothing that torch tells says so; a matrix product does.
"""

import time
from typing import NamedTuple

import torch

GAIN = 1.2
"""How much faster than float32 bf16 has to be, since it costs accuracy."""
SIZES = {"cpu": 256}
SIZE = 2048
REPETITIONS = 9


class Native(NamedTuple):
    """What a device says of bf16.

    Attributes:
        is_native: Whether it gains from it.
        reason: How that is known.
    """

    is_native: bool
    reason: str


def native_bf16(place: torch.device) -> Native:
    """Ask a device whether it computes bf16 natively: CUDA tells, a matrix product shows elsewhere.

    Args:
        place: The device; it takes 0.1 s.
    """
    if place.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        card = torch.cuda.get_device_name(place)
        return Native(
            native, f"{card} computes bf16 {'natively' if native else 'by emulation only'}"
        )
    speed = relative_speed(torch.bfloat16, place)
    return Native(speed >= GAIN, compared(speed, "bf16", place))


def compared(speed: float, name: str, place: torch.device) -> str:
    """A relative speed, in words."""
    if not speed:
        return f"this {place.type} cannot compute in {name}"
    return (
        f"a matrix product takes {1 / speed:.2g} times as long in {name} as in float32 on this "
        f"{place.type}"
    )


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
