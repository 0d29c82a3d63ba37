"""A site in a real browser, from a file: quiet, nothing cut off, sorted and filtered."""

import html
import json
import re
from pathlib import Path

import pytest

from mteb_hybrid.site.kept import FILE
from report.test_browser import browser, hosts, visit
from results.conftest import HOSTILE

__all__ = ["browser"]

WIDTHS = (360, 390, 768, 1280)
# Shows every page at every width, and works the index; a site's pages know nothing of this.
FRAME = """<!DOCTYPE html><body><script>
const pages = PAGES, widths = WIDTHS;
const cut = page => {
  const root = page.documentElement, found = [], walker = page.createTreeWalker(page.body, 4);
  while (walker.nextNode()) {
    const text = walker.currentNode, parent = text.parentElement;
    if (!text.data.trim() || parent.closest(".skip, option, title")) continue;
    const range = page.createRange();
    range.selectNodeContents(text);
    for (const box of range.getClientRects()) {
      if (!box.width) continue;
      const edges = [[0, root.clientWidth]];
      for (let e = parent; e !== page.body; e = e.parentElement) {
        const outer = e.getBoundingClientRect();
        if (e.matches(".scroll")) { edges.length = 0; break; }
        if (e.tagName === "svg" || getComputedStyle(e).overflowX === "hidden")
          edges.push([outer.left, outer.right]);
      }
      if (edges.some(([left, right]) => box.left < left - 1 || box.right > right + 1))
        found.push(text.data.trim());
    }
  }
  return found;
};
const column = (page, selector) => [...page.querySelectorAll(selector)].map(e => e.textContent);
const row = ".tabulator-row:not(.tabulator-group)";
const cells = (page, place) => column(page,
  `${row} .tabulator-cell[tabulator-field=c${place}] > div > :first-child`);
const pause = () => new Promise(done => setTimeout(done, 200));
addEventListener("load", async () => {
  await pause();
  const frames = [...document.querySelectorAll("iframe")];
  const found = { layout: frames.map(f => ({
    page: f.title, width: f.width, cut: cut(f.contentDocument),
    scroll: f.contentDocument.documentElement.scrollWidth,
    client: f.contentDocument.documentElement.clientWidth,
    scrolls: [...f.contentDocument.querySelectorAll(".scroll")].filter(
      e => e.scrollWidth > e.clientWidth + 1).map(e => e.ariaLabel),
    tables: f.contentDocument.querySelectorAll("table").length,
    names: [...f.contentDocument.querySelectorAll(".plot .name")].map(
      e => e.getBoundingClientRect().height).filter(Boolean),
    paper: getComputedStyle(f.contentDocument.documentElement).backgroundColor,
  })) };
  const index = frames.find(f => f.title === "index.html" && f.width === "1280").contentDocument;
  const filters = index.querySelector(".filters").elements;
  found.fields = [...filters].filter(e => e.matches("select, input")).map(
    e => Math.round(e.getBoundingClientRect().top));
  const head = [...index.querySelectorAll(".tabulator-header button")];
  const press = async name => {
    head.find(e => e.textContent === name).click();
    await pause();
    return { models: cells(index, 0), values: cells(index, 3) };
  };
  const choose = async (name, value) => {
    filters[name].value = value;
    for (const kind of ["input", "change"])
      filters[name].dispatchEvent(new Event(kind, { bubbles: true }));
    await pause();
    return { models: cells(index, 0), values: cells(index, 3),
      said: index.querySelector(".filters output").textContent };
  };
  found.groups = column(index, ".tabulator-group");
  found.down = await press("Mul. map");
  found.up = await press("Mul. map");
  found.model = await choose("model", "SECOND");
  await choose("model", "");
  found.group = await choose("group", filters.group.options[1].value);
  await choose("group", "");
  found.trained = await choose("trained", "yes");
  await choose("trained", "");
  found.sorted = await choose("sort", [...filters.sort.options].find(
    o => o.textContent === "Mul. map").value);
  found.focus = head.map(e => { e.focus(); return index.activeElement === e; });
  found.hostile = index.querySelectorAll("script:not([src])").length;
  document.body.textContent = "found" + JSON.stringify(found) + "end";
});
for (const page of pages) for (const width of widths) {
  const frame = document.createElement("iframe");
  Object.assign(frame, { src: "site/" + page, title: page, width, height: 900 });
  document.body.append(frame);
}
</script></body>"""


@pytest.fixture(scope="module")
def found(browser, built, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "site").symlink_to(built)
    pages = ["index.html"]
    for room in ("models", "collections", "comparisons"):
        pages += sorted(f"{room}/{file.name}" for file in (built / room).iterdir())
    frame = FRAME.replace("PAGES", json.dumps(pages)).replace("WIDTHS", json.dumps(WIDTHS), 1)
    (folder / "frame.html").write_text(frame, encoding="utf-8")
    dark = "--blink-settings=preferredColorScheme=0"
    document, console, asked = visit(
        browser, folder / "frame.html", folder, dark, "--virtual-time-budget=20000"
    )
    (folder / "empty.html").write_text("<!DOCTYPE html><title>x</title>")
    *_, own = visit(browser, folder / "empty.html", folder)
    told = re.search(r"found(\{.*\})end", document, re.DOTALL)
    assert told, (console, document[-3000:])
    return json.loads(html.unescape(told[1])) | {
        "console": console,
        "asked": hosts(asked) - hosts(own),
        "kept": json.loads((Path(built) / FILE).read_text(encoding="utf-8")),
    }


def test_it_is_quiet(found):
    assert found["console"] == []
    assert found["asked"] == set()
    assert found["hostile"] == 0


def test_nothing_is_cut_off(found):
    assert {int(page["width"]) for page in found["layout"]} == set(WIDTHS)
    assert len(found["layout"]) == 4 * (1 + 3 + 2 + 1)
    for page in found["layout"]:
        assert page["cut"] == [], page
        assert page["scroll"] <= page["client"] <= int(page["width"]), page
        assert page["tables"] > 0 and page["paper"] == "rgb(18, 23, 29)"
        assert page["scrolls"] == [], page


def test_names_in_the_picture_can_be_read_and_fields_stand_in_a_line(found):
    heights = [height for seen in found["layout"] for height in seen["names"]]
    assert heights and min(heights) > 13, (
        "of letters of 12 pixels, in a picture as wide as it may be"
    )
    assert len(set(found["fields"])) == 1


def test_it_sorts_and_filters(found):
    maps = {
        (e["collection"], e["model"]): f"{e['means']['map']['value']:.4f}"
        for e in found["kept"]["evaluations"]
        if e["setting"] == "multilingual"
    }
    whole = {key: text for key, text in maps.items() if key[1] != HOSTILE}
    assert len(found["groups"]) == 3
    assert sorted(found["down"]["values"]) == sorted([*whole.values(), "–"])
    for name in ("MLQAR", "HybridSample"):
        ours = sorted(
            (text, model) for (collection, model), text in whole.items() if collection == name
        )
        for way, expected in (("up", ours), ("down", ours[::-1]), ("sorted", ours[::-1])):
            rows = list(zip(found[way]["values"], found[way]["models"], strict=True))
            assert [row for row in rows if row in ours] == expected
    assert found["model"]["models"] == ["org/second"] * 2
    assert found["model"]["said"] == "2 of 5 rows"
    assert found["group"]["models"] == ["org/first", "org/second"]  # still the worst first
    assert found["trained"]["models"] == []
    assert all(found["focus"]) and len(found["focus"]) == 7
