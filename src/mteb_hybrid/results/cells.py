"""The cells of tables of results, and the one rule by which scores become a mean."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mteb_hybrid.retrieval.views import Setting

SHORT = {Setting.MONOLINGUAL: "Mo.", Setting.CROSSLINGUAL: "Cr.", Setting.MULTILINGUAL: "Mul."}
"""Settings at the head of columns."""


@dataclass(frozen=True)
class Column:
    """One column: the mean of a score over the subsets of a setting's task.

    Attributes:
        title: Head of the column.
        setting: Which task's subsets.
        score: Name of the score in the result file.
        digits: Decimals shown.
    """

    title: str
    setting: Setting
    score: str
    digits: int


COLUMNS = (
    Column("Mo. map", Setting.MONOLINGUAL, "map", 4),
    Column("Cr. map", Setting.CROSSLINGUAL, "map", 4),
    Column("Mul. map", Setting.MULTILINGUAL, "map", 4),
    Column("rank distance", Setting.MULTILINGUAL, "rank_distance", 1),
)

POOL_LOSS = "pool_loss"
JUDGED_IN_ONE = (
    Column("pool loss", Setting.MULTILINGUAL, POOL_LOSS, 4),
    Column("lift at 10, less 1", Setting.MULTILINGUAL, "same_language_lift_at_10", 2),
    Column("unjudged at 10", Setting.MULTILINGUAL, "unjudged_at_10", 4),
)
"""Further columns of collections whose queries are judged in their own language only."""

JUDGED_ACROSS = (
    Column("Mo. nDCG@20", Setting.MONOLINGUAL, "ndcg_at_20", 4),
    Column("Cr. nDCG@20", Setting.CROSSLINGUAL, "ndcg_at_20", 4),
    Column("Mul. nDCG@20", Setting.MULTILINGUAL, "ndcg_at_20", 4),
    *JUDGED_IN_ONE[1:],
)
"""Those of collections that are not parallel, and whose queries are judged on all languages."""

FURTHER = tuple(dict.fromkeys((*JUDGED_ACROSS[:3], *JUDGED_IN_ONE)))
"""All of them, in the order of tables."""

NONE = "–"
"""What a cell without a value shows."""

OTHER_DATA = "[other data]"
"""What stands behind a value that was measured on another revision of the data than today's."""


SUBSETS = "(k/m): over the k of m subsets that both models have values per query of."
CUT = "[top k]: rankings of one of the two were cut at k."
LEFT_OUT = "[n/m queries]: over the n of m queries that both models have a value for."
"""What the marks of `limits` mean."""


def short_revision(revision: str) -> str:
    """A revision of data as it is shown: twelve characters of the commit, and what follows it."""
    commit, plus, rest = revision.partition("+")
    return f"{commit[:12]}{plus}{rest}"


@dataclass(frozen=True)
class Cell:
    """A mean over subsets: never shown without saying so if subsets are missing.

    Attributes:
        value: Unweighted mean over the subsets at hand.
        subsets: How many there are.
        expected: How many the setting has.
        truncated_at: k, if a search model returned only its top k.
        measured_on: The share of queries that it was measured on, their mean over the subsets;
            None if it leaves none out, or that is not known.
        notes: What else to know about the value, a sentence each.
        data: The revision of the data that it was measured on; empty if that is not known.
        data_now: The one that they have now.
    """

    value: float
    subsets: int
    expected: int
    truncated_at: int | None = None
    measured_on: float | None = None
    notes: tuple[str, ...] = ()
    data: str = ""
    data_now: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every subset is in it."""
        return self.subsets == self.expected

    @property
    def is_on_other_data(self) -> bool:
        """Whether it was measured on another revision of the data than they have now."""
        return self.data not in ("", self.data_now)

    @property
    def mark(self) -> str:
        """What to say behind the value, or behind a label of it, besides missing subsets."""
        cut = "" if self.truncated_at is None else f" [top {self.truncated_at}]"
        some = "" if self.measured_on in (None, 1) else f" [{self.measured_on:.1%} of queries]"
        other = f" {OTHER_DATA}" if self.is_on_other_data else ""
        return f"{cut}{some}{other}"

    def text(self, digits: int) -> str:
        """The value, and what limits it."""
        return f"{self.value:.{digits}f}{self.partial}{self.mark}"

    @property
    def partial(self) -> str:
        """Of how many subsets it is, where some are missing."""
        return "" if self.is_whole else f" ({self.subsets}/{self.expected})"


def cell_text(cell: Cell | None, digits: int) -> str:
    """A cell's text; a dash where there is none."""
    return cell.text(digits) if cell else NONE


def mean(values: Iterable[float], truncated_at: int | None = None) -> Cell | None:
    """Unweighted mean of the values that are there, and how many of them there are.

    Args:
        values: One per subset; NaN where it is missing or undefined.
        truncated_at: k of rankings that were cut.

    Returns:
        The cell; None if nothing is there.
    """
    expected = [float(value) for value in values]
    there = [value for value in expected if not math.isnan(value)]
    if not there:
        return None
    return Cell(sum(there) / len(there), len(there), len(expected), truncated_at)


def limits(row: Mapping[str, Any]) -> str:
    """What limits a row of `mteb_hybrid.results.compare`, in the words of tables.

    Args:
        row: With ``expected`` too, how many subsets the setting has, and ``truncated_at``, if a
            model's rankings were cut.
    """
    queries, left_out, subsets = row["queries"], row["left_out"], row["subsets"]
    expected, cut = row.get("expected") or subsets, row.get("truncated_at")
    return (
        (f" ({subsets}/{expected})" if subsets < expected else "")
        + (f" [top {cut}]" if cut else "")
        + (f" [{queries}/{queries + left_out} queries]" if left_out else "")
    )
