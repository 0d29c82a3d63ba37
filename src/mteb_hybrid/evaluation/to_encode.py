"""What a run encodes: distinct texts by language, counted, or as statistics have them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.statistics import subset_statistics
from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.languages.codes import find_language
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.locate import is_there

SIDES = {"queries": "num_queries", "passages": "num_documents"}
"""Of a collection, and what MTEB's statistics call their number."""

SAMPLE = 200
"""Texts of each language and side that are looked at."""


class Part(NamedTuple):
    """Texts of one language, queries or passages.

    Attributes:
        side: ``queries`` or ``passages``.
        language: Short code.
        texts: How many there are that differ; of statistics, how many there are.
        characters: Of all of them.
        some: Up to `SAMPLE` of them, spread evenly; none if they are not at hand.
    """

    side: str
    language: str
    texts: int
    characters: int
    some: tuple[str, ...] = ()


def languages(selected: Mapping[str, Sequence[str]]) -> dict[str, dict[str, set[str]]]:
    """The languages that tasks encode, of queries and of passages.

    Args:
        selected: Task names to subset names.

    Returns:
        By collection, by side.
    """
    known = tasks_by_name()
    found: dict[str, dict[str, set[str]]] = {}
    for task, subsets in selected.items():
        card, setting = known[task]
        views = task_views(card, setting)
        sides = found.setdefault(card.file.stem, {side: set() for side in SIDES})
        for subset in subsets:
            sides["queries"].add(views[subset].query_language)
            sides["passages"].update(views[subset].passage_languages)
    return found


def counted(card: TaskCard, asked: Mapping[str, set[str]]) -> list[Part] | None:
    """Count the texts of a collection; nothing is downloaded.

    Args:
        card: The collection.
        asked: Languages by side.

    Returns:
        None if its files are not at hand.
    """
    if not is_there(card):
        return None
    try:
        collection = load_collection(card)
    except DataError:
        return None
    found = []
    for side in SIDES:
        table: pl.DataFrame = getattr(collection, side)
        wanted = table.filter(pl.col("language").is_in(list(asked[side])))
        if collection.paired:
            (other,) = SIDES.keys() - {side}
            across = collection.passages.filter(pl.col("language").is_in(list(asked[other])))
            both = wanted.join(across.select("group", across="language"), on="group")
            both = both.filter(pl.col("language") != pl.col("across"))
            wanted = wanted.join(both, on="id", how="semi", maintain_order="left")
        for (language,), rows in wanted.group_by("language", maintain_order=True):
            texts = rows["text"].unique(maintain_order=True)
            some = texts.gather_every(-(-len(texts) // SAMPLE))
            characters = int(texts.str.len_chars().sum())
            found.append(Part(side, str(language), len(texts), characters, tuple(some)))
    return found


def by_statistics(card: TaskCard, asked: Mapping[str, set[str]]) -> list[Part] | None:
    """The texts of a collection as its statistics have them, or those of MTEB's task of the same.

    Args:
        card: The collection.
        asked: Languages by side.

    Returns:
        None if they do not tell of each language.
    """
    pairs = card.source.format == "pairs"
    for statistics in (subset_statistics(card, asked if pairs else None), _of_mteb(card)):
        parts: dict[tuple[str, str], Part] = {}
        for side, language, stats in statistics:
            if language not in asked[side]:
                continue
            try:
                texts = int(stats[SIDES[side]])
                kind = "queries" if side == "queries" else "documents"
                characters = int(stats[f"{kind}_text_statistics"]["total_text_length"])
            except (KeyError, TypeError, ValueError):
                continue
            known = parts.get((side, language), Part(side, language, 0, 0))
            if pairs:  # each has texts of its own
                texts, characters = texts + known.texts, characters + known.characters
            if known.texts < texts:
                parts[side, language] = Part(side, language, texts, characters)
        if len(parts) == sum(map(len, asked.values())):
            return list(parts.values())
    return None


def _of_mteb(card: TaskCard) -> Iterator[tuple[str, str, dict[str, Any]]]:
    import mteb

    known = {language: language for language in card.languages}
    for name in card.metadata.adapted_from:
        try:
            stats = mteb.get_task(name).metadata.descriptive_stats
            own: Any = (stats or {})[card.split]
            subsets = own["hf_subset_descriptive_stats"]
        except (KeyError, ValueError, TypeError):
            continue
        for subset, found in subsets.items():
            if language := find_language(subset, known):
                yield from ((side, language, found) for side in SIDES)
