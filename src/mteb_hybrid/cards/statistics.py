"""How many texts a collection has, as the statistics beside its card say."""

import json
from typing import NamedTuple

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
        Queries that are asked in a subset, and passages in one, where several differ the most;
        empty if there are no statistics, or they are of other subsets.
    """
    found: dict[str, Counts] = {}
    for setting in card_settings(card):
        file = card.file.parent / "statistics" / f"{task_name(card, setting)}.json"
        try:
            subsets = json.loads(file.read_bytes())[card.split]["hf_subset_descriptive_stats"]
            for name, view in task_views(card, setting).items():
                asked, pool = subsets[name]["num_queries"], subsets[name]["num_documents"]
                _add(found, view.query_language, Counts(queries=asked))
                if len(view.passage_languages) == 1:
                    _add(found, *view.passage_languages, Counts(passages=pool))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _add(found: dict[str, Counts], language: str, more: Counts) -> None:
    known = found.get(language, Counts())
    found[language] = Counts(*map(max, known, more))
