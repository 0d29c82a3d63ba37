"""How a model computes: in another precision, on another backend, or into rounded vectors.

All change its vectors a little. So what it is then evaluated as is an experiment in MTEB's sense:
its results are filed in ``MODEL/REVISION/experiments/NAME``, beside those of the model as it is,
and tables and stores call it ``MODEL (precision=bf16)``.
"""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mteb_hybrid.files.safe_text import message
from mteb_hybrid.files.scratch import scratch
from mteb_hybrid.models.contents import ModelError

if TYPE_CHECKING:
    from mteb.models import MTEBModels
    from sentence_transformers import SentenceTransformer


class Backend(StrEnum):
    """What computes, as sentence-transformers names it."""

    TORCH = "torch"
    ONNX = "onnx"
    OPENVINO = "openvino"


NO_ONNX = (
    " optimum-onnx 0.1.0 needs transformers below 4.58, and mteb-hybrid 5 or newer: unless there "
    "is a newer one by now, choose --backend openvino"
)


class EncodingPrecision(StrEnum):
    """What parameters and activations are."""

    FLOAT32 = "float32"
    BF16 = "bf16"
    AUTO = "auto"


def encoding_as(
    model: "MTEBModels",
    backend: Backend,
    precision: EncodingPrecision | None,
    vectors: str | None = None,
) -> "MTEBModels":
    """Have a model encode on another backend, in another precision, or into rounded vectors.

    Args:
        model: An MTEB model; it is changed.
        backend: What computes. The model's weights are exported for it, each time, so that files
            of other weights that lie beside them are never taken for it.
        precision: Of weights and activations; as its authors saved it if None. ``auto`` is bf16
            where the device computes it natively, of a model in float32; elsewhere float32. What
            that changes is said on stderr.
        vectors: What a store keeps its vectors in; nothing is changed but where results are filed.

    Returns:
        The model; it says in its metadata, as ``experiment_kwargs``, what was changed, if anything.

    Raises:
        ModelError: If it is none that sentence-transformers encodes with, or cannot be exported.
        ValueError: If a precision is asked for of a backend that has its own.
    """
    if backend is not Backend.TORCH and precision is not None:
        raise ValueError(f"--precision {precision}: {backend} has its own; leave it out")
    changed: dict[str, str] = {}
    changing: Any = model
    meta = model.mteb_model_meta
    if precision is not None and (name := _in_precision(_dense_encoder(model), precision)):
        changed["precision"] = name
    if backend is not Backend.TORCH:
        changing.model = _exported(_dense_encoder(model), backend, str(meta.name))
        changed["backend"] = backend.value
    if vectors not in (None, "float32"):
        changed["vectors"] = str(vectors)
    if changed:
        experiment = {**(meta.experiment_kwargs or {}), **changed}
        changing.mteb_model_meta = meta.model_copy(update={"experiment_kwargs": experiment})
    return model


def _dense_encoder(model: "MTEBModels") -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    inner = getattr(model, "model", None)
    if not isinstance(inner, SentenceTransformer) or inner.transformers_model is None:
        raise ModelError(
            f"{model.mteb_model_meta.name}: --backend and --precision are for transformers that "
            f"sentence-transformers encodes with; this is {type(inner or model).__name__}. Leave "
            "them out"
        )
    return inner


def _in_precision(inner: "SentenceTransformer", wanted: EncodingPrecision) -> str | None:
    """Cast a model; the name of its new precision, or None if that is the one it had."""
    import torch

    from mteb_hybrid.models.precision import native_bf16

    target = {"float32": torch.float32, "bf16": torch.bfloat16}.get(wanted)
    if target is None:
        native, reason = native_bf16(inner.device)
        reduced = inner.dtype in (torch.float16, torch.bfloat16)
        target = (inner.dtype if reduced else torch.bfloat16) if native else torch.float32
        name = str(target).removeprefix("torch.")
        print(message(f"precision: {name}, as {reason}"), file=sys.stderr, flush=True)
    if target == inner.dtype:
        return None
    inner.to(target)
    return "bf16" if target == torch.bfloat16 else "float32"


def _exported(inner: "SentenceTransformer", backend: Backend, name: str) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    with scratch("mteb-hybrid-export") as folder:
        inner.save_pretrained(str(folder), create_model_card=False)
        try:
            return SentenceTransformer(
                str(folder),
                backend=backend.value,
                device=str(inner.device),
                local_files_only=True,
                truncate_dim=inner.truncate_dim,
                model_kwargs={"export": True},
            )
        except Exception as error:  # exporters raise anything
            why = str(error).strip().partition("\n")[0].rstrip(".")
            more = NO_ONNX if backend is Backend.ONNX else ""
            raise ModelError(f"{name}: cannot be exported to {backend}: {why}.{more}") from error
