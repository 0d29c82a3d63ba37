"""The report: one HTML page that needs nothing else, and its figures and tables as files."""

import importlib.metadata
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import card_settings
from mteb_hybrid.report import figures, svg, tables
from mteb_hybrid.report.comparisons import comparison
from mteb_hybrid.report.glossary import Words, words
from mteb_hybrid.report.notes import notes
from mteb_hybrid.report.reading import reading
from mteb_hybrid.report.tables import NONE, Table
from mteb_hybrid.report.templates import render
from mteb_hybrid.results.results import Results
from mteb_hybrid.results.text_table import Format
from mteb_hybrid.retrieval.views import Setting


@dataclass(frozen=True)
class Picture:
    """A figure with its caption and its numbers.

    Attributes:
        file: Its name among files, without suffix.
        caption: What it shows.
        figure: The figure.
        numbers: The same as a table.
    """

    file: str
    caption: str
    figure: Figure
    numbers: Table

    @property
    def svg(self) -> Markup:
        """The figure as an element of the page; made here, with every text escaped."""
        text = svg.inline(
            *(self.figure, svg.key_of(self.file), self.caption),
            "The numbers are in the table below the figure.",
        )
        return Markup(text)  # noqa: S704


@dataclass(frozen=True)
class Chapter:
    """What a report has on one collection."""

    title: str
    anchor: str
    card: TaskCard
    readings: list[tuple[str, str]]
    headline: Table
    bias: Table | None
    heat_maps: list[list[Picture]]
    by_passage: list[Picture]
    by_query: list[Picture]
    kinds: Table | None
    comparison: Table | None
    notes: list[str]

    @property
    def pictures(self) -> list[Picture]:
        """All figures."""
        return [*(p for ours in self.heat_maps for p in ours), *self.by_passage, *self.by_query]

    @property
    def tables(self) -> Iterator[tuple[str, Table]]:
        """All tables, with their names among files."""
        for table in (self.headline, self.bias, self.kinds, self.comparison):
            if table:
                yield f"{self.anchor}-{table.key}", table
        for picture in self.pictures:
            yield picture.file, picture.numbers


def write_report(
    results: Results,
    output: Path,
    figure_folder: Path | None = None,
    table_folder: Path | None = None,
) -> None:
    """Write a report; every file is put in place only when it is whole.

    Args:
        results: What `load_results` returned.
        output: The HTML page.
        figure_folder: Where to write the figures as SVG and PNG too.
        table_folder: Where to write the tables as Markdown and LaTeX too.
    """
    found = chapters(results)
    _write(output, page(results, found).encode())
    for chapter in found:
        for picture in chapter.pictures if figure_folder else ():
            for format in ("svg", "png"):
                file = Path(figure_folder or "", f"{picture.file}.{format}")
                _write(file, svg.file_bytes(picture.figure, format))
        for name, table in chapter.tables if table_folder else ():
            for suffix, kind in (("md", Format.MARKDOWN), ("tex", Format.LATEX)):
                file = Path(table_folder or "", f"{name}.{suffix}")
                _write(file, table.text(kind).encode())


def page(results: Results, found: list[Chapter]) -> str:
    """The HTML page. It refers to nothing outside itself, and runs no script."""
    shown = [w for w in words().values() if any(_shows(results, w, c) for c in found)]
    return render(
        "page.html.jinja",
        chapters=found,
        measures=shown,
        models=list(results.labels.values()),
        environment=tables.environment(results),
        languages=tables.languages(results),
        version=importlib.metadata.version("mteb-hybrid"),
    )


def chapters(results: Results) -> list[Chapter]:
    """Everything a report shows, one chapter per collection."""
    return [_chapter(results, collection) for collection in results.collections]


def _chapter(results: Results, collection: str) -> Chapter:
    card = results.collections[collection]
    models = results.models(collection)
    compared, refused = comparison(results, collection)
    return Chapter(
        title=collection,
        anchor=card.file.stem,
        card=card,
        readings=[(m, reading(results, collection, m)) for m in models],
        headline=tables.headline(results, collection),
        bias=tables.bias(results, collection),
        heat_maps=[maps for model in models if (maps := _heat_maps(results, collection, model))],
        by_passage=list(_by_passage(results, collection)),
        by_query=list(_by_query(results, collection)),
        kinds=tables.by_kind_of_language(results, collection),
        comparison=compared,
        notes=[*notes(results, collection), *refused],
    )


def _heat_maps(results: Results, collection: str, model: str) -> list[Picture]:
    kinds: tuple[tuple[Callable[..., Figure], str | None, str], ...] = (
        (figures.transfer_matrix, None, "map, query language against passage language"),
        (
            figures.gold_language_matrix,
            "gold_language_map",
            "H: map in the pool of all languages when one language has the only answer left",
        ),
    )
    # The number tells models apart whose names differ only in what a file name cannot hold.
    number = results.models(collection).index(model) + 1
    found = []
    if Setting.CROSSLINGUAL not in card_settings(results.collections[collection]):
        kinds = kinds[1:]  # the transfer matrix would be a diagonal
    for draw, prefix, what in kinds:
        if not np.isnan(results.matrix(collection, model, prefix)).all():
            numbers = tables.matrix(results, collection, model, prefix)
            file = f"{_stem(results, collection)}-{numbers.key}-{number}-{_slug(model)}"
            caption = f"{model}: {what}"
            found.append(Picture(file, caption, draw(results, collection, model), numbers))
    return found


def _by_passage(results: Results, collection: str) -> Iterator[Picture]:
    for prefix, draw, caption in (
        ("mean_rank", figures.mean_ranks, "Mean rank of the answers, by passage language"),
        (
            "language_share_at_10",
            figures.language_shares,
            "Languages of the top 10, beside their share of the pool",
        ),
    ):
        numbers = tables.by_passage_language(results, collection, prefix)
        if len(numbers.head) > 1:
            file = f"{_stem(results, collection)}-{numbers.key}"
            yield Picture(file, caption, draw(results, collection), numbers)


def _by_query(results: Results, collection: str) -> Iterator[Picture]:
    numbers = tables.by_query_language(results, collection)
    if any(
        results.evaluation(collection, model, Setting.MULTILINGUAL)
        for model in results.models(collection)
    ):
        file = f"{_stem(results, collection)}-{numbers.key}"
        caption = "map in the pool of all languages, by query language"
        yield Picture(file, caption, figures.pool_map(results, collection), numbers)


def _shows(results: Results, about: Words, chapter: Chapter) -> bool:
    """Whether a chapter has a number of this measure."""
    if about.by_language:
        keys = {about.name.replace("_", "-")}
        keys |= {"gold-language"} if about.name == "gold_language_map" else set()
        keys |= {"language-share-at-10"} if about.name == "pool_share" else set()
        return any(picture.numbers.key in keys for picture in chapter.pictures)
    if chapter.bias and about.title in {row[0] for row in chapter.bias.rows}:
        return True
    columns = [name for _, _, name in tables.headline_columns(chapter.card)]
    return any(
        name == about.name and row[place] != NONE
        for row in chapter.headline.rows
        for place, name in enumerate(columns, 1)
    )


def _stem(results: Results, collection: str) -> str:
    return results.collections[collection].file.stem


def _slug(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", model)[:60].strip("-.")


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    unfinished.write_bytes(content)
    unfinished.replace(file)
