"""The report of a study: what it says is what results say, and the same results say the same."""

import csv
import hashlib
import json
import re
import shutil
import socket
import time
from collections import defaultdict
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from markdown_it import MarkdownIt
from scipy import stats

from mteb_hybrid.files.errors import ExportError
from mteb_hybrid.results.mteb_files import ResultError
from mteb_hybrid.results.per_query import write_per_query
from mteb_hybrid.results.value_files import DATA, PerQueryError
from mteb_hybrid.studies.answer import answers
from mteb_hybrid.studies.evidence import find
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.report import write_report
from mteb_hybrid.studies.report_figures import curves, forest, trade_off
from mteb_hybrid.studies.report_words import published, tally
from mteb_hybrid.studies.store import Store
from studies.made_results import MULTILINGUAL, STUDY, study_of, write_run, write_runs

FILES = {
    *("index.md", "claims.csv", "results.csv", "claims.svg"),
    *("curve-sample.svg", "trade-off-sample.svg"),
}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The results of the whole study."""
    folder = tmp_path_factory.mktemp("store")
    write_runs(folder, study_of())
    return folder


@pytest.fixture(scope="module")
def report(store):
    """Its report."""
    write_report(study_of(), "alpha", "small", store, store / "report")
    return store / "report"


def hashes(folder):
    """Of every file."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def tables(page):
    """The rows of all Markdown tables, as a parser of Markdown reads them."""
    found, row = [], []
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            row = []
            found[-1].append(row)
        elif token.type == "inline" and token.level >= 4:
            row.append("".join(child.content for child in token.children))
    return found


def rows(file):
    return list(csv.DictReader(file.open(encoding="utf-8")))


def test_it_is_whole_and_says_how_it_was_made(report):
    page = (report / "index.md").read_text(encoding="utf-8")
    assert set(hashes(report)) == FILES
    assert "mteb-hybrid study run alpha --budget small\n" in page
    assert "3 answers: 2 confirmed, 1 contradicted" in page
    assert "Nothing: every run of the plan is in this report." in page
    for run in runs(study_of(), "small"):
        assert run.key in page
    for picture in re.findall(r"\]\((.*?\.(?:svg|csv))\)", page):
        assert (report / picture).is_file()


def test_tables_are_means_and_t_intervals_over_seeds(report):
    """Computed again from results.csv: over all subsets, and over those of one script."""
    values = defaultdict(list)
    for row in rows(report / "results.csv"):
        for part in ("", {"ru": "Cyrl"}.get(row["subset"][:2], "Latn")):
            key = (part, row["condition"], row["setting"], row["measure"])
            values[(*key, row["seed"])].append(float(row["value"]))
    means = defaultdict(list)
    for (*key, _), found in values.items():
        means[tuple(key)].append(np.mean(found))
    whole, by_script, *_ = tables((report / "index.md").read_text(encoding="utf-8"))[1:]
    assert len(whole) == 6
    assert len(by_script) == 11
    columns = [("monolingual", "map"), ("crosslingual", "map"), ("multilingual", "map")]
    columns.append(("multilingual", "rank_distance"))
    for condition, seeds, *cells in whole[1:]:
        assert seeds == ("3" if "alpha" in condition else "–")
        check(cells, [means["", condition, *column] for column in columns])
    for script, _, condition, _, *cells in by_script[1:]:
        check(cells, [means[script, condition, *column] for column in columns])


def check(cells, expected):
    for cell, values, digits in zip(cells, expected, (4, 4, 4, 1), strict=True):
        shown = f"{np.mean(values):.{digits}f}"
        if len(values) > 1:
            half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
            shown += f" ± {half:.{digits}f}"
        assert cell == shown


def test_sentences_table_and_csv_say_the_same(report):
    page = (report / "index.md").read_text(encoding="utf-8")
    head, first, second, third = tables(page)[0]
    claims = rows(report / "claims.csv")
    assert [row["verdict"] for row in claims] == [row[2] for row in (first, second, third)]
    for row, shown in zip(claims, (first, second, third), strict=True):
        digits = 1 if row["measure"] == "rank_distance" else 4
        assert shown[head.index("difference")] == f"{float(row['difference']):+.{digits}f}"
        low, high = float(row["questions_low"]), float(row["questions_high"])
        assert shown[head.index("over questions")] == f"[{low:+.{digits}f}, {high:+.{digits}f}]"
        assert f"a difference of {float(row['difference']):+.{digits}f}" in page
    assert first[head.index("published")] == "XLM-R +0.0500: agrees; LaBSE -0.1000: disagrees"
    assert "the direction disagrees" in page
    assert "mBERT" not in page, "on another collection"
    assert (
        "| test | sample (not a benchmark) | HybridSampleMultilingualRetrieval | 3 of 11: " in page
    )
    assert "questions in 3 languages" in page and "questions in 2 languages" in page
    assert "The card names no published figure." in page
    assert second[head.index("published")] == "none in the card"


def test_two_seeds_are_both_shown_and_one_rests_on_itself(store, tmp_path):
    for seeds, shown, verdict in (
        ([1, 3], r"0\.\d{4} and 0\.\d{4}", "confirmed"),
        ([2], r"0\.\d{4}", "undecided (one seed)"),
    ):
        study = study_of({"seeds": seeds})
        page = write_report(study, "alpha", "small", store, tmp_path / "report").read_text("utf-8")
        claims, whole, *_ = tables(page)
        row = next(row for row in whole if row[0] == "alpha 0.5")
        assert row[1] == str(len(seeds))
        assert re.fullmatch(shown, row[2])
        assert claims[1][2] == verdict or len(seeds) == 2
    assert "it rests on one seed (2)" in page
    assert "3 answers: 3 undecided (3 with one seed, which settles nothing)." in page


def test_tests_that_are_trained_or_repaired_on_are_told(store, tmp_path):
    """As at `smoke`, where there is but the sample; at other budgets such cards are refused."""
    told = []
    trained = {"texts": "ntrex", "set": ["evaluation=", "data.0.path=sample"]}
    for more in ({}, {"texts": "ntrex"}, trained):
        study = study_of(more)
        write_runs(tmp_path, study, only=lambda run: run.condition == "untrained")
        page = write_report(study, "alpha", "small", tmp_path, tmp_path / "report")
        text = page.read_text("utf-8")
        told.append(re.findall(r"Tests are not unseen: (.*)\. So the answers say little", text))
    assert told[:2] == [["some model repairs on sample, which it is tested on"], []]
    assert told[2] == ["some model trains on sample, which it is tested on"]


def test_words_on_one_seed_stand_with_what_is_undecided(tmp_path):
    study = study_of({"seeds": [2]})
    write_runs(tmp_path, study, only=lambda run: run.condition != "untrained")
    assert tally(answers(find(study, "alpha", "small", tmp_path), 100)) == (
        "3 answers: 2 undecided (2 with one seed, which settles nothing), 1 not run"
    )


def test_published_figures_may_be_named_by_task(store):
    task = "HybridSampleMultilingualRetrieval"
    hybrid = STUDY["claims"][0]
    by_task = [figure | {"collection": task} for figure in hybrid["published"][:2]]
    tests = {"tests": [MULTILINGUAL | {"tasks": [task]}]}
    study = study_of(tests, claims=[hybrid | {"published": by_task}])
    (found,) = answers(find(study, "alpha", "small", store), 100)
    assert published(found) == "XLM-R +0.0500: agrees; LaBSE -0.1000: disagrees"


def test_the_same_results_give_the_same_bytes(report, tmp_path):
    """In another order, another place, with results of other studies among them, made twice.

    Those are of another mteb, and damaged in a task that the study does not have.
    """
    study = study_of()
    more = study_of({"tests": [MULTILINGUAL | {"query_languages": ["en", "de", "ru", "th"]}]})
    for run in reversed(runs(study, "small")):
        write_run(tmp_path / "other", run)
    run, wider = runs(study, "small")[3], runs(more, "small")[3]
    assert run.key == wider.key
    folder = write_run(tmp_path / "other", replace(run, tests=(*run.tests, *wider.tests)))
    file = folder / "HybridSampleMultilingualRetrieval.json"
    content = json.loads(file.read_bytes())
    (row,) = [row for row in content["scores"]["test"] if row["hf_subset"] == "th-multi"]
    row |= {"mteb_version": "3", "removal_gap": 0.1}
    file.write_text(json.dumps(content), encoding="utf-8")
    (folder / "XQuADRMultilingualRetrieval.json").write_text("{", encoding="utf-8")
    values = folder / "XQuADRMultilingualRetrieval.per_query"
    values.mkdir()
    (values / "en-multi.parquet").write_text("damaged", encoding="utf-8")
    for _ in range(2):
        write_report(study, "alpha", "small", tmp_path / "other", tmp_path / "report")
        assert hashes(tmp_path / "report") == hashes(report)


def test_no_time_host_or_path_is_in_it(report):
    told = (str(report.parent), socket.gethostname(), time.strftime("%Y-%m-%d"))
    for file in report.iterdir():
        text = file.read_text(encoding="utf-8")
        assert [one for one in told if one in text] == [], file.name


def test_names_of_cards_are_text(store, tmp_path):
    """What the title, the question, a claim and a source hold is read as their characters."""
    hostile = "a | b <script>alert(1)</script> [x](http://y) **z** `q`"
    claims = [
        claim
        | {
            "text": hostile,
            "published": [
                p | {"source": hostile, "model": hostile} for p in claim.get("published", ())
            ],
        }
        for claim in STUDY["claims"]
    ]
    study = study_of({"not_run": [hostile]}, title=hostile, question=hostile, claims=claims)
    page = write_report(study, "alpha", "small", store, tmp_path / "report").read_text("utf-8")
    parsed = MarkdownIt("commonmark").enable("table").parse(page)
    children = [child for token in parsed for child in token.children or ()]
    shown = "".join(child.content for child in children)
    # Title, question, three claims, two sources with models, what is not run, and the table.
    assert shown.count("a | b <script>alert(1)</script> [x](http://y) **z** `q`") >= 8
    assert not [child for child in children if child.type == "html_inline"]
    assert {child.attrs["href"] for child in children if child.type == "link_open"} == {
        "results.csv",
        "claims.csv",
    }
    assert all(len(row) == len(table[0]) for table in tables(page) for row in table)


def test_versions_of_all_runs_are_named(tmp_path):
    """As training writes them, also in several parts: what is not a package's is left out."""
    study = study_of({"tests": [MULTILINGUAL]})
    made = write_runs(tmp_path, study, only=lambda run: run.condition == "alpha 0.5")
    for number, run in enumerate(made):
        packages = {"torch": f"2.{number // 2}", "datasets": "5.2.0"}
        part = {"from": "start", "python": "3.11.7", "device": "secret", "packages": packages}
        part["precision"] = "fp32"
        file = tmp_path / "runs" / run.key / "versions.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps([part] * (number + 1)), encoding="utf-8")
    page = write_report(study, "alpha", "small", tmp_path, tmp_path / "report").read_text("utf-8")
    assert (
        "evaluated with mteb 2.26.24; trained with datasets 5.2.0, python 3.11.7, "
        "torch 2.0 and 2.1; in fp32.\n"
    ) in page
    assert "secret" not in page


def test_models_of_several_precisions_are_told(tmp_path):
    """Where a recipe leaves it to the device, and the runs of a study were made on two."""
    study = study_of({"tests": [MULTILINGUAL]})
    made = write_runs(tmp_path, study, only=lambda run: run.condition == "alpha 0.5")
    for of, run in zip([["bf16"], ["fp32", "fp32"], ["bf16", "fp32"]], made, strict=True):
        file = tmp_path / "runs" / run.key / "versions.json"
        file.parent.mkdir(parents=True)
        part = {"python": "3.11.7", "packages": {}}
        file.write_text(json.dumps([part | {"precision": one} for one in of]), encoding="utf-8")
    page = write_report(study, "alpha", "small", tmp_path, tmp_path / "report").read_text("utf-8")
    assert "; 1 in bf16, 1 in bf16 then fp32, 1 in fp32: so differences between models" in page
    assert "a budget that sets training.precision=fp32 trains all alike" in page
    # Stores and archives of before do not say which results an earlier training made.
    file.rename(file.with_name("versions-earlier.json"))
    page = write_report(study, "alpha", "small", tmp_path, tmp_path / "report").read_text("utf-8")
    assert "; 1 model was trained more than once, from the same seed, and it was not kept" in page


@pytest.mark.parametrize("content", [[1], [{}], [{"python": "3", "packages": {"torch": 2}}]])
def test_damaged_versions_are_told(tmp_path, content):
    study = study_of({"tests": [MULTILINGUAL]})
    run, *_ = write_runs(tmp_path, study, only=lambda run: run.condition == "untrained")
    file = tmp_path / "runs" / run.key / "versions.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ResultError, match=r"versions\.json: is damaged.*Remove it"):
        find(study, "alpha", "small", tmp_path)


def test_nothing_run_yet_names_the_command(tmp_path):
    with pytest.raises(ResultError, match="study run alpha --budget small --store"):
        write_report(study_of(), "alpha", "small", tmp_path, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_results_on_other_data_alone_are_none(tmp_path):
    write_runs(tmp_path, study_of(), revision="0.9", only=lambda run: run.condition == "untrained")
    with pytest.raises(ResultError, match=r"untrained: set apart: on revision 0\.9 of the data"):
        write_report(study_of(), "alpha", "small", tmp_path, tmp_path / "report")


def test_what_is_missing_is_said(tmp_path):
    pairs = {"tasks": ["sample"], "settings": ["crosslingual"], "query_languages": ["en"]}
    pairs["passage_languages"] = ["de"]
    study = study_of({"tests": [MULTILINGUAL, pairs], "not_run": ["BUCC: it cannot be had."]})
    for run in runs(study, "small"):
        if run.condition in ("untrained", "alpha 1.0") or run.seed == 1:
            write_run(tmp_path, run)
    write_run(tmp_path, run, subsets=["en-multi", "en-de"])
    page = write_report(study, "alpha", "small", tmp_path, tmp_path / "report").read_text("utf-8")
    assert "- e5, repaired: not run.\n" in page
    assert "- e5, alpha 0.5, seeds 2 and 3: not run.\n" in page
    assert (
        "- e5, alpha 1.0, seed 3: HybridSampleMultilingualRetrieval: 2 of 3 subsets not run: "
        "de-multi, ru-multi.\n"
    ) in page
    assert "- BUCC: it cannot be had.\n" in page
    assert "- Claim 3, not testable: no test of this budget is monolingual.\n" in page
    assert "Still missing: alpha 0.5, seed 2; alpha 0.5, seed 3; alpha 1.0, seed 3." in page


def test_results_of_another_run_in_its_folder_are_refused(tmp_path):
    first, second, *_ = write_runs(
        tmp_path, study_of({"tests": [MULTILINGUAL]}), only=lambda run: run.seed == 1
    )
    shutil.rmtree(Store(tmp_path).results_of(first))
    shutil.copytree(Store(tmp_path).results_of(second), Store(tmp_path).results_of(first))
    with pytest.raises(ResultError, match=f"expected those of the run {first.key}"):
        write_report(study_of(), "alpha", "small", tmp_path, tmp_path / "report")


EDITED = r"the {} of en-multi is .*, and the values .* {}: they are of another.*`.*study run`"


@pytest.mark.parametrize(
    ("scores", "values", "said"),
    [
        ({"map": 0.999999}, None, EDITED.format("map", r"0\.\d{5}")),
        ({"rank_distance": 1.0}, None, EDITED.format("rank_distance", r"\d+\.\d{5}")),
        ({"rank_distance": None}, None, EDITED.format("rank_distance", r"\d+\.\d{5}")),
        ({}, lambda values: values + 900, EDITED.format("map", r"90\d\.\d{5}")),
        ({}, None, "en-multi.parquet: has no checksum, so it may have been edited.*`.*study run`"),
    ],
)
def test_edited_results_are_refused(tmp_path, scores, values, said):
    """Where a shuffle of values has the same mean, the checksum is not theirs, or missing."""
    study, task = study_of({"tests": [MULTILINGUAL]}), "HybridSampleMultilingualRetrieval"
    first, *_ = write_runs(tmp_path, study, only=lambda run: run.condition == "untrained")
    folder = Store(tmp_path).results_of(first)
    file = folder / f"{task}.json"
    content = json.loads(file.read_bytes())
    content["scores"]["test"][0] |= scores
    file.write_text(json.dumps(content), encoding="utf-8")
    kept = folder / f"{task}.per_query" / "en-multi.parquet"
    table = pl.read_parquet(kept)
    if values:
        write_per_query(table.with_columns(values(pl.col("value"))), folder, task, "1.0.0")
    elif not scores:
        table.write_parquet(kept, metadata={DATA: "1.0.0"})
        assert Store(tmp_path).missing(first) == {task: ["en-multi"]}
    with pytest.raises((ResultError, PerQueryError), match=said):
        write_report(study, "alpha", "small", tmp_path, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_folder_with_other_files_is_left_alone(store, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ExportError, match=r"notes\.txt"):
        write_report(study_of(), "alpha", "small", store, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_failure_leaves_the_report_before(report, store, tmp_path, monkeypatch):
    kept = tmp_path / "report"
    shutil.copytree(report, kept)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mteb_hybrid.studies.report.results_csv", full)
    with pytest.raises(OSError, match="No space"):
        write_report(study_of({"seeds": [1]}), "alpha", "small", store, kept)
    assert hashes(kept) == hashes(report)
    assert [file.name for file in tmp_path.iterdir()] == ["report"]


def test_figures_have_every_seed(store):
    """Nine trained models and two others, which are lines in the curve."""
    evidence = find(study_of(), "alpha", "small", store)
    scatter = trade_off(evidence, "sample (not a benchmark)", "e5")
    assert sum(len(line.get_xdata()) for line in scatter.axes[0].lines) == 11
    (curve,) = curves(evidence, "sample (not a benchmark)", "e5").values()
    assert len(curve.axes) == 4
    for axes in curve.axes:
        seeds = [line for line in axes.lines if line.get_marker() == "o"]
        assert (
            sorted(x for line in seeds for x in line.get_xdata())
            == [0.0] * 3 + [0.5] * 3 + [1.0] * 3
        )
        assert {line.get_label() for line in axes.lines} >= {"alpha", "untrained", "repaired"}


def test_intervals_are_drawn_as_wide_as_they_are(store):
    """And not by half the width of the line wider at either end, as lines are by default."""
    evidence = find(study_of(), "alpha", "small", store)
    (axes, *_) = forest(answers(evidence, 100)).axes
    bars = [line for line in axes.lines if line.get_linewidth() in (1.2, 5)]
    assert len(bars) > 4
    assert {line.get_solid_capstyle() for line in bars} == {"butt"}


def test_what_was_not_run_is_no_solid_line_and_no_shade(tmp_path):
    claim = {
        **{"text": "Little is lost.", "condition": "alpha 0.5", "than": "alpha 1.0"},
        **{"expect": "not-lower", "margin": 0.01},
    }
    study = study_of(claims=[claim, claim | {"condition": "alpha 0.0"}])
    drawn = {}
    for missing in (None, "alpha 0.5"):
        store = tmp_path / str(missing)
        write_runs(store, study, only=lambda run, missing=missing: run.condition != missing)
        evidence = find(study, "alpha", "small", store)
        (figure,) = curves(evidence, "sample (not a benchmark)", "e5").values()
        pool = figure.axes[2]
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        (solid,) = [line for line in pool.lines if line.get_label() == "alpha"]
        drawn[missing] = (np.isnan(solid.get_ydata()).tolist(), len(pool.patches), labels)
    whole, gap = drawn.values()
    assert whole[:2] == ([False] * 3, 1) and gap[:2] == ([False, True, False], 0)
    assert ("values between not run" in whole[2], "values between not run" in gap[2]) == (0, 1)


def test_what_is_not_lower_has_no_end_to_the_right(store):
    claim = {
        **{"text": "Little is lost.", "condition": "alpha 0.5", "than": "alpha 1.0"},
        **{"expect": "not-lower", "margin": 0.01},
    }
    study = study_of(claims=[claim, claim | {"expect": "within"}])
    figure = forest(answers(find(study, "alpha", "small", store), 100))
    (axes,) = figure.axes
    ends = [band.get_datalim(axes.transData).x1 for band in axes.collections]
    assert ends == pytest.approx([axes.get_xlim()[1], 0.01])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "as claimed" in labels and {"confirmed", "contradicted", "undecided"} & {*labels}


def test_figures_fit_a_telephone_and_have_their_own_paper(report):
    """At 390 CSS pixels their letters are as they were drawn: 9 points."""
    for file in report.glob("*.svg"):
        root = ElementTree.fromstring(file.read_bytes())  # noqa: S314 - ours
        assert float(root.get("width").removesuffix("pt")) * 4 / 3 < 410
        (paper,) = [g for g in root.iter(f"{SVG}g") if g.get("id") == "patch_1"]
        assert "#ffffff" in paper[0].get("style")
