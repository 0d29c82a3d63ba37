"""The page in a real browser: what it shows, asks for and logs, and that nothing is clipped."""

import html
import json
import re

import pytest

from explore.conftest import ASKED, HOSTILE
from mteb_hybrid.explore.failures import Failure, failures
from mteb_hybrid.explore.page import write_explorer
from mteb_hybrid.files.safe_text import visible
from report.test_browser import browser, hosts, visit

__all__ = ["browser"]

# Uses a page from outside, as its policy lets in no script.
FRAME = '<!DOCTYPE html><meta charset="utf-8"><body><script src="drive.js"></script></body>'
DRIVE = r"""
const found = {};
let frame;
let page;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (test) => { for (let i = 0; !test() && i < 400; i += 1) await pause(20); };
const all = (selector) => [...page.querySelectorAll(selector)];
const texts = (selector) => all(selector).map((e) => e.textContent);
const cells = (row) => [...row.children].map((cell) => cell.textContent);
const column = (field) => texts(`.tabulator-cell[tabulator-field=${field}]`);
const open = async (width, hash) => {
  frame?.remove();
  frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:1000px;border:0`;
  frame.src = `index.html${hash}`;
  document.body.append(frame);
  await until(() => frame.contentDocument?.body?.dataset.ready);
  page = frame.contentDocument;
};
const set = async (id, value, kind = "change") => {
  page.getElementById(id).value = value;
  page.getElementById(id).dispatchEvent(new Event(kind));
  await pause(400);
};
// Text wider than its box, and boxes wider than the page.
const clipped = () => {
  const width = page.documentElement.clientWidth;
  const wide = all("body *").filter((e) => {
    if (e.closest(".tabulator-col-resize-handle, select, [hidden], svg")) return false;
    const style = frame.contentWindow.getComputedStyle(e);
    const box = e.getBoundingClientRect();
    if (!box.width || style.visibility === "hidden") return false;
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const cut = own && style.display !== "inline" && e.scrollWidth > e.clientWidth + 1;
    return cut || box.right > width + 1;
  });
  const strips = all(".strip text").filter((e) => {
    const box = e.getBoundingClientRect();
    return box.left < 0 || box.right > width || !box.width;
  });
  const said = (e) => `${e.tagName}.${e.className} ${e.textContent.slice(0, 30)}`;
  return [...wide, ...strips].map(said);
};
const clippedAt = async (hash) => {
  const at = {};
  for (const width of [360, 390, 768, 1280]) {
    await open(width, hash);
    at[width] = { clipped: clipped(), width: page.documentElement.scrollWidth };
  }
  return at;
};
(async () => {
  found.overview = await clippedAt("");
  found.state = page.getElementById("state").textContent;
  found.heading = texts("#kinds-title")[0];
  found.kinds = all("#kinds tbody tr").map(cells);
  found.examples = texts("#examples li").length;
  found.count = texts("#count")[0];
  found.byDistance = column("secondA").map(Number);
  await set("sort", "fell");
  found.fell = column("fell");
  page.querySelector(".tabulator-col[tabulator-field=mapA]").click();
  await pause(300);
  found.byMap = column("mapA").map(Number);
  const languages = [...page.getElementById("language").options];
  await set("language", languages.find((option) => option.textContent.startsWith("zh")).value);
  found.chinese = texts("#count")[0];
  await set("kind", "2");
  found.lostChinese = texts("#count")[0];
  await set("language", "");
  await set("kind", "");
  await set("search", "BRIDGE-1-", "input");
  found.search = texts("#count")[0];
  found.query = await clippedAt("#ASKED");
  found.title = texts("#query h2")[0];
  found.strips = all(".strip").map((e) => e.getAttribute("aria-label"));
  found.top = all(".top").map((list) => [...list.children].map((e) =>
    [e.className, e.querySelector(".chip").textContent, e.querySelector("p").textContent]));
  found.answers = all("#answers tbody tr").map(cells);
  found.images = page.images.length;
  found.scripts = all("script:not([src])").length;
  found.directions = all("#query [lang=ar]").map((e) => e.dir);
  const before = frame.contentWindow.location.hash;
  page.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  await pause(300);
  found.next = frame.contentWindow.location.hash !== before && texts("#query h2")[0];
  frame.contentWindow.location.hash = "#nowhere";
  await until(() => page.getElementById("query").hidden);
  found.nowhere = page.getElementById("state").textContent;
})().catch((error) => { found.error = String(error); })
  .finally(() => { document.body.textContent = "found" + JSON.stringify(found) + "end"; });
"""


@pytest.fixture(scope="module")
def seen(browser, hostile, tmp_path_factory):
    """What a browser found on the page of the hostile results, said and asked for."""
    folder = tmp_path_factory.mktemp("browser")
    write_explorer(*hostile, folder / "page")
    (folder / "page" / "drive.html").write_text(FRAME, encoding="utf-8")
    (folder / "page" / "drive.js").write_text(DRIVE.replace("ASKED", ASKED), encoding="utf-8")
    (folder / "empty.html").write_text("<!DOCTYPE html><title>x</title>")
    document, console, asked = visit(
        *(browser, folder / "page" / "drive.html", folder, "--virtual-time-budget=60000")
    )
    _, _, own = visit(browser, folder / "empty.html", folder)
    said = json.loads(html.unescape(re.search(r"found(\{.*\})end", document, re.DOTALL)[1]))
    return said, console, hosts(asked) - hosts(own)


def test_it_is_quiet_and_shows_all(seen):
    said, console, asked = seen
    assert console == [] and asked == set()
    assert "error" not in said and said["state"] == ""
    assert said["images"] == said["scripts"] == 0
    assert said["nowhere"] == "There is no query nowhere."


def test_kinds_are_counted_as_in_the_files(seen, hostile):
    said, found = seen[0], hostile[0]
    rows = list(found.queries["test/hash"].iter_rows(named=True))
    names = ("query_language", "top_languages", "top_relevant", "answer_languages", "answer_ranks")
    expected = {}
    for row in rows:
        kinds = failures(*(row[name] for name in names))
        for language in ("all", row["query_language"]):
            counts = expected.setdefault(language, [0, 0, 0, 0])
            counts[0] += 1
            for place, kind in enumerate(Failure, 1):
                counts[place] += kind in kinds
    shown = {
        head.split()[0]: [int(head.split()[1]), *(int(cell.split()[0]) for cell in cells)]
        for head, *cells in said["kinds"]
    }
    assert shown == expected and said["examples"] == 9
    assert said["heading"] == "What goes wrong: test/hash"
    assert said["lostChinese"] == f"{expected['zh'][3]} of 156 queries"


def test_sort_filter_and_search(seen, hostile):
    said, found = seen[0], hostile[0]
    rows = found.queries["test/hash"].sort("rank_distance", descending=True)
    assert len(said["byDistance"]) > 5 and len(said["byMap"]) > 5
    assert said["byDistance"] == rows["rank_distance"].head(len(said["byDistance"])).to_list()
    both = rows.join(next(reversed(found.queries.values())), on="query")
    fell = (both["map"] - both["map_right"]).sort().head(len(said["fell"]))
    assert [float(value) for value in said["fell"]] == pytest.approx(fell.to_list(), abs=1e-4)
    assert said["byMap"] in (sorted(said["byMap"]), sorted(said["byMap"], reverse=True))
    assert said["count"] == "156 of 156 queries" and said["chinese"] == "52 of 156 queries"
    expected = sum("bridge-1-" in query for query in rows["query"])
    assert said["search"] == f"{expected} of 156 queries" and expected > 0


def test_a_query_is_as_in_the_files_and_hostile_text_is_text(seen, hostile):
    said, found = seen[0], hostile[0]
    assert said["title"] == visible(HOSTILE)
    assert len(said["strips"]) == len(said["top"]) == 2
    stand: dict[str, list] = {}
    for place, (label, rows) in enumerate(found.queries.items()):
        row = rows.filter(query=ASKED).row(0, named=True)
        ranks = zip(row["answer_languages"], row["answer_ranks"], strict=True)
        assert said["strips"][place].endswith(", ".join(f"{x} {rank}" for x, rank in ranks))
        assert [chip for _, chip, _ in said["top"][place]] == row["top_languages"]
        assert [kind == "right" for kind, _, _ in said["top"][place]] == row["top_relevant"]
        for language, rank in zip(row["answer_languages"], row["answer_ranks"], strict=True):
            stand.setdefault(language, []).append(str(rank))
        assert label in found.evaluations
    assert {text for _, _, text in said["top"][0]} == {visible(HOSTILE)}
    assert {row[0]: row[1:3] for row in said["answers"]} == stand
    assert said["directions"] and set(said["directions"]) == {"auto"}
    assert said["next"] and said["next"] != said["title"]


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_nothing_is_clipped(seen, width):
    for part in ("overview", "query"):
        found = seen[0][part][str(width)]
        assert found["clipped"] == [] and found["width"] <= width
