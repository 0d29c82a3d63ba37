"""The page in a real browser: what it shows, what it logs, what it asks for, and its layout."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mteb_hybrid.report.page import write_report
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import summarise
from report.conftest import REPAIRS

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--allow-file-access-from-files", "--enable-logging=stderr"),
)
# Measures a page of a given width from outside; the page itself runs no script.
FRAME = """<!DOCTYPE html><body><script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  const wide = [...page.querySelectorAll("body *")].filter(e => !e.closest(".scroll, svg, .skip")
      && e.getBoundingClientRect().right > page.documentElement.clientWidth + 1);
  const found = {
    width: page.documentElement.clientWidth, scroll: page.documentElement.scrollWidth,
    wide: wide.map(e => e.tagName + "." + e.className),
    tables: page.querySelectorAll("table").length, figures: page.querySelectorAll("svg").length,
    scripts: page.querySelectorAll("script").length,
    paper: getComputedStyle(page.documentElement).backgroundColor,
    text: getComputedStyle(page.querySelector("svg text")).fill,
    cut: [...page.querySelectorAll("svg")].flatMap(s => {
      const box = s.getBoundingClientRect();
      return [...s.querySelectorAll("text")].filter(t => {
        const b = t.getBoundingClientRect();
        return b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1
            || b.bottom > box.bottom + 1;
      }).map(t => t.textContent);
    }),
  };
  document.body.textContent = "found" + JSON.stringify(found) + "end";
});
</script><iframe src="r.html" style="width:WIDTHpx;height:900px;border:0"></iframe></body>"""


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
    for width in (390, 1280):
        (folder / f"{width}.html").write_text(FRAME.replace("WIDTH", str(width)))
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
    return {urlsplit(address).hostname or "" for address in addresses}


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
    html = (folder / "r.html").read_text(encoding="utf-8")
    bad = '<script>1</script><img src="http://192.0.2.1/x.png">'
    (folder / "bad.html").write_text(html.replace("<main", f"{bad}<main"), encoding="utf-8")
    _, console, _ = visit(browser, folder / "bad.html", tmp_path)
    assert len([line for line in console if "Content Security Policy" in line]) >= 2
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    (folder / "open.html").write_text(policy.sub("", html).replace("<main", f"{bad}<main"))
    _, _, asked = visit(browser, folder / "open.html", tmp_path)
    assert "192.0.2.1" in hosts(asked)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_layout(browser, folder, tmp_path, width, scheme):
    dark = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    document, _, _ = visit(browser, folder / f"{width}.html", tmp_path, dark)
    found = json.loads(re.search(r"found(\{.*\})end", document)[1].replace("&amp;", "&"))
    assert found["scroll"] <= found["width"] <= width and found["wide"] == []
    assert found["tables"] > 10 and found["figures"] > 10 and found["scripts"] == 0
    assert found["cut"] == []
    expected = ("rgb(18, 23, 29)", "rgb(228, 233, 239)")
    if scheme == "light":
        expected = ("rgb(254, 254, 254)", "rgb(28, 39, 51)")
    assert (found["paper"], found["text"]) == expected
