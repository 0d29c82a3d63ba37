import json
import math

import numpy as np
import polars as pl
import pytest

from mteb_hybrid.results.mteb_files import ResultError
from mteb_hybrid.results.per_query import write_rankings
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import summarise
from mteb_hybrid.retrieval.views import Setting
from results.conftest import HOSTILE, write_task

MULTI = "MLQARMultilingualRetrieval"


def test_scores_are_tidy(made):
    results = load_results(made.folder)
    columns = "collection task setting model revision data_revision subset query_language"
    assert results.scores.columns == [*columns.split(), "passage_language", "measure", "value"]
    row = results.scores.filter(
        task="MLQARCrosslingualRetrieval", model="org/first", subset="en-de", measure="map"
    )
    assert row.select("query_language", "passage_language", "setting").row(0) == (
        *("en", "de"),
        "crosslingual",
    )
    pooled = results.scores.filter(task=MULTI, model=HOSTILE, measure="language_concordance")
    assert set(pooled["passage_language"]) == {"multi"}
    assert pooled["value"].is_nan().all()
    assert results.to_pandas().shape == results.scores.shape
    assert list(results.collections) == ["MLQA-R", "sample (not a benchmark)"]


def test_codes_of_languages_may_have_hyphens(tmp_path):
    """As those of Belebele, of which a subset is called ar-Latn-ar-Latn."""
    for setting in ("Monolingual", "Multilingual"):
        write_task(tmp_path, "a/b", f"Belebele{setting}Retrieval", 0.5, per_query=False)
    spoken = ("query_language", "passage_language")
    rows = load_results(tmp_path).scores.filter(pl.col("measure") == "map")
    found = {subset: pair for subset, *pair in rows.select("subset", *spoken).iter_rows()}
    assert found["ar-Latn-ar-Latn"] == ["ar-Latn", "ar-Latn"]
    assert found["ar-Latn-multi"] == ["ar-Latn", "multi"] and found["ar-ar"] == ["ar", "ar"]


def test_what_is_missing_is_known(made):
    results = load_results(made.folder)
    found = results.evaluation("MLQA-R", HOSTILE, Setting.MULTILINGUAL)
    assert found.missing == ["de-multi", "vi-multi"]
    assert results.evaluation("MLQA-R", HOSTILE, Setting.MONOLINGUAL) is None
    assert results.truncated_at("MLQA-R", HOSTILE, Setting.MULTILINGUAL) == 1000
    assert results.truncated_at("MLQA-R", "org/first", Setting.MULTILINGUAL) is None


def test_matrices(made):
    results = load_results(str(made.folder))
    transfer = results.matrix("MLQA-R", "org/first")
    assert np.diag(transfer) == pytest.approx(0.7)
    assert (transfer[~np.eye(7, dtype=bool)] <= 0.6).all()
    gold = results.matrix("MLQA-R", HOSTILE, "gold_language_map")
    languages = list(results.collections["MLQA-R"].languages)
    assert np.isnan(gold[languages.index("de")]).all()
    assert gold[0] == pytest.approx([0.5] + [0.3] * 6)


def test_models_keep_the_order_of_the_paths(made):
    folders = [made.folder / "org__second", made.folder / "org__first"]
    assert load_results(folders).models("MLQA-R") == ["org/second", "org/first"]
    # The same file by two paths is one file.
    assert load_results([*folders, made.folder / "org__first" / "r1"]).models("MLQA-R") == [
        *("org/second", "org/first")
    ]


def test_revisions_of_a_model_are_told_apart(tmp_path):
    folder = write_task(tmp_path, "a/b", MULTI, 0.5, per_query=False)
    second = folder.with_name("r2")
    second.mkdir()
    (second / f"{MULTI}.json").write_bytes((folder / f"{MULTI}.json").read_bytes())
    results = load_results(tmp_path)
    assert results.models("MLQA-R") == ["a/b @ r1", "a/b @ r2"]
    assert not results.per_query.height


def test_bad_results(tmp_path):
    folder = write_task(tmp_path / "one", "a/b", MULTI, 0.5, per_query=False)
    write_task(tmp_path / "two", "a/b", MULTI, 0.5, per_query=False)
    with pytest.raises(ResultError, match=r"is also in .*Leave one of them out"):
        load_results(tmp_path)
    file = folder / f"{MULTI}.json"
    content = json.loads(file.read_text())
    rows = content["scores"]["validation"]
    for subset, fault in (
        ("en-xx", "is none of MLQA-R's.*take it out"),
        (rows[1]["hf_subset"], "is there twice"),
    ):
        rows[0]["hf_subset"] = subset
        file.write_text(json.dumps(content))
        with pytest.raises(ResultError, match=rf"{subset}' {fault}"):
            load_results(file)
    with pytest.raises(ResultError, match="no such file or folder"):
        load_results(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultError, match=r"no results of our tasks.*mteb run"):
        load_results([tmp_path / "empty"])
    content["task_name"] = "Ours\u202eMultilingualRetrieval"
    (tmp_path / "empty" / "OursMultilingualRetrieval.json").write_text(json.dumps(content))
    said = r"found Ours\S+MultilingualRetrieval, of which no card is known.*let MTEB_HYBRID_TASKS"
    with pytest.raises(ResultError, match=said) as caught:
        load_results([tmp_path / "empty"])
    assert "\u202e" not in str(caught.value)


def test_values_per_query_of_one_model_in_two_folders(tmp_path):
    write_task(tmp_path / "one", "a/b", MULTI, 0.5)
    write_task(tmp_path / "two", "a/b", "MLQARMonolingualRetrieval", 0.5)
    results = load_results(tmp_path)
    assert set(results.per_query["task"]) == {MULTI, "MLQARMonolingualRetrieval"}
    assert len(results.models("MLQA-R")) == 1


def test_a_name_may_hold_anything(tmp_path):
    write_task(tmp_path, "a\x1b[31m/b", MULTI, 0.5, per_query=False)
    results = load_results(tmp_path)
    assert results.models("MLQA-R") == ["a\\x1b[31m/b"]


def test_notebook_shows_the_headline(made):
    html = load_results(made.folder)._repr_html_()
    assert repr(load_results(made.folder)) == "<Results: 3 models, 13 tasks; see .scores>"
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;/x&amp;y" in html
    assert html.count("<table>") == 1
    assert "(5/7) [top 1000]" in html


def test_a_notebook_says_how_many_queries_a_mean_is_of(tmp_path):
    write_task(tmp_path, "a/b", MULTI, 0.5, extra={"rank_distance_measured_on": 0.5})
    assert "[50.0% of queries]" in load_results(tmp_path)._repr_html_()


def test_consistency_says_of_how_many_languages_it_is(tmp_path):
    folder = write_task(tmp_path, "a/b", MULTI, 0.5)
    for language in ("en", "de"):
        tops = pl.DataFrame(
            {"group": ["1", "2"], "query_language": language, "top": [["a", "b"], ["b", "c"]]}
        )
        write_rankings(tops, folder, MULTI, f"{language}-multi")
    (model,) = summarise(load_results(tmp_path)).collections[0].models
    cell = model.cells[Setting.MULTILINGUAL, "ranking_consistency_at_10"]
    assert (cell.subsets, cell.expected) == (2, 7) and not cell.is_whole


def test_null_is_undefined(made):
    results = load_results(made.folder)
    values = results.values("MLQA-R", HOSTILE, Setting.MULTILINGUAL, "language_concordance")
    assert all(map(math.isnan, values))
