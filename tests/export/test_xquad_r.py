"""XQuAD-R, English questions and German sentences: three programs, the same scores."""

import json

import pytest

from export.conftest import GuidedEncoder
from export.test_beir import beir_scores, rank
from export.test_trec import ir_measures_scores
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.export.beir import export_beir
from mteb_hybrid.export.trec import export_trec
from mteb_hybrid.files.predictions import read_predictions
from mteb_hybrid.retrieval.views import View
from mteb_hybrid.sources import load_collection


def test_beir_and_ir_measures_give_our_scores(real_data, tmp_path, evaluate):
    view, card = View("en", ("de",)), task_cards()["XQuADR"]
    collection = load_collection(card)
    encoder = GuidedEncoder(collection, view)
    ours = evaluate(encoder, "XQuADRCrosslingualRetrieval", ["en-de"])["en-de"]

    export_beir(collection, view, tmp_path / "beir")
    qrels, found = rank(tmp_path / "beir", encoder)
    assert (len(qrels), len(next(iter(found.values())))) == (1190, 1276)
    by_beir = beir_scores(qrels, found)
    expected = pytest.approx({score: ours[score] for score in by_beir}, abs=1e-5)
    assert 0.05 < by_beir["ndcg_at_10"] < 0.95
    assert by_beir == expected

    # No measure here looks below rank 100, and a file of all ranks takes seconds to write and read.
    top = {query: dict(best(scores, 100)) for query, scores in found.items()}
    predictions = {"mteb_model_meta": {"model_name": "test"}, "en-de": {card.split: top}}
    (tmp_path / "file.json").write_text(json.dumps(predictions), encoding="utf-8")
    run = read_predictions(tmp_path / "file.json", card.split)["en-de"]
    export_trec(collection, view, tmp_path / "trec", run)
    assert ir_measures_scores(tmp_path / "trec") == expected


def best(scores, k):
    return sorted(scores.items(), key=lambda row: (row[1], row[0]), reverse=True)[:k]
