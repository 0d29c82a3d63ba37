"""Models whose vectors and scores depend on the text alone, and files of parallel JSON lines."""

import hashlib
import json

import numpy as np
import pytest
import torch


class HashModel:
    """Stands in for a `TextModel`; after `calls` calls it is killed."""

    is_cross_encoder = False
    device = torch.device("cpu")

    def __init__(self, calls=None, name="test/hash"):
        self.about = {"name": name, "revision": "1"}
        self.calls, self.encoded = calls, []

    def vectors(self, texts, role):
        if self.calls is not None:
            self.calls -= 1
            if self.calls < 0:
                raise KeyboardInterrupt
        self.encoded += texts
        return np.stack([self.vector(text, role) for text in texts])

    def vector(self, text, role):
        seed = hashlib.sha256(f"{role} {text}".encode()).digest()[:8]
        chance = np.random.default_rng(int.from_bytes(seed, "little"))
        return chance.standard_normal(8).astype(np.float32)

    def scores(self, queries, passages):
        pairs = zip(self.vectors(queries, "query"), self.vectors(passages, "document"), strict=True)
        return np.array([float(q @ p) for q, p in pairs], np.float32)

    def cosine(self, query, passage):
        one, other = self.vector(query, "query"), self.vector(passage, "document")
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    @staticmethod
    def similarity(first, second):
        return first @ second.T

    @staticmethod
    def similarity_pairwise(first, second):
        return (first * second).sum(-1)


@pytest.fixture
def hash_model():
    return HashModel


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("mteb_hybrid.files.places.cache_folder", lambda: tmp_path / "cache")


@pytest.fixture
def write(tmp_path):
    """Writes rows as JSON lines."""

    def write(rows, name="pairs.jsonl"):
        file = tmp_path / name
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    return write


@pytest.fixture
def parallel_rows():
    """Rows in three languages; some texts are missing, some questions are asked twice."""

    def make(rows=40, seed=0):
        chance = np.random.default_rng(seed)
        made = []
        for row in range(rows):
            texts = {}
            for role in ("query", "passage"):
                there = [
                    code for code in ("en", "de", "th") if code == "en" or chance.random() < 0.7
                ]
                number = row // 2 if role == "query" and row % 5 == 0 else row
                texts[role] = {code: f"{role} {number} in {code}" for code in there}
            made.append({"id": f"row-{row}", "title": "kept", **texts})
        return made

    return make
