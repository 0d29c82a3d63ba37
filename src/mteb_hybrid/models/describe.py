"""What a model folder says of itself: its training run's metadata, or what can be measured."""

from pathlib import Path
from typing import Any

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.models.load import open_folder

RUN_META = "model_meta.json"


def model_facts(folder: Path) -> dict[str, Any]:
    """Fields of ``ModelMeta``: those of the training run in or beside a folder, or measured.

    Raises:
        ModelError: If the file of the training run cannot be read.
    """
    return run_facts(folder) or _measured(folder)


def run_facts(folder: Path) -> dict[str, Any] | None:
    """Those of the training run in or beside a folder; None if there is none.

    Raises:
        ModelError: If the file of the training run cannot be read.
    """
    for file in (folder / RUN_META, folder.parent / RUN_META):
        if file.is_file():
            try:
                found: dict[str, Any] = json_file(file, dict)
            except DataError as error:
                raise ModelError(f"{error}; expected the fields of MTEB's ModelMeta") from None
            return found
    return None


def _measured(folder: Path) -> dict[str, Any]:
    """What the model says of itself; what it was trained on stays unknown."""
    import mteb
    from mteb.models.model_meta import ScoringFunction

    model = open_folder(folder, "cpu")
    parameters = list(model.named_parameters())
    embeddings = sum(p.numel() for name, p in parameters if "word_embeddings" in name)
    size = sum(p.numel() * p.element_size() for _, p in parameters)
    prompts = {key: text for key, text in model.prompts.items() if text}
    fields = {
        "name": f"local/{folder.resolve().name}",
        "n_parameters": sum(p.numel() for _, p in parameters),
        "n_embedding_parameters": embeddings or None,
        "memory_usage_mb": round(size / 2**20),
        "max_tokens": model.max_seq_length,
        "embed_dim": model.get_embedding_dimension(),
        "framework": ["Sentence Transformers", "PyTorch", "safetensors"],
        "similarity_fn_name": ScoringFunction(str(model.similarity_fn_name)),
        "use_instructions": bool(prompts),
    }
    empty = mteb.models.ModelMeta.create_empty(fields)
    return empty.model_dump(exclude={"loader"})
