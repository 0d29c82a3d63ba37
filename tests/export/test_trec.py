"""TREC folders: ir_measures gives our scores, and our own readers read them."""

import json
import math

import ir_measures
import mteb
import polars as pl
import pytest
from ir_measures import AP, R, nDCG

from export.conftest import ALL, ENGLISH, GuidedEncoder, files
from mteb_hybrid.export.trec import export_trec
from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.files.predictions import Run, read_predictions
from mteb_hybrid.files.runs import read_mapping, read_qrels, read_run
from mteb_hybrid.measures import MAP, RANK_DISTANCE
from mteb_hybrid.measures.bias_of_run import bias_of_run
from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.ranks import ranks_of_run
from mteb_hybrid.retrieval.views import View, view_queries

NAMES = {nDCG @ 10: "ndcg_at_10", AP @ 100: "map_at_100", R @ 100: "recall_at_100"}


def export_run(collection, card, view, encoder, folder, name):
    """Our scores of an encoder, and a folder with its run from the predictions that are saved."""
    task = mteb.get_task(name, hf_subsets=[view.name])
    found = mteb.evaluate(encoder, task, cache=None, prediction_folder=folder).task_results[0]
    (scores,) = found.scores[card.split]
    run = read_predictions(folder / f"{name}_predictions.json", card.split)[view.name]
    export_trec(collection, view, folder / "exported", run)
    return scores, folder / "exported"


def ir_measures_scores(folder):
    qrels = list(ir_measures.read_trec_qrels(str(folder / "qrels.txt")))
    run = list(ir_measures.read_trec_run(str(folder / "run.txt")))
    found = ir_measures.calc_aggregate(list(NAMES), qrels, run)
    return {NAMES[measure]: value for measure, value in found.items()}


def test_ir_measures_gives_our_scores(tmp_path, sample, sample_card, evaluate):
    view = View("en", ("de",))
    encoder, task = GuidedEncoder(sample, view), "HybridSampleCrosslingualRetrieval"
    ours = evaluate(encoder, task, ["en-de"])["en-de"]
    _, folder = export_run(sample, sample_card, view, encoder, tmp_path, task)
    found = ir_measures_scores(folder)
    assert 0.05 < found["ndcg_at_10"] < 0.95
    assert found == pytest.approx({score: ours[score] for score in found}, abs=1e-5)


def test_bias_reads_the_export_and_gives_the_scores_of_the_task(tmp_path, sample, sample_card):
    view = View("el", sample.languages)
    encoder, task = GuidedEncoder(sample, view), "HybridSampleMultilingualRetrieval"
    ours, folder = export_run(sample, sample_card, view, encoder, tmp_path, task)
    spoken = read_mapping(folder / "query-languages.tsv", "language")
    assert set(spoken.values()) == {"el"}
    given = (
        read_run(folder / "run.txt"),
        read_qrels(folder / "qrels.txt"),
        read_mapping(folder / "languages.tsv", "language"),
        spoken,
    )
    by_group = bias_of_run(*given, read_mapping(folder / "groups.tsv", "group"))
    between = dict(by_group.filter(query_language="el").select("measure", "value").iter_rows())
    assert 0.95 * ours["rank_distance"] < between["rank_distance"] < ours["rank_distance"]
    table = bias_of_run(*given)
    found = dict(table.filter(query_language="el").select("measure", "value").iter_rows())
    assert {"map", "awrf_at_20", "same_language_lift_at_10"} <= set(found)
    assert found.pop("unjudged_at_10") > 0  # the task, whose judgments are complete, has it not
    # Of 1,056 passages 1,000 are saved.
    assert 0.98 * ours["map"] < found.pop("map") < ours["map"]
    # MTEB rounds its own, which a parallel collection's task has.
    assert found.pop("ndcg_at_20") == pytest.approx(ours["ndcg_at_20"], abs=6e-6)
    assert found == pytest.approx({name: ours[name] for name in found}, nan_ok=True)


def test_bias_adds_no_answer_of_a_question_that_shares_a_translation(tmp_path):
    """Two English sentences have one German translation, so all three are one group."""
    passages = [(id_, id_, id_[:2], "g") for id_ in ("en:1", "en:2", "de:1")]
    collection = Collection(
        name="shared",
        languages=("en", "de"),
        passages=pl.DataFrame(passages, TEXTS, orient="row"),
        queries=pl.DataFrame([(q, q, "en", q) for q in ("q1", "q2")], TEXTS, orient="row"),
        qrels=pl.DataFrame(
            [(f"q{n}", id_, 1) for n in (1, 2) for id_ in (f"en:{n}", "de:1")], QRELS, orient="row"
        ),
    )
    scores = {"en:1": 3.0, "de:1": 2.0, "en:2": 1.0}
    run = {"q1": scores, "q2": scores}
    export_trec(collection, ALL, tmp_path / "all", Run(run))
    groups = read_mapping(tmp_path / "all" / "groups.tsv", "group")
    languages = read_mapping(tmp_path / "all" / "languages.tsv", "language")
    complete = read_qrels(tmp_path / "all" / "qrels.txt")
    in_english = {query: {f"en:{query[1]}": 1} for query in run}
    pool = Pool(list(languages), list(languages.values()), ("de", "en"))
    ranks = ranks_of_run(run, complete, pool)
    for qrels in (complete, in_english):
        found = bias_of_run(run, qrels, languages, groups=groups)
        for measure in (MAP, RANK_DISTANCE):
            (value,) = found.filter(measure=measure.name, query_language="all")["value"]
            assert value == pytest.approx(measure.values(ranks).mean()), measure.name
    export_trec(collection, ENGLISH, tmp_path / "english")
    assert not (tmp_path / "english" / "groups.tsv").exists(), "nothing there is translated"


def test_files(tmp_path, awkward):
    scores = {"q:1": {"en:1": 0.1, "de:1": 0.5, "en:2": 0.1}, "q:2": {"de:1": -1e-9}}
    export_trec(awkward, ALL, tmp_path / "exported", Run(scores, tag="a/model"))
    found = {name: text.decode() for name, text in files(tmp_path / "exported").items()}
    documents = found.pop("corpus/documents.jsonl").splitlines()
    assert [json.loads(line) for line in documents] == [
        {"id": id_, "contents": text} for id_, text, *_ in awkward.passages.iter_rows()
    ]
    assert found == {
        "topics.tsv": "q:1\tWhere is the tab?\nq:2\tAnd this?\n",
        "qrels.txt": "q:1 0 de:1 1\nq:1 0 en:1 2\nq:2 0 en:2 1\n",
        "languages.tsv": "en:1\ten\nen:2\ten\nde:1\tde\n",
        "query-languages.tsv": "q:1\ten\nq:2\ten\n",
        "groups.tsv": "en:1\tg\nen:2\th\nde:1\tg\n",
        "run.txt": "q:1 Q0 de:1 1 0.5 a/model\nq:1 Q0 en:2 2 0.1 a/model\n"
        "q:1 Q0 en:1 3 0.1 a/model\nq:2 Q0 de:1 1 -1e-09 a/model\n",
    }
    assert read_run(tmp_path / "exported" / "run.txt") == scores
    assert read_qrels(tmp_path / "exported" / "qrels.txt") == view_queries(awkward, ALL)[1]


def test_queries_that_a_run_lacks_are_told(tmp_path, awkward, caplog):
    run = Run({"q:1": {"en:1": 0.5}}, file=tmp_path / "x")
    export_trec(awkward, ALL, tmp_path / "exported", run)
    assert "x: subset en-multi: 1 of 2 queries are not ranked, such as 'q:2'" in caplog.text
    caplog.clear()
    export_trec(awkward, ALL, tmp_path / "empty", Run(run.scores | {"q:2": {}}))
    assert "1 of 2 queries are not ranked, such as 'q:2'" in caplog.text
    caplog.clear()
    export_trec(awkward, ALL, tmp_path / "whole", Run(run.scores | {"q:2": {"de:1": 1.0}}))
    assert not caplog.text


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"q:3": {}}, "subset en-multi: query 'q:3' is not in this view"),
        ({"q:1": {"fr:1": 1.0}}, "query 'q:1': 'fr:1' is not in the pool"),
        ({"q:1": {"en:1": float("nan")}}, "query 'q:1': the score of 'en:1' is NaN"),
    ],
)
def test_runs_of_something_else(tmp_path, awkward, scores, said):
    with pytest.raises(ExportError, match=said):
        export_trec(awkward, ALL, tmp_path / "exported", Run(scores))
    assert not list(tmp_path.iterdir()), "nothing half-written is left"


META = {"mteb_model_meta": {"model_name": "a b/c", "revision": "1"}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"mteb_model_meta": {', "not JSON: .*expected MTEB predictions"),
        ("[1]", "no key 'mteb_model_meta'; expected MTEB predictions"),
        ('{"q1": {"d1": 1}}', "no key 'mteb_model_meta'"),
        (
            json.dumps(META | {"en-de": {"dev": {}}}),
            "subset 'en-de' has the splits dev; expected test",
        ),
        (json.dumps(META | {"en-de": 1}), "subset 'en-de': expected {split"),
        (
            json.dumps(META | {"en-de": {"test": {"q1": ["d1"]}}}),
            "subset 'en-de': expected {query: .*for query 'q1'. Save them again",
        ),
        (json.dumps(META | {"en-de": {"test": {"q1": {"d": math.nan}}}}), ".*the score is NaN"),
    ],
)
def test_files_that_are_no_predictions(tmp_path, content, said):
    (tmp_path / "file.json").write_text(content, encoding="utf-8")
    with pytest.raises(ExportError, match=rf"file\.json: {said}"):
        read_predictions(tmp_path / "file.json", "test")


def test_predictions_on_other_data(tmp_path):
    content = {"mteb_model_meta": {"dataset_revision": "old"}, "en-de": {"test": {}}}
    file = tmp_path / "file.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ExportError, match=r"file\.json: .*'old' of its data; expected a or b\."):
        read_predictions(file, "test", {"b", "a"})
    assert list(read_predictions(file, "test", {"old", "b"})) == ["en-de"]
    file.write_text(json.dumps(content | META), encoding="utf-8")
    assert list(read_predictions(file, "test", {"b"})) == ["en-de"], "MTEB itself does not say it"


def test_tags_have_no_white_space(tmp_path):
    content = META | {"en-de": {"test": {"q1": {"d1": 1}}}}
    (tmp_path / "file.json").write_text(json.dumps(content), encoding="utf-8")
    run = read_predictions(tmp_path / "file.json", "test")["en-de"]
    assert (run.tag, run.scores) == ("ab/c", {"q1": {"d1": 1.0}})


def test_ids_that_would_break_columns(tmp_path, with_id):
    with pytest.raises(ExportError, match="the id 'en 1' would break the columns"):
        export_trec(with_id("en 1"), ENGLISH, tmp_path / "exported")
    assert not list(tmp_path.iterdir())
