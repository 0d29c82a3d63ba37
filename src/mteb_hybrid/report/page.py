"""The report: one HTML page that needs nothing else, and its figures and tables as files."""

import importlib.metadata
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.files.whole import whole
from mteb_hybrid.pages.templates import render
from mteb_hybrid.repair.record import Record
from mteb_hybrid.report import figures, svg, tables
from mteb_hybrid.report.comparisons import comparison
from mteb_hybrid.report.glossary import Words, words
from mteb_hybrid.report.notes import notes
from mteb_hybrid.report.picture import Picture
from mteb_hybrid.report.reading import reading
from mteb_hybrid.report.repairs import RepairChapter, repair_chapters
from mteb_hybrid.report.tables import Table
from mteb_hybrid.report.trade_off import trade_off
from mteb_hybrid.results.cells import NONE
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary, Summary
from mteb_hybrid.results.text_table import Format
from mteb_hybrid.retrieval.views import Setting


@dataclass(frozen=True)
class Chapter:
    """What a report has on one collection."""

    title: str
    anchor: str
    card: TaskCard
    readings: list[tuple[str, str]]
    headline: Table
    headline_measures: list[str]
    trade_off: Picture | None
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
        first = [self.trade_off] if self.trade_off else []
        maps = [picture for ours in self.heat_maps for picture in ours]
        return [*first, *maps, *self.by_passage, *self.by_query]

    @property
    def tables(self) -> Iterator[tuple[str, Table]]:
        """All tables, with their names among files."""
        for table in (self.headline, self.bias, self.kinds, self.comparison):
            if table:
                yield f"{self.anchor}-{table.key}", table
        for picture in self.pictures:
            yield picture.file, picture.numbers


def write_report(
    summary: Summary,
    output: Path,
    figure_folder: Path | None = None,
    table_folder: Path | None = None,
    repairs: Sequence[Record] = (),
) -> None:
    """Write a report; every file is put in place only when it is whole.

    Args:
        summary: What `summarise` returned.
        output: The HTML page.
        figure_folder: Where to write the figures as SVG and PNG too.
        table_folder: Where to write the tables as Markdown and LaTeX too.
        repairs: What the folders of repaired models tell of their repairs.
    """
    found, repaired = chapters(summary), repair_chapters(repairs)
    with whole(output, follow=True) as part:
        part.write_bytes(page(summary, found, repaired).encode())
    parts: list[Chapter | RepairChapter] = [*found, *repaired]
    for chapter in parts:
        for picture in chapter.pictures if figure_folder else ():
            for format in ("svg", "png"):
                file = Path(figure_folder or "", f"{picture.file}.{format}")
                _write(file, svg.file_bytes(picture.figure, format))
        for name, table in chapter.tables if table_folder else ():
            for suffix, kind in (("md", Format.MARKDOWN), ("tex", Format.LATEX)):
                file = Path(table_folder or "", f"{name}.{suffix}")
                _write(file, table.text(kind).encode())


def page(summary: Summary, found: list[Chapter], repaired: Sequence[RepairChapter] = ()) -> str:
    """The HTML page. It refers to nothing outside itself, and runs no script."""
    shown = [w for w in words().values() if any(_shows(w, chapter) for chapter in found)]
    return render(
        Path(__file__).parent,
        "page.html.jinja",
        chapters=found,
        repairs=repaired,
        measures=shown,
        models=list(dict.fromkeys(label for label, _ in summary.evaluations)),
        environment=tables.environment(summary),
        languages=tables.languages(summary),
        version=importlib.metadata.version("mteb-hybrid"),
    )


def chapters(summary: Summary) -> list[Chapter]:
    """Everything a report shows, one chapter per collection."""
    return [_chapter(collection) for collection in summary.collections]


def _chapter(collection: CollectionSummary) -> Chapter:
    compared, refused = comparison(collection)
    return Chapter(
        title=collection.title,
        anchor=_stem(collection),
        card=collection.card,
        readings=[(model.label, reading(collection, model)) for model in collection.models],
        headline=tables.headline(collection),
        headline_measures=[name for _, _, name in tables.headline_columns(collection)],
        trade_off=trade_off(collection),
        bias=tables.bias(collection),
        heat_maps=list(filter(None, map(partial(_heat_maps, collection), collection.models))),
        by_passage=list(_by_passage(collection)),
        by_query=list(_by_query(collection)),
        kinds=tables.by_kind_of_language(collection),
        comparison=compared,
        notes=[*notes(collection), *refused],
    )


def _heat_maps(collection: CollectionSummary, model: ModelSummary) -> list[Picture]:
    # The number tells models apart whose names differ only in what a file name cannot hold.
    number = collection.models.index(model) + 1
    found = []
    for values, draw, numbers, what in (
        (
            model.transfer,
            figures.transfer_matrix,
            tables.transfer,
            "map, query language against passage language",
        ),
        (
            model.gold_language,
            figures.gold_language_matrix,
            tables.gold_language,
            "map in the pool of all languages when one language has the only answer left",
        ),
    ):
        # Without pairs of languages the transfer matrix would be a diagonal.
        a_diagonal = values is model.transfer and Setting.CROSSLINGUAL not in collection.settings
        if not np.isnan(values).all() and not a_diagonal:
            table = numbers(collection, model)
            file = f"{_stem(collection)}-{table.key}-{number}-{_slug(model.label)}"
            caption = f"{model.label}: {what}"
            found.append(Picture(file, caption, draw(collection, model), table))
    return found


def _by_passage(collection: CollectionSummary) -> Iterator[Picture]:
    for measure, draw, caption in (
        ("mean_rank", figures.mean_ranks, "Mean rank of the answers, by passage language"),
        (
            "language_share_at_10",
            figures.language_shares,
            "Languages of the top 10, beside their share of the pool",
        ),
    ):
        numbers = tables.by_passage_language(collection, measure)
        if len(numbers.head) > 1:
            file = f"{_stem(collection)}-{numbers.key}"
            yield Picture(file, caption, draw(collection), numbers)


def _by_query(collection: CollectionSummary) -> Iterator[Picture]:
    if any(Setting.MULTILINGUAL in model.evaluations for model in collection.models):
        numbers = tables.by_query_language(collection)
        file = f"{_stem(collection)}-{numbers.key}"
        caption = "map in the pool of all languages, by query language"
        yield Picture(file, caption, figures.pool_map(collection), numbers)


def _shows(about: Words, chapter: Chapter) -> bool:
    """Whether a chapter has a number of this measure."""
    if about.by_language:
        keys = {about.name.replace("_", "-")}
        keys |= {"gold-language"} if about.name == "gold_language_map" else set()
        keys |= {"language-share-at-10"} if about.name == "pool_share" else set()
        return any(picture.numbers.key in keys for picture in chapter.pictures)
    if chapter.bias and about.title in {row[0] for row in chapter.bias.rows}:
        return True
    return any(
        name == about.name and row[place] != NONE
        for row in chapter.headline.rows
        for place, name in enumerate(chapter.headline_measures, 1)
    )


def _stem(collection: CollectionSummary) -> str:
    return collection.card.file.stem


def _slug(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", model)[:60].strip("-.")


def _write(file: Path, content: bytes) -> None:
    with whole(file) as part:
        part.write_bytes(content)
