"""Kinds of batches, and which rows can serve in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.corpus import Masks, has


@dataclass(frozen=True)
class Kind:
    """What all examples of a batch have in common.

    Attributes:
        name: ``monolingual`` (one language, `pair` holds it twice), ``pair`` (one pair of
            different languages), ``crosslingual`` (a pair of different languages for each
            example) or ``mixed`` (one language for each example).
        pair: Positions of the query's and the passage's language, if the batch has but one pair.
    """

    name: Literal["monolingual", "pair", "crosslingual", "mixed"]
    pair: tuple[int, int] | None = None

    @property
    def is_crosslingual(self) -> bool:
        """Whether both sides of every example are in different languages."""
        return self.name in ("pair", "crosslingual")

    def label(self, languages: Sequence[str]) -> str:
        """How people call it: ``en-de``, or the name where examples differ in languages."""
        if self.pair is None:
            return "cross-lingual" if self.is_crosslingual else self.name
        return "-".join(languages[language] for language in self.pair)

    def allowed(self, queries: Masks, passages: Masks) -> npt.NDArray[np.bool_]:
        """Which rows can serve in such a batch.

        Args:
            queries: Shape (N,), the languages of the rows' questions.
            passages: Shape (N,), those of their passages.

        Returns:
            Shape (N,).
        """
        if self.pair is not None:
            query, passage = self.pair
            if query == passage:
                return has(queries & passages, query)
            return has(queries, query) & has(passages, passage)
        if self.name == "mixed":
            both: npt.NDArray[np.bool_] = (queries & passages) != 0
            return both
        one = queries.dtype.type(1)
        single = (queries == passages) & ((queries & (queries - one)) == 0)
        allowed: npt.NDArray[np.bool_] = (queries != 0) & (passages != 0) & ~single
        return allowed

    def draw(self, query: int, passage: int, chance: float) -> tuple[int, int]:
        """Choose the languages of one example, uniformly from what its row has.

        Args:
            query: Languages of the question, as a mask.
            passage: Languages of the passage.
            chance: A random number from [0, 1).
        """
        if self.pair is not None:
            return self.pair
        if self.name == "mixed":
            both = _bits(query & passage)
            language = both[int(chance * len(both))]
            return language, language
        xs, ys = _bits(query), _bits(passage)
        place = int(chance * (len(xs) * len(ys) - len(_bits(query & passage))))
        for x in xs:
            others = [y for y in ys if y != x]
            if place < len(others):
                return x, others[place]
            place -= len(others)
        raise AssertionError("a row without a cross-lingual pair was let through")


@lru_cache(maxsize=2**16)
def _bits(mask: int) -> tuple[int, ...]:
    return tuple(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def kinds_of(plan: BatchPlan, languages: int, queries: Masks, passages: Masks) -> list[Kind]:
    """The kinds that a plan has for some rows, each fitted by one of them at least.

    Rows of one language can give monolingual batches only, and do, whatever alpha is.

    Args:
        plan: What batches consist of.
        languages: How many languages there are.
        queries: Shape (N,), the languages of the rows' questions.
        passages: Shape (N,), those of their passages.
    """
    crosslingual: list[Kind] = []
    if plan.may_be_crosslingual:
        crosslingual = [Kind("crosslingual")]
        if plan.crosslingual == "pair":
            codes = range(languages)
            crosslingual = [Kind("pair", (x, y)) for x in codes for y in codes if x != y]
    crosslingual = [kind for kind in crosslingual if kind.allowed(queries, passages).any()]
    same: list[Kind] = []
    if plan.may_be_monolingual or not crosslingual:
        same = [Kind("mixed")]
        if plan.method == "hybrid":
            same = [Kind("monolingual", (code, code)) for code in range(languages)]
    same = [kind for kind in same if kind.allowed(queries, passages).any()]
    return [*same, *crosslingual]
