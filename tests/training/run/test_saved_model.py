"""A model that was trained and saved is the same one to MTEB and to beir."""

import json

import mteb
import numpy as np
import pytest
from beir.datasets.data_loader import GenericDataLoader
from beir.retrieval.evaluation import EvaluateRetrieval
from beir.retrieval.models import SentenceBERT
from beir.retrieval.search.dense import DenseRetrievalExactSearch

from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.models.load import load_model
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.training.run.train import train
from training.run.test_train import SHORT, recipe_file  # noqa: F401 - a fixture

AS_SAVED = {"query": "query", "passage": "document"}


@pytest.fixture
def collection():
    """30 documents of four words, and 10 queries of two of their words."""
    chance = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    words = [["".join(chance.choice(letters, 4)) for _ in range(4)] for _ in range(30)]
    corpus = [
        {"_id": f"d{n}", "title": first, "text": " ".join(rest)}
        for n, (first, *rest) in enumerate(words)
    ]
    queries = [{"_id": f"q{n}", "text": f"what {words[n][1]} {words[n][2]}"} for n in range(10)]
    qrels = [f"q{n}\td{n}\t2\nq{n}\td{n + 10}\t1\n" for n in range(10)]
    return {
        "corpus.jsonl": "".join(json.dumps(row) + "\n" for row in corpus),
        "queries.jsonl": "".join(json.dumps(row) + "\n" for row in queries),
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\n" + "".join(qrels),
    }


def beir_scores(model, folder):
    corpus, queries, qrels = GenericDataLoader(str(folder)).load(split="test")
    search = DenseRetrievalExactSearch(model, batch_size=8, show_progress_bar=False)
    run = EvaluateRetrieval(search, score_function="cos_sim").retrieve(corpus, queries)
    ndcg, map_, recall, _ = EvaluateRetrieval.evaluate(qrels, run, [10, 100])
    return ndcg["NDCG@10"], map_["MAP@100"], recall["Recall@10"]


def test_the_same_scores_by_mteb_and_by_beir(recipe_file, collection, beir_card, tmp_path):  # noqa: F811
    train(read_recipe(recipe_file, SHORT), tmp_path / "run")
    folder = tmp_path / "run" / "model"
    card = beir_card(collection)
    (task,) = task_classes({"Toy": card})
    result = mteb.evaluate(load_model(str(folder), device="cpu"), task(), cache=None)
    ((ours,),) = result.task_results[0].scores.values()
    expected = [ours[key] for key in ("ndcg_at_10", "map_at_100", "recall_at_10")]
    assert 0.1 < expected[0] < 0.9
    data = card.file.parent / "toy"
    found = beir_scores(SentenceBERT(str(folder), prompt_names=AS_SAVED, device="cpu"), data)
    assert found == pytest.approx(expected, abs=1e-5)
    # beir says no prompts unless it is told their names.
    assert beir_scores(SentenceBERT(str(folder), device="cpu"), data) != found
