"""What an epoch is planned to consist of, and what could not be had."""

from collections.abc import Mapping
from dataclasses import dataclass

BATCH_SIZE = "per_device_train_batch_size (batches.size in a recipe)"
"""What sentences call the size of batches."""
MOST_NAMED = 6
"""How many kinds of batches a sentence names."""


@dataclass(frozen=True)
class CorpusSummary:
    """The plan of one pass over a corpus.

    Attributes:
        name: The corpus.
        rows: Its rows that can serve.
        asked_size: Examples of a batch, over all processes, as asked for.
        size: Examples of a batch, over all processes.
        wanted: Batches of each kind that were drawn by alpha and the weights of languages.
        planned: Batches of each kind that there are rows for.
        rest: Examples of the short batch at the end.
        waiting: Rows that wait in every pass because their groups have more rows than it has
            batches.
        short: In several processes, batches that hard negatives leave short.
    """

    name: str
    rows: int
    asked_size: int
    size: int
    wanted: Mapping[str, int]
    planned: Mapping[str, int]
    rest: int
    waiting: int
    short: int = 0

    @property
    def left(self) -> int:
        """Rows without a turn in a pass, for other reasons than their groups."""
        return self.rows - self.waiting - sum(self.planned.values()) * self.size - self.rest

    @property
    def sentences(self) -> tuple[str, ...]:
        """What cannot be as it was asked for, and what is done instead."""
        said = []
        batches = sum(self.planned.values())
        if self.size < self.asked_size:
            said.append(
                f"{self.name}: at most {self.size} rows of different groups fit into a batch, so "
                f"batches are of {self.size} instead of {self.asked_size}"
            )
        # What the last rows of an epoch force is not worth a word.
        worth = max(1.0, 0.01 * sum(self.wanted.values()))
        fewer = [
            f"{kind} {self.planned[kind]:,} of {count:,} batches"
            for kind, count in self.wanted.items()
            if count - self.planned[kind] > worth or (count and not self.planned[kind])
        ]
        more = [
            f"{kind} {count:,} instead of {self.wanted[kind]:,}"
            for kind, count in self.planned.items()
            if count > self.wanted[kind]
        ]
        if fewer:
            instead = f"; for them, more of others: {_some(more)}" if more else ""
            said.append(f"{self.name}: too few rows for {_some(fewer)}{instead}")
        elif sum(self.wanted.values()) > 0 and _is_far(self.wanted, self.planned, worth):
            said.append(
                f"{self.name}: for every row to have its turn, batches are {_some(more)} as drawn"
            )
        if self.waiting:
            said.append(
                f"{self.name}: {self.waiting:,} rows have no turn in an epoch, because their "
                f"groups have more rows than it has batches ({batches:,}); others do in each "
                "epoch"
            )
        if self.short:
            said.append(
                f"{self.name}: so many rows are each other's hard negatives that in an epoch about "
                f"{self.short:,} of {batches:,} batches are not full in every process; others come "
                "twice instead"
            )
        if self.left >= self.size:
            said.append(
                f"{self.name}: {self.left:,} rows fill no batch together in an epoch; they are "
                "others each time, as far as their languages fill batches"
            )
        return tuple(said)


def _is_far(wanted: Mapping[str, int], planned: Mapping[str, int], worth: float) -> bool:
    return any(abs(count - planned[kind]) > worth for kind, count in wanted.items())


def _some(named: list[str]) -> str:
    rest = len(named) - MOST_NAMED
    return ", ".join(named[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
