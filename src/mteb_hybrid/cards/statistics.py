"""How many texts a collection has, as the statistics beside its card say."""

import json
import operator
from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import card_settings, task_name, task_views


class Counts(NamedTuple):
    """How many texts there are in a language."""

    queries: int = 0
    passages: int = 0


def counts(card: TaskCard) -> dict[str, Counts]:
    """Texts by language, from what MTEB's ``calculate_descriptive_statistics`` wrote.

    Args:
        card: The card.

    Returns:
        Queries that are asked in a subset, and passages in one, where several differ the most; of
        pairs, which share no texts, those of all subsets. Empty if there are no statistics, or they
        are of other subsets.
    """
    found: dict[str, Counts] = {}
    for side, language, stats in subset_statistics(card):
        try:
            if side == "queries":
                more = Counts(queries=stats["num_queries"])
            else:
                more = Counts(passages=stats["num_documents"])
        except (KeyError, TypeError):
            continue
        how = operator.add if card.source.format == "pairs" else max
        found[language] = Counts(*map(how, found.get(language, Counts()), more))
    return found


def subset_statistics(
    card: TaskCard, asked: Mapping[str, Container[str]] | None = None
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What the statistics beside a card have of queries and passages in one language.

    Args:
        card: The card.
        asked: Languages of ``queries`` and of ``passages``; subsets with others are left out.

    Yields:
        ``queries`` or ``passages``, the language, and what MTEB counted in a subset with these
        alone; nothing of a setting without statistics, or with those of other subsets.
    """
    for setting in card_settings(card):
        file = card.file.parent / "statistics" / f"{task_name(card, setting)}.json"
        try:
            subsets = json.loads(file.read_bytes())[card.split]["hf_subset_descriptive_stats"]
            for name, view in task_views(card, setting).items():
                if asked and not (
                    view.query_language in asked["queries"]
                    and all(x in asked["passages"] for x in view.passage_languages)
                ):
                    continue
                yield "queries", view.query_language, subsets[name]
                if len(view.passage_languages) == 1:
                    yield "passages", view.passage_languages[0], subsets[name]
        except (OSError, ValueError, KeyError, TypeError):
            continue
