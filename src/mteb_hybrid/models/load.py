"""Models to evaluate: the ones MTEB knows by name, and local folders, which MTEB refuses."""

import codecs
import shlex
import warnings
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.named import is_name, is_path
from mteb_hybrid.files.places import expanded, utf8_fault
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.models.contents import (
    CARD_FOLDER,
    REPAIR_RECORD,
    ModelError,
    base_folder,
    checked_json,
    folder_hash,
    loaded_files,
)
from mteb_hybrid.models.kind import REFUSED, kind_of

if TYPE_CHECKING:
    from mteb.models import MTEBModels
    from sentence_transformers import CrossEncoder, SentenceTransformer

Kind = TypeVar("Kind")

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLED = {
    "pytorch_model*.bin": _WEIGHTS,
    "pytorch_model*.bin.index.json": _WEIGHTS,
    "adapter_model.bin": ("adapter_model.safetensors",),
}
"""Names of files of pickled weights that a loader reads, unless one of these lies beside."""

TOKENIZER = "tokenizer.json"
"""It may have tens of megabytes, and its own reader has limits: looked at where that fails."""

VOCABULARIES = (TOKENIZER, "vocab*", "merges.txt", "*.model", "*.spm", "tekken.json")
"""Names of files that hold the words of a tokenizer."""

FEWEST_WORDS = 256
"""A tokenizer without such a file has at least as many: one of bytes."""


def load_model(name: str, revision: str | None = None, device: str | None = None) -> "MTEBModels":
    """Load a model by its MTEB name, its name on the hub, or its folder.

    Results of a folder are filed as ``local/FOLDER`` at a revision that is a hash of its files.

    Args:
        name: A name such as ``intfloat/multilingual-e5-small``, or a folder.
        revision: Revision on the hub; MTEB's own choice if None. Not for folders.
        device: A torch device; MTEB's or sentence-transformers' own choice if None.

    Raises:
        ModelError: If there is no such folder, model or device, or it cannot be loaded.
        DataError: If the path begins at a home folder that is not known.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", category=FutureWarning, module="mteb")
    if device:
        check_device(device)
    clean(expanded(name))
    if folder := folder_of(name):
        if revision:
            raise ModelError(
                f"{name}: a folder has no revision {revision!r}; leave --model-revision out"
            )
        return _load_folder(folder, device)
    check_name(name)
    return _load_by_name(name, revision, device)


def folder_of(name: str) -> Path | None:
    """The folder that a model's name means; None if there is none, or MTEB knows the name itself.

    A name that MTEB knows wins, and that is said, unless it is written as a path, with ``./``.
    """
    folder = expanded(name)
    if not name or not folder.is_dir():
        return None
    if not is_path(name) and name.count("/") == 1:  # as all names of MTEB's have one
        from mteb.models.model_implementations import MODEL_REGISTRY

        if is_name(name, MODEL_REGISTRY, "model"):
            return None
    return folder


def check_name(name: str) -> None:
    """Raise a `ModelError` unless a folder is there, or what is named may be a name on the hub."""
    folder = expanded(name)
    if name and folder.is_dir():
        return
    if not name or folder.exists() or name[0] in "./~" or name.count("/") > 1 or "\\" in name:
        found = "is a file" if folder.is_file() else "no such folder"
        raise ModelError(
            f"{name or '(empty)'}: {found}; expected a folder that save_pretrained wrote, or a "
            "name such as intfloat/multilingual-e5-small"
        )


def check_device(device: str) -> None:
    """Raise a `ModelError` unless torch has a device here, and it can hold values."""
    import torch

    try:
        if torch.empty(0, device=device).is_meta:
            raise ModelError(f"device {device!r} holds no values; choose another, such as cpu")
    except (RuntimeError, AssertionError, ImportError, NotImplementedError):
        cuda = [f"cuda:{place}" for place in range(torch.cuda.device_count())]
        here = ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]
        raise ModelError(f"no device {device!r} here; expected one of {', '.join(here)}") from None


def _load_by_name(name: str, revision: str | None, device: str | None) -> "MTEBModels":
    import mteb
    from mteb.models.model_implementations import MODEL_REGISTRY

    options: Any = {"device": device} if device else {}
    try:
        return mteb.get_model(name, revision, **options)
    except (ModelError, ImportError):
        raise
    except Exception as error:  # loaders, the hub, and what they read raise anything
        why = _reason(error)
        if name in MODEL_REGISTRY:
            raise ModelError(f"{name}: cannot be loaded: {why}") from error
        raise ModelError(
            f"no model {name!r}: neither a folder nor a name that MTEB knows, nor to be had from "
            f"the hub ({why}){did_you_mean(name, MODEL_REGISTRY)} Expected a folder, or a name as "
            "in `mteb available-models`"
        ) from error


def _load_folder(folder: Path, device: str | None) -> "MTEBModels":
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

    wrapper = SentenceTransformerEncoderWrapper(open_folder(folder, device))
    name = folder.resolve().name.replace("__", "_")
    said = {"name": f"local/{name}", "revision": folder_hash(folder)}
    if (record := folder / CARD_FOLDER / REPAIR_RECORD).is_file():
        said["adapted_from"] = checked_json(record, dict).get("base_model")
    wrapper.mteb_model_meta = wrapper.mteb_model_meta.model_copy(update=said)
    return wrapper


def open_folder(folder: Path, device: str | None = None) -> "SentenceTransformer":
    """Load the model of a folder.

    Args:
        folder: As ``save_pretrained`` wrote it.
        device: A torch device; sentence-transformers' own choice if None.

    Raises:
        ModelError: If it holds no model, no dense encoder, one whose weights are pickled, cut
            short or of another architecture, one without its tokenizer, or one that needs code of
            its own.
    """
    check_folder(folder)
    names = check_files(folder)
    if refused := REFUSED.get(kind_of(folder)):
        raise ModelError(f"{folder}: {refused}.")
    from sentence_transformers import SentenceTransformer

    model = _opened(SentenceTransformer, folder, device)
    _check_loaded(model, folder, names)
    return model


def open_cross_encoder(folder: Path, device: str | None = None) -> "CrossEncoder":
    """Load the cross-encoder of a folder: as `open_folder`, of the other kind."""
    from sentence_transformers import CrossEncoder

    check_folder(folder)
    check_files(folder, "CrossEncoder")
    model: CrossEncoder = _opened(CrossEncoder, folder, device)
    return model


def _opened(kind: type[Kind], folder: Path, device: str | None) -> Kind:
    try:
        opened: Any = kind
        model: Kind = opened(str(folder), device=device, local_files_only=True)
    except Exception as error:  # what foreign files lead to may be any of them
        if (words := folder / TOKENIZER).is_file():
            checked_json(words, object)
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{folder}: needs code of its own, which mteb-hybrid does not run. If you have "
                f"read and trust that code, load it in Python with {kind.__name__}(folder, "
                "trust_remote_code=True), and give the model to mteb.evaluate."
            ) from error
        raise ModelError(f"{folder}: cannot be loaded: {_reason(error)}") from error
    return model


def check_folder(folder: Path) -> None:
    """Raise a `ModelError` unless a folder may hold a model."""
    if fault := utf8_fault(folder):
        raise ModelError(f"{folder}: {fault}")
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder}: no model: neither modules.json (sentence-transformers) nor config.json "
            "(transformers) is in it. Name the folder that save_pretrained wrote."
        )


def check_files(folder: Path, kind: str | None = "SentenceTransformer") -> set[str]:
    """Check what can be checked before anything is loaded, of an adapter's base too.

    Args:
        folder: The model's folder.
        kind: The class of sentence-transformers that loads it; None if it is loaded otherwise, by
            what takes no pickled weights.

    Returns:
        The names of all tensors.

    Raises:
        ModelError: If a file is damaged, or there are pickled weights alone.
    """
    from safetensors import SafetensorError, safe_open

    files, names = loaded_files(folder), set()
    for file in files:
        if kind and _is_pickled(file):
            raise ModelError(
                f"{file}: pickled weights, which may run code when they are read; expected "
                "model.safetensors. Convert the folder, if you trust it: "
                f"{_conversion(folder, kind)}"
            )
        if file.suffix == ".json":
            if file.name != TOKENIZER:
                checked_json(file, object)
            with file.open("rb") as stream:
                if stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8:
                    raise ModelError(
                        f"{file}: begins with a byte order mark, which the libraries that load it "
                        "do not read; save it as UTF-8 without one"
                    )
        elif file.suffix == ".safetensors":
            try:
                with safe_open(file, "pt") as tensors:
                    names.update(tensors.keys())
            except SafetensorError as error:
                raise ModelError(
                    f"{file}: damaged or cut short ({error}); copy or download it again"
                ) from None
    if base := base_folder(folder):
        names |= check_files(base, kind)
    return names


def _is_pickled(file: Path) -> bool:
    instead = [safe for name, safe in PICKLED.items() if fnmatchcase(file.name, name)]
    return any(not any((file.parent / name).is_file() for name in safe) for safe in instead)


def _conversion(folder: Path, kind: str) -> str:
    """The command that writes a folder anew, with weights in safetensors."""
    code = (
        f"import sys; from sentence_transformers import {kind} as M; "
        "M(sys.argv[1]).save_pretrained(sys.argv[2])"
    )
    return shlex.join(["python", "-c", code, str(folder), f"{folder}-safetensors"])


def _check_loaded(model: "SentenceTransformer", folder: Path, tensors: set[str]) -> None:
    """Refuse what transformers would make up: random weights, and a tokenizer without words."""
    inner = getattr(next(iter(model), None), "auto_model", None)
    if inner is None or base_folder(folder):
        return
    own = [name for name, _ in inner.named_parameters()]
    if own and tensors and not any(tensor.endswith(tuple(own)) for tensor in tensors):
        raise ModelError(
            f"{folder}: none of the weights in its files is one of {type(inner).__name__}, which "
            f"config.json names, such as {own[0]!r}; expected those of that architecture"
        )
    try:
        words = len(model.tokenizer)
    except (AttributeError, TypeError):
        return
    if words < FEWEST_WORDS and not any(_is_vocabulary(file) for file in loaded_files(folder)):
        raise ModelError(
            f"{folder}: no tokenizer: expected tokenizer.json, or another file of words. Save the "
            "tokenizer of the base model into it with save_pretrained."
        )


def _is_vocabulary(file: Path) -> bool:
    return any(fnmatchcase(file.name, pattern) for pattern in VOCABULARIES)


def _reason(error: Exception) -> str:
    """The first line of an error, with its kind where it says little by itself."""
    if "ignore_mismatched_sizes" in str(error):
        return "its weights have other shapes than config.json says"
    first = str(error).strip().partition("\n")[0].rstrip(".")
    return first if len(first.split()) > 2 else f"{type(error).__name__} {first}".strip()
