"""The tasks as MTEB sees them: metadata, data, MTEB's own path, and what a failure leaves."""

import json
import pickle

import mteb
import numpy as np
import pytest
from mteb.cache import ResultCache
from mteb.languages import check_language_code
from mteb.results import TaskResult

from conftest import HashEncoder
from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.evaluation.task import CardTask
from mteb_hybrid.retrieval.views import Setting

COUNTS = {"XQuADR": (11, 110, 11), "MLQAR": (7, 42, 7), "HybridSample": (11, 110, 11)} | {
    "XTD10": (0, 110, 11), "NTREX128": (0, 462, 22), "TICO19": (0, 1122, 34),
    "TICO19First300": (0, 1260, 36), "Tatoeba": (0, 72, 0),
}  # fmt: skip
NOT_AT_HAND = {"MIRACL", "XM3600", "TICO19"}
"""Cards without statistics: these take the data, or an hour, as do those that MTEB loads itself."""


@pytest.mark.parametrize("name", list(tasks_by_name()))
def test_metadata(name):
    task = mteb.get_task(name)
    card, setting = tasks_by_name()[name]
    metadata = task.metadata
    assert isinstance(task, CardTask)
    assert metadata.is_filled()
    assert metadata.main_score == "map"
    assert metadata.name == name
    faults = card.source.known_faults
    suffix = f"+left-out-{faults.digest}" if faults.listed else ""
    assert metadata.revision == card.source.revision + suffix
    assert metadata.bibtex_citation or card.kind == "sample"
    for codes in metadata.eval_langs.values():
        for code in codes:
            check_language_code(code)
    n = len(card.languages)
    expected = n * (n - 1) if setting is Setting.CROSSLINGUAL else n
    if setting is Setting.MONOLINGUAL:
        expected -= len(card.source.empty_subsets)
    if card.source.subsets is not None:
        expected = len(card.source.subsets)
    assert len(metadata.hf_subsets) == expected
    if card.name in COUNTS:
        assert expected == COUNTS[card.name][list(Setting).index(setting)]


def test_languages_of_subsets():
    assert mteb.get_task("XQuADRMonolingualRetrieval").metadata.eval_langs["zh-zh"] == ["zho-Hans"]
    crosslingual = mteb.get_task("XQuADRCrosslingualRetrieval").metadata.eval_langs
    assert crosslingual["ar-de"] == ["ara-Arab", "deu-Latn"]
    multilingual = mteb.get_task("MLQARMultilingualRetrieval").metadata.eval_langs
    assert multilingual["hi-multi"][0] == "hin-Deva"
    assert len(multilingual["hi-multi"]) == len(set(multilingual["hi-multi"])) == 7


def test_language_filters():
    task = mteb.get_task("XQuADRCrosslingualRetrieval", languages=["tur", "ell"])
    assert {"tr" in s.split("-") or "el" in s.split("-") for s in task.hf_subsets} == {True}
    assert len(task.hf_subsets) == 2 * 20 - 2
    both = mteb.get_task(
        "XQuADRCrosslingualRetrieval", languages=["tur", "ell"], exclusive_language_filter=True
    )
    assert sorted(both.hf_subsets) == ["el-tr", "tr-el"]


@pytest.mark.parametrize("name", list(tasks_by_name()))
def test_descriptive_statistics_ship_with_the_card(name):
    stats = mteb.get_task(name).metadata.descriptive_stats
    card, _setting = tasks_by_name()[name]
    if card.source.format == "mteb" or card.name in NOT_AT_HAND:
        assert stats is None
        return
    (split,) = stats.values()
    assert set(split["hf_subset_descriptive_stats"]) == set(mteb.get_task(name).hf_subsets)
    first = split["hf_subset_descriptive_stats"][mteb.get_task(name).hf_subsets[0]]
    assert first["num_queries"] > 0 and first["relevant_docs_statistics"] is not None
    assert mteb.get_task(name).metadata.n_samples == {card.split: split["num_samples"]}


@pytest.mark.parametrize("setting", ["Monolingual", "Multilingual"])
def test_descriptive_statistics_are_mtebs(setting, tmp_path, monkeypatch):
    task = mteb.get_task(f"HybridSample{setting}Retrieval")
    shipped = task.metadata.descriptive_stats
    target = property(lambda self: tmp_path / "stats.json")
    monkeypatch.setattr(type(task.metadata), "descriptive_stat_path", target)
    assert json.loads(json.dumps(task.calculate_descriptive_statistics(True))) == shipped


def test_results_are_saved_loaded_and_averaged(tmp_path, encoder):
    name = "HybridSampleMultilingualRetrieval"
    cache = ResultCache(tmp_path)
    task = mteb.get_task(name, hf_subsets=["en-multi", "th-multi"])
    mteb.evaluate(encoder, task, cache=cache, show_progress_bar=False)
    result = cache.load_task_result(name, encoder.mteb_model_meta)
    assert isinstance(result, TaskResult)
    assert result.task.metadata.name == name
    rows = {row["hf_subset"]: row for row in result.scores["test"]}
    assert result.get_score() == pytest.approx(np.mean([row["map"] for row in rows.values()]))
    assert result.main_score == result.get_score()
    assert all(row["main_score"] == row["map"] for row in rows.values())
    assert result.is_mergeable(mteb.get_task(name))
    # The other nine subsets are added to the two.
    mteb.evaluate(encoder, mteb.get_task(name), cache=cache, show_progress_bar=False)
    result = cache.load_task_result(name, encoder.mteb_model_meta)
    assert len(result.scores["test"]) == 11
    loaded = cache.load_results(tasks=[name], models=[encoder.mteb_model_meta])
    assert loaded.task_names == [name]


@pytest.mark.parametrize("setting", ["Monolingual", "Multilingual"])
def test_measures_on_mtebs_own_path_equal_ours(setting, evaluate):
    """Pools of up to 1,000 passages are not cut there."""
    name = f"HybridSample{setting}Retrieval"
    encoder = HashEncoder(dimensions=8, levels=3)
    subset = "en-en" if setting == "Monolingual" else "en-multi"
    fast, stock = (
        evaluate(encoder, name, [subset], stock=stock)[subset] for stock in (False, True)
    )
    if setting == "Monolingual":
        assert stock["map"] == fast["map"] == stock["main_score"]
        assert "rank_distance" not in stock and "truncated_at" not in stock
    else:
        # 1,056 passages, of which MTEB keeps 1,000.
        assert stock["truncated_at"] == 1000
        assert "truncated_at" not in fast
        assert fast.keys() - stock.keys() == set()
        assert stock["map"] == pytest.approx(fast["map"], rel=0.05)
        assert stock["rank_distance"] == pytest.approx(fast["rank_distance"], rel=0.1)


@pytest.mark.parametrize("levels", [None, 3], ids=["distinct", "tied"])
def test_predictions_are_the_first_of_the_rankings_that_are_measured(tmp_path, evaluate, levels):
    name, subset = "HybridSampleMultilingualRetrieval", "en-multi"
    encoder = HashEncoder(dimensions=8, levels=levels)
    task = mteb.get_task(name, hf_subsets=[subset])
    found = mteb.evaluate(encoder, task, cache=None, prediction_folder=tmp_path).task_results[0]
    (scores,) = found.scores["test"]
    plain = evaluate(encoder, name, [subset])[subset]
    assert repr(sorted(scores.items())) == repr(sorted(plain.items()))  # NaN too
    (file,) = tmp_path.glob("*.json")
    saved = json.loads(file.read_text(encoding="utf-8"))[subset]["test"]
    assert [len(first) for first in saved.values()] == [1000] * 52, "of 1,056 passages"
    assert all([*x.values()] == sorted(x.values(), reverse=True) for x in saved.values())
    if levels is None:  # sums of other products may differ in their last bits
        return
    task.load_data()
    data = task.dataset[subset]["test"]
    vectors = {
        side: np.stack([encoder.vector(text, None, None) for text in data[side]["text"][:]])
        for side in ("queries", "corpus")
    }
    ids = data["corpus"]["id"][:]
    order = sorted(range(len(ids)), key=lambda place: ids[place], reverse=True)  # trec_eval's
    products = vectors["queries"] @ vectors["corpus"].T
    for query, scores in zip(data["queries"]["id"][:], products, strict=True):
        best = sorted(order, key=lambda place: -scores[place])[:1000]
        assert [*saved[query].items()] == [(ids[place], scores[place]) for place in best]


def test_a_search_model(evaluate):
    pytest.importorskip("bm25s", reason="needs the extra bm25")
    bm25 = mteb.get_model("mteb/baseline-bm25s")
    scores = evaluate(bm25, "HybridSampleMonolingualRetrieval", ["en-en"])["en-en"]
    assert 0.5 < scores["map"] <= 1, "English questions share words with English answers"
    assert scores["map"] == pytest.approx(scores["map_at_1000"], abs=1e-4)
    pooled = evaluate(bm25, "HybridSampleMultilingualRetrieval", ["en-multi"])["en-multi"]
    assert pooled["map"] < scores["map"]
    assert pooled["rank_distance"] > 0


class OverlapCrossEncoder:
    """Scores a pair by the characters that it shares."""

    mteb_model_meta = mteb.models.ModelMeta.create_empty({"name": "test/overlap", "revision": "1"})

    def __init__(self, *args, **kwargs):
        pass

    def predict(self, inputs1, inputs2, *, task_metadata, hf_split, hf_subset, **kwargs):
        pairs = zip(
            (t for batch in inputs1 for t in batch["text"]),
            (t for batch in inputs2 for t in batch["text"]),
            strict=True,
        )
        return np.array([len(set(a) & set(b)) for a, b in pairs], dtype=np.float32)


def test_a_cross_encoder_reranks(tmp_path, encoder):
    name = "HybridSampleMultilingualRetrieval"
    first = mteb.get_task(name, hf_subsets=["en-multi"])
    mteb.evaluate(encoder, first, cache=None, prediction_folder=tmp_path)
    task = mteb.get_task(name, hf_subsets=["en-multi"]).convert_to_reranking(tmp_path, top_k=20)
    result = mteb.evaluate(OverlapCrossEncoder(), task, cache=None)
    (scores,) = result.task_results[0].scores["test"]
    assert scores["truncated_at"] == 20
    assert 0 <= scores["map"] <= scores["recall_at_20"]
    assert scores["rank_distance"] <= 20


class Faulty(HashEncoder):
    fault = None

    def encode(self, inputs, **kwargs):
        vectors = super().encode(inputs, **kwargs)
        return self.fault(vectors) if len(vectors) > 2 else vectors


def _nan(vectors):
    vectors[1, 3] = np.nan
    return vectors


@pytest.mark.parametrize(
    ("fault", "said"),
    [(_nan, "NaN or infinity for 1 of"), (lambda v: v[1:], "returned vectors of")],
)
def test_a_faulty_model_leaves_no_result(tmp_path, fault, said):
    model = Faulty(name="test/faulty")
    model.fault = fault
    task = mteb.get_task("HybridSampleMonolingualRetrieval", hf_subsets=["en-en"])
    with pytest.raises(ValueError, match=said):
        mteb.evaluate(model, task, cache=ResultCache(tmp_path))
    assert list(tmp_path.rglob("*Retrieval.json")) == []


def test_tasks_can_be_pickled():
    task = pickle.loads(pickle.dumps(mteb.get_task("HybridSampleMultilingualRetrieval")))  # noqa: S301
    assert type(task) is type(mteb.get_task("HybridSampleMultilingualRetrieval"))


def test_data_is_loaded_for_the_chosen_subsets_and_unloaded():
    task = mteb.get_task("HybridSampleCrosslingualRetrieval", hf_subsets=["en-de", "ar-de"])
    task.load_data()
    assert set(task.dataset) == {"en-de", "ar-de"}
    english, arabic = (task.dataset[subset]["test"] for subset in ("en-de", "ar-de"))
    assert english["corpus"] is arabic["corpus"], "pools are shared between subsets"
    assert english["queries"]["id"][0].startswith("en:")
    task.unload_data()
    assert not task.data_loaded


def test_two_languages_of_xquad_r(real_data, evaluate):
    """MTEB's own evaluation of real sentence candidates, on the same vectors."""
    name = "XQuADRCrosslingualRetrieval"
    subsets = ["th-ar"]
    encoder = HashEncoder(dimensions=8, levels=4)
    fast, stock = (evaluate(encoder, name, subsets, stock=stock) for stock in (False, True))
    for subset in subsets:
        for score in ("ndcg_at_10", "map_at_100", "recall_at_100", "mrr_at_10", "accuracy"):
            assert fast[subset][score] == stock[subset][score]
