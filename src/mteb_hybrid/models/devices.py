"""A model on several devices of one machine, by sentence-transformers' pool of processes."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any

from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.retrieval.checked import EncoderError

if TYPE_CHECKING:
    from mteb.models import MTEBModels

BATCHES_PER_CHUNK = 4
"""Of what a process is given at a time: so that vectors do not depend on how many there are."""


@contextmanager
def on_devices(model: "MTEBModels", devices: Sequence[str]) -> Iterator[None]:
    """Have a model encode on several devices, each by a process of its own, until the end.

    Texts are batched within chunks of `BATCHES_PER_CHUNK` batches, not within the whole call as on
    one device, so vectors may differ from those in their last bits. A store keeps both apart.

    Args:
        model: A SentenceTransformer as MTEB has it, on the CPU.
        devices: Of torch, such as ``cuda:0`` and ``cuda:1``.

    Raises:
        ModelError: If the model is none.
        EncoderError: From its encoding, if a process ends.
    """
    from sentence_transformers import SentenceTransformer

    wrapper: Any = model
    inner = getattr(model, "model", None)
    if not isinstance(inner, SentenceTransformer):
        raise ModelError(
            f"{wrapper.mteb_model_meta.name} is no SentenceTransformer, which alone is spread over "
            "several devices; name one"
        )
    with _quiet_processes():
        pool = inner.start_multi_process_pool(list(devices))

    encode = inner.encode  # which the others call

    def pooled(*texts: Any, **options: Any) -> Any:
        chunk = options.get("batch_size", 32) * BATCHES_PER_CHUNK
        try:
            return encode(*texts, **options | {"pool": pool, "chunk_size": chunk})
        except RuntimeError as error:
            if all(process.is_alive() for process in pool["processes"]):
                raise
            raise EncoderError(
                f"a process that encodes on one of {', '.join(devices)} ended ({error}) If "
                "memory was short, lower --batch-size; what is saved is kept"
            ) from error

    kinds = sorted({device.partition(":")[0] for device in devices})
    wrapper.device = f"{'+'.join(kinds)} in chunks of {BATCHES_PER_CHUNK} batches"
    inner.encode = pooled  # type: ignore[method-assign]
    try:
        yield
    finally:
        del inner.encode, wrapper.device
        inner.stop_multi_process_pool(pool)


@contextmanager
def _quiet_processes() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, as this one ends them, and without a word."""
    silent = "ignore:resource_tracker"  # what it would say of processes that were ended
    warnings, interrupt = os.environ.get("PYTHONWARNINGS"), signal.getsignal(signal.SIGINT)
    os.environ["PYTHONWARNINGS"] = f"{warnings},{silent}" if warnings else silent
    first = current_thread() is main_thread()
    try:
        if first:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        yield
    finally:
        if first:
            signal.signal(signal.SIGINT, interrupt)
        del os.environ["PYTHONWARNINGS"]
        if warnings is not None:
            os.environ["PYTHONWARNINGS"] = warnings
