"""The built site: links lead somewhere, nothing is fetched, generated parts are whole."""

import ast
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer

from docs.conftest import CONFIG, ROOT
from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.commands.app import app
from mteb_hybrid.measures import MEASURES
from mteb_hybrid.recipes.recipe import Recipe

LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("use", "href")}


class Page(HTMLParser):
    """Addresses and ids of a page, and its text."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: set[tuple[str, str, str]] = set()
        self.ids: set[str] = set()
        self.text = ""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.add((tag, name, value))
            elif name == "id":
                self.ids.add(value)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="session")
def pages(site) -> dict[Path, Page]:
    found = {file.relative_to(site): Page(file) for file in site.rglob("*.html")}
    assert len(found) > 20
    return found


def test_internal_links_and_images_resolve(site, pages):
    broken = []
    for place, page in pages.items():
        for tag, _, address in page.links:
            parts = urlsplit(address)
            if parts.scheme or place.name == "404.html":
                continue
            target = (site / place.parent / unquote(parts.path)) if parts.path else site / place
            target = target / "index.html" if target.is_dir() else target.resolve()
            anchors = pages.get(Path(target).relative_to(site.resolve()))
            if not target.is_file() or (parts.fragment and parts.fragment not in anchors.ids):
                broken.append((str(place), tag, address))
    assert broken == []


def test_external_links_are_well_formed(pages):
    external = {a for page in pages.values() for _, _, a in page.links if urlsplit(a).scheme}
    assert len(external) > 10
    form = re.compile(r"https://[a-z0-9.-]+\.[a-z]{2,}(/[^\s<>\"]*)?")
    assert [address for address in external if not form.fullmatch(address)] == []


def test_nothing_is_fetched_from_elsewhere(site, pages):
    for place, page in pages.items():
        loaded = {address for tag, name, address in page.links if (tag, name) in LOADED}
        assert [address for address in loaded if urlsplit(address).netloc] == [], place
    for file in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", file.read_text()), file


def test_bad_links_are_noticed(tmp_path, caplog):
    """The build above can fail: the same settings, on a page with four faults."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# A\n\n[b](no.md) [c](#no) ![d](no.svg) [e](/no.html)\n")
    (docs / "unlisted.md").write_text("# B\n")
    options = {"docs_dir": str(docs), "site_dir": str(tmp_path / "site"), "nav": ["index.md"]}
    build(load_config(str(CONFIG), **options, plugins=[], hooks=[], theme="mkdocs"))
    warned = "\n".join(r.getMessage() for r in caplog.records if r.levelname == "WARNING")
    for fault in ("no.md", "#no", "no.svg", "/no.html", "unlisted.md"):
        assert fault in warned


def test_a_page_says_what_only_the_site_has_and_the_site_does_not(pages):
    for file in sorted((ROOT / "docs").rglob("*.md")):
        text = file.read_text(encoding="utf-8")
        assert text.strip(), file
        if re.search("^<!-- (include|generated): (?!figure)", text, re.MULTILINE):
            assert "-->\n*Made when the site is built" in text, file
    assert [place for place, page in pages.items() if "Made when the site" in page.text] == []


def test_every_measure_is_explained(pages):
    for measure in MEASURES:
        (page,) = [
            page
            for place, page in pages.items()
            if place.parent.name == "measures" and measure.name in page.ids
        ]
        assert measure.formula in page.text
        assert f'measured("{measure.name}"' in page.text or measure.name.startswith("top1_")


@pytest.mark.parametrize(("name", "card"), [("task-cards", TaskCard), ("recipes", Recipe)])
def test_every_key_of_a_card_is_there(pages, name, card):
    schema = card.model_json_schema()
    tables = [schema, *(d for d in schema["$defs"].values() if "properties" in d)]
    keys = {key for table in tables for key in table["properties"]}
    assert len(keys) > 15
    text = pages[Path("reference", f"{name}.html")].text
    written = set(re.findall(r"^(\w+) [a-z\"]|with (\w+) =", text, re.MULTILINE))
    assert keys <= {name for pair in written for name in pair}


def test_every_command_and_option_is_there(pages):
    text = pages[Path("reference", "commands.html")].text
    commands = [typer.main.get_command(app)]
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        if not hasattr(command, "commands"):
            assert command.help.split("\n\n")[0].replace("`", "") in text
            for parameter in command.params:
                assert all(name in text for name in parameter.opts)


def test_the_house_shows_every_room(pages):
    """In the order of the contracts, with the words of its own docstring."""
    package = ROOT / "src" / "mteb_hybrid"
    files = {file.parent.name: file for file in package.glob("*/__init__.py")}
    files |= {file.stem: file for file in package.glob("*.py") if file.name != "__init__.py"}
    text = pages[Path("house.html")].text
    places = {}
    for room, file in files.items():
        said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))).replace("`", "")
        name = f"{room}/" if file.name == "__init__.py" else file.name
        places[text.index(name + " ".join(said.split()[:4]))] = room
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    ordered = [room for room in re.findall(r"\w+", " ".join(layers)) if room in files]
    assert [places[place] for place in sorted(places)] == ordered


def test_the_house_names_files_that_are_there():
    text = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./-]+/[\w./-]*|[\w-]+\.(?:py|md|toml|txt))`", text))
    named -= {name for name in named if "NAME" in name or name == "__init__.py"}
    assert len(named) > 40
    places = (ROOT, ROOT / "src" / "mteb_hybrid")
    assert [n for n in sorted(named) if not any((place / n).exists() for place in places)] == []
