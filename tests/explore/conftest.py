"""Two models on the sample, as a run leaves them, and texts that mean harm."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import HashEncoder
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.explore.shown import Shown, shown
from mteb_hybrid.explore.texts import Texts, texts_of
from mteb_hybrid.results.results import load_results

TASK = "HybridSampleMultilingualRetrieval"
HOSTILE = (
    "<img src=x onerror=alert(1)></script><script>alert(2)</script>&lt;b&gt;"
    "\u2028\u2029" + "\u202eabc\x00" + "'\"`${1}\\" + "x" * 3000
)
ASKED = "en:bridge-1-a"


class Leaning(HashEncoder):
    """An encoder to which texts of a language are alike, and so are those of a kind a little."""

    def vector(self, text, hf_subset, task_metadata):
        vector = super().vector(text, hf_subset, task_metadata)
        vector[0] += 4 * (ord(max(text)) % 7 - 3)
        return vector


def run(folder: Path, encoder, languages=("ar", "en", "zh")) -> Path:
    os.environ["MTEB_HYBRID_PER_QUERY"] = str(folder / "results")
    try:
        return evaluate(encoder, {TASK: [f"{code}-multi" for code in languages]}, folder)
    finally:
        del os.environ["MTEB_HYBRID_PER_QUERY"]


@pytest.fixture(scope="session")
def kept(tmp_path_factory) -> Path:
    """Results of test/hash, on three query languages, and of test/leaning, on two."""
    folder = tmp_path_factory.mktemp("kept")
    run(folder, HashEncoder())
    run(folder, Leaning(name="test/leaning"), ["ar", "en"])
    return folder


@pytest.fixture(scope="session")
def found(kept) -> Shown:
    return shown(load_results(kept))


@pytest.fixture(scope="session")
def hostile(found) -> tuple[Shown, Texts]:
    """What is shown with a hostile name of a model, and hostile texts of one query."""
    texts = texts_of(found.evaluations["test/hash"])
    row = found.queries["test/hash"].filter(query=ASKED).row(0, named=True)
    passages = dict.fromkeys([*row["top"], *row["answers"]], HOSTILE)
    names = {"test/hash": "test/hash", "test/leaning": f"{HOSTILE[:60]}/x"}
    renamed = replace(
        found,
        evaluations={names[label]: one for label, one in found.evaluations.items()},
        queries={names[label]: frame for label, frame in found.queries.items()},
    )
    return renamed, replace(
        texts,
        queries={**texts.queries, ASKED: HOSTILE},
        passages={**texts.passages, **passages},
    )
