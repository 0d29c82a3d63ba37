"""How good vectors are on held-out text: no judgments, no test collection.

A text's translations are its answers in a pool of all languages; its own half, the rest of it in a
pool of its language. Each language holds exactly one answer, which favours mergings that balance
languages: read their figures with care.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mteb_hybrid.measures import MAP, RANK_DISTANCE
from mteb_hybrid.repair.merging import Merging
from mteb_hybrid.repair.sample import Sample
from mteb_hybrid.repair.vector_repair import FittedRepair
from mteb_hybrid.retrieval.pool import Floats, Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter


@dataclass(frozen=True)
class HeldOut:
    """Vectors of held-out texts, by language; row i of all is one text and its translations.

    Attributes:
        beginnings: The first half of each text, as a query.
        endings: The second half, as a passage.
        queries: The texts, as the model makes them of queries; none if they are not parallel.
        passages: As it makes them of passages; likewise.
        unit: Whether vectors are compared by cosine, else by dot product.
    """

    beginnings: Sample = field(repr=False)
    endings: Sample = field(repr=False)
    queries: Sample = field(repr=False, default_factory=dict)
    passages: Sample = field(repr=False, default_factory=dict)
    unit: bool = True

    def repaired(self, repair: FittedRepair | None) -> "HeldOut":
        """After a repair, if there is one, and of length 1 where vectors are compared by cosine."""

        def changed(vectors: Sample, *, as_queries: bool) -> Sample:
            stays = as_queries and repair is not None and repair.repair.needs == "passage language"
            found = {}
            for language, x in vectors.items():
                new = x if repair is None or stays else repair(x, [language] * len(x))
                found[language] = normalised(new) if self.unit else np.asarray(new, np.float64)
            return found

        return HeldOut(
            beginnings=changed(self.beginnings, as_queries=True),
            endings=changed(self.endings, as_queries=False),
            queries=changed(self.queries, as_queries=True),
            passages=changed(self.passages, as_queries=False),
            unit=self.unit,
        )


@dataclass(frozen=True)
class Figures:
    """What a repair does to held-out texts; means over query languages.

    Attributes:
        repair: Its name and number of directions; "none" without.
        merging: Its name; "none" without.
        monolingual: map of the second halves of texts, within a language.
        pool: map of the translations in the pool of all languages.
        rank_distance: Of the translations.
        directions: How many it removes: 0 without a repair, None if it has no such choice.
    """

    repair: str
    merging: str
    monolingual: float
    pool: float
    rank_distance: float
    directions: int | None = None


def figures(
    held_out: HeldOut, repair: FittedRepair | None = None, merging: Merging | None = None
) -> Figures:
    """Judge a repair of vectors, a merging, both, or neither.

    Args:
        held_out: Texts that were not fitted on.
        repair: Of vectors.
        merging: Of rankings.
    """
    found = held_out.repaired(repair)
    own = []
    for language, beginnings in found.beginnings.items():
        scores = beginnings @ found.endings[language].T
        mine = np.diag(scores)[:, None]
        ranks = (scores > mine).sum(1) + ((scores == mine).sum(1) + 1) / 2  # ties: the mean rank
        own.append(float((1 / ranks).mean()))
    pool, distance = _translations(found, merging) if found.passages else (np.nan, np.nan)
    return Figures(
        repair=repair.label if repair else "none",
        merging=merging.name if merging else "none",
        monolingual=float(np.mean(own)),
        pool=pool,
        rank_distance=distance,
        directions=repair.directions if repair else 0,
    )


def _translations(held_out: HeldOut, merging: Merging | None) -> tuple[float, float]:
    """Map and rank distance of the translations in the pool of all languages."""
    maps, distances = [], []
    languages = tuple(held_out.passages)
    everything = np.concatenate(list(held_out.passages.values()))
    count = len(everything) // len(languages)
    ids = [f"{language}:{row}" for language in languages for row in range(count)]
    pool = Pool(ids, np.repeat(languages, count).tolist(), languages)
    for place, language in enumerate(languages):
        qrels = {
            f"{language}:{row}": {f"{x}:{row}": 1 for x in languages if x != language}
            for row in range(count)
        }
        scores = np.asarray(held_out.queries[language] @ everything.T, np.float32)
        if merging is not None:
            scores[np.arange(count), place * count + np.arange(count)] = -np.inf  # no candidate
            scores = np.asarray(merging(scores, pool.codes), np.float32)
        counter = RankCounter(pool, qrels, language, ignore_identical_ids=True)
        counter.add(scores)
        ranks, _ = counter.result()
        maps.append(MAP.scores(ranks)["map"])
        distances.append(RANK_DISTANCE.scores(ranks)["rank_distance"])
    return float(np.mean(maps)), float(np.mean(distances))


def halves(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both halves of each text: of its words, or of its characters where spaces are rare."""
    first, second = [], []
    for text in texts:
        words = text.split()
        if len(words) < 4:
            first.append(text[: len(text) // 2])
            second.append(text[len(text) // 2 :])
        else:
            first.append(" ".join(words[: len(words) // 2]))
            second.append(" ".join(words[len(words) // 2 :]))
    return first, second


def normalised(vectors: npt.ArrayLike) -> Floats:
    """Vectors of length 1; a zero vector stays."""
    exact = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(exact / np.where(lengths > 0, lengths, 1))
