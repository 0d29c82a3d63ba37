"""What the figures mean for who runs a search engine, in plain words."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mteb_hybrid.probe.probe import NONE, Probed
from mteb_hybrid.probe.rankings import ALL

MEANING = (
    "For a search engine: where a lift is above 1, a passage that answers can stand below passages "
    "that only share its reader's language, and of the first {k}, which are all that most users "
    "read and all that a generator is given, it may be none. Repairs that need no judgments: "
    "`mteb-hybrid repair`.",
    "What these figures cannot tell: which passages answer. A language may have more of the first "
    "places because it has the answers, as questions about a country are often answered in its "
    "language; and users may want what they can read. Languages that write of other things are "
    "separable by their topics, too. Judge some queries before you decide: a collection with "
    "judgments is measured by `mteb-hybrid run`.",
)

Look = Callable[..., Mapping[str, Any] | None]


def words(found: Probed) -> list[str]:
    """Sentences: what was found, what a repair changes, what it means, what it does not.

    Args:
        found: What to speak of.
    """
    k = found.about["k"]
    rows = {
        (row["repair"], row["measure"], row["query_language"], row["passage_language"]): row
        for row in found.figures.iter_rows(named=True)
    }
    labels = list(dict.fromkeys(found.figures["repair"]))

    def look(
        measure: str, query: str | None = None, passage: str | None = None, repair: str = NONE
    ) -> Mapping[str, Any] | None:
        row = rows.get((repair, measure, query, passage))
        return None if row is None or math.isnan(row["value"]) else row

    said = [*_of_own(found, look, k), *_of_languages(found, look, NONE), *_of_the_rest(look, k)]
    for label in labels[1:]:
        said += [_of_repair(found, label, look), *_of_languages(found, look, label)]
    return [*said, *(sentence.format(k=k) for sentence in MEANING)]


def _of_own(found: Probed, look: Look, k: int) -> Iterator[str]:
    name = f"own_language_lift_at_{k}"
    own = look(name, ALL)
    if own is None:
        return
    is_clear = own["low"] > 1 or own["high"] < 1  # and not where there is no interval
    doubt = "" if is_clear else ", which may be chance"
    yield (
        f"Passages in a query's own language take {own['value']:.2f} times the share of the first "
        f"{k} places that they have of the corpus{_interval(own)}{doubt}"
        f"{_range(found, look, NONE)}."
    )


def _range(found: Probed, look: Look, repair: str) -> str:
    """The least and the greatest lift of a query language."""
    name = f"own_language_lift_at_{found.about['k']}"
    asked = found.about["queries"]
    lifts = {x: row["value"] for x in asked if (row := look(name, x, None, repair))}
    if len(lifts) < 2:
        return ""
    least, most = min(lifts, key=lifts.__getitem__), max(lifts, key=lifts.__getitem__)
    if _same(lifts[least], lifts[most]):
        return ", for queries in every language"
    return f": {lifts[least]:.2f} times for queries in {least} to {lifts[most]:.2f} in {most}"


def _of_languages(found: Probed, look: Look, repair: str) -> Iterator[str]:
    name = f"language_lift_at_{found.about['k']}"
    spoken = found.about["passages"]
    lifts = {x: row["value"] for x in spoken if (row := look(name, ALL, x, repair))}
    if not lifts:
        return
    most, least = max(lifts, key=lifts.__getitem__), min(lifts, key=lifts.__getitem__)
    when = "Over queries in all languages, " if repair == NONE else "Then, over all queries, "
    if _same(lifts[most], lifts[least]):
        yield (
            f"{when}passages in every language are met {lifts[most]:.2f} times as often as in the "
            "corpus."
        )
        return
    yield (
        f"{when}passages in {most} are met {lifts[most]:.2f} times as often as in the corpus, "
        f"those in {least} {lifts[least]:.2f} times."
    )


def _same(one: float, other: float) -> bool:
    """Whether two numbers look alike: then neither is the least or the greatest."""
    return f"{one:.2f}" == f"{other:.2f}"


def _of_the_rest(look: Look, k: int) -> Iterator[str]:
    if agreement := look(f"ranking_consistency_at_{k}", ALL):
        yield (
            f"Asked in another language, a query's first {k} passages agree to "
            f"{agreement['value']:.2f}{_interval(agreement)}, where 1 is the same list and "
            f"{agreement['chance']:.2f} chance: the further from 1, the more it depends on the "
            "language of the question what is found."
        )
    if near := look(f"same_language_neighbours_at_{k}", None, ALL):
        said = (
            f"Of a passage's {k} nearest neighbours {near['value']:.0%} are in its own language, "
            f"{near['chance']:.0%} by chance"
        )
        if read := look("language_probe_accuracy", None, ALL):
            said += (
                f"; a linear probe reads the language of {read['value']:.0%} of passages, "
                f"{read['chance']:.0%} by chance"
            )
        yield f"{said}: how far the space is ordered by language, whatever the texts say."


def _of_repair(found: Probed, label: str, look: Look) -> str:
    k, parts = found.about["k"], []
    own = f"own_language_lift_at_{k}"
    for measure, passage, what in (
        (own, None, "the lift of the query's own language"),
        (f"ranking_consistency_at_{k}", None, "the agreement of translated queries"),
        (f"same_language_neighbours_at_{k}", ALL, "the share of neighbours of the same language"),
        ("language_probe_accuracy", ALL, "the accuracy of the probe"),
    ):
        query = None if passage else ALL
        before, after = (look(measure, query, passage, name) for name in (NONE, label))
        if before and after:
            said = f"{what} goes from {before['value']:.2f} to {after['value']:.2f}"
            parts.append(said + (_range(found, look, label) if measure == own else ""))
    after = look(own, ALL, None, label)
    too_far = after is not None and after["high"] < 1
    return f"With the repair {label}, {'; '.join(parts)}." + (
        " It goes too far: passages in a query's own language then have fewer of the first places "
        "than their number gives them."
        if too_far
        else ""
    )


def _interval(row: Mapping[str, Any]) -> str:
    if math.isnan(row["low"]):
        return ""
    return f" (95% interval {row['low']:.2f} to {row['high']:.2f})"
