"""What an ideal model and one that ranks at random get on a collection, in numbers."""

import json
import statistics
from collections.abc import Callable, Sequence

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import task_name, task_views
from mteb_hybrid.report.glossary import words
from mteb_hybrid.results.cells import NONE
from mteb_hybrid.results.summary import CollectionSummary
from mteb_hybrid.retrieval.views import Setting, view_passages, view_queries
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.locate import is_there

IDEAL, CHANCE = "an ideal model", "by chance"
Pools = list[tuple[int, float]]


def landmarks(
    collection: CollectionSummary, columns: Sequence[tuple[str, Setting, str]]
) -> tuple[tuple[str, ...], ...]:
    """Two rows: what an ideal model gets in each column, and what one gets by chance.

    Args:
        collection: The collection.
        columns: Title, setting and measure of each.
    """
    pools = {setting: _pools(collection.card, setting) for setting in collection.settings}
    ideal: list[str] = []
    chance: list[str] = []
    for _, setting, name in columns:
        best, random = _values(name, pools[setting], pools.get(Setting.MONOLINGUAL, []))
        for row, value in ((ideal, best), (chance, random)):
            row.append(NONE if value is None else _short(value, words()[name].digits))
    return (IDEAL, *ideal), (CHANCE, *chance)


def random_map(pool: int, relevant: float) -> float:
    """Expected average precision of a random order of N passages, n of them relevant.

    (H(N) + (n - 1)(N - H(N)) / (N - 1)) / N, with H(N) the sum of 1/i up to N.
    """
    harmonic = sum(1 / i for i in range(1, pool + 1))
    return (harmonic + (relevant - 1) * (pool - harmonic) / max(pool - 1, 1)) / pool


def random_distance(pool: int, relevant: float) -> float:
    """Expected ranks between the first and the last of n relevant passages among N."""
    return (relevant - 1) * (pool + 1) / (relevant + 1)


def _values(name: str, pools: Pools, alone: Pools) -> tuple[float | None, float | None]:
    """The ideal and the chance value of a measure, as a mean over pools."""

    def mean(function: Callable[[int, float], float], over: Pools) -> float | None:
        return statistics.fmean(function(*pool) for pool in over) if over else None

    if name == "map":
        return 1, mean(random_map, pools)
    if name == "pool_loss":
        within, together = mean(random_map, alone), mean(random_map, pools)
        return 0, None if within is None or together is None else within - together
    if name == "rank_distance":
        return mean(lambda _, relevant: relevant - 1, pools), mean(random_distance, pools)
    if name == "same_language_lift_at_10":
        return None, 0  # the ideal depends on how many answers are in the query's language
    return None, None


def _short(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if value % 1 else f"{value:,.0f}"


def _pools(card: TaskCard, setting: Setting) -> Pools:
    """Passages, and relevant ones for a query, of each subset; none where they cannot be told.

    They are counted in the texts where nobody has done so, as of a collection of one's own.
    """
    file = card.file.parent / "statistics" / f"{task_name(card, setting)}.json"
    try:
        subsets = json.loads(file.read_bytes())[card.split]["hf_subset_descriptive_stats"]
        return [
            (
                found["num_documents"],
                found["relevant_docs_statistics"]["average_relevant_docs_per_query"],
            )
            for found in subsets.values()
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return _counted(card, setting) if is_there(card) else []


def _counted(card: TaskCard, setting: Setting) -> Pools:
    pools = []
    try:
        collection = load_collection(card)
        for view in task_views(card, setting).values():
            _, qrels = view_queries(collection, view)
            relevant = sum(grade > 0 for judged in qrels.values() for grade in judged.values())
            pools.append((len(view_passages(collection, view)), relevant / len(qrels)))
    except ValueError:  # its texts changed since
        return []
    return pools
