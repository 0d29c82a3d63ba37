"""``mteb-hybrid compare``, from results folders to tables."""

import csv
import json
import shutil

import pytest
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.results.cells import CUT, LEFT_OUT, SUBSETS
from mteb_hybrid.results.compare import CompareError
from mteb_hybrid.results.compare_table import (
    left_out,
    other_versions,
    read_models,
    results_beside,
    shared_data,
)
from mteb_hybrid.results.evaluation import NOT_KNOWN
from mteb_hybrid.results.per_query import write_per_query
from mteb_hybrid.results.run_settings import RUN_SETTINGS
from results.test_compare import ONE, TASK, TWO, frame

runner = CliRunner()


@pytest.fixture
def results(tmp_path):
    """Writes per-query values in the layout of results folders."""

    def write(model, values, revision="1", task=TASK, data=""):
        folder = tmp_path / model.replace("/", "__") / revision
        for language in values:
            rows = frame({language: values[language]}, task)
            write_per_query(rows.drop("task").select(COLUMNS), folder, task, data)
        described = json.dumps({"name": model, "revision": revision})
        (folder / "model_meta.json").write_text(described, encoding="utf-8")
        return folder

    return write


ROWS = [{"hf_subset": f"{code}-multi"} for code in TWO]
COLUMNS = ["query", "group", "query_language", "pool", "measure", "value"]


def run(*arguments):
    result = runner.invoke(app, ["compare", *map(str, arguments), "--resamples", "200"])
    assert result.exit_code == 0, result.output
    return result


def test_text(results):
    base, other = results("org/base", ONE), results("org/new", TWO)
    said, title, overall, by_title, by_language = run(base, other).stdout.split("\n\n")[:5]
    assert said.splitlines() == ["Baseline: org/base", "Model: org/new"]
    assert [title, by_title] == [
        "XQuAD-R multilingual",
        "XQuAD-R multilingual, by query language",
    ]
    *_, line = overall.splitlines()
    # Of four questions there is no interval.
    assert line.split()[:-5] == ["map", "↑", "(2/11)", "0.4688", "0.6562", "0.1875", "–"]
    assert line.split()[-3:] == ["4", "1", "1"]
    assert [row.split()[2] for row in by_language.splitlines()[2:]] == ["de", "en"]


def test_no_number_is_broken_in_a_narrow_terminal(results):
    folders = results("org/base", ONE), results("org/a-model-with-a-long-name", TWO)
    folders = (*folders, results("org/another-with-a-long-name", ONE))
    runner = CliRunner(env={"COLUMNS": "50", "TERMINAL_WIDTH": "50"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mteb_hybrid.commands.compare.terminal_width", lambda: 50)
        shown = runner.invoke(app, ["compare", *map(str, folders), "--resamples", "200"]).stdout
    assert "Model: " not in shown
    for number in ("0.4688", "0.6562", "0.1875", "0.0000"):
        assert number in shown
    row = next(line for line in shown.splitlines() if "0.6562" in line)
    assert row.split()[-3:] == ["4", "1", "1"]


def test_subsets_that_are_missing_and_rankings_that_were_cut_are_marked(results):
    base, other = results("org/base", ONE), results("org/new", TWO)
    rows = [{"hf_subset": f"{code}-multi", "truncated_at": 20} for code in TWO]
    content = {"task_name": TASK, "dataset_revision": "", "scores": {"validation": rows}}
    (other / f"{TASK}.json").write_text(json.dumps(content), encoding="utf-8")
    found = run(base, other).stdout
    assert "map ↑ (2/11) [top 20]" in found and SUBSETS in found and CUT in found
    rows = list(csv.DictReader(run(base, other, "--format", "csv").stdout.splitlines()))
    assert {(row["subsets"], row["expected"]) for row in rows[:1]} == {("2", "11")}
    assert {row["truncated_at"] for row in rows} == {"20"}


def test_other_data(results):
    base, other = results("org/base", ONE, data="old"), results("org/new", TWO, data="old")
    found = run(base, other)
    assert found.stdout.count("XQuAD-R multilingual [other data]") == 2
    assert f"{TASK} [other data]: on revision old of the data, which now have" in found.stdout
    found = run(base, other, "--format", "csv")
    assert {row["data_revision"] for row in csv.DictReader(found.stdout.splitlines())} == {"old"}
    assert "on revision old" in found.stderr
    newer = results("org/newer", TWO, data="new")
    with pytest.raises(CompareError, match=r"org/base is on revision old of the data, org/newer"):
        shared_data([base, newer])
    unknown = results("org/unknown", TWO)
    assert shared_data([unknown, newer]) == {TASK: "new"}


def test_formats(results):
    folders = results("org/base", ONE), results("my_org/a", TWO), results("my_org/b", ONE)
    markdown = run(*folders, "--format", "markdown", "--by", "family").stdout
    assert "| --- | --- | --- | ---: |" in markdown
    assert r"| XQuAD-R multilingual | map ↑ | my\_org/a | Indo-European | 2 | 0.4688 |" in markdown
    latex = run(*folders, "--format", "latex", "--by", "script").stdout
    assert latex.startswith(r"\begin{tabular}{lllrrrrrrrrr}")
    assert r"map ↑ & my\_org/b & Latn & 2 &" in latex
    rows = list(csv.DictReader(run(*folders, "--format", "csv").stdout.splitlines()))
    assert [(row["model"], row["query_language"]) for row in rows] == [
        ("my_org/a", ""),
        ("my_org/b", ""),
        ("my_org/a", "de"),
        ("my_org/a", "en"),
        ("my_org/b", "de"),
        ("my_org/b", "en"),
    ]
    assert float(rows[0]["difference"]) == 0.1875
    assert rows[0]["baseline"] == "org/base"
    assert float(rows[1]["p_holm"]) == 1


def test_seen_languages(results):
    folders = results("org/base", ONE), results("org/new", TWO)
    out = run(*folders, "--by", "seen", "--trained-on", "deu", "--format", "markdown").stdout
    assert "| seen | 1 | 0.5000 | 0.8750 |" in out
    assert "| unseen | 1 | 0.4375 | 0.4375 |" in out


@pytest.mark.parametrize("options", [(), ("--by", "family")])
def test_languages_of_training_where_nothing_is_broken_down_by_them(results, options):
    folders = map(str, (results("org/base", ONE), results("org/new", TWO)))
    done = runner.invoke(app, ["compare", *folders, "--trained-on", "de", *options])
    assert "--trained-on is for --by seen" in str(done.exception)


def test_models_of_different_versions_are_told(results):
    base, other = results("org/base", ONE), results("org/new", TWO)

    def made(folder, **versions):
        content = {"task_name": TASK, "dataset_revision": "", "scores": {"validation": ROWS}}
        (folder / f"{TASK}.json").write_text(json.dumps(content), encoding="utf-8")
        subsets = [row["hf_subset"] for row in ROWS]
        line = {"task": TASK, "splits": ["validation"], "subsets": subsets, "version": versions}
        (folder / RUN_SETTINGS).write_text(json.dumps(line) + "\n", encoding="utf-8")

    for folder in (base, other):
        made(folder, **{"mteb-hybrid": "0.2.0"})
    assert other_versions(results_beside([base, other])) == []
    said = f"{TASK}: evaluated with different versions of mteb-hybrid"
    made(other, **{"mteb-hybrid": "0.3.0"})
    assert f"{said} (0.2.0, 0.3.0); differences may" in run(base, other).stdout
    made(other)  # as 0.1.0 did
    assert f"{said} (0.2.0, {NOT_KNOWN})" in run(base, other, "--format", "csv").stderr
    three = results("org/third", ONE, task="MLQARMultilingualRetrieval")
    assert other_versions(results_beside([base, three])) == [], "of tasks of two models"


def test_tasks_that_are_left_out_are_named(results):
    base, other = results("org/base", ONE), results("org/new", TWO)
    results("org/new", TWO, task="MLQARMultilingualRetrieval")
    result = run(base, other, "--format", "markdown")
    assert "org/new: left out, as only one of the two has it: MLQARM" in result.stderr
    assert "MLQA" not in result.stdout
    assert left_out(read_models([other, base])) == {"org/base": ["MLQARMultilingualRetrieval"]}


def test_revisions_have_names_of_their_own(results):
    first, second = results("org/base", ONE), results("org/base", TWO, revision="2")
    assert list(read_models([first, second])) == ["org/base @ 1", "org/base @ 2"]
    with pytest.raises(CompareError, match="results of several revisions"):
        read_models([first.parent, second])
    with pytest.raises(CompareError, match="named twice; name two models"):
        read_models([first, first])


def test_an_experiment_is_a_model_of_its_own(results):
    base, other = results("org/base", ONE), results("org/base", TWO, "1/experiments/embed_dim_8")
    meta = {"name": "org/base", "revision": "1", "experiment_kwargs": {"embed_dim": 8}}
    (other / "model_meta.json").write_text(json.dumps(meta), encoding="utf-8")
    for folder in (base, base.parent):
        assert list(read_models([folder, other])) == ["org/base", "org/base (embed_dim=8)"]


def test_one_model_in_two_folders(results, tmp_path):
    base = results("org/base", ONE)
    copy = shutil.copytree(base, tmp_path / "copy" / "org__base" / "1")
    assert list(read_models([base, copy])) == ["org/base", f"org/base ({copy})"]


def test_queries_that_one_leaves_out_are_shown(results):
    base, other = results("org/base", ONE), results("org/new", {**TWO, "de": [1.0, float("nan")]})
    text = run(base, other, "--format", "markdown").stdout
    assert r"| XQuAD-R multilingual | map ↑ (2/11) \[5/6 queries\] | org/new |" in text
    assert LEFT_OUT in run(base, other).stdout
    assert LEFT_OUT not in run(base, results("org/third", TWO)).stdout
    assert (
        r"| map ↑ \[1/2 queries\] | org/new | de |" in text and "| map ↑ | org/new | en |" in text
    )
    rows = list(csv.DictReader(run(base, other, "--format", "csv").stdout.splitlines()))
    assert [row["left_out"] for row in rows] == ["1", "1", "0"]


def test_a_model_with_one_revision_needs_no_revision(results):
    folders = [results("org/base", ONE).parent, results("org/new", TWO).parent]
    assert list(read_models(folders)) == ["org/base", "org/new"]


def test_folders_without_per_query_values(results, tmp_path):
    base = results("org/base", ONE)
    with pytest.raises(CompareError, match="no such folder"):
        read_models([base, tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(CompareError, match=r"empty: no per-query values .*mteb-hybrid run"):
        read_models([base, tmp_path / "empty"])
    with pytest.raises(CompareError, match="nothing to compare with"):
        read_models([base])
