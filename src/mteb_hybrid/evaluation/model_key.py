"""What tells whether two encodings of a text are the same: all that a model says of itself."""

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mteb.types import PromptType

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.places import STORE_VARIABLE, VECTORS_VARIABLE, expanded
from mteb_hybrid.retrieval.embeddings import Keep
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.scale.rounded import PRECISIONS
from mteb_hybrid.scale.store import EmbeddingStore

if TYPE_CHECKING:
    from mteb.models import ModelMeta, MTEBModels
    from mteb.types import EncodeKwargs

SAYS = (
    *("max_seq_length", "max_length", "prompts", "model_prompts", "default_prompt_name"),
    *("truncate_dim", "embed_dim", "dtype", "device"),
)
"""What encoders say of themselves that changes vectors, as sentence-transformers and MTEB name it.

Pooling and other modules are in the ``repr`` of a torch module.
"""


def model_key(
    model: "MTEBModels", prompt_type: PromptType, encode_kwargs: "EncodeKwargs"
) -> tuple[str, ...]:
    """The key under which vectors are shared: model, prompt type and options.

    Args:
        model: An MTEB encoder.
        prompt_type: Of queries or of passages.
        encode_kwargs: Options of encoding; all count but whether progress is shown.
    """
    meta, inner = _as_encoding(model.mteb_model_meta), getattr(model, "model", None)
    says = [(name, getattr(part, name, None)) for part in (model, inner) for name in SAYS]
    modules = inner if hasattr(inner, "named_modules") else type(inner)
    options = {k: v for k, v in encode_kwargs.items() if k != "show_progress_bar"}
    return (
        repr((meta.name, meta.revision, meta.experiment_kwargs, says, modules)),
        prompt_type.value,
        repr(sorted(options.items())),
    )


def precision() -> str | None:
    """In which precision ``MTEB_HYBRID_VECTORS`` has vectors kept; None for the model's own.

    Raises:
        DataError: If it names none, or there is no store to keep them in.
    """
    said = os.environ.get(VECTORS_VARIABLE) or "float32"
    if said not in ("float32", *PRECISIONS):
        known = ", ".join(("float32", *PRECISIONS))
        raise DataError(f"{VECTORS_VARIABLE}: {said!r} is no precision of vectors; known: {known}")
    if said == "float32":
        return None
    if not os.environ.get(STORE_VARIABLE):
        raise DataError(
            f"vectors are kept as {said} in a store; name one by --store or {STORE_VARIABLE}"
        )
    return said


def keeper(
    meta: "ModelMeta", key: tuple[str, ...], precision: str | None = None
) -> Callable[[Sequence[str], Vectors], Keep] | None:
    """What keeps vectors in the store that ``MTEB_HYBRID_STORE`` names; None if it names none.

    Args:
        meta: Of the model.
        key: What `model_key` returned.
        precision: In which to keep them; the model's own if None.

    Raises:
        StoreError: If the store cannot be used.
    """
    folder = os.environ.get(STORE_VARIABLE)
    if not folder:
        return None
    says, prompt_type, options = key
    name = str(_as_encoding(meta).model_name_with_experiment)
    about = {
        **{"model": name, "revision": str(meta.revision)},
        **{"prompt_type": prompt_type, "options": options},
        "says": hashlib.sha256(says.encode()).hexdigest(),
    }
    named = str(meta.model_name_with_experiment)
    return partial(EmbeddingStore(expanded(folder)).keeper, about, precision=precision, named=named)


def _as_encoding(meta: "ModelMeta") -> "ModelMeta":
    """Without what is done to its vectors afterwards: rounding them."""
    given = meta.experiment_kwargs or {}
    left = {option: said for option, said in given.items() if option != "vectors"}
    return meta.model_copy(update={"experiment_kwargs": left or None})
