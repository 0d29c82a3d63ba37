"""Per-query values: their means are the scores, they are kept beside the results, and resume."""

import json
import math
import os
import re
import warnings

import mteb
import numpy as np
import polars as pl
import pytest
from mteb.cache import ResultCache

from conftest import HashEncoder
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.measures.ranking_consistency import ranking_consistency
from mteb_hybrid.measures.view import (
    COLUMNS,
    RANKINGS,
    TOP_PASSAGES,
    group_depth,
    top_groups,
    top_passages,
)
from mteb_hybrid.results.per_query import (
    data_revisions,
    is_kept,
    read_consistency,
    read_per_query,
    read_top,
    write_per_query,
    write_rankings,
    write_top,
)
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import summarise
from mteb_hybrid.results.table import result_rows
from mteb_hybrid.results.value_files import PerQueryError
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.ranks import ranks_of_run
from mteb_hybrid.retrieval.ties import TieWarning

MULTILINGUAL = "HybridSampleMultilingualRetrieval"


@pytest.fixture
def folder(tmp_path, encoder, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_PER_QUERY", str(tmp_path / "results"))
    selected = {
        MULTILINGUAL: ["en-multi", "th-multi"],
        "HybridSampleCrosslingualRetrieval": ["en-de"],
    }
    return evaluate(encoder, selected, tmp_path)


def test_an_experiment_keeps_its_values_apart(folder, tmp_path, encoder):
    before = read_per_query(folder)
    other = HashEncoder(dimensions=4)
    meta = encoder.mteb_model_meta
    other.mteb_model_meta = meta.model_copy(update={"experiment_kwargs": {"embed_dim": 4}})
    apart = evaluate(other, {MULTILINGUAL: ["en-multi"]}, tmp_path)
    assert apart == folder / "experiments" / "embed_dim_4"
    assert (apart / f"{MULTILINGUAL}.json").is_file()
    assert read_per_query(folder).equals(before)
    assert set(read_per_query(apart)["pool"]) == {"en-multi"}
    rows = result_rows([tmp_path])
    assert [row.model for row in rows] == ["test/hash", "test/hash (embed_dim=4)"]
    assert rows[0].cells[2].value != rows[1].cells[2].value


def test_values_of_another_evaluation_are_told_and_made_anew(
    folder, tmp_path, encoder, monkeypatch, caplog
):
    """As when plain `mteb run` evaluates the model again, and keeps no values."""
    file = folder / f"{MULTILINGUAL}.json"
    content = json.loads(file.read_bytes())
    (row,) = (row for row in content["scores"]["test"] if row["hf_subset"] == "th-multi")
    whole = row["map"]
    row["map"] = row["main_score"] = whole + 2e-5
    file.write_text(json.dumps(content))
    said = "the map of th-multi is .*, and the values per query beside it have the mean"
    for read in (read_per_query, lambda at: summarise(load_results(at))):
        with pytest.raises(PerQueryError, match=said):
            read(folder)
    other = json.dumps(content | {"dataset_revision": "of other data"})
    file.write_text(other)
    assert set(read_per_query(folder, MULTILINGUAL)["pool"]) == {"en-multi", "th-multi"}
    assert MULTILINGUAL not in set(load_results(folder).per_query["task"]), "left out, as before"
    file.write_text(json.dumps(content))
    again = evaluate(encoder, {MULTILINGUAL: ["en-multi", "th-multi"]}, tmp_path)
    assert "values per query of th-multi are missing, damaged or of another" in caplog.text
    assert "en-multi" not in caplog.text
    assert load_results(again).evaluations[1].scores["th-multi"]["map"] == whole
    assert set(read_per_query(again, MULTILINGUAL)["pool"]) == {"en-multi", "th-multi"}


def test_means_are_the_scores(folder, tmp_path, encoder):
    rows = read_per_query(folder)
    assert list(rows.columns) == [*COLUMNS, "task"]
    assert read_per_query(folder, MULTILINGUAL).equals(rows.filter(task=MULTILINGUAL))
    result = ResultCache(tmp_path).load_task_result(MULTILINGUAL, encoder.mteb_model_meta)
    scores = {row["hf_subset"]: row for row in result.scores["test"]}
    found = (
        rows.filter(task=MULTILINGUAL)
        .group_by("pool", "measure")
        .agg(pl.col("value").drop_nans().mean())
    )
    assert len(found) > 2 * 40
    for pool, measure, mean in found.iter_rows():
        expected = scores[pool][measure]
        assert mean == pytest.approx(expected, abs=1e-6) or (mean is None and math.isnan(expected))


def test_one_row_per_query_language_pool_and_measure(folder):
    rows = read_per_query(folder)
    assert not rows.select("task", "query", "pool", "measure").is_duplicated().any()
    assert set(rows["query_language"]) == {"en", "th"}
    crosslingual = rows.filter(pool="en-de")
    assert set(crosslingual["measure"]) == {"map"}
    assert len(crosslingual) == 52
    # Parallel questions share their group.
    english, thai = (set(rows.filter(pool=f"{x}-multi")["group"]) for x in ("en", "th"))
    assert english == thai and len(english) == 52


def test_rankings_of_parallel_queries(folder):
    found = read_consistency(folder, MULTILINGUAL)
    assert set(found) == {"ranking_consistency_at_10", "ranking_spearman_at_10"}
    assert 0 <= found["ranking_consistency_at_10"] < 0.5, "vectors are random here"
    tops = pl.read_parquet(folder / f"{MULTILINGUAL}.rankings" / "en-multi.parquet")
    assert len(tops) == 52
    assert all(len(top) == len(set(top)) == 10 for top in tops["top"])
    assert read_consistency(folder, "Other") == {}
    # A model that looks at nothing but the question's group ranks parallel queries alike.
    (folder / f"{MULTILINGUAL}.rankings" / "th-multi.parquet").unlink()
    same = tops.with_columns(query_language=pl.lit("th"))
    same.write_parquet(folder / f"{MULTILINGUAL}.rankings" / "th-multi.parquet")
    assert read_consistency(folder, MULTILINGUAL)["ranking_consistency_at_10"] == pytest.approx(1)


def parallel_pool(languages, groups=30):
    names = tuple(f"l{i:03}" for i in range(languages))
    ids = [f"{name}:{group}" for name in names for group in range(groups)]
    group = {id_: id_[5:] for id_ in ids}
    return Pool(ids, [id_[:4] for id_ in ids], names), group


def tops_of(pool, group, scores, depth=None):
    counter = RankCounter(pool, {"q": {pool.ids[0]: 1}}, depth=depth)
    counter.add(np.array([scores], dtype=np.float32))
    return top_groups(counter.result()[0], {"q": "g"}, group)["top"].to_list()[0]


@pytest.mark.parametrize("languages", [1, 11, 14, 22, 122])
def test_the_first_ten_groups_count_however_deep_they_lie(languages):
    pool, group = parallel_pool(languages)
    orders = list(range(30)), [0, 1, *range(29, 1, -1)]
    tops = [
        tops_of(pool, group, [-order.index(int(group[id_])) for id_ in pool.ids])
        for order in orders
    ]
    assert tops == [[str(group) for group in order[:10]] for order in orders]
    found = ranking_consistency({"x": {"q": tops[0]}, "y": {"q": tops[1]}})
    assert found["ranking_consistency_at_10"] == pytest.approx(0.569, abs=5e-4)


def test_how_deep_ten_groups_can_lie():
    ids = [f"en:{i}" for i in range(600)]
    pool = Pool(ids, ["en"] * 600, ("en",))
    group = {id_: f"large {i // 50}" if i < 500 else id_ for i, id_ in enumerate(ids)}
    assert group_depth(pool, group) == 9 * 50 + 1
    scores = [-float(i) for i in range(600)]
    expected = [f"large {i}" for i in range(10)]
    assert tops_of(pool, group, scores, group_depth(pool, group)) == expected
    with pytest.raises(ValueError, match=r"first 100 places hold 2 groups, expected 10"):
        tops_of(pool, group, scores)
    few = {id_: f"large {i % 3}" for i, id_ in enumerate(ids)}
    assert tops_of(pool, few, scores) == ["large 0", "large 1", "large 2"]


def test_groups_that_a_ranking_does_not_tell():
    pool, group = parallel_pool(3)
    assert tops_of(pool, group, [0.5] * 90) is None, "all tie"
    assert tops_of(pool, group, [0.7] + [0.5] * 89) is not None
    run = {"cut": {id_: 1.0 - i for i, id_ in enumerate(pool.ids[:9])}, "nothing": {}}
    run["enough"] = {id_: 1.0 - i for i, id_ in enumerate(pool.ids[:10])}
    qrels = {query: {"l000:0": 1} for query in run}
    ranks = ranks_of_run(run, qrels, pool)
    tops = top_groups(ranks, {query: query for query in run}, group)["top"].to_list()
    assert tops == [None, None, [str(i) for i in range(10)]]
    first, second = {"a": tops[2], "b": tops[0]}, {"a": tops[2], "b": tops[2]}
    assert ranking_consistency({"x": first, "y": second}) == {
        "ranking_consistency_at_10": pytest.approx(1),
        "ranking_consistency_at_10_measured_on": 0.5,
        "ranking_spearman_at_10": pytest.approx(1),
        "ranking_spearman_at_10_measured_on": 0.5,
    }


def test_a_collapsed_encoder_is_not_unbiased(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MTEB_HYBRID_PER_QUERY", str(tmp_path / "results"))

    class Zero(HashEncoder):
        def vector(self, text, hf_subset, task_metadata):
            return np.zeros(4, dtype=np.float32)

    encoder = Zero(name="test/zero")
    with warnings.catch_warnings():
        warnings.simplefilter("error", TieWarning)
        folder = evaluate(encoder, {MULTILINGUAL: ["en-multi", "th-multi"]}, tmp_path)
    (said,) = [record.message for record in caplog.records if "tie" in record.message]
    assert said.startswith(
        f"{MULTILINGUAL}: 100% of query vectors coincide, 100% of passage vectors coincide, 100% "
        "of scores in the pool en-multi tie with more than a hundredth of the others"
    )
    result = ResultCache(tmp_path).load_task_result(MULTILINGUAL, encoder.mteb_model_meta)
    for scores in result.scores["test"]:
        assert scores["tied_scores"] == 1
        assert scores["rank_distance"] > 0.8 * 1056
        assert scores["rank_distance_normalised"] == pytest.approx(10 / 12, abs=0.01)
        assert scores["max_rank_normalised"] < 5
        for name in ("language_concordance", "peer"):
            assert math.isnan(scores[name]) and scores[f"{name}_measured_on"] == 0
    found = read_consistency(folder, MULTILINGUAL)
    assert math.isnan(found["ranking_consistency_at_10"])
    assert found["ranking_consistency_at_10_measured_on"] == 0


def test_a_second_run_replaces_its_subsets_only(folder, tmp_path, encoder):
    before = read_per_query(folder)
    evaluate(encoder, {MULTILINGUAL: ["en-multi", "ar-multi"]}, tmp_path)
    after = read_per_query(folder)
    assert set(after["pool"]) == {"en-multi", "th-multi", "ar-multi", "en-de"}
    same = after.filter(pl.col("pool") != "ar-multi").sort("task", "pool", "measure", "query")
    assert same.equals(before.sort("task", "pool", "measure", "query"), null_equal=True)
    assert list(folder.rglob("*.tmp")) == []


def test_two_runs_in_one_process_keep_theirs_apart(tmp_path, encoder, monkeypatch):
    monkeypatch.delenv("MTEB_HYBRID_PER_QUERY", raising=False)
    for folder, subset in ((tmp_path / "a", "en-multi"), (tmp_path / "b", "de-multi")):
        results = evaluate(encoder, {MULTILINGUAL: [subset]}, folder)
        assert results.is_relative_to(folder)
        assert set(read_per_query(results)["pool"]) == {subset}


def test_search_models_have_them_too(tmp_path, monkeypatch):
    pytest.importorskip("bm25s", reason="needs the extra bm25")
    monkeypatch.setenv("MTEB_HYBRID_PER_QUERY", str(tmp_path))
    task = mteb.get_task(MULTILINGUAL, hf_subsets=["en-multi"])
    mteb.evaluate(mteb.get_model("mteb/baseline-bm25s"), task, cache=None)
    (parquet,) = tmp_path.rglob("*.per_query/en-multi.parquet")
    values = pl.read_parquet(parquet).filter(measure="rank_distance")["value"]
    assert len(values) == 52 and np.isfinite(values.to_numpy()).all()


def test_nothing_is_kept_unless_asked(tmp_path, encoder, monkeypatch):
    monkeypatch.delenv("MTEB_HYBRID_PER_QUERY", raising=False)
    task = mteb.get_task(MULTILINGUAL, hf_subsets=["en-multi"])
    mteb.evaluate(encoder, task, cache=ResultCache(tmp_path))
    assert list(tmp_path.rglob("*.parquet")) == []


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(PerQueryError, match=r"no per-query values.*mteb-hybrid run"):
        read_per_query(tmp_path)
    file = tmp_path / "T.per_query" / "en-multi.parquet"
    file.parent.mkdir()
    file.write_bytes(b"PAR1 cut")
    with pytest.raises(PerQueryError, match=r"en-multi\.parquet: not a Parquet file"):
        read_per_query(tmp_path)
    pl.DataFrame({"query": ["q"]}).write_parquet(file)
    with pytest.raises(PerQueryError, match=r"has the columns \['query'\], expected"):
        read_per_query(tmp_path)


FLIPS = int(os.environ.get("MTEB_HYBRID_FLIPS", "300"))


def rows(queries=52, measures=20):
    random = np.random.default_rng(0)
    values = random.random(queries * measures)
    values[::7], values[1], values[2] = np.nan, -0.0, 1e300
    columns = {
        "query": [f"en:{i % queries}" for i in range(len(values))],
        "group": [f"{i % queries}" for i in range(len(values))],
        "query_language": "en",
        "pool": "en-multi",
        "measure": [f"measure_{i // queries}" for i in range(len(values))],
        "value": values,
    }
    return pl.DataFrame(columns, schema=COLUMNS)


def tops():
    random = np.random.default_rng(1)
    found = [[f"g{i}" for i in random.permutation(52)[: 1 + size]] for size in range(11)]
    columns = {"group": [f"g{i}" for i in range(11)], "query_language": "en", "top": found}
    return pl.DataFrame(columns, schema=RANKINGS)


@pytest.mark.parametrize("kind", ["per_query", "rankings"])
def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path, kind):
    if kind == "per_query":
        table, file = rows(), write_per_query(rows(), tmp_path, "T")
    else:
        table, file = tops(), write_rankings(tops(), tmp_path, "T", "en-multi")
        write_rankings(tops().with_columns(query_language=pl.lit("de")), tmp_path, "T", "de-multi")

    def read():
        if kind == "per_query":
            return read_per_query(tmp_path).drop("task")
        return read_consistency(tmp_path, "T")

    whole, right = file.read_bytes(), read()
    assert kind == "rankings" or right.equals(table)
    random, noticed = np.random.default_rng(2), 0
    for place in random.integers(0, len(whole), FLIPS):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(random.integers(8))
        file.write_bytes(flipped)
        try:
            found = read()
        except PerQueryError as error:
            assert str(file) in str(error) and "Evaluate that subset again" in str(error)
            noticed += 1
        else:
            assert right.equals(found) if kind == "per_query" else found == right
    assert noticed > FLIPS * 0.8


def test_files_without_a_checksum_are_read(tmp_path):
    file = write_per_query(rows(), tmp_path, "T")
    rows().write_parquet(file)
    assert read_per_query(tmp_path).drop("task").equals(rows())


def test_values_on_other_data_are_told_apart(tmp_path):
    file = write_per_query(rows(), tmp_path, "T")
    assert data_revisions(tmp_path) == {}
    subset = file.stem
    results = {"dataset_revision": "old", "scores": {"test": [{"hf_subset": subset}]}}
    (tmp_path / "T.json").write_text(json.dumps(results))
    assert data_revisions(tmp_path) == {"T": "old"}, "as the results beside them say"
    (tmp_path / "T.json").write_text(json.dumps(results | {"scores": {}}))
    assert data_revisions(tmp_path) == {"T": "unknown"}, "they have other subsets"
    assert is_kept(tmp_path, "T", subset, rankings=False, revision="new")
    write_per_query(rows(), tmp_path, "T", "old")
    assert read_per_query(tmp_path).drop("task").equals(rows())
    assert is_kept(tmp_path, "T", subset, rankings=False, revision="old")
    assert not is_kept(tmp_path, "T", subset, rankings=False, revision="new")
    others = rows().with_columns(pool=pl.lit("xx-multi"))
    write_per_query(others, tmp_path, "T", "new")
    with pytest.raises(PerQueryError, match=r"several revisions of the data: .*on old, .*on new"):
        read_per_query(tmp_path)
    write_per_query(rows(), tmp_path, "T")
    for listed in ([{"hf_subset": "xx-multi"}], None):
        results = {"dataset_revision": "new", "scores": {"test": listed}}
        (tmp_path / "T.json").write_text(json.dumps(results))
        with pytest.raises(PerQueryError, match=f"{subset}.parquet on unknown, xx-multi"):
            read_per_query(tmp_path)
    (tmp_path / "T.json").unlink()
    with pytest.raises(PerQueryError, match=f"{subset}.parquet on unknown, xx-multi"):
        read_per_query(tmp_path)
    write_rankings(tops(), tmp_path, "T", "en-multi", "old")
    write_rankings(tops(), tmp_path, "T", "de-multi", "new")
    with pytest.raises(PerQueryError, match="several revisions of the data"):
        read_consistency(tmp_path, "T")


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"group": None}, "a row without group"),
        ({"query": None}, "a row without query"),
        ({"value": math.inf}, "a value that is infinite"),
        ({"query": "en:1"}, "one query and measure twice"),
    ],
)
def test_what_no_measurement_writes_is_refused(tmp_path, odd, said):
    table = rows(queries=3, measures=1)
    first = {name: [odd.get(name, table[name][0])] for name in COLUMNS}
    changed = pl.concat([pl.DataFrame(first, schema=COLUMNS), table[1:]])
    file = write_per_query(changed, tmp_path, "T")
    with pytest.raises(PerQueryError, match=rf"{re.escape(str(file))}: {said}.*Evaluate that"):
        read_per_query(tmp_path)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"query": None}, "a row without query"),
        ({"top": None}, "a row without top"),
        ({"answers": ["p", None]}, "nothing in a list of answers"),
        ({"answer_languages": ["en"]}, "lists of different lengths in answers"),
        ({"top_relevant": []}, "lists of different lengths in top,"),
        ({"answer_ranks": [1, None]}, None),
    ],
)
def test_of_first_passages_too(tmp_path, odd, said):
    row = {"query": "en:1", "group": "1", "query_language": "en"}
    row |= {"top": ["p"], "top_languages": ["en"], "top_relevant": [True]}
    row |= {"answers": ["p", "q"], "answer_languages": ["en", "de"], "answer_ranks": [1, 3]}
    table = pl.DataFrame([row | odd], schema=TOP_PASSAGES)
    write_top(table, tmp_path, "T", "en-multi")
    if said is None:
        assert read_top(tmp_path, "T").equals(table)
        return
    with pytest.raises(PerQueryError, match=rf"en-multi\.parquet: {said}"):
        read_top(tmp_path, "T")


def test_a_file_of_another_subset_is_refused(tmp_path):
    columns = {name: ["en-en" if name == "pool" else name] for name in COLUMNS if name != "value"}
    rows = pl.DataFrame({**columns, "value": [0.5]}, schema=COLUMNS)
    file = write_per_query(rows, tmp_path, "T")
    assert len(read_per_query(tmp_path)) == 1
    file.rename(file.with_name("de-de.parquet"))
    with pytest.raises(PerQueryError, match=r"de-de\.parquet: holds values of en-en"):
        read_per_query(tmp_path)


def tied_view():
    """Rankings full of ties, of queries with one answer, two in a language, and none in some."""
    random = np.random.default_rng(3)
    pool, _ = parallel_pool(4, 12)
    scores = random.integers(0, 9, (3, len(pool))).astype(np.float32)
    qrels = {
        "one": {pool.ids[5]: 1, pool.ids[6]: 0},
        "many": {pool.ids[i]: 1 + i % 2 for i in (0, 3, 14, 40, 41)},
        "some": {pool.ids[i]: 1 for i in (47, 13)},
    }
    return pool, scores, qrels


@pytest.mark.parametrize("cut", [None, 20])
def test_first_passages_and_where_answers_stand(cut):
    pool, scores, qrels = tied_view()
    run = {}
    for query, row in zip(qrels, scores, strict=True):
        order = sorted(range(len(pool)), key=lambda i: (row[i], pool.ids[i]), reverse=True)[:cut]
        run[query] = {pool.ids[i]: float(row[i]) for i in order}
    if cut:
        ranks = ranks_of_run(run, qrels, pool, "l001")
    else:
        counter = RankCounter(pool, qrels, "l001")
        counter.add(scores)
        ranks = counter.result()[0]
    found = top_passages(ranks, {query: f"group {query}" for query in qrels})
    assert found.schema == pl.Schema(TOP_PASSAGES)
    assert found["group"].to_list() == ["group one", "group many", "group some"]
    for row in found.iter_rows(named=True):
        ranking, judged = list(run[row["query"]]), qrels[row["query"]]
        assert row["top"] == ranking[:10]
        assert row["top_languages"] == [id_[:4] for id_ in ranking[:10]]
        assert row["top_relevant"] == [judged.get(id_, 0) > 0 for id_ in ranking[:10]]
        expected = {}
        for id_ in judged:
            if judged[id_]:
                rank = ranking.index(id_) + 1 if id_ in ranking else math.inf
                expected[id_[:4]] = min(expected.get(id_[:4], (math.inf, id_)), (rank, id_))
        stands = sorted(expected.values())
        assert sorted(row["answer_languages"]) == sorted(expected)
        assert [rank or math.inf for rank in row["answer_ranks"]] == [rank for rank, _ in stands]
        returned = [id_ for rank, id_ in stands if rank < math.inf]
        assert row["answers"][: len(returned)] == returned


def test_first_passages_are_kept_and_results_without_them_are_whole(folder, tmp_path, encoder):
    kept = read_top(folder, MULTILINGUAL)
    assert len(kept) == 2 * 52 and set(kept["query_language"]) == {"en", "th"}
    worst = kept.select("query", last=pl.col("answer_ranks").list.max())
    distance = read_per_query(folder, MULTILINGUAL).filter(measure="rank_distance")
    both = kept.join(distance, on="query", how="inner")
    assert len(both) == len(worst)
    for ranks, expected in both.select("answer_ranks", "value").iter_rows():
        assert max(ranks) - min(ranks) == expected
    assert read_top(folder, "HybridSampleCrosslingualRetrieval") is None
    (first, second) = sorted(folder.glob("*.top/*"))
    first.write_bytes(second.read_bytes()[:-9])
    assert not is_kept(folder, MULTILINGUAL, "en-multi", rankings=True), "it is damaged"
    for file in folder.glob("*.top/*"):
        file.unlink()
    assert read_top(folder, MULTILINGUAL) is None
    before = len(encoder.encoded)
    evaluate(encoder, {MULTILINGUAL: ["en-multi", "th-multi"]}, tmp_path)
    assert len(encoder.encoded) == before, "nothing is evaluated again"
