"""The pages of a site, from what it keeps alone."""

import importlib.metadata
import shutil
from collections.abc import Iterable, Set
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from mteb_hybrid import pages as styled
from mteb_hybrid.pages.templates import render
from mteb_hybrid.results.mteb_files import labels
from mteb_hybrid.site import tables
from mteb_hybrid.site.boards import Board, boards, other_data, some
from mteb_hybrid.site.data import csv
from mteb_hybrid.site.feed import feed
from mteb_hybrid.site.kept import Compared, Key, Model, Site, slug
from mteb_hybrid.site.plot import plot

FOLDER = Path(__file__).parent
SHARED = Path(styled.__file__).parent
EXPLORER = "explore"
"""Where an explorer lies in a site: of all models, or of one in a folder with its page's name."""


def model_page(key: Key) -> str:
    """Where the page of a model lies in a site."""
    return f"models/{slug(key)}.html"


def report_page(key: Key, collection: str) -> str:
    """Where the report of a model on a collection lies."""
    return f"reports/{slug(key)}-{collection}.html"


def comparison_page(baseline: Key, model: Key) -> str:
    """Where the comparison of two models lies."""
    return f"comparisons/{slug(baseline)}-{slug(model)}.html"


def write_pages(site: Site, folder: Path, others: Set[str]) -> None:
    """Write all pages, what they are made with, the data as CSV, and the feed.

    Args:
        site: What to show.
        folder: Where to; reports that lie there already are linked.
        others: Files that the site will have beside its own: an explorer is linked.
    """
    (folder / "tabulator").mkdir()
    for file in sorted((SHARED / "vendor" / "tabulator").iterdir()):
        shutil.copyfile(file, folder / "tabulator" / file.name)
    for file in (SHARED / "style.css", FOLDER / "site.css", FOLDER / "site.js"):
        shutil.copyfile(file, folder / file.name)
    _write(folder / "results.csv", csv(site))
    # GitHub Pages would else leave some names out.
    _write(folder / ".nojekyll", "")
    names = labels(model.key for model in site.models)
    links = {model.key: model_page(model.key) for model in site.models}
    news = feed(site, names, links)
    if news:
        (folder / "feed.xml").write_bytes(news)
    found = boards(site)
    write = partial(
        _page,
        folder,
        site=site,
        names=names,
        links=links,
        has_feed=news is not None,
        version=importlib.metadata.version("mteb-hybrid"),
    )
    plots = {board.title: plot(board, names, links) for board in found}
    pairs = {
        key: list(rows)
        for key, rows in groupby(
            sorted(site.comparisons, key=lambda c: (c.baseline, c.model)),
            key=lambda c: (c.baseline, c.model),
        )
    }
    models = {model.key: model for model in site.models}
    write(
        "index.html",
        "index.html.jinja",
        table=tables.leaderboard(found, models, names, links),
        boards=found,
        plots=plots,
        commons=[c for board in found if (c := tables.common(board, names, links))],
        pairs={comparison_page(*pair): pair for pair in pairs},
        undated=sum(not e.date for e in site.evaluations),
        explorer=_explorer(others),
    )
    for collection in site.collections:
        ours = [board for board in found if board.collection.name == collection.name]
        write(
            f"collections/{collection.name}.html",
            "collection.html.jinja",
            collection=collection,
            boards=ours,
            tables=[tables.leaderboard([board], models, names, links) for board in ours],
            commons=[tables.common(board, names, links) for board in ours],
            plots=plots,
            pairs={
                comparison_page(*pair): pair
                for pair, rows in pairs.items()
                if any(c.collection == collection.name for c in rows)
            },
            citation=_lines(collection.citation),
        )
    for model in site.models:
        write(
            links[model.key],
            "model.html.jinja",
            model=model,
            parameters=tables.parameters(model.parameters),
            parts=[_part(board, model, folder) for board in found if model.key in board.rows],
            pairs={comparison_page(*pair): pair for pair in pairs if model.key in pair},
            card=_lines(model.card),
            explorer=_explorer(others, slug(model.key)) or _explorer(others),
        )
    titles = {collection.name: collection.title for collection in site.collections}
    for pair, rows in pairs.items():
        write(
            comparison_page(*pair),
            "comparison.html.jinja",
            pair=pair,
            table=tables.tests(rows, names, titles),
            signatures=_signatures(site, rows, pair),
        )


def _part(board: Board, model: Model, folder: Path) -> dict[str, Any]:
    row, collection = board.rows[model.key], board.collection
    report = report_page(model.key, collection.name)
    return {
        "board": board,
        "trained": tables.trained(row),
        "numbers": tables.numbers(row, collection),
        "provenance": tables.provenance(row, collection),
        "report": report if (folder / report).is_file() else "",
        "lacks": [
            f"{column[0]}: {some(missing)}"
            for column in board.columns
            if (missing := board.missing(model.key, column))
        ],
        "is_old": any(other_data(e, collection) for e in row.values()),
    }


def _signatures(site: Site, rows: Iterable[Compared], pair: tuple[Key, Key]) -> list[str]:
    keys = dict.fromkeys((c.collection, c.setting) for c in rows)
    found = (site.evaluation(key, *of) for of in keys for key in pair)
    return list(dict.fromkeys(e.signature for e in found if e))


def _explorer(others: Set[str], name: str = "") -> str:
    place = "/".join(filter(None, (EXPLORER, name, "index.html")))
    return place if place in others else ""


def _lines(lines: Iterable[str]) -> Markup:
    """Lines as they are, whose indents are kept."""
    return Markup("\n").join(map(escape, lines))


def _page(folder: Path, place: str, template: str, **values: Any) -> None:
    root = "../" * place.count("/")
    _write(folder / place, render(FOLDER / "templates", template, root=root, **values))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="")
