"""Rankings of other programs: every format reads the same, and a bad line is named."""

import json
import math

import mteb
import polars as pl
import pytest
from mteb.models.search_wrappers import SearchEncoderWrapper
from typer.testing import CliRunner

from conftest import HashEncoder
from evaluation.test_task_lines import lines_card
from mteb_hybrid.commands.app import app
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.files.runs import RunError, read_mapping, read_qrels, read_run
from mteb_hybrid.measures.bias_of_run import bias_of_run, mean_notes
from mteb_hybrid.sources import load_collection

RUN = {"q1": {"d1": 2.5, "d2": 1.0}, "q2": {"d2": -1.0}}
QRELS = {"q1": {"d2": 1}, "q2": {"d1": 2, "d2": 0}}


def written(tmp_path, content):
    file = tmp_path / "file"
    if isinstance(content, dict):
        content = json.dumps(content)
    file.write_text(content, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "content",
    [
        "q1 Q0 d1 1 2.5 tag\nq1 Q0 d2 2 1.0 tag\n\nq2\tQ0\td2\t1\t-1.0\ttag\n",
        RUN,
        {"mteb_model_meta": {"model_name": "x"}, "en-multi": {"test": RUN}},
    ],
    ids=["trec", "beir", "mteb"],
)
def test_runs(tmp_path, content):
    assert read_run(written(tmp_path, content)) == RUN


@pytest.mark.parametrize(
    "content",
    [
        "q1 0 d2 1\nq2 0 d1 2\nq2 0 d2 0\n",
        "query-id\tcorpus-id\tscore\nq1\td2\t1\nq2\td1\t2\nq2\td2\t0\n",
        QRELS,
    ],
    ids=["trec", "beir", "json"],
)
def test_qrels(tmp_path, content):
    assert read_qrels(written(tmp_path, content)) == QRELS


@pytest.mark.parametrize(
    "content",
    [
        "d1\ten\nd2\tde\n",
        "d1 en\nd2 de",
        {"d1": "en", "d2": "de"},
        '{"_id": "d1", "text": "a", "language": "en"}\n{"_id": "d2", "language": "de"}\n',
        '{"id": "d1", "language": "en"}\n{"id": "d2", "language": "de"}',
    ],
)
def test_mappings(tmp_path, content):
    assert read_mapping(written(tmp_path, content), "language") == {"d1": "en", "d2": "de"}


@pytest.mark.parametrize(
    ("read", "content", "said"),
    [
        (
            read_run,
            "q1 Q0 d1 1 2.5 tag\nq1 Q0 d2 2 tag",
            r"line 2: 'q1 Q0 d2 2 tag'; expected a TREC",
        ),
        (read_run, "q1 Q0 d1 1 high tag", "line 1: .*expected a TREC run"),
        (read_run, "q1 Q0 d1 1 2 t\nq1 Q0 d1 2 1 t", "line 2: document 'd1' is there twice"),
        (read_run, "", "empty; expected a TREC run"),
        (read_run, '{"q1": {"d1": 1', "not JSON.*cut short"),
        (read_run, "[1, 2]", "expected a JSON object, found list"),
        (read_run, {"q1": ["d1"]}, "as in BEIR"),
        (read_run, {"mteb_model_meta": {}, "a": {}, "b": {}}, "subsets a, b; name one"),
        (read_qrels, "q1 0 d1 maybe", "line 1: .*expected TREC qrels"),
        (read_qrels, "query-id corpus-id score\nq1 d1", "line 2: .*expected BEIR's qrels"),
        (lambda f: read_mapping(f, "language"), "d1 en\nd2", "line 2: no id or no language"),
        (lambda f: read_mapping(f, "language"), "d1 en\nd1 de", "line 2: 'd1' has another"),
        (lambda f: read_mapping(f, "language"), '{"_id": "d1"}\n{"_id"', "language|not JSON"),
    ],
)
def test_bad_files(tmp_path, read, content, said):
    with pytest.raises(RunError, match=said):
        read(written(tmp_path, content))


@pytest.mark.parametrize("content", ["q1 Q0 d1 1 2.5 tag\n", RUN], ids=["trec", "beir"])
def test_no_subset_of_a_run_without_any(tmp_path, content):
    with pytest.raises(
        RunError, match=r"file: no MTEB predictions, .* none is called en-de\. Leave"
    ):
        read_run(written(tmp_path, content), "en-de")


@pytest.mark.parametrize("command", [["bias", "--qrels", "{}", "--languages", "{}"], ["merge"]])
def test_commands_refuse_it_too(tmp_path, command):
    file = str(written(tmp_path, "q1 Q0 d1 1 2.5 tag\n"))
    options = [file if option == "{}" else option for option in command]
    if command == ["merge"]:
        options += ["--languages", file, "--how", "none", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*options, "--run", file, "--subset", "en-de"])
    assert "without subsets" in str(done.exception), done.output


@pytest.mark.parametrize("value", [0.5, 1.9, True, None, "maybe", "1.5", float("nan"), 10**30])
def test_judgments_are_integers(tmp_path, value):
    with pytest.raises(RunError, match=r"query 'q', document 'd': the judgment is .*an integer"):
        read_qrels(written(tmp_path, {"q": {"d": value}}))


@pytest.mark.parametrize("value", [1, 1.0, "1"])
def test_judgments_that_are_whole(tmp_path, value):
    assert read_qrels(written(tmp_path, {"q": {"d": value}})) == {"q": {"d": 1}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("d1\ten\tx", "line 1: .* has 3 columns; expected an id and a language, separated by"),
        ({"d1": ["en"]}, r"key 'd1': no id or no language \(found 'd1' and '\[\"en\"\]'\)"),
        ({"d1": None}, "found 'd1' and 'null'"),
        ('{"_id": true, "language": "en"}\n{}', "line 1: no id or no language"),
        ('{"_id": "a", "metadata": [1]}', "line 1: no id or no language"),
        ("", "empty; expected an id and its language"),
        ("id\tlanguage\n", "empty; expected an id and its language"),
        ('{"d1": "en", "d1": "de"}', "the key 'd1' stands twice"),
    ],
)
def test_bad_mappings(tmp_path, content, said):
    with pytest.raises(RunError, match=said):
        read_mapping(written(tmp_path, content), "language")


def test_a_head_is_no_document(tmp_path):
    assert read_mapping(written(tmp_path, "docid\tLanguage\nd1\ten\n"), "language") == {"d1": "en"}


LANGUAGES = {"d1": "en", "d2": "de"}


def test_one_language_written_in_several_ways():
    """The query's language is that of a document, whatever the two files call it."""
    qrels = {"q1": {"d2": 1}}
    expected = bias_of_run(RUN, qrels, LANGUAGES, {"q1": "en"})
    found = bias_of_run(RUN, qrels, {"d1": "eng_Latn", "d2": "de"}, {"q1": "EN"})
    assert found.equals(expected)


def test_how_many_queries_a_run_and_its_judgments_share(caplog):
    with pytest.raises(ValueError, match=r"such as 'q1'.*such as 'x'; .*no query is in both"):
        bias_of_run(RUN, {"x": {"d1": 1}}, LANGUAGES)
    bias_of_run(RUN, {"q1": {"d1": 1}, "x": {"d1": 1}}, LANGUAGES)
    assert "1 of 2 judged queries are in the run" in caplog.text
    assert "1 of the run's 2 queries have no relevant document" in caplog.text


def test_the_mean_is_over_the_languages_that_have_a_value():
    """No document is in French, so nothing can prefer it."""
    qrels = {"q1": {"d2": 1}, "q2": {"d2": 1}}
    table = bias_of_run(RUN, qrels, LANGUAGES, {"q1": "fr", "q2": "de"})
    lift = table.filter(measure="same_language_lift_at_10")
    rows = {row["query_language"]: row for row in lift.iter_rows(named=True)}
    assert math.isnan(rows["fr"]["value"]) and not math.isnan(rows["de"]["value"])
    assert rows["all"]["value"] == rows["de"]["value"]
    assert (rows["all"]["languages"], rows["all"]["without"]) == (1, "fr")
    assert (rows["fr"]["languages"], rows["de"]["languages"]) == (0, 1)
    assert mean_notes(table) == [
        "same_language_lift_at_10: mean over 1 of 2 query languages, as there is no value in fr"
    ]
    assert mean_notes(table.filter(measure="map")) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"languages": {"d1": "en"}}, "'d2', which is not in the pool|'d2' is not in the pool"),
        ({"qrels": {"q1": {"d1": 0}}}, "no query has a relevant document"),
        ({"run": {"q1": {"d1": float("nan")}}}, "the score is NaN"),
        (
            {"run": {"1": {"d1": 1.0}}},
            "such as '1', .* such as 'q1'; .* no query is in both",
        ),
        ({"run": {}}, "such as nothing, .* no query is in both"),
    ],
)
def test_bad_input(changes, said):
    arguments = {"run": RUN, "qrels": {"q1": {"d2": 1}}, "languages": LANGUAGES} | changes
    with pytest.raises(ValueError, match=said):
        bias_of_run(**arguments)


def values(table, language="all"):
    return dict(table.filter(query_language=language).select("measure", "value").iter_rows())


def test_macro_mean_and_queries_without_results():
    qrels = {"q1": {"d2": 1}, "q2": {"d2": 1}, "q3": {"d1": 1}, "q4": {"d1": 0}}
    spoken = {"q1": "en", "q2": "de", "q3": "de"}
    table = bias_of_run(RUN, qrels, LANGUAGES, spoken)
    assert values(table, "en")["map"] == 0.5
    assert values(table, "de")["map"] == 0.5, "1 for q2; 0 for q3, for which nothing was returned"
    assert values(table)["map"] == 0.5
    assert set(table.filter(query_language="de")["queries"]) == {2}
    assert "rank_distance" not in values(table)


@pytest.mark.parametrize("spoken", [None, {"q2": "en"}, {"q1": "unknown", "q2": "en"}])
def test_an_unknown_language_of_queries_is_none(spoken):
    """Not even that of documents which are called unknown."""
    qrels, groups = {"q1": {"d2": 1}}, {"d1": "g", "d2": "g"}
    table = bias_of_run(RUN, qrels, {"d1": "en", "d2": "unknown"}, spoken, groups)
    found = table.filter(pl.col("measure").str.contains("^(top1_|lang_ndcg|same_language)"))
    assert len(found) == 2 * 6 and found["value"].is_nan().all()
    assert set(found["measured_on"]) == {0}
    elsewhere = bias_of_run(RUN, qrels, LANGUAGES, {"q1": "fr"}, groups)
    assert values(elsewhere)["top1_relevant_other"] == 1, "a language that no document has"


def test_one_cut_for_the_whole_run_and_means_over_what_is_there():
    """German queries found one document, English ones up to three of five."""
    languages = {"d1": "en", "d2": "de", "d3": "fr", "x1": "en", "x2": "en"}
    groups = {"d1": "g", "d2": "g", "d3": "g", "x1": "x1", "x2": "x2"}
    run = {
        "en 1": {"d1": 3.0, "x1": 2.0, "d3": 1.0},
        "en 2": {"x1": 1.0},
        "de 1": {"d2": 1.0},
        "fr 1": {"x2": 1.0},
        "unjudged": {"d1": 1.0, "d2": 0.9, "d3": 0.8, "x1": 0.7},
    }
    qrels = {query: {"d1": 1} for query in run if query != "unjudged"}
    spoken = {query: query[:2] for query in qrels}
    table = bias_of_run(run, qrels, languages, spoken, groups)
    rows = {
        row["query_language"]: row
        for row in table.filter(measure="rank_distance").iter_rows(named=True)
    }
    assert (rows["en"]["value"], rows["en"]["measured_on"]) == (5 - 1, 0.5)
    assert (rows["de"]["value"], rows["de"]["measured_on"]) == (5 - 1, 1)
    assert math.isnan(rows["fr"]["value"]) and rows["fr"]["measured_on"] == 0
    assert (rows["all"]["value"], rows["all"]["languages"]) == (4, 2), "not that of fr"
    assert (rows["all"]["measured_on"], rows["all"]["queries"]) == (0.5, 4)
    assert {row["truncated_at"] for row in rows.values()} == {4}


def test_groups_add_translations_and_the_parallel_measures():
    qrels = {"q1": {"d2": 1}}
    table = bias_of_run(RUN, qrels, LANGUAGES, groups={"d1": "g", "d2": "g"})
    assert values(table)["map"] == 1
    assert values(table)["rank_distance"] == 1


def test_a_translation_that_is_judged_keeps_its_grade(caplog):
    judged = {"q1": {"d2": 1, "d1": 0}}
    table = bias_of_run(RUN, judged, LANGUAGES, groups={"d1": "g", "d2": "g"})
    assert values(table)["map"] == 0.5, "d1 stands above d2, and is no answer"
    assert "returned" not in caplog.text, "as q1 is in the run"
    assert "1 translations of relevant documents are judged not relevant" in caplog.text


def test_the_same_as_the_task_on_its_own_predictions(tmp_path, sample_card):
    """MTEB predictions of a whole pool, read back, give the task's own bias measures."""
    name, subset = "HybridSampleCrosslingualRetrieval", "en-de"
    task = mteb.get_task(name, hf_subsets=[subset])
    encoder = HashEncoder(dimensions=8)
    mteb.evaluate(encoder, task, cache=None, prediction_folder=tmp_path)
    (file,) = tmp_path.glob("*.json")
    collection = load_collection(sample_card)
    german = collection.passages.filter(language="de")
    qrels = {}
    judged = collection.qrels.join(german.select(passage_id="id"), on="passage_id")
    for query, passage, grade in judged.iter_rows():
        if query.startswith("en:"):
            qrels.setdefault(query, {})[passage] = grade
    languages = dict(german.select("id", "language").iter_rows())
    table = bias_of_run(read_run(file), qrels, languages)
    task = mteb.get_task(name, hf_subsets=[subset])
    result = mteb.evaluate(encoder, task, cache=None).task_results[0]
    assert values(table)["map"] == pytest.approx(result.get_score())


@pytest.mark.parametrize("grouped", [False, True])
def test_a_querys_own_line_is_left_out(tmp_path, sample_card, grouped):
    """MTEB keeps it in the predictions of a search model; the task leaves it out."""
    contents = {
        language: "".join(f"{language} {n}\n" for n in range(20)).encode()
        for language in ("en", "de", "fr")
    }
    card = lines_card(sample_card, tmp_path, contents)
    (task,) = [made for made in task_classes({"Toy": card}) if "Multi" in made.__name__]
    model = SearchEncoderWrapper(HashEncoder(dimensions=8))
    subset = "de-multi"
    result = mteb.evaluate(
        model,
        task().filter_languages(None, hf_subsets=[subset]),
        cache=None,
        prediction_folder=tmp_path / "predictions",
    )
    ((scores,),) = result.task_results[0].scores.values()
    (file,) = (tmp_path / "predictions").glob("*.json")
    passages = load_collection(card).passages
    languages, groups = (dict(passages.select("id", x).iter_rows()) for x in ("language", "group"))
    lines = [id_ for id_ in languages if id_.startswith("de:")]
    # With groups the judgment of one translation says that the other is relevant too.
    others = ("en",) if grouped else ("en", "fr")
    qrels = {id_: {id_.replace("de", other): 1 for other in others} for id_ in lines}
    table = bias_of_run(
        read_run(file, subset),
        qrels,
        languages,
        dict.fromkeys(lines, "de"),
        groups if grouped else None,
        ignore_identical_ids=True,
    )
    found = values(table, "de")
    assert found["map"] == pytest.approx(scores["map"])
    assert found["awrf_at_20"] == pytest.approx(scores["awrf_at_20"])
    if grouped:
        assert found["rank_distance"] == pytest.approx(scores["rank_distance"])
    with_own = bias_of_run(read_run(file, subset), qrels, languages)
    assert values(with_own)["map"] < scores["map"], "each is the best answer to itself"


def test_the_command_leaves_the_own_line_out(tmp_path):
    files = {
        "run": {"de:1": {"de:1": 3.0, "en:1": 2.0}},
        "qrels": {"de:1": {"en:1": 1}},
        "languages": {"de:1": "de", "en:1": "en"},
    }
    arguments = ["bias", "--format", "csv"]
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
        arguments += [f"--{name}", str(tmp_path / name)]
    for further, value in ((), 0.5), (("--ignore-identical-ids",), 1.0):
        result = CliRunner().invoke(app, [*arguments, *further])
        assert f"all,map,{value},1,1.0,1,,\n" in result.output


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "csv"])
def test_command(tmp_path, format):
    files = {"run": RUN, "qrels": {"q1": {"d2": 1}}, "languages": LANGUAGES}
    arguments = ["bias", "--format", format]
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
        arguments += [f"--{name}", str(tmp_path / name)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "awrf" in result.output and "0.5" in result.output


def test_the_command_says_what_limits_a_value(tmp_path):
    files = {
        "run": {"q1": {"d1": 2.0}, "q2": {"d1": 1.0}},
        "qrels": {"q1": {"d1": 1}, "q2": {"d2": 1}, "q3": {"d2": 1}},
        "languages": {"d1": "en", "d2": "de", "d3": "de"},
        "query-languages": {"q1": "en", "q2": "de", "q3": "de"},
    }
    arguments = ["bias", "--format", "markdown"]
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
        arguments += [f"--{name}", str(tmp_path / name)]
    found = CliRunner().invoke(app, arguments).output
    assert "| measure | all | de | en |" in found
    assert r"| map | 0.5000 \[top 1\] | 0.0000 \[top 1\] | 1.0000 \[top 1\] |" in found
    assert r"| peer | 1.0000 (1/3) (1/2 languages) \[top 1\] | – (0/2) \[top 1\] | 1." in found


@pytest.mark.parametrize("head", ["docid\tlang", "id language_code", "_id\tlanguage", "x language"])
def test_heads_of_several_names(tmp_path, head):
    file = tmp_path / "languages.tsv"
    file.write_text(f"{head}\nd1 en\nd2 de\n")
    assert read_mapping(file, "language") == {"d1": "en", "d2": "de"}
    file.write_text("lang l1\nd1 l2\n")
    assert read_mapping(file, "group") == {"lang": "l1", "d1": "l2"}
