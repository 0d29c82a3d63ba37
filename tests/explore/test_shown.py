"""What is shown of results, and a sentence where nothing can be."""

import json
import shutil

import pytest

from explore.conftest import TASK
from mteb_hybrid.explore.page import chunks, write_explorer
from mteb_hybrid.explore.shown import ExploreError, shown
from mteb_hybrid.explore.texts import may_be_passed_on, texts_of
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.value_files import PerQueryError
from results.conftest import write_task


@pytest.fixture
def copy(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "copy")
    return tmp_path / "copy"


def folder_of(copy, model):
    return next(copy.glob(f"results/{model}/*"))


def test_values_are_those_per_query(found):
    assert {label: len(rows) for label, rows in found.queries.items()} == {
        "test/hash": 156,
        "test/leaning": 104,
    }
    for rows in found.queries.values():
        for ranks, distance in rows.select("answer_ranks", "rank_distance").iter_rows():
            assert max(ranks) - min(ranks) == distance


def test_a_model_without_first_passages_is_left_out_and_said(copy):
    shutil.rmtree(folder_of(copy, "test__leaning") / f"{TASK}.top")
    found = shown(load_results(copy), "sample")
    assert list(found.queries) == list(found.evaluations) == ["test/hash"]
    (said,) = found.lacking
    assert f"there is no {TASK}.top beside its results, which `mteb-hybrid run` keeps" in said
    assert "evaluate it again with --overwrite-strategy always" in said
    # Nor is one without values per query: of these there is nothing to sort by.
    shutil.rmtree(folder_of(copy, "test__hash") / f"{TASK}.per_query")
    said = r"test__hash.*: test/hash: left out.*test/leaning: left out"
    with pytest.raises(ExploreError, match=said):
        shown(load_results(copy))


def test_damaged_first_passages(copy):
    file = folder_of(copy, "test__hash") / f"{TASK}.top" / "en-multi.parquet"
    raw = bytearray(file.read_bytes())
    raw[40] ^= 1
    file.write_bytes(raw)
    with pytest.raises(PerQueryError, match=r"en-multi.parquet: damaged"):
        shown(load_results(copy))


def test_a_model_without_values_per_query_is_left_out_and_said(copy):
    shutil.rmtree(folder_of(copy, "test__hash") / f"{TASK}.per_query")
    found = shown(load_results(copy), "sample")
    assert list(found.queries) == ["test/leaning"]
    assert f"there is no {TASK}.per_query beside its results" in found.lacking[0]


def test_no_path_of_the_machine_is_on_the_page(copy, monkeypatch, tmp_path, caplog):
    """It is for others; whoever makes it is told in the log."""
    shutil.rmtree(folder_of(copy, "test__leaning") / f"{TASK}.top")
    found = shown(load_results(copy))

    def damaged(card):
        raise DataError(f"{tmp_path}/corpus.jsonl: line 3: not JSON")

    monkeypatch.setattr("mteb_hybrid.explore.texts.load_collection", damaged)
    texts = texts_of(found.evaluations["test/hash"])
    assert not texts.queries and "could not be read" in texts.why_none
    write_explorer(found, texts, tmp_path / "page")
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "could not be read" in page and "there is no" in page
    assert str(tmp_path) not in page + "".join(map(str, chunks(found, texts)))
    assert f"{tmp_path}/corpus.jsonl: line 3" in caplog.text


def test_different_collections_and_revisions(copy):
    write_task(copy / "results", "org/other", "MLQARMultilingualRetrieval", 0.6)
    with pytest.raises(ExploreError, match=r"different collections: mlqa-r \(org/other\); sample"):
        shown(load_results(copy))
    assert len(shown(load_results(copy), TASK).queries) == 2
    file = folder_of(copy, "test__leaning") / f"{TASK}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dataset_revision": "other"}))
    with pytest.raises(ExploreError, match="test/leaning on other; give results on one"):
        shown(load_results(copy), "sample")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("xquadr", "no collection or task 'xquadr'; did you mean"),
        ("xquad-r", "no results on xquad-r in the multilingual setting; there are sample"),
        ("", "no collection or task ''"),
    ],
)
def test_tasks_that_are_not_there(kept, task, said):
    with pytest.raises(ExploreError, match=said):
        shown(load_results(kept), task)


def test_no_results_of_the_setting(tmp_path):
    write_task(tmp_path, "org/other", "MLQARMonolingualRetrieval", 0.6)
    with pytest.raises(ExploreError, match="no results in the multilingual setting"):
        shown(load_results(tmp_path))


def test_texts_where_they_may_be_and_are(found, copy, monkeypatch, tmp_path):
    evaluation = found.evaluations["test/hash"]
    texts = texts_of(evaluation)
    assert len(texts.queries) == 572 and texts.passages["en:0.0.0"] and not texts.why_none
    assert "as was asked" in texts_of(evaluation, wanted=False).why_none
    file = folder_of(copy, "test__hash") / f"{TASK}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dataset_revision": "other"}))
    (other,) = load_results(file.parent).evaluations
    assert "results are on revision other" in texts_of(other).why_none

    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    write_task(tmp_path / "captions", "org/other", "XTD10MultilingualRetrieval", 0.6)
    (captions,) = load_results(tmp_path / "captions").evaluations
    refused = texts_of(captions)
    assert not refused.queries and "--with-text" in refused.why_none
    assert "are not at hand" in texts_of(captions, wanted=True).why_none


def test_licences():
    assert all(map(may_be_passed_on, ("cc-by-sa-4.0", "cc0-1.0", "apache-2.0", "mit", "eupl-1.2")))
    assert not any(map(may_be_passed_on, ("not specified", "https://x.org/LICENSE", "other", "")))
