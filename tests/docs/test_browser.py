"""Pages in a real browser: layout at two widths, light and dark, search, and what they ask for."""

import functools
import http.server
import json
import subprocess
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from report.test_browser import SWITCHES, browser  # noqa: F401

# Shows a page in a frame of some width, and another with a search; reports once both are ready.
PROBE = """<!DOCTYPE html><body>
<iframe src="PAGE" style="width:WIDTHpx;height:900px"></iframe><iframe src="PAGE?q=QUERY"></iframe>
<img src="wait"><script>
const timer = setInterval(() => {
  const [page, searched] = [...document.querySelectorAll("iframe")].map(f => f.contentDocument);
  const hits = searched.querySelectorAll(".md-search-result__item");
  const tables = [...page.querySelectorAll(".md-typeset table")];
  // The theme's script puts tables into boxes that scroll.
  if (!hits.length || !tables.length || !tables.every(e => e.closest(".md-typeset__scrollwrap")))
    return;
  clearInterval(timer);
  const root = page.documentElement;
  const figure = page.querySelector("figure svg"), label = figure.querySelector("text");
  const content = page.querySelector(".md-content").getBoundingClientRect();
  const wide = [...page.querySelectorAll(".md-content *")].filter(
    e => !e.closest("pre, .md-typeset__scrollwrap, svg, .headerlink")
      && e.getBoundingClientRect().right > content.right + 1);
  fetch("report?" + new URLSearchParams({found: JSON.stringify({
    width: root.clientWidth, scroll: root.scrollWidth, wide: wide.map(e => e.outerHTML),
    asked: [page, searched].flatMap(
      p => p.defaultView.performance.getEntriesByType("resource").map(e => e.name)),
    hits: [...hits].map(e => e.querySelector("a").href),
    paper: getComputedStyle(page.body).backgroundColor, ink: getComputedStyle(label).fill,
    letters: label.getBoundingClientRect().height, figure: figure.getBoundingClientRect().width,
  })}));
}, 50);
</script></body>"""


class Visit:
    """Serves a site to one browser window, and collects what the window reports."""

    def __init__(self, site: Path, probe: str) -> None:
        self.found: dict | None = None
        done = threading.Event()
        visit = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                address = urlsplit(self.path)
                if address.path == "/probe.html":
                    self.answer(probe.encode())
                elif address.path == "/report":
                    visit.found = json.loads(parse_qs(address.query)["found"][0])
                    self.answer(b"")
                    done.set()
                elif address.path == "/wait":  # keeps the window open until it has reported
                    done.wait(60)
                    self.answer(b"")
                else:
                    super().do_GET()

            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        handler = functools.partial(Handler, directory=site)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/probe.html"

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_page_and_its_search(browser, site, tmp_path, width, scheme):  # noqa: F811
    probe = PROBE.replace("PAGE", "measures/index.html").replace("QUERY", "rank_distance")
    visit = Visit(site, probe.replace("WIDTH", str(width)))
    dark = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    with visit as address:
        done = subprocess.run(
            [
                *(browser, *SWITCHES, dark, "--window-size=1400,1000", "--dump-dom"),
                *(f"--user-data-dir={tmp_path / 'profile'}", address),
            ],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    found = visit.found
    assert found is not None, done.stderr
    assert found["scroll"] <= found["width"] <= width and found["wide"] == []
    assert any(hit.partition("?")[0].endswith("measures/distance.html") for hit in found["hits"])
    assert found["figure"] > 0.8 * min(width, 600) and found["letters"] > 9
    light = ("rgb(255, 255, 255)", "rgb(28, 39, 51)")
    expected = ("rgb(18, 23, 29)", "rgb(228, 233, 239)") if scheme == "dark" else light
    assert (found["paper"], found["ink"]) == expected
    asked = [urlsplit(resource) for resource in found["asked"]]
    assert "/search/search_index.json" in {address.path for address in asked}
    assert {address.hostname for address in asked} == {"127.0.0.1"}
