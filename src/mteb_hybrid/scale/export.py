"""The vectors of a collection, with ids: for programs that search vectors."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mteb_hybrid.files.whole import whole
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.scale.shard import StoreError, text_hash
from mteb_hybrid.scale.store import EmbeddingStore, Space

SIDES = {"queries": "query", "passages": "document"}
"""Parts of a collection, and MTEB's type of prompt."""


def export_collection(
    store: EmbeddingStore, collection: Collection, model: str, revision: str | None, folder: Path
) -> Iterator[Path]:
    """Write ``SIDE.npy`` and ``SIDE.parquet`` for queries and passages.

    Args:
        store: Where the vectors are kept.
        collection: Whose texts.
        model: A model, as the store names it.
        revision: Of that model; any if the store has but one that fits.
        folder: Where to.

    Yields:
        Each file, once it is written.

    Raises:
        StoreError: If a vector is missing, or several ways of encoding have them all.
    """
    found = {
        side: _vectors(store, getattr(collection, side), model, revision, prompt)
        for side, prompt in SIDES.items()
    }
    for side, vectors in found.items():
        table = getattr(collection, side).select("id", "language")
        rows = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))
        with whole(folder / f"{side}.npy") as part, part.open("wb") as stream:
            np.save(stream, vectors, allow_pickle=False)
        yield folder / f"{side}.npy"
        with whole(folder / f"{side}.parquet") as part:
            table.with_columns(rows).write_parquet(part)
        yield folder / f"{side}.parquet"


ROUNDED = re.compile(r"\(.*\bvectors=(\w+).*\)$")
"""In the name of a model whose vectors were rounded."""


def _vectors(
    store: EmbeddingStore, table: pl.DataFrame, model: str, revision: str | None, prompt: str
) -> Any:
    hashes = [text_hash(text) for text in table["text"]]
    spaces = [
        space
        for space in store.spaces
        if space.about["model"] == model
        and space.about["prompt_type"] == prompt
        and revision in (None, space.about["revision"])
    ]
    # Beside rounded vectors lie exact ones of the first texts, by which the loss is measured.
    kept_as = ROUNDED.search(model)
    said = f"kept as {kept_as[1]}" if kept_as else "kept as"
    spaces = [space for space in spaces if (said in space.about["dtype"]) == bool(kept_as)]
    whole_ones = [
        found for found in (_of_space(space, hashes) for space in spaces) if found is not None
    ]
    models = sorted({str(space.about["model"]) for space in store.spaces})
    if not whole_ones and model not in models:
        raise StoreError(f"{store.folder}: has no {model}; it has {', '.join(models) or 'nothing'}")
    if not whole_ones:
        what = f"{model}, revision {revision}" if revision else model
        raise StoreError(
            f"{store.folder}: no space of {what} has the vectors of all texts ({prompt}); evaluate "
            "the collection with this store first"
        )
    if any(not np.array_equal(whole_ones[0], other) for other in whole_ones[1:]):
        raise StoreError(
            f"{store.folder}: {model} encoded these texts in {len(whole_ones)} ways ({prompt}); "
            "choose one by --revision, or remove the others (`mteb-hybrid store prune`)"
        )
    return whole_ones[0]


def _of_space(space: Space, hashes: list[bytes]) -> Any:
    """Rows of float32 for the texts; None if some are missing."""
    wanted = set(hashes)
    found: dict[bytes, Any] = {}
    for shard in space.shards:
        kept, vectors = shard.read()
        rows = np.asarray(vectors[:])
        found |= {key: row for key, row in zip(kept, rows, strict=True) if key in wanted}
    if wanted - found.keys():
        return None
    return np.stack([found[key] for key in hashes]).astype(np.float32)
