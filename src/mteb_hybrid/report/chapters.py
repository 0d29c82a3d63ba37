"""What a report has on each collection."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.report import figures, matrices, tables
from mteb_hybrid.report.comparisons import comparison
from mteb_hybrid.report.headline import bias, headline
from mteb_hybrid.report.message import Message, message
from mteb_hybrid.report.notes import notes
from mteb_hybrid.report.picture import Picture
from mteb_hybrid.report.reading import reading
from mteb_hybrid.report.tables import Table
from mteb_hybrid.report.trade_off import trade_off
from mteb_hybrid.results.summary import CollectionSummary, Summary
from mteb_hybrid.retrieval.views import Setting


@dataclass(frozen=True)
class Chapter:
    """What a report has on one collection, in the order of the page."""

    title: str
    anchor: str
    card: TaskCard
    message: Message
    headline: Table
    readings: list[tuple[str, str]]
    bias: list[tuple[str, Table]]
    trade_off: Picture | None
    heat_maps: list[list[Picture]]
    by_passage: list[Picture]
    by_query: list[Picture]
    kinds: Table | None
    comparison: Table | None
    notes: list[str]

    @property
    def pictures(self) -> list[Picture]:
        """All figures."""
        first = [picture for picture in (self.message.picture, self.trade_off) if picture]
        maps = [picture for ours in self.heat_maps for picture in ours]
        return [*first, *maps, *self.by_passage, *self.by_query]

    @property
    def how_to_read_heat_maps(self) -> list[str]:
        """What its heat maps show, once for all models."""
        return matrices.how_to_read(picture for ours in self.heat_maps for picture in ours)

    @property
    def tables(self) -> Iterator[tuple[str, Table]]:
        """All tables, with their names among files."""
        for table in (
            self.headline,
            *(table for _, table in self.bias),
            self.kinds,
            self.comparison,
        ):
            if table:
                yield f"{self.anchor}-{table.key}", table
        for picture in self.pictures:
            yield picture.file, picture.numbers

    @property
    def measures(self) -> set[str]:
        """Names of the measures that it has a value of."""
        return {name for _, table in self.tables for name in table.measures.values()}


def chapters(summary: Summary) -> list[Chapter]:
    """Everything a report shows, one chapter per collection."""
    return [_chapter(collection) for collection in summary.collections]


def _chapter(collection: CollectionSummary) -> Chapter:
    compared, refused = comparison(collection)
    # The number tells models apart whose names differ only in what a file name cannot hold.
    maps = [
        matrices.pictures(collection, model, _stem(collection), f"{number}-{_slug(model.label)}")
        for number, model in enumerate(collection.models, 1)
    ]
    return Chapter(
        title=collection.title,
        anchor=_stem(collection),
        card=collection.card,
        message=message(collection),
        headline=headline(collection),
        readings=[(model.label, reading(collection, model)) for model in collection.models],
        bias=bias(collection),
        trade_off=trade_off(collection),
        heat_maps=[found for found in maps if found],
        by_passage=list(_by_passage(collection)),
        by_query=list(_by_query(collection)),
        kinds=tables.by_kind_of_language(collection),
        comparison=compared,
        notes=[*notes(collection), *refused],
    )


def _by_passage(collection: CollectionSummary) -> Iterator[Picture]:
    for measure, draw, caption, about in (
        (
            "mean_rank",
            figures.mean_ranks,
            "Mean rank of the answers, by passage language",
            "The further to the right, the lower the answers in a language stand.",
        ),
        (
            "language_share_at_10",
            figures.language_shares,
            "Languages of the top 10, beside their share of the pool",
            "A bar that goes past its line: the language takes more of the top 10 than it has of "
            "the pool.",
        ),
    ):
        numbers = tables.by_passage_language(collection, measure)
        if len(numbers.head) > 1:
            file = f"{_stem(collection)}-{numbers.key}"
            yield Picture(file, caption, draw(collection), numbers, about)


def _by_query(collection: CollectionSummary) -> Iterator[Picture]:
    if any(Setting.MULTILINGUAL in model.evaluations for model in collection.models):
        numbers = tables.by_query_language(collection)
        file = f"{_stem(collection)}-{numbers.key}"
        caption = "map in the pool of all languages, by query language"
        limits = [model.pool_map_intervals for model in collection.models]
        about = "Longer is better." + (
            " Lines at the ends of bars: 95% bootstrap intervals over questions."
            if not all(np.isnan(ends).all() for ends in limits)
            else ""
        )
        yield Picture(file, caption, figures.pool_map(collection), numbers, about)


def _stem(collection: CollectionSummary) -> str:
    return collection.card.file.stem


def _slug(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", model)[:60].strip("-.")
