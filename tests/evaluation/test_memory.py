"""Little memory: pools are left on disk and streamed, and every score stays as it was."""

import json

import pytest
from typer.testing import CliRunner

from conftest import HashEncoder
from mteb_hybrid.commands.app import app
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.evaluation.select import select_tasks
from mteb_hybrid.files import sizes
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.places import MEMORY_VARIABLE, STORE_VARIABLE
from mteb_hybrid.retrieval import embeddings, scoring, tiles
from mteb_hybrid.retrieval.checked import EncoderError
from mteb_hybrid.retrieval.parts import Parts

TASKS = select_tasks(["HybridSampleMultilingualRetrieval"], query_languages=["en"])


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """As if the sample were large."""
    embeddings._shared.clear()
    monkeypatch.setattr(sizes, "LEAST", 1)
    for name, value in {"QUERIES": 4, "PASSAGES": 8, "ROUND": 4, "WHOLE": 64}.items():
        monkeypatch.setattr(tiles, name, value)
    monkeypatch.setattr(embeddings, "TEXTS_PER_CALL", 16)


def scores_in(folder):
    return {
        file.name: json.loads(file.read_bytes())["scores"]
        for file in folder.glob("**/HybridSample*.json")
    }


@pytest.mark.parametrize("levels", [None, 2])
def test_scores_of_a_pool_on_disk(tmp_path, monkeypatch, levels):
    """With ties and without; and nothing is copied into one array."""
    encoder = HashEncoder(levels=levels)
    expected = scores_in(evaluate(encoder, TASKS, tmp_path / "a"))
    embeddings._shared.clear()
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    monkeypatch.setenv(MEMORY_VARIABLE, "640B")
    seen = {"streamed": 0, "parts": 0}

    def search(view, asked):
        seen["streamed"] += 1
        seen["parts"] += isinstance(view.passages, Parts)
        return streaming_search(view, asked)

    streaming_search = scoring.search
    monkeypatch.setattr(scoring, "search", search)
    assert scores_in(evaluate(encoder, TASKS, tmp_path / "b")) == expected
    assert len(expected) == 1 and seen["parts"] == seen["streamed"] > 5


def test_without_a_store_it_is_said_what_helps(tmp_path, monkeypatch):
    monkeypatch.setenv(MEMORY_VARIABLE, "640B")
    with pytest.raises(EncoderError, match=r"texts take .* GB.*--store or MTEB_HYBRID_STORE"):
        evaluate(HashEncoder(), TASKS, tmp_path)


@pytest.mark.parametrize(
    ("size", "said"), [("4", "--memory: '4' is no size.*as 4GB"), ("9B", "9B is too little")]
)
def test_bad_sizes_are_refused_before_anything_is_loaded(size, said, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(DataError, match=said):
        CliRunner().invoke(
            app, ["run", "-m", "no/model", "sample", "--memory", size], catch_exceptions=False
        )
