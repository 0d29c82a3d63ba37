"""What a model's numbers say, in words."""

import math
from collections.abc import Iterator, Mapping

from mteb_hybrid.languages.codes import language_name
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary
from mteb_hybrid.retrieval.views import Setting


def reading(collection: CollectionSummary, model: ModelSummary) -> str:
    """What a model's numbers say, in two or three sentences."""
    values = {key: cell.value for key, cell in model.cells.items() if cell.is_whole}
    parts = [
        f"{values[setting, 'map']:.3f} {where}"
        for setting, where in (
            (Setting.MONOLINGUAL, "where it searches the language of the query"),
            (Setting.CROSSLINGUAL, "where it searches one other language"),
            (Setting.MULTILINGUAL, "where it searches all languages at once"),
        )
        if (setting, "map") in values
    ]
    if not parts:
        return "No setting is complete, so nothing is said about it."
    said = [f"Its map is {_and(parts)}."]
    distance = model.cells.get((Setting.MULTILINGUAL, "rank_distance"))
    if distance and distance.is_whole:
        said.append(
            "In the pool of all languages the best and the worst placed translation of an answer "
            f"lie {distance.value:,.0f} ranks apart on average{distance.mark}."
        )
    if (unjudged := values.get((Setting.MULTILINGUAL, "unjudged_at_10"))) is not None:
        said += _judged_in_one(values, unjudged)
    if (gap := values.get((Setting.MULTILINGUAL, "gold_language_gap"))) is not None:
        said.append(
            f"A lone answer scores {abs(gap):.3f} {'higher' if gap > 0 else 'lower'} in the "
            "language of the query than in another one."
        )
    ranks = model.by_passage_language["mean_rank"]
    if not any(math.isnan(rank) for rank in ranks):
        languages = [language_name(x.code) for x in collection.card.languages.values()]
        best, worst = languages[int(ranks.argmin())], languages[int(ranks.argmax())]
        said.append(
            f"Answers in {best} stand highest (mean rank {ranks.min():,.0f}), those in {worst} "
            f"lowest ({ranks.max():,.0f})."
        )
    return " ".join(said)


def _judged_in_one(values: Mapping[tuple[Setting, str], float], unjudged: float) -> Iterator[str]:
    """What the pool costs where queries are judged in their own language only."""
    if (loss := values.get((Setting.MULTILINGUAL, "pool_loss"))) is not None:
        yield (
            f"The pool costs up to {loss:.3f}: of the top 10 there {unjudged:.0%} were not judged, "
            "and some of them may answer the question."
        )
    if (lift := values.get((Setting.MULTILINGUAL, "same_language_lift_at_10"))) is not None:
        yield (
            f"The language of the query has {1 + lift:.1f} times as much of that top 10 as of the "
            "pool."
        )


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
