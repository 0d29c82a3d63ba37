import pytest
from mteb.cache import ResultCache

from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.evaluation.select import SelectionError, select_tasks
from mteb_hybrid.retrieval.views import Setting


def test_all_settings_of_a_collection():
    selected = select_tasks(["sample", "mlqa-r"])
    assert [len(subsets) for subsets in selected.values()] == [11, 110, 11, 7, 42, 7]


def test_settings_and_languages():
    assert select_tasks(["xquad-r"], [Setting.MULTILINGUAL], ["en", "th"]) == {
        "XQuADRMultilingualRetrieval": ["en-multi", "th-multi"]
    }
    assert select_tasks(["xquad-r"], query_languages=["en"], passage_languages=["de", "en"]) == {
        "XQuADRMonolingualRetrieval": ["en-en"],
        "XQuADRCrosslingualRetrieval": ["en-de"],
    }
    by_name = select_tasks(["MLQARMonolingualRetrieval", "mlqa-r"], [Setting.MONOLINGUAL])
    assert list(by_name) == ["MLQARMonolingualRetrieval"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((["xquad"],), "no collection or task 'xquad'; did you mean 'xquad-r'"),
        ((["mlqa-r"], (), ["th"]), "no language 'th' in MLQA-R. It has en, ar"),
        ((["MLQARMonolingualRetrieval"], [Setting.MULTILINGUAL]), "no subset is left"),
    ],
)
def test_bad_selections(arguments, said):
    with pytest.raises(SelectionError, match=said):
        select_tasks(*arguments)


def test_a_run_says_what_is_there(tmp_path, encoder, capfd):
    name = "HybridSampleMonolingualRetrieval"

    def said(subsets, strategy="only-missing"):
        evaluate(encoder, {name: subsets}, tmp_path, overwrite_strategy=strategy)
        return capfd.readouterr().err

    folder = tmp_path / "results" / "test__hash" / encoder.mteb_model_meta.revision
    texts = "subsets (104 queries, 192 passages); saved in"
    assert said(["en-en", "de-de"]) == f"{name}: evaluating 2 of 2 {texts} {folder}\n"
    more = said(["en-en", "de-de", "ar-ar"])
    assert ": 2 of 3 subsets are there already; going on\n" in more
    assert f"{name}: evaluating 1 of 3 subsets (" in more
    again = said(["en-en", "ar-ar"])
    assert f"{folder}: all 2 subsets are there already; nothing is evaluated again\n" in again
    assert "evaluating" not in again
    assert said(["en-en"], "always").startswith(f"{name}: evaluating 1 of 1 subsets (")
    next(folder.rglob("en-en.parquet")).unlink()
    assert ": 1 of 2 subsets are there already; going on\n" in said(["en-en", "ar-ar"])


def test_a_run_resumes(tmp_path, encoder):
    name = "HybridSampleMonolingualRetrieval"
    folder = evaluate(encoder, {name: ["en-en"]}, tmp_path)
    once = len(encoder.encoded)
    assert evaluate(encoder, {name: ["en-en"]}, tmp_path) == folder
    assert len(encoder.encoded) == once, "what is there is not evaluated again"
    evaluate(encoder, {name: ["en-en", "de-de"]}, tmp_path)
    result = ResultCache(tmp_path).load_task_result(name, encoder.mteb_model_meta)
    assert sorted(row["hf_subset"] for row in result.scores["test"]) == ["de-de", "en-en"]
    assert (folder / f"{name}.json").is_file()
