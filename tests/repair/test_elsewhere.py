"""A repaired folder in the hands of other programs: MTEB, beir and onnxruntime find the same."""

import mteb
import numpy as np
import onnxruntime
import pytest
from beir.datasets.data_loader import GenericDataLoader
from beir.retrieval.evaluation import EvaluateRetrieval
from beir.retrieval.models import SentenceBERT
from beir.retrieval.search.dense import DenseRetrievalExactSearch
from sentence_transformers import SentenceTransformer

from docs.test_code_blocks import blocks
from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.export.beir import export_beir
from mteb_hybrid.models.load import load_model
from mteb_hybrid.repair.apply import repair_folder
from mteb_hybrid.retrieval.views import View
from mteb_hybrid.sources import load_collection
from repair.conftest import WORDS
from repair.test_evaluation import scores_of

TASK = "HybridSampleCrosslingualRetrieval"  # letters that it knows: no ties


@pytest.fixture(scope="module")
def repaired(tiny_model, texts, tmp_path_factory):
    """A repaired model that has prompts, and its scores by this package before and after."""
    folder = tmp_path_factory.mktemp("elsewhere")
    model = SentenceTransformer(str(tiny_model), device="cpu")
    model.prompts = {"query": "query: ", "document": "passage: "}
    model.save_pretrained(str(folder / "model"))
    repair_folder(str(folder / "model"), folder / "repaired", str(texts), directions=2)
    before, after = (
        scores_of(
            evaluate(load_model(str(folder / name)), {TASK: ["en-de"]}, folder / name[:3]), TASK
        )
        for name in ("model", "repaired")
    )
    ours = after["en-de"]
    assert 0.01 < ours["map"] < 0.99
    assert abs(ours["map"] - before["en-de"]["map"]) > 1e-4  # so that it shows which was loaded
    return folder / "repaired", ours


def test_mteb_gives_the_same_scores(repaired):
    folder, ours = repaired
    plain = SentenceTransformer(str(folder), device="cpu")
    task = mteb.get_task(TASK, hf_subsets=["en-de"])
    result = mteb.evaluate(plain, task, cache=None, co2_tracker=False)
    (found,) = result.task_results[0].scores["test"]
    for name in ("map", "ndcg_at_10", "recall_at_10"):
        assert found[name] == pytest.approx(ours[name], abs=1e-5)


def test_beir_gives_the_same_scores(repaired, tmp_path):
    folder, ours = repaired
    collection = load_collection(collections()["sample"])
    export_beir(collection, View("en", ("de",)), tmp_path / "sample")
    corpus, queries, qrels = GenericDataLoader(str(tmp_path / "sample")).load(split="test")
    names = {"query": "query", "passage": "document"}
    search = DenseRetrievalExactSearch(
        SentenceBERT(str(folder), prompt_names=names, device="cpu"), show_progress_bar=False
    )
    found = EvaluateRetrieval(search, k_values=[10, 100]).retrieve(corpus, queries)
    ndcg, map_, recall, _ = EvaluateRetrieval.evaluate(qrels, found, [10, 100])
    assert ndcg["NDCG@10"] == pytest.approx(ours["ndcg_at_10"], abs=1e-5)
    assert map_["MAP@100"] == pytest.approx(ours["map_at_100"], abs=1e-5)
    assert recall["Recall@100"] == pytest.approx(ours["recall_at_100"], abs=1e-5)


def test_onnxruntime_gives_the_same_vectors(repaired, tmp_path, monkeypatch):
    """As docs/repair.md exports the model, for more and longer texts than those exported with."""
    monkeypatch.chdir(tmp_path)
    model = SentenceTransformer(str(repaired[0]), device="cpu")
    (export,) = [code for _, code in blocks("docs/repair.md") if "torch.onnx.export" in code]
    exec(export, {"model": model})  # noqa: S102
    session = onnxruntime.InferenceSession("repaired.onnx", providers=["CPUExecutionProvider"])
    words = [word for some in WORDS.values() for word in some]
    for texts in (["a"], words, [" ".join(words), "haus", "water and fire"]):
        inputs = model.preprocess([f"query: {text}" for text in texts])
        given = {part.name: inputs[part.name].numpy() for part in session.get_inputs()}
        (vectors,) = session.run(["vectors"], given)
        np.testing.assert_allclose(vectors, model.encode_query(texts), atol=1e-6)
