"""BEIR folders: beir's own loader reads them, and its own evaluator gives our scores."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from beir.datasets.data_loader import GenericDataLoader
from beir.retrieval.evaluation import EvaluateRetrieval

from export.conftest import ALL, ENGLISH, GuidedEncoder, files
from mteb_hybrid.export.beir import export_beir
from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.runs import read_qrels
from mteb_hybrid.retrieval.views import Setting, View, view_passages, view_queries, views


def rank(folder, encoder):
    """Judgments and rankings of an encoder, from nothing but the exported folder."""
    corpus, queries, qrels = GenericDataLoader(str(folder)).load(split="test")
    # As beir's own models put title and text together.
    texts = [f"{row['title']} {row['text']}".strip() for row in corpus.values()]
    passages = np.stack([encoder.vector(text, None, None) for text in texts])
    found = {}
    for id_, text in queries.items():
        scores = encoder.similarity(encoder.vector(text, None, None)[None], passages)[0]
        found[id_] = dict(zip(corpus, scores.tolist(), strict=True))
    return qrels, found


def beir_scores(qrels, found):
    ndcg, map_, recall, _ = EvaluateRetrieval.evaluate(qrels, found, [10, 100])
    return {
        "ndcg_at_10": ndcg["NDCG@10"],
        "map_at_100": map_["MAP@100"],
        "recall_at_100": recall["Recall@100"],
    }


@pytest.mark.parametrize(
    ("setting", "name"), [("crosslingual", "en-de"), ("multilingual", "ar-multi")]
)
def test_beir_gives_our_scores(tmp_path, sample, evaluate, setting, name):
    view = views(Setting(setting), sample.languages)[name]
    encoder = GuidedEncoder(sample, view)
    export_beir(sample, view, tmp_path / "exported")
    ours = evaluate(encoder, f"HybridSample{setting.title()}Retrieval", [name])[name]
    found = beir_scores(*rank(tmp_path / "exported", encoder))
    assert 0.05 < found["ndcg_at_10"] < 0.95
    assert found == pytest.approx({score: ours[score] for score in found}, abs=1e-5)


def test_beir_reads_what_the_view_holds(tmp_path, sample):
    view = View("th", sample.languages)
    export_beir(sample, view, tmp_path)
    corpus, queries, qrels = GenericDataLoader(str(tmp_path)).load(split="test")
    texts, judged = view_queries(sample, view)
    pool = view_passages(sample, view)
    assert {id_: row["text"] for id_, row in corpus.items()} == dict(
        pool.select("id", "text").iter_rows()
    )
    assert list(corpus) == pool["id"].to_list()
    assert list(queries.items()) == list(texts.select("id", "text").iter_rows())
    assert qrels == judged == read_qrels(tmp_path / "qrels" / "test.tsv")


def test_texts_come_back_as_they_were_and_a_row_is_a_line(tmp_path, awkward):
    export_beir(awkward, ALL, tmp_path)
    corpus, queries, qrels = GenericDataLoader(str(tmp_path)).load(split="test")
    assert [row["text"] for row in corpus.values()] == awkward.passages["text"].to_list()
    assert list(queries.values()) == awkward.queries["text"].to_list()
    assert qrels == {"q:1": {"en:1": 2, "de:1": 1}, "q:2": {"en:2": 1}}
    lines = (tmp_path / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["metadata"] for line in lines] == [
        {"language": "en", "group": "g"},
        {"language": "en", "group": "h"},
        {"language": "de", "group": "g"},
    ]


def test_no_answer_is_lost_that_has_the_id_of_its_query(tmp_path, awkward):
    """As in parallel JSON lines, where both have the id of their row."""
    ids = {"q:1": "en:1", "q:2": "en:2"}
    shared = replace(
        awkward,
        queries=awkward.queries.with_columns(pl.col("id").replace(ids)),
        qrels=awkward.qrels.with_columns(pl.col("query_id").replace(ids)),
    )
    export_beir(shared, ENGLISH, tmp_path / "shared")
    _, queries, qrels = GenericDataLoader(str(tmp_path / "shared")).load(split="test")
    assert list(queries) == ["query:en:1", "query:en:2"]
    assert qrels == {"query:en:1": {"en:1": 2}, "query:en:2": {"en:2": 1}}
    perfect = {query: dict.fromkeys(judged, 1.0) for query, judged in qrels.items()}
    assert beir_scores(qrels, perfect)["recall_at_100"] == 1
    export_beir(replace(shared, qrels=None, queries=shared.passages), ALL, tmp_path / "passages")
    _, queries, _ = GenericDataLoader(str(tmp_path / "passages")).load(split="test")
    assert list(queries) == ["en:1"], "dropping a query's own passage is right there"


def test_the_same_view_gives_the_same_bytes(tmp_path, sample):
    view = View("ru", ("zh",))
    export_beir(sample, view, tmp_path / "one")
    export_beir(sample, view, tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert set(files(tmp_path / "one")) == {"corpus.jsonl", "queries.jsonl", "qrels/test.tsv"}


@pytest.mark.parametrize("id_", ["en 1", "en\t1", 'en"1', "en\u00a01", ""])
def test_ids_that_would_break_columns(tmp_path, with_id, id_):
    with pytest.raises(ExportError, match=r"renamed: the id .* would break the columns"):
        export_beir(with_id(id_), ENGLISH, tmp_path / "exported")
    assert not list(tmp_path.iterdir())
