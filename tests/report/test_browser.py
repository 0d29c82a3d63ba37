"""The page in a real browser: what it shows, what it logs, what it asks for, and its layout."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conftest import ROOT
from mteb_hybrid.report.page import write_report
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import summarise
from report.conftest import REPAIRS
from results.conftest import write_task

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--allow-file-access-from-files", "--enable-logging=stderr"),
)
WIDTHS = (360, 390, 768, 1280)
AXE = [
    *filter(None, [os.environ.get("MTEB_HYBRID_AXE")]),
    str(ROOT / "node_modules" / "axe-core" / "axe.min.js"),
]
# Measures a page in frames of given widths from outside; the page itself runs no script. Whatever
# is folded is opened first. A text is clipped where it reaches out of what an element above it, or
# the window, shows of it; unless that scrolls and says so.
FRAMES = """<!DOCTYPE html><body>IFRAMES<script>
const says = e => [...e.children].some(c => c.matches(".more") && c.clientHeight > 10);
function clips(node, view) {
  const found = [];
  const range = node.ownerDocument.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    if (box.left < -1 || box.right > view.innerWidth + 1) found.push("the window");
    for (let e = node.parentElement; e && e.tagName !== "BODY"; e = e.parentElement) {
      const style = view.getComputedStyle(e), shown = e.getBoundingClientRect();
      const across = box.left < shown.left - 1 || box.right > shown.right + 1;
      const down = box.top < shown.top - 3 || box.bottom > shown.bottom + 3;
      const hides = style.overflowX !== "visible" && across || style.overflowY === "hidden" && down;
      if (!hides && !(e.tagName === "svg" && (across || down))) continue;
      if (e.matches(".scroll") && says(e)) return [];
      found.push(e.tagName + "." + e.getAttribute("class"));
    }
  }
  return found;
}
function measure(frame) {
  const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
  for (const e of page.querySelectorAll("details")) e.open = true;
  const walk = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  const clipped = [], broken = [];
  while (walk.nextNode()) {
    const node = walk.currentNode, e = node.parentElement;
    if (!node.data.trim() || e.closest(".skip, title, desc, style")) continue;
    const more = e.closest(".more");
    if (more && more.clientHeight === 0) continue;
    const head = e.closest(".cards thead");
    if (head && view.getComputedStyle(head).position === "absolute") continue;
    const by = clips(node, view);
    if (by.length) clipped.push(node.data.trim() + " by " + by[0]);
    const range = page.createRange();
    range.selectNodeContents(node);
    if (/^[+-]?[0-9.,]+%?$/.test(node.data.trim()) && range.getClientRects().length > 1)
      broken.push(node.data);
  }
  const size = t => parseFloat(view.getComputedStyle(t).fontSize)
    * t.ownerSVGElement.getBoundingClientRect().width / t.ownerSVGElement.viewBox.baseVal.width;
  return {
    width: root.clientWidth, scroll: root.scrollWidth, clipped, broken,
    smallest: Math.min(...[...page.querySelectorAll("svg text")].map(size)),
    says: [...page.querySelectorAll(".scroll")].filter(says).length,
    cards: page.querySelector("tbody.landmarks").getBoundingClientRect().height,
    tables: page.querySelectorAll("table").length, figures: page.querySelectorAll("svg").length,
    scripts: page.querySelectorAll("script").length,
    paper: view.getComputedStyle(root).backgroundColor,
    text: view.getComputedStyle(page.querySelector("svg text")).fill,
  };
}
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(measure);
  document.body.textContent = "found" + JSON.stringify(found) + "end";
});
</script></body>"""
FRAME = '<iframe src="{}" style="width:{}px;height:900px;border:0"></iframe>'
AXE_RUN = """<script src="AXE"></script><script>
for (const e of document.querySelectorAll("details")) e.open = true;
axe.run({resultTypes: ["violations"]}).then(found => {
  const said = found.violations.map(v => v.id + ": " + v.nodes[0].target + " " + v.nodes.length);
  const passes = found.passes.map(p => p.id);
  document.body.textContent = "found" + JSON.stringify({said, passes}) + "end";
});
</script></body>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium on the path ({', '.join(NAMES)}): apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    write_report(summarise(load_results(made.folder)), folder / "r.html", repairs=REPAIRS)
    text = (folder / "r.html").read_text(encoding="utf-8")
    clipped = '<p style="overflow: hidden; white-space: nowrap; width: 3em">0.0723456789</p>'
    (folder / "clipped.html").write_text(text.replace("<nav", f"{clipped}<nav"), encoding="utf-8")
    write_report(summarise(load_results(wide(folder / "wide"))), folder / "wide.html")
    pages = [(page, width) for page in ("r.html", "wide.html") for width in WIDTHS]
    frames = [FRAME.format(*frame) for frame in [*pages, ("clipped.html", 390)]]
    (folder / "frames.html").write_text(FRAMES.replace("IFRAMES", "".join(frames)))
    return folder


def wide(folder) -> Path:
    """Four models of long names in all of XQuAD-R, their rankings cut."""
    start = "intfloat/multilingual-e5-small"
    for place, end in enumerate(("", "-q4", "-q4-repaired-projection", "-xquad-r-hybrid-0.5")):
        for setting in ("Monolingual", "Crosslingual", "Multilingual"):
            cut = {"truncated_at": 1000}
            write_task(
                *(folder, start + end, f"XQuADR{setting}Retrieval", 0.6 + place / 10), extra=cut
            )
    return folder


def visit(browser, page: Path, tmp_path, *switches) -> tuple[str, list[str], set[str]]:
    """A page's document, what it wrote to the console, and the addresses it asked for."""
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            *(browser, *SWITCHES, *switches, f"--user-data-dir={tmp_path / 'profile'}"),
            *(f"--log-net-log={log}", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    asked = set(re.findall(r'"url":"((?:https?|wss?|ftp)://[^"]+)"', log.read_text()))
    return done.stdout, console, asked


def hosts(addresses) -> set[str]:
    """The hosts of addresses, without those that Chromium asks by itself, at times of its own."""
    found = {urlsplit(address).hostname or "" for address in addresses}
    return {host for host in found if not host.endswith((".google.com", ".googleapis.com"))}


def test_page_is_quiet(browser, folder, tmp_path):
    document, console, asked = visit(browser, folder / "r.html", tmp_path)
    assert console == []
    # What a browser asks for by itself is no request of the page; a page of nothing shows it.
    (folder / "empty.html").write_text("<!DOCTYPE html><title>x</title>")
    _, _, own = visit(browser, folder / "empty.html", tmp_path)
    assert hosts(asked) <= hosts(own)
    for expected in ("XQuAD-R", "MLQA-R", "sample (not a benchmark)", "Language bias in the pool"):
        assert (expected in document) == (expected != "XQuAD-R")
    assert "<script" not in document


def test_a_page_that_is_not_quiet_is_noticed(browser, folder, tmp_path):
    """The check above can fail: a script and a picture from elsewhere are blocked, and said so."""
    text = (folder / "r.html").read_text(encoding="utf-8")
    bad = '<script>1</script><img src="http://192.0.2.1/x.png">'
    (folder / "bad.html").write_text(text.replace("<main", f"{bad}<main"), encoding="utf-8")
    _, console, _ = visit(browser, folder / "bad.html", tmp_path)
    assert len([line for line in console if "Content Security Policy" in line]) >= 2
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    (folder / "open.html").write_text(policy.sub("", text).replace("<main", f"{bad}<main"))
    _, _, asked = visit(browser, folder / "open.html", tmp_path)
    assert "192.0.2.1" in hosts(asked)


def in_colours(scheme) -> str:
    return f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"


def told(document):
    return json.loads(html.unescape(re.search(r"found([\[{].*[\]}])end", document)[1]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_clipped(browser, folder, tmp_path, scheme):
    document, _, _ = visit(browser, folder / "frames.html", tmp_path, in_colours(scheme))
    *pages, clipped = told(document)
    for width, found in zip((*WIDTHS, *WIDTHS), pages, strict=True):
        assert found["clipped"] == [] and found["broken"] == [], width
        assert found["scroll"] <= found["width"] <= width
        assert found["smallest"] > 9, "letters of a figure, in CSS pixels"
        assert found["tables"] > 10 and found["figures"] > 10 and found["scripts"] == 0
        expected = ("rgb(18, 23, 29)", "rgb(228, 233, 239)")
        if scheme == "light":
            expected = ("rgb(254, 254, 254)", "rgb(28, 39, 51)")
        assert (found["paper"], found["text"]) == expected
    pages = pages[: len(WIDTHS)]
    assert pages[0]["says"] > 0 and pages[-1]["says"] == 0, "the same grids"
    assert pages[0]["cards"] > 2 * pages[-1]["cards"]
    assert [text.partition(" ")[0] for text in clipped["clipped"]] == ["0.0723456789"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_and_labels(browser, folder, tmp_path, scheme):
    """By axe-core: `npm install axe-core` here, or MTEB_HYBRID_AXE with the path of axe.min.js."""
    axe = next((Path(path) for path in AXE if Path(path).is_file()), None)
    if axe is None:
        pytest.skip(f"no axe-core at {' or '.join(AXE)}")
    page = re.sub(r"<meta http-equiv[^>]*>", "", (folder / "r.html").read_text(encoding="utf-8"))
    bad = '<p style="color: #ccc; background: #fff">pale</p>' if scheme == "light" else ""
    script = AXE_RUN.replace("AXE", axe.resolve().as_uri())
    for name, more in (("axe.html", ""), ("pale.html", bad)):
        file = folder / f"{scheme}-{name}"
        file.write_text(page.replace("<nav", f"{more}<nav").replace("</body>", script))
        if name == "pale.html" and not more:
            continue
        switches = (in_colours(scheme), "--virtual-time-budget=60000")
        document, _, _ = visit(browser, file, tmp_path, *switches)
        found = told(document)
        assert {"color-contrast", "svg-img-alt", "aria-required-children"} <= {
            *found["passes"]
        } or more
        assert [said.partition(":")[0] for said in found["said"]] == ["color-contrast"] * bool(more)
