import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from mteb_hybrid.results.mteb_files import ResultError
from mteb_hybrid.results.results import COMPARED
from mteb_hybrid.results.value_files import PerQueryError
from mteb_hybrid.site import publish
from mteb_hybrid.site.kept import FILE, SiteError
from mteb_hybrid.site.publish import write_site
from results.conftest import HOSTILE, write_task
from site_.pages_of_a_site import Page, dead_links, hashes

SCRIPT = re.compile(r"<script(?! defer src=)|<img|\son\w+=|\sstyle=|javascript:", re.IGNORECASE)


EVALUATED = {
    **dict.fromkeys(("task", "model", "revision", "data_revision", "date"), ""),
    **{"collection": "X", "setting": "multilingual", "truncated_at": None, "trained": "no"},
    **{"versions": {}, "signature": "", "command": "", "expected": [], "means": {}, "subsets": {}},
}


@pytest.fixture
def no_reports(monkeypatch):
    """They are tested where they are made, and take most of the time."""

    def write(summary, file):
        (collection,) = summary.collections
        file.write_text(f"<!DOCTYPE html><title>{collection.card.name}</title>")

    monkeypatch.setattr(publish, "write_report", write)


def folders(made):
    return sorted(made.folder.iterdir(), key=lambda folder: folder.name)


def test_every_page_is_there_and_every_link_leads_somewhere(built):
    assert dead_links(built) == []
    pages = {file.relative_to(built).parts[0] for file in built.rglob("*.html")}
    assert pages == {"index.html", "models", "collections", "comparisons", "reports"}
    assert len(list((built / "models").iterdir())) == 3
    # First and second on MLQA-R, where both have values per query; the third is on other data.
    assert len(list((built / "comparisons").iterdir())) == 1
    assert {f.name for f in (built / "tabulator").iterdir()} >= {"LICENSE", "tabulator.min.js"}
    kept = json.loads((built / FILE).read_text(encoding="utf-8"))
    assert kept["files"] == sorted(hashes(built))


def test_hostile_names_are_text(built):
    for file in built.rglob("*.html"):
        if file.parent.name == "reports":
            continue
        text = file.read_text(encoding="utf-8")
        assert not SCRIPT.search(text.replace("&lt;script", "")), file
        policy = dict(Page(file).tags)["meta"]
        assert "content" in policy
    assert HOSTILE in Page(built / "index.html").text
    for name in hashes(built):
        assert re.fullmatch(r"[A-Za-z0-9./-]+", name)


@pytest.mark.parametrize(
    "name", ["../../up", "a\u202eb/<b>x</b>", "con", "x" * 300, "\x00nul/日本", "\"&'/;`$(x)`"]
)
def test_any_name_of_a_model_has_safe_files(name, tmp_path, no_reports):
    folder = write_task(tmp_path / "results", "org/m", "HybridSampleMonolingualRetrieval", 0.5)
    meta = json.dumps({"name": name, "revision": "../r"})
    (folder / "model_meta.json").write_text(meta, encoding="utf-8")
    write_site([folder], tmp_path / "site")
    (page,) = (tmp_path / "site" / "models").iterdir()
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,70}\.html", page.name)
    assert dead_links(tmp_path / "site") == []
    raw = page.read_text(encoding="utf-8")
    assert "\u202e" not in raw and "\x00" not in raw and "<b>" not in raw
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "site"]


def test_the_same_results_give_the_same_bytes(made, tmp_path, no_reports):
    for name in ("one", "two"):
        write_site([made.folder], tmp_path / name)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    write_site([made.folder], tmp_path / "two")
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_second_call_adds(made, tmp_path, no_reports):
    first, second, *_ = folders(made)
    write_site([first], tmp_path / "site", title="Ours")
    before = json.loads((tmp_path / "site" / FILE).read_text(encoding="utf-8"))
    write_site([second], tmp_path / "site")
    both = json.loads((tmp_path / "site" / FILE).read_text(encoding="utf-8"))
    assert both["title"] == "Ours"
    assert [e for e in both["evaluations"] if e in before["evaluations"]] == before["evaluations"]
    assert len(both["models"]) == 2 and len(before["models"]) == 1
    assert dead_links(tmp_path / "site") == []
    # Tests need the values per query of both: with all given, it is as if given at once.
    write_site([made.folder], tmp_path / "site")
    write_site([made.folder], tmp_path / "at-once", title="Ours")
    assert hashes(tmp_path / "site") == hashes(tmp_path / "at-once")


def test_results_that_changed_replace_the_earlier_ones_and_their_tests(tmp_path, no_reports):
    task = "HybridSampleMultilingualRetrieval"
    results, site = tmp_path / "results", tmp_path / "site"
    write_task(results, "org/a", task, 0.5)
    write_task(results, "org/b", task, 0.6)
    assert write_site([results], site).comparisons
    changed = write_task(results, "org/b", task, 0.7)
    shown = write_site([changed], site)
    assert shown.comparisons == []
    (b,) = (e for e in shown.evaluations if e.model == "org/b")
    assert b.means["map"].value == pytest.approx(0.4, abs=0.05)
    assert not (site / "comparisons").exists()


def test_a_comparison_says_what_limits_it(tmp_path, no_reports):
    task = "HybridSampleMultilingualRetrieval"
    results, site = tmp_path / "results", tmp_path / "site"
    write_task(results, "org/a", task, 0.5)
    folder = write_task(results, "org/b", task, 0.6, extra={"truncated_at": 20})
    for file in sorted((folder / f"{task}.per_query").iterdir())[1:]:
        file.unlink()
    values = pl.read_parquet(file := folder / f"{task}.per_query" / "ar-multi.parquet")
    nothing = pl.when(query="ar:000").then(math.nan).otherwise("value").alias("value")
    values.with_columns(nothing).write_parquet(file)
    content = json.loads((folder / f"{task}.json").read_bytes())
    for row in content["scores"]["test"]:
        row |= {m: None for m in COMPARED if m in row}  # of which the file of values has others
    (folder / f"{task}.json").write_text(json.dumps(content))
    for measure, mean in (
        values.with_columns(nothing)
        .group_by("measure")
        .agg(pl.col("value").drop_nans().mean())
        .iter_rows()
    ):
        next(r for r in content["scores"]["test"] if r["hf_subset"] == "ar-multi")[measure] = mean
    (folder / f"{task}.json").write_text(json.dumps(content))
    found = write_site([results], site).comparisons[0]
    assert found.pools == ["ar-multi"] and len(found.left_out) == 10
    assert (found.queries, found.queries_left_out, found.truncated_at) == (39, 1, 20)
    (page,) = (site / "comparisons").glob("*.html")
    text = page.read_text()
    assert "rankings cut at 20" in text and "without de-multi" in text
    assert "of 40, 39 questions" in text


def test_what_is_not_ours_stays(made, tmp_path, no_reports):
    site = tmp_path / "site"
    write_site([folders(made)[0]], site)
    (site / "CNAME").write_text("example.org")
    (site / "explore").mkdir()
    (site / "explore" / "index.html").write_text("<title>explorer</title>")
    (site / ".git" / "refs" / "tags").mkdir(parents=True)
    (site / "link").symlink_to("CNAME")
    write_site([folders(made)[1]], site)
    assert (site / "CNAME").read_text() == "example.org"
    assert (site / ".git" / "refs" / "tags").is_dir()
    assert (site / "link").readlink() == Path("CNAME")
    assert "explore/index.html" in Page(site / "index.html").links
    assert dead_links(site) == []


def test_a_foreign_file_in_place_of_ours_is_refused_and_kept(made, tmp_path, no_reports):
    site = tmp_path / "site"
    write_site([folders(made)[0]], site)
    kept = json.loads((site / FILE).read_text(encoding="utf-8"))
    kept["files"].remove("index.html")
    (site / FILE).write_text(json.dumps(kept), encoding="utf-8")
    (site / "index.html").write_text("mine")
    before = hashes(site)
    with pytest.raises(SiteError, match=r"index\.html: is no file of a site.*Move it"):
        write_site([folders(made)[1]], site)
    assert hashes(site) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"holds something else, and no results\.json"),
        ("{", r"results\.json.*Move the folder away"),
        ("[]", "is no 'mteb-hybrid site 1'"),
        ('{"format": "other"}', "is no 'mteb-hybrid site 1'"),
        ('{"format": "mteb-hybrid site 1", "models": 3}', "key 'models'.*damaged"),
        (
            '{"format": "mteb-hybrid site 1", "comparisons": [{"collection": "../x"}]}',
            r"key 'comparisons\.0\.collection'",
        ),
        (
            json.dumps({"format": "mteb-hybrid site 1", "evaluations": [EVALUATED]}),
            "a collection or model that is not described",
        ),
    ],
)
def test_a_folder_of_something_else_is_refused(made, tmp_path, content, said):
    site = tmp_path / "site"
    site.mkdir()
    (site / "thesis.tex").write_text("years of work")
    if content is not None:
        (site / FILE).write_text(content)
    before = hashes(site)
    with pytest.raises(SiteError, match=f"(?s){said}"):
        write_site([made.folder], site)
    assert hashes(site) == before


def test_a_file_is_refused(made, tmp_path):
    (tmp_path / "site").write_text("x")
    with pytest.raises(SiteError, match="is a file; expected a folder"):
        write_site([made.folder], tmp_path / "site")


def test_bad_results_change_nothing(tmp_path, no_reports):
    results, site = tmp_path / "results", tmp_path / "site"
    folder = write_task(results, "org/a", "HybridSampleMultilingualRetrieval", 0.5)
    write_site([results], site)
    before = hashes(site)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultError, match="no results of our tasks"):
        write_site([tmp_path / "empty"], site)
    with pytest.raises(ResultError, match="no such file or folder"):
        write_site([tmp_path / "missing"], site)
    values = next(folder.glob("*.per_query/*.parquet"))
    values.write_bytes(values.read_bytes()[:100])
    with pytest.raises(PerQueryError, match=re.escape(values.name)):
        write_site([results], site)
    (folder / "HybridSampleMultilingualRetrieval.json").write_text('{"scores"')
    with pytest.raises(ResultError, match=r"HybridSampleMultilingualRetrieval\.json"):
        write_site([results], site)
    assert hashes(site) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "results", "site"]


def test_a_failure_in_the_middle_changes_nothing(made, tmp_path, no_reports, monkeypatch):
    site = tmp_path / "site"
    write_site([folders(made)[0]], site)
    before = hashes(site)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish, "write_pages", fail)
    with pytest.raises(OSError, match="No space"):
        write_site([folders(made)[1]], site)
    assert hashes(site) == before
    assert [p.name for p in tmp_path.iterdir()] == ["site"]


def test_two_that_add_at_once_lose_nothing(made, tmp_path, no_reports):
    first, second, *_ = folders(made)
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(write_site, [folder], tmp_path / "site") for folder in (first, second)]
        for call in calls:
            call.result()
    kept = json.loads((tmp_path / "site" / FILE).read_text(encoding="utf-8"))
    assert len(kept["models"]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["site"]
