"""What a measure is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks
from mteb_hybrid.retrieval.views import Setting

MULTILINGUAL = frozenset({Setting.MULTILINGUAL})


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
    """

    name: str
    lowest: float
    highest: float
    better: Literal["higher", "lower", "zero", "none"]
    formula: str
    citation: str
    settings: frozenset[Setting]
    values: Callable[[Ranks], Floats] = field(repr=False)
    by_language: bool = False
    of_view: bool = False

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
        if not self.by_language:
            return {self.name: float(values)}
        return {
            f"{self.name}_{language}": float(value)
            for language, value in zip(ranks.pool.languages, values, strict=True)
        }
