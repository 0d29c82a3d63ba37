"""Which kind of sentence-transformers model a folder holds.

`SentenceTransformer` opens every kind: of a cross-encoder or a sparse encoder it takes the
transformer alone and averages its tokens, which gives vectors, and scores, that mean nothing.
"""

from pathlib import Path

from mteb_hybrid.files.lines import json_file

REFUSED = {
    "CrossEncoder": "a cross-encoder, which scores pairs and has no vectors of texts; expected an "
    "encoder",
    "SparseEncoder": "a sparse encoder; expected a dense one. To evaluate it, load it in Python "
    "with SparseEncoder(folder), and give it to mteb.evaluate",
    "MultiVectorEncoder": "an encoder with a vector for every token; expected one for every text. "
    "To evaluate it, load it in Python with MultiVectorEncoder(folder), and give it to "
    "mteb.evaluate",
}
"""Kinds that are not opened as an encoder, and what is said of them."""


def kind_of(folder: Path) -> str:
    """What a folder says that it holds: ``SentenceTransformer``, ``CrossEncoder``, or another.

    Earlier versions wrote no kind; a cross-encoder of theirs is a bare classifier of transformers.

    Args:
        folder: As ``save_pretrained`` wrote it.

    Raises:
        DataError: If one of its configurations is no JSON object.
    """
    kind = _found(folder / "config_sentence_transformers.json", "model_type")
    if isinstance(kind, str):
        return kind
    architectures = _found(folder / "config.json", "architectures")
    if not (folder / "modules.json").is_file() and isinstance(architectures, list):
        classifies = any(str(name).endswith("ForSequenceClassification") for name in architectures)
        return "CrossEncoder" if classifies else "SentenceTransformer"
    return "SentenceTransformer"


def _found(file: Path, key: str) -> object:
    content = json_file(file, dict) if file.is_file() else {}
    return content.get(key)
