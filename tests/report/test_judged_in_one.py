"""Reports on collections whose queries are judged in their own language only, or in one language.

The results are made up; MIRACL has two settings, XTD10 no monolingual one, and a card of BEIR's
format has one setting and one language.
"""

import re

import numpy as np
import pytest

from evaluation.test_task_miracl import write_translations
from mteb_hybrid.report import matrices, page
from mteb_hybrid.report.headline import headline
from mteb_hybrid.report.reading import reading
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import summarise
from mteb_hybrid.results.table import legend, render, result_rows
from mteb_hybrid.results.text_table import Format
from mteb_hybrid.retrieval.views import Setting
from report.test_page import Outline, section
from results.conftest import write_task

MODELS = ("org/first", "org/second")


def write(folder, *tasks, **options):
    for model, skill in zip(MODELS, (0.6, 0.7), strict=True):
        for task in tasks:
            write_task(folder, model, task, skill, **options)
    return summarise(load_results(folder))


def shown(summary):
    html = page.page(summary, page.chapters(summary))
    Outline(html)
    return html


@pytest.fixture(scope="module")
def miracl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("miracl")
    return write(folder, "MIRACLMonolingualRetrieval", "MIRACLMultilingualRetrieval")


def value(summary, name):
    """Of the first model on the first collection, in the pool of all languages."""
    return summary.collections[0].models[0].cells[Setting.MULTILINGUAL, name].value


def test_headline(miracl):
    table = headline(miracl.collections[0])
    assert table.head == (
        *("Model", "Mo. map", "Mul. map", "pool loss", "lift at 10, less 1"),
        *("Mo. unjudged at 10", "Mul. unjudged at 10"),
    )
    loss = value(miracl, "pool_loss")
    first = table.rows[0]
    assert first[1] == "0.7000" and first[3] == f"{loss:.4f}" and first[5] == "0.2500"
    assert "–" not in first
    alone, pooled = float(first[1]), float(first[2])
    assert loss == pytest.approx(alone - pooled, abs=1e-4)
    markdown = table.text(Format.MARKDOWN)
    assert "rank distance" not in markdown
    ideal, chance = table.landmarks
    assert (ideal[4], chance[4]) == ("–", "0"), "it depends on how many answers are in it"


def test_page(miracl):
    html = shown(miracl)
    chapter = section(html, "miracl")
    assert "pool loss is an upper bound of what wrong passages of other languages cost" in chapter
    assert "rank distance" not in chapter and "lower pool loss is." in chapter
    assert "unjudged at 10" in section(html, "measures")
    assert "Query language against passage language" not in chapter, "it would be a diagonal"
    assert "Languages of the top 10, beside their share of the pool" in chapter
    assert "Tests between models" in chapter and "different revisions" not in chapter
    assert "nan" not in re.sub(r"<[^>]+>", " ", chapter).lower().split()


def first_reading(summary):
    return reading(summary.collections[0], summary.collections[0].models[0])


def test_reading(miracl):
    said = first_reading(miracl)
    loss, unjudged = value(miracl, "pool_loss"), value(miracl, "unjudged_at_10")
    assert f"The pool costs up to {loss:.3f}: of the top 10 there {unjudged:.0%} were not" in said
    assert "times as much of that top 10 as of the pool" in said
    assert "ranks apart" not in said and "A lone answer" not in said


def test_readings_of_parallel_collections_do_not_change(tmp_path):
    results = write(tmp_path, "MLQARMonolingualRetrieval", "MLQARMultilingualRetrieval")
    assert "The pool costs up to" not in first_reading(results)


def test_translated_queries(tmp_path, monkeypatch):
    """Also into a language that has no passages: it has a row of the heat map, and a name."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    from mteb_hybrid.cards.catalogue import task_cards

    write_translations(tmp_path, task_cards()["MIRACL"], [("sw", "yo"), ("ta", "bn")])
    settings = ("Monolingual", "Multilingual")
    write(tmp_path / "results", *(f"MIRACL{setting}Retrieval" for setting in settings))
    revision = "a" * 40 + "+translated-0123456789ab"
    task = "MIRACLCrosslingualRetrieval"
    results = write(tmp_path / "results", task, dataset_revision=revision)
    assert headline(results.collections[0]).head[2] == "Cr. map"
    matrix = results.collections[0].models[0].transfer
    assert matrix.shape == (19, 18) and np.count_nonzero(~np.isnan(matrix)) == 18 + 2
    table = matrices.transfer(results.collections[0], results.collections[0].models[0])
    assert [row[0] for row in table.rows][-1] == "ta" and len(table.rows[-1]) == 19
    html = shown(results)
    assert "Query language against passage language" in html
    assert "Tamil" in html
    assert "different revisions" not in html, "translations have a revision of their own"
    write_task(tmp_path / "results", "org/third", task, 0.5, dataset_revision=f"{revision}0")
    said = shown(summarise(load_results(tmp_path / "results")))
    assert "aaaaaaaaaaaa+translated-0123456789ab, aaaaaaaaaaaa+translated-0123456789ab0" in said


def test_without_a_monolingual_setting(tmp_path):
    results = write(tmp_path, "XTD10CrosslingualRetrieval", "XTD10MultilingualRetrieval")
    assert np.isnan(results.collections[0].models[0].pool_loss).all()
    assert "rank distance" in shown(results)


def test_one_language_and_one_setting(tmp_path, beir_card):
    beir_card({}, name="Lone")
    results = write(tmp_path, "LoneMonolingualRetrieval")
    table = headline(results.collections[0])
    assert table.head == ("Model", "Mo. map", "Mo. unjudged at 10")
    assert table.rows[0][1:] == ("0.7000", "0.2500")
    html = shown(results)
    assert "Which query languages do well" not in html and "Families" not in html
    rows = result_rows([tmp_path])
    assert "pool loss" not in render(rows) and "upper bound" not in legend(rows)
    assert rows[0].cells[0].value == pytest.approx(0.7)


def test_tables_of_several_collections(miracl, tmp_path):
    tasks = [f"{name}{s}Retrieval" for name in ("MIRACL", "MLQAR")
             for s in ("Monolingual", "Multilingual")]  # fmt: skip
    write(tmp_path, *tasks)
    rows = result_rows([tmp_path])
    lines = render(rows, Format.MARKDOWN).splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[7:10]] == [
        *("pool loss", "lift at 10, less 1", "unjudged at 10"),
    ]
    by_name = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines[2:]}
    assert [cell.strip() for cell in by_name["MLQA-R"]][-3:] == ["–"] * 3
    miracl_cells = [cell.strip() for cell in by_name["MIRACL"]]
    assert miracl_cells[4] == "–" and "–" not in miracl_cells[5:]
    csv = render(rows, Format.CSV)
    assert csv.count("pool_loss") == 2 and csv.count("rank_distance") == 2
    assert "upper bound" in legend(rows)


def test_scores_that_tie_and_rows_that_are_left_out_are_noted(tmp_path):
    task = "XM3600MultilingualRetrieval"
    said = shown(write(tmp_path, task, extra={"tied_scores": 0.97}))
    assert "97% of the scores of 36 multilingual subsets tie with many others" in said
    assert "Left out, as known faults of the source: at most 4 text(s) of white space" in said
