import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from mteb_hybrid import pages
from mteb_hybrid.report import page, tables
from mteb_hybrid.report.comparisons import comparison
from mteb_hybrid.report.notes import notes
from mteb_hybrid.results.evaluation import NOT_KNOWN
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.run_settings import RUN_SETTINGS
from mteb_hybrid.results.summary import summarise
from mteb_hybrid.retrieval.views import Setting
from report.conftest import REPAIRS
from results.conftest import HOSTILE, summarised, write_task

ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;/x&amp;y"
DAY, COMMAND = "2026-11-21", "mteb-hybrid report <results>"
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Outline(HTMLParser):
    """Elements of a page: every one is closed, in order; headings, ids, tables, references."""

    def __init__(self, html):
        super().__init__()
        self.open, self.headings, self.ids, self.tags = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert len(given) == len(attributes)
        self.tags.append((tag, given))
        if "id" in given:
            self.ids.append(given["id"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(made, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    summary = summarise(load_results(made.folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1795234295")
        page.write_report(
            summary, folder / "r.html", folder / "figures", folder / "tables", REPAIRS, COMMAND
        )
    return folder


@pytest.fixture(scope="module")
def html(written) -> str:
    return (written / "r.html").read_text(encoding="utf-8")


def section(html, anchor) -> str:
    start = html.index(f'<section aria-labelledby="{anchor}">')
    return html[start : html.index("</section>", start)]


def test_page_is_well_formed_and_accessible(html):
    outline = Outline(html)
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.headings[0] == 1 and outline.headings.count(1) == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(after - before <= 1 for before, after in steps)
    count = [tag for tag, _ in outline.tags].count
    assert count("table") == count("caption") > 10
    assert all(given.get("scope") for tag, given in outline.tags if tag == "th")
    assert all(given.get("role") == "img" for tag, given in outline.tags if tag == "svg")
    assert count("svg") == count("figure") == count("title") - 1
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in outline.tags}
    named = {
        name for _, given in outline.tags for name in (given.get("aria-labelledby") or "").split()
    }
    linked = {given["href"][1:] for tag, given in outline.tags if tag == "a"}
    assert named | linked <= set(outline.ids)


def test_page_loads_and_runs_nothing(html):
    outline = Outline(html)
    assert not {"script", "img", "iframe", "object", "embed", "form"} & {t for t, _ in outline.tags}
    for _, given in outline.tags:
        assert "src" not in given and not any(name.startswith("on") for name in given)
        assert given.get("href", "#").startswith(("#", "data:"))
    assert "default-src 'none'" in html
    assert not re.search(r"@import|url\((?!#)|@font-face", html)
    assert "<script" not in html and ESCAPED in html


def test_numbers_and_what_limits_them(html):
    real = section(html, "mlqa-r")
    assert "0.7000" in real and "(5/7) [top 1000] [other data]" in real
    for said in (
        f"{ESCAPED}: the monolingual setting was not evaluated",
        f"{ESCAPED}: 2 of 7 multilingual subsets are missing (de-multi, vi-multi)",
        "were cut at 1000; a passage below counts with rank 1001",
        "different versions of MTEB stand side by side here (2.26.24, 2.27.0)",
        "different revisions of the data set stand side by side here (354d67d1cd06, bbbbbbbbbbbb)",
        f"{ESCAPED}: the multilingual setting was evaluated on revision bbbbbbbbbbbb of the data",
        f"No values per query of {ESCAPED}: no intervals",
    ):
        assert said in real, said
    assert html.count("2026-11-21") == 14  # once in the footer
    assert "peer" not in html  # undefined everywhere here, so not shown


def test_a_sample_is_never_a_benchmark(html):
    real, sample = section(html, "mlqa-r"), section(html, "sample")
    assert "From the literature" in real and "arXiv:2408.10536" in real
    assert "LAReQA baseline X-Y" in real and ">0.49<" in real
    assert "literature" not in sample and "arXiv" not in sample
    assert "They say nothing about a model." in sample and "On this sample:" in sample
    assert re.findall(r"\w+ \w+ benchmark", sample)
    assert set(re.findall(r"\w+ \w+ benchmark", sample)) == {"not a benchmark"}


def test_measures_are_explained_if_shown(html):
    words = section(html, "measures")
    assert "rank distance" in words and "lower is better" in words and "Range 0 and up" in words
    assert "gold_language_map_XX" in words and "arXiv:2305.09025" in words
    assert "Kruskal" not in words


def test_comparison_is_with_the_first_model(made, html):
    real = section(html, "mlqa-r")
    assert "Tests between models" in real and "against org/first. Differences" in real
    assert "Tests between models" not in section(html, "sample")
    table, refused = comparison(summarised(made.folder)["MLQA-R"])
    assert "org/second against org/first" in table.caption
    (row,) = [r for r in table.rows if r[:2] == ("monolingual", "map")]
    assert row[2:5] == ("0.7000", "0.8000", "0.1000")
    assert (row[-1], refused) == ("280/0/0", [])


def test_models_that_cannot_be_compared_are_named(tmp_path):
    write_task(tmp_path, "a/a", "MLQARMultilingualRetrieval", 0.5)
    write_task(tmp_path, "a/b", "MLQARMultilingualRetrieval", 0.5, left_out=("en-multi",))
    table, refused = comparison(summarised(tmp_path)["MLQA-R"])
    assert table is None
    assert "a/b lacks the subsets en-multi" in refused[0]


def test_what_one_model_lacks_is_said(tmp_path):
    """Values that one leaves out are counted; a measure that one has none of is named."""
    task = "MLQARMultilingualRetrieval"
    write_task(tmp_path, "a/a", task, 0.5)
    other = write_task(tmp_path, "a/b", task, 0.6)
    file = other / f"{task}.per_query" / "en-multi.parquet"
    left_out = pl.col("query").is_in(["en:000", "en:001"]) & (pl.col("measure") == "map")
    blank(file, left_out)
    for file in (other / f"{task}.per_query").iterdir():
        blank(file, pl.col("measure") == "rank_distance")
    content = json.loads((other / f"{task}.json").read_bytes())
    for row in content["scores"]["validation"]:
        kept = pl.read_parquet(other / f"{task}.per_query" / f"{row['hf_subset']}.parquet")
        known = kept.filter(pl.col("value").is_not_nan(), measure="map")["value"]
        row |= {"map": known.mean(), "rank_distance": None}
    (other / f"{task}.json").write_text(json.dumps(content), encoding="utf-8")
    table, refused = comparison(summarised(tmp_path)["MLQA-R"])
    assert table.rows[1][1] == "map [278/280 queries]" and "[n/m queries]" in table.caption
    assert {row[1] for row in table.rows} == {
        "map [278/280 queries]",
        "complete at 10",
        "removal gap",
    }
    assert refused == [
        "Not compared with tests: a/b has no multilingual values per query of rank distance."
    ]


def test_subsets_without_values_per_query_and_cut_rankings_are_marked(tmp_path):
    task = "MLQARMultilingualRetrieval"
    for model in ("a/a", "a/b"):
        folder = write_task(tmp_path, model, task, 0.5, extra={"truncated_at": 20})
        for file in sorted((folder / f"{task}.per_query").iterdir())[2:]:
            file.unlink()
    table, refused = comparison(summarised(tmp_path)["MLQA-R"])
    assert table.rows[1][1] == "map (2/7) [top 20]" and refused == []
    assert "over the k of m subsets" in table.caption and "were cut at k" in table.caption


def test_versions_of_which_one_is_not_known_are_different(tmp_path):
    task = "MLQARMultilingualRetrieval"
    for model in ("a/a", "a/b"):
        folder = write_task(tmp_path, model, task, 0.5, per_query=False)
    (collection,) = summarised(tmp_path).values()
    assert "versions of mteb-hybrid" not in " ".join(notes(collection))
    subsets = list(collection.models[1].evaluations[Setting.MULTILINGUAL].scores)
    line = {"task": task, "splits": [collection.card.split], "subsets": subsets}
    line["version"] = {"mteb-hybrid": "0.2.0"}
    (folder / RUN_SETTINGS).write_text(json.dumps(line) + "\n", encoding="utf-8")
    said = " ".join(notes(summarised(tmp_path)["MLQA-R"]))
    assert f"different versions of mteb-hybrid stand side by side here (0.2.0, {NOT_KNOWN})" in said


def test_models_on_different_data_are_not_compared_with_tests(tmp_path):
    task = "MLQARMultilingualRetrieval"
    write_task(tmp_path, "a/a", task, 0.5)
    write_task(tmp_path, "a/b", task, 0.6, dataset_revision="b" * 40)
    table, refused = comparison(summarised(tmp_path)["MLQA-R"])
    assert table is None
    assert refused == [
        "Not compared with tests: the multilingual setting was evaluated on different revisions "
        "of the data: a/a on 354d67d1cd06, a/b on bbbbbbbbbbbb."
    ]


def blank(file, rows):
    """Leave out the values of some rows of a Parquet file."""
    frame = pl.read_parquet(file)
    value = pl.when(rows).then(float("nan")).otherwise("value").alias("value")
    frame.with_columns(value).write_parquet(file)


def test_figures_and_tables_as_files(written):
    figures = {file.name for file in (written / "figures").iterdir()}
    assert "mlqa-r-pool-map.svg" in figures and "mlqa-r-transfer-2-org-first.png" in figures
    hostile = [name for name in figures if "alert" in name]
    assert hostile and all(re.fullmatch(r"[\w.-]+", name) for name in figures)
    assert (written / "figures" / "mlqa-r-pool-map.png").read_bytes().startswith(b"\x89PNG")
    tables = written / "tables"
    markdown = (tables / "mlqa-r-headline.md").read_text(encoding="utf-8")
    assert (
        "| org/first | 0.7000 |" in markdown and r"| \[published\] XLM-R, X-X batches" in markdown
    )
    latex = (tables / "mlqa-r-headline.tex").read_text(encoding="utf-8")
    assert latex.startswith(r"\begin{tabular}{lrrrrr}") and r"x\&y &" in latex
    assert not [file for file in written.rglob("*") if file.name.endswith(".tmp")]


def test_same_results_give_the_same_page(made, html, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795234295")
    summary = summarise(load_results(made.folder))
    page.write_report(summary, tmp_path / "r.html", repairs=REPAIRS, command=COMMAND)
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == html


def test_repairs_that_were_fitted_on_what_is_searched(html):
    assert "repaired" not in section(html, "sample")
    said = f"org/base, repaired ({ESCAPED}): fitted on texts of texts, which are searched here."
    assert said in section(html, "mlqa-r")
    about = section(html, "repairs")
    assert about.count("collections of this page have some of these texts is not known.") == 1
    assert "and of no collection of this page" not in about


def test_only_the_old_measures(tmp_path):
    """Results of the first version have map and rank distance alone."""
    write_task(
        *(tmp_path, "a/old", "MLQARMonolingualRetrieval", 0.5),
        per_query=False,
    )
    summary = summarise(load_results(tmp_path))
    html = page.page(summary, page.chapters(summary))
    Outline(html)
    assert "Language bias in the pool" not in html
    assert "Query language against passage language" in html


def contrast(one: str, two: str) -> float:
    def luminance(colour):
        colour = "".join(2 * c for c in colour[1:]) if len(colour) == 4 else colour[1:]
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    dark, light = sorted((luminance(one), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_have_enough_contrast():
    style = Path(pages.__file__).with_name("style.css").read_text(encoding="utf-8")
    themes = re.findall(r":root \{([^}]*)\}", style)
    assert len(themes) == 3
    for theme in themes:
        colours = dict(re.findall(r"--([\w-]+): (#\w+)", theme))
        for ink in ("ink", "muted", "accent"):
            for ground in ("paper", "panel"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        assert contrast(colours["warn"], colours["warn-panel"]) >= 4.5
        for number in range(1, 9):
            assert contrast(colours[f"series-{number}"], colours["paper"]) >= 3
    assert HOSTILE not in style


def test_kinds_of_languages_are_means_over_their_query_languages(made):
    collection = next(iter(summarised(made.folder).values()))
    card = collection.card
    table = tables.by_kind_of_language(collection)
    rows = {(row[0], row[1]): row for row in table.rows}
    codes = list(card.languages)
    values = dict(zip(codes, collection.models[0].pool_map, strict=True))
    assert table.head[3] == f"{collection.models[0].label} [top 1000] [other data]"
    _, _, members, mean, *_ = rows["Script", "Latn"]
    latin = [code for code in codes if card.languages[code].code.endswith("-Latn")]
    assert members == ", ".join(latin) and len(latin) > 1
    assert (
        rows["Script", "Arab"][2] == "ar (one language)" and "(one language): it" in table.caption
    )
    expected = sum(values[code] for code in latin) / len(latin)
    assert mean == ("–" if math.isnan(expected) else f"{expected:.4f}")
    for by in ("Family", "Script", "Resource class"):
        named = [
            code
            for row in table.rows
            if row[0] == by
            for code in re.findall(r"\b[a-z]{2}\b", row[2].removesuffix(tables.ONE))
        ]
        assert sorted(named) == sorted(codes)


def test_the_footer_says_how_and_when(html, monkeypatch):
    footer = html[html.index("<footer>") :]
    assert DAY in footer and "<code>mteb-hybrid report &lt;results&gt;</code>" in footer
    assert "To cite: mteb-hybrid" in footer and "arXiv:2408.10536" in footer
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ValueError, match="'yesterday'; expected seconds since 1970"):
        page._today()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", page._today())


def test_the_page_begins_with_its_message(html):
    start = html[html.index("<main") : html.index("<nav")]
    assert start.index('class="lead"') < start.index("<svg") and "On MLQA-R, searching" in start
    assert "The numbers" in start and "org/first" in start
    real = section(html, "mlqa-r")
    assert real.index("an ideal model") < real.index("<details>") < real.index("Kendall")
    assert '<a href="#measure-rank_distance">rank distance</a>' in real
