"""A data folder and a cache of the test's own, for overlays of the sample."""

import json

import pytest

from mteb_hybrid.cards.rewritten import rewrites_folder
from mteb_hybrid.rewriting import by_model

GERMAN = [
    {"id": "bridge-1-a", "paraphrase": "Wie viele Bögen zählt das Bauwerk?", "twist": "Wie?"},
    {"id": "bridge-1-b", "paraphrase": "Seit wann fahren dort keine Autos?"},
    {"id": "bridge-2-a", "twist": "Anders als in Paris: wie kam das Eisen?"},
]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(data))
    monkeypatch.setattr(by_model, "cache_folder", lambda: tmp_path / "cache")
    return data


@pytest.fixture
def written():
    """Files of rewrites as others write them, without a provenance."""

    def write(rows=GERMAN, language="de", name="sample"):
        folder = rewrites_folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{language}.jsonl").write_text(text, encoding="utf-8")
        return folder

    return write
