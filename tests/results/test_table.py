import csv
import io
import json
import re
from dataclasses import replace

import pytest

from mteb_hybrid.cards.tasks import data_revision, tasks_by_name
from mteb_hybrid.results.cells import OTHER_DATA, Cell
from mteb_hybrid.results.mteb_files import ResultError
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import summarise
from mteb_hybrid.results.table import legend, render, result_rows
from mteb_hybrid.results.text_table import Format


@pytest.fixture
def results(tmp_path):
    """Writes result files in MTEB's layout."""

    def write(model, task, rows, revision="1", meta=True, data=None):
        folder = tmp_path / "results" / model.replace("/", "__") / revision
        folder.mkdir(parents=True, exist_ok=True)
        if meta:
            described = json.dumps({"name": model, "revision": revision})
            (folder / "model_meta.json").write_text(described, encoding="utf-8")
        scores = [{"hf_subset": subset, **values} for subset, values in rows.items()]
        card, setting = tasks_by_name()[task]
        content = {
            "task_name": task,
            "dataset_revision": data or data_revision(card, setting),
            "scores": {card.split: scores},
        }
        file = folder / f"{task}.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        return file

    return write


LANGUAGES = ("en", "ar", "de", "es", "hi", "vi", "zh")


def full(results, model, **kwargs):
    mono = {f"{x}-{x}": {"map": 0.5} for x in LANGUAGES}
    multi = {
        f"{x}-multi": {"map": i / 10, "rank_distance": 100.0 + i} for i, x in enumerate(LANGUAGES)
    }
    results(model, "MLQARMonolingualRetrieval", mono, **kwargs)
    results(model, "MLQARMultilingualRetrieval", multi, **kwargs)


def test_the_legend_explains_what_stands_there_and_nothing_else(results, tmp_path):
    full(results, "org/whole")
    said = legend(result_rows([tmp_path]))
    assert all(word in said for word in ("Mo.:", "Mul.:", "Rank distance:"))
    marks = ("(k/m):", "[top k]:", "[x% of queries]:")
    assert not any(word in said for word in ("Cr.:", *marks))
    cut = {"en-multi": {"map": 0.5, "truncated_at": 10.0}}
    results("org/some", "MLQARMultilingualRetrieval", cut)
    (alone,) = [row for row in result_rows([tmp_path]) if row.model == "org/some"]
    said = legend([alone])
    assert "(k/m): k of m subsets. [top k]: rankings cut at k." in said
    assert not any(word in said for word in ("Mo.:", "Rank distance", "[x%"))
    some = replace(alone.cells[2], measured_on=0.5)
    assert "[x% of queries]:" in legend([replace(alone, cells=(None, None, some, None))])


def test_means_over_all_subsets(results, tmp_path):
    full(results, "org/model")
    (row,) = result_rows([tmp_path])
    assert (row.collection, row.model, row.revision) == ("MLQA-R", "org/model", "1")
    mono, cross, multi, distance = row.cells
    assert mono.value == 0.5
    assert cross is None
    assert multi.value == pytest.approx(0.3)
    assert distance.value == 103
    assert render([row]).splitlines()[-1].split() == (
        ["MLQA-R", "org/model", "0.5000", "–", "0.3000", "103.0"]
    )


def test_a_mean_over_some_subsets_says_so(results, tmp_path):
    rows = {"en-multi": {"map": 0.25, "rank_distance": 7, "truncated_at": 1000}}
    results("org/model", "XQuADRMultilingualRetrieval", rows, meta=False)
    (row,) = result_rows([tmp_path])
    assert row.model == "org/model"
    assert "0.2500 (1/11) [top 1000]" in render([row])


def test_rows_on_other_data_are_marked_and_named(results, tmp_path):
    full(results, "org/model")
    assert OTHER_DATA not in render(rows := result_rows([tmp_path])) + legend(rows)
    multi = {"en-multi": {"map": 0.25, "rank_distance": 7.0}}
    card, setting = tasks_by_name()["MLQARMultilingualRetrieval"]
    now = data_revision(card, setting)
    results("org/model", "MLQARMultilingualRetrieval", multi, data=f"{now}+left-out-1")
    (row,) = result_rows([tmp_path])
    assert [cell and cell.is_on_other_data for cell in row.cells] == [False, None, True, True]
    for format in (Format.TEXT, Format.MARKDOWN, Format.LATEX):
        shown = render([row], format)
        assert re.findall(r"0\.[25]0*[^&|]{0,25}data", shown), shown
    assert legend([row]).endswith(f"MLQA-R, org/model: {now[:12]}+left-out-1, now {now[:12]}.")
    for line in csv.DictReader(io.StringIO(render([row], Format.CSV))):
        old = line["setting"] == "multilingual"
        assert line["data_revision"] == (f"{now}+left-out-1" if old else now)
        assert line["data_revision_now"] == now
    assert OTHER_DATA in load_results(tmp_path)._repr_html_()
    cells = summarise(load_results(tmp_path)).collections[0].models[0].cells
    assert cells[setting, "pool_loss"].is_on_other_data, "a difference of old and new"


def test_models_and_collections_are_ordered(results, tmp_path):
    results("b/two", "HybridSampleMonolingualRetrieval", {"en-en": {"map": 1}})
    full(results, "b/two")
    full(results, "a/one")
    full(results, "a/one", revision="2")
    rows = [(row.collection, row.model, row.revision) for row in result_rows([tmp_path])]
    assert rows == [
        ("MLQA-R", "a/one", "1"),
        ("MLQA-R", "a/one", "2"),
        ("MLQA-R", "b/two", "1"),
        ("sample (not a benchmark)", "b/two", "1"),
    ]


def test_formats(results, tmp_path):
    full(results, "my_org/a|b&c%")
    rows = result_rows([tmp_path])
    markdown = render(rows, Format.MARKDOWN).splitlines()
    assert markdown[1] == "| --- | --- | ---: | ---: | ---: | ---: |"
    assert markdown[2] == r"| MLQA-R | my\_org/a\|b\&c% | 0.5000 | – | 0.3000 | 103.0 |"
    latex = render(rows, Format.LATEX)
    assert r"MLQA-R & my\_org/a\textbar{}b\&c\% & 0.5000 & -- & 0.3000 & 103.0 \\" in latex
    assert latex.startswith(r"\begin{tabular}{llrrrr}")
    table = list(csv.DictReader(render(rows, Format.CSV).splitlines()))
    assert [row["score"] for row in table] == ["map", "map", "rank_distance"]
    assert float(table[1]["value"]) == rows[0].cells[2].value
    assert table[0]["model"] == "my_org/a|b&c%"


def test_bad_results(results, tmp_path):
    with pytest.raises(ResultError, match="no such file or folder"):
        result_rows([tmp_path / "nowhere"])
    with pytest.raises(ResultError, match=r"no results of our tasks.*mteb run"):
        result_rows([tmp_path])
    file = results("a/b", "MLQARMonolingualRetrieval", {"en-en": {"map": 0.5}})
    content = file.read_text(encoding="utf-8")
    file.write_text(content[:-9], encoding="utf-8")
    with pytest.raises(ResultError, match=r"MLQARMonolingualRetrieval\.json: not JSON"):
        result_rows([tmp_path])
    file.write_text("[1]", encoding="utf-8")
    with pytest.raises(ResultError, match="not an MTEB result file"):
        result_rows([file])


def test_the_legend_says_what_values_mean_and_what_is_left_out(results):
    file = results("org/model", "MLQARMonolingualRetrieval", {"en-en": {"map": 1}})
    (row,) = result_rows([file])
    noted = replace(row, note="Left out: 3 rows.")
    said = legend([noted, row, noted])
    whole = legend([replace(row, cells=(*row.cells[:3], row.cells[0]))])
    assert "a distance of n - 1" in whole and "(n - 1)(N + 1) / (n + 1)" in whole
    assert said.count(f"{row.collection}: Left out: 3 rows.") == 1
    assert "Left out" not in legend([row])


def test_a_cut_at_nothing_is_marked_too():
    assert Cell(0.5, 11, 11, truncated_at=0).text(2) == "0.50 [top 0]"


@pytest.mark.parametrize("value", [True, float("inf"), "0.5"])
def test_what_is_no_number_is_refused(results, value):
    file = results("org/model", "MLQARMonolingualRetrieval", {"en-en": {"map": value}})
    with pytest.raises(ResultError, match=r"subset 'en-en': map is .*; expected a number or null"):
        result_rows([file])
