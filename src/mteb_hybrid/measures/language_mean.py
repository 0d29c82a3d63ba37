"""The one rule for means over languages, wherever one is shown.

Every language counts alike, whatever its number of queries. A language for which a measure says
nothing (NaN) is left out of its mean, never counted as 0, and the mean goes with how many languages
it is over and which are missing: a mean over other languages is another measure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageMean:
    """An unweighted mean over languages.

    Attributes:
        value: The mean; NaN if no language has a value.
        languages: The languages that it is over.
        without: The languages that have no value.
    """

    value: float
    languages: tuple[str, ...]
    without: tuple[str, ...]

    @property
    def of(self) -> int:
        """How many languages there are, with and without a value."""
        return len(self.languages) + len(self.without)


def language_mean(values: Mapping[str, float]) -> LanguageMean:
    """The mean over languages of a measure.

    Args:
        values: Its value in every language, in the order of tables; NaN where it has none.
    """
    there = {language: value for language, value in values.items() if not math.isnan(value)}
    mean = math.fsum(there.values()) / len(there) if there else math.nan
    return LanguageMean(mean, tuple(there), tuple(x for x in values if x not in there))
