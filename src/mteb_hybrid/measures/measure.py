"""What a measure is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks
from mteb_hybrid.retrieval.views import Setting

MULTILINGUAL = frozenset({Setting.MULTILINGUAL})

MEASURED_ON = "_measured_on"
"""Ends the key of the share of queries that the value before it was measured on."""


@dataclass(frozen=True)
class Landmarks:
    """What a value is to be compared with, in words or as a formula.

    For a pool of N passages with n relevant ones, one in each of L languages unless it says
    otherwise; H(N) is the sum of 1/i up to N.

    Attributes:
        constant: What an encoder gets that gives all passages the same score.
        chance: What one gets on average that orders passages at random.
        ideal: What one gets that puts the relevant passages on top.
        below_cut: What becomes of passages that a search model did not return.
    """

    constant: str
    chance: str
    ideal: str
    below_cut: str


@dataclass(frozen=True)
class Measure:
    """A pure function from ranks to one value per query; aggregated last.

    Attributes:
        name: Its key in scores; with ``by_language``, followed by ``_`` and the language.
        lowest: Lower end of its range.
        highest: Upper end of its range; ``inf`` where it depends on the pool.
        better: Which direction is better: ``higher``, ``lower``, ``zero`` (unbiased at 0), or
            ``none`` for a description.
        formula: Its definition, for one query.
        citation: Paper or program that defines it.
        settings: Settings in which it is defined.
        values: `Ranks` of Q queries to Q values, NaN for a query that is left out. With
            ``by_language``, to shape (Q, L), one value for each language of the pool.
        by_language: Whether it has a value for each language of the pool.
        of_view: Whether it is defined for all queries of a view together: then `values` returns
            one value, or L values.
        queries: With ``of_view``, shape (Q,): which queries the value was taken over; None for all.
    """

    name: str
    lowest: float
    highest: float
    better: Literal["higher", "lower", "zero", "none"]
    formula: str
    citation: str
    settings: frozenset[Setting]
    values: Callable[[Ranks], Floats] = field(repr=False)
    landmarks: Landmarks = field(repr=False)
    by_language: bool = False
    of_view: bool = False
    queries: Callable[[Ranks], npt.NDArray[np.bool_]] | None = field(default=None, repr=False)

    def scores(self, ranks: Ranks) -> dict[str, float]:
        """Means over the queries that are not left out, by name; NaN if all are."""
        return self.means(self.values(ranks), ranks)

    def means(self, values: Floats, ranks: Ranks) -> dict[str, float]:
        """The same from values at hand: what `values` returned for `ranks`."""
        if not self.of_view:
            kept = ~np.isnan(values)
            total = np.where(kept, values, 0).sum(axis=0)
            with np.errstate(invalid="ignore"):
                values = np.asarray(total / kept.sum(axis=0))
        return dict(zip(self._names(ranks), np.atleast_1d(values).tolist(), strict=True))

    def measured_on(self, values: Floats, ranks: Ranks) -> dict[str, float]:
        """The share of queries that each of `means` was measured on, under the same names.

        The others were left out: they have no such value.
        """
        if not self.of_view:
            shares = np.atleast_1d((~np.isnan(values)).mean(axis=0))
        else:
            share = self.queries(ranks).mean() if self.queries else 1.0
            shares = np.where(np.isnan(np.atleast_1d(values)), 0.0, share)
        return dict(zip(self._names(ranks), shares.tolist(), strict=True))

    def _names(self, ranks: Ranks) -> list[str]:
        if not self.by_language:
            return [self.name]
        return [f"{self.name}_{language}" for language in ranks.pool.languages]
