"""What a model's numbers say, in words."""

import math
from collections.abc import Iterator, Mapping

from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.results.cells import Cell
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary
from mteb_hybrid.retrieval.views import Setting


def reading(collection: CollectionSummary, model: ModelSummary) -> str:
    """What a model's numbers say, in two or three sentences."""
    cells = {key: cell for key, cell in model.cells.items() if cell.is_whole}
    parts = [
        f"{cell.value:.3f}{cell.mark} {where}"
        for setting, where in (
            (Setting.MONOLINGUAL, "where it searches the language of the query"),
            (Setting.CROSSLINGUAL, "where it searches one other language"),
            (Setting.MULTILINGUAL, "where it searches all languages at once"),
        )
        if (cell := cells.get((setting, "map")))
    ]
    if not parts:
        return "No setting is complete, so nothing is said about it."
    said = [f"Its map is {_and(parts)}."]
    if distance := cells.get((Setting.MULTILINGUAL, "rank_distance")):
        said.append(
            "In the pool of all languages the best and the worst placed translation of an answer "
            f"lie {distance.value:,.0f} ranks apart on average{distance.mark}."
        )
    if unjudged := cells.get((Setting.MULTILINGUAL, "unjudged_at_10")):
        said += _judged_in_one(cells, unjudged)
    if gap := cells.get((Setting.MULTILINGUAL, "gold_language_gap")):
        more = "higher" if gap.value > 0 else "lower"
        said.append(
            f"A lone answer scores {abs(gap.value):.3f}{gap.mark} {more} in the language of the "
            "query than in another one."
        )
    ranks = model.by_passage_language["mean_rank"]
    if not any(math.isnan(rank) for rank in ranks):
        languages = [language_name(x.code) for x in collection.card.languages.values()]
        pool = model.cells.get((Setting.MULTILINGUAL, "map"))
        best, worst = languages[int(ranks.argmin())], languages[int(ranks.argmax())]
        said.append(
            f"Answers in {best} stand highest (mean rank {ranks.min():,.0f}), those in {worst} "
            f"lowest ({ranks.max():,.0f}){pool.mark if pool else ''}."
        )
    return " ".join(said)


def _judged_in_one(cells: Mapping[tuple[Setting, str], Cell], unjudged: Cell) -> Iterator[str]:
    """What the pool costs where queries are judged in their own language only."""
    if loss := cells.get((Setting.MULTILINGUAL, "pool_loss")):
        yield (
            f"The pool costs up to {loss.value:.3f}{loss.mark}: of the top 10 there "
            f"{unjudged.value:.0%}{unjudged.mark} were not judged, and some of them may answer the "
            "question."
        )
    if lift := cells.get((Setting.MULTILINGUAL, "same_language_lift_at_10")):
        yield (
            f"The language of the query has {1 + lift.value:.1f} times{lift.mark} as much of that "
            "top 10 as of the pool."
        )


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
