"""Vectors of texts by language, as a model makes them of passages and of queries."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from mteb_hybrid.repair.texts import Texts
from mteb_hybrid.retrieval.checked import checked_vectors, name_of
from mteb_hybrid.retrieval.pool import Floats

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Role = Literal["query", "document"]


def encode_texts(
    model: "SentenceTransformer", texts: Texts, role: Role, batch_size: int = 32
) -> dict[str, Floats]:
    """Encode texts with the model's own prompt for queries or for passages.

    Returns:
        By language, shape (texts, D).

    Raises:
        EncoderError: If the model returns the wrong shape, NaN or infinity.
    """
    encode = model.encode_query if role == "query" else model.encode_document
    found = {}
    for language, some in texts.items():
        vectors = encode(list(some), batch_size=batch_size, show_progress_bar=False)
        found[language] = np.asarray(checked_vectors(vectors, some, name_of(model)), np.float64)
    return found
