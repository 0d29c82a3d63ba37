"""Per-query values: their means are the scores, they are kept beside the results, and resume."""

import math

import mteb
import numpy as np
import polars as pl
import pytest
from mteb.cache import ResultCache

from conftest import HashEncoder
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.measures.view import COLUMNS
from mteb_hybrid.results.per_query import PerQueryError, read_consistency, read_per_query
from mteb_hybrid.results.table import result_rows

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


def test_means_are_the_scores(folder, tmp_path, encoder):
    rows = read_per_query(folder)
    assert list(rows.columns) == [*COLUMNS, "task"]
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
