"""Models to evaluate: the ones MTEB knows by name, and local folders, which MTEB refuses."""

import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mteb.models import MTEBModels


CARD_FOLDER = "model_card"


class ModelError(ValueError):
    """A model that cannot be loaded. The message says what was expected."""


def load_model(name: str, revision: str | None = None, device: str | None = None) -> "MTEBModels":
    """Load a model by its MTEB name, its name on the hub, or its folder.

    Results of a folder are filed as ``local/FOLDER`` at a revision that is a hash of its files.

    Args:
        name: A name such as ``intfloat/multilingual-e5-small``, or a folder.
        revision: Revision on the hub; MTEB's own choice if None. Not for folders.
        device: A torch device; MTEB's or sentence-transformers' own choice if None.

    Raises:
        ModelError: If a folder holds no model, or the name is unknown.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", category=FutureWarning, module="mteb")
    folder = Path(name)
    if folder.is_dir():
        return _load_folder(folder, device)
    import mteb

    options: Any = {"device": device} if device else {}
    try:
        return mteb.get_model(name, revision, **options)
    except KeyError as error:
        raise ModelError(
            f"no model {name!r}: neither a folder nor a name that MTEB knows ({error.args[0]})"
        ) from None


def _load_folder(folder: Path, device: str | None) -> "MTEBModels":
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder}: no model: neither modules.json (sentence-transformers) nor config.json "
            "(transformers) is in it. Name the folder that save_pretrained wrote."
        )
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device=device, local_files_only=True)
    wrapper = SentenceTransformerEncoderWrapper(model)
    name = folder.resolve().name.replace("__", "_")
    wrapper.mteb_model_meta = wrapper.mteb_model_meta.model_copy(
        update={"name": f"local/{name}", "revision": folder_hash(folder)}
    )
    return wrapper


def folder_hash(folder: Path) -> str:
    """Hash of the names and contents of a model's files: 16 hex digits.

    What only describes the model is left out: README files, and the folder ``model_card`` with
    what the card shows.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.is_file() and file.name != "README.md" and name.parts[0] != CARD_FOLDER:
            digest.update(name.as_posix().encode() + b"\0")
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]
