"""The rows of one corpus, each taken once per pass: the inner part of the batch sampler."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mteb_hybrid.training.corpus import Masks, has
from mteb_hybrid.training.dataset import Example, ParallelDataset

Rows: TypeAlias = npt.NDArray[np.int32]

BLOCK = 512
"""How many rows are looked at in one go: a few batches' worth."""


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

    def allowed(self, queries: Masks, passages: Masks) -> npt.NDArray[np.bool_]:
        """Which rows can serve in such a batch.

        Args:
            queries: Shape (N,), the languages of the rows' questions.
            passages: Shape (N,), those of their passages.

        Returns:
            Shape (N,).
        """
        if self.pair is not None:
            return has(queries, self.pair[0]) & has(passages, self.pair[1])
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


@dataclass
class Taken:
    """Examples for a batch that were found, not yet taken.

    Attributes:
        examples: What the batch holds.
        places: Where they stand in the order of the pass.
        resume: Where the next search for this kind begins.
    """

    examples: list[Example]
    places: list[int]
    resume: int


@dataclass
class Turns:
    """One pass over the rows of a corpus in random order, each row taken once.

    A row that cannot serve in a batch (its language is missing, or something like it is in the
    batch already) keeps its place and is looked at again for the next batch.

    Attributes:
        dataset: The data.
        rows: Shape (N,), the rows of the corpus that can serve, as positions in the dataset.
        queries: Languages of the question, for every row of the dataset.
        passages: Languages of the passage.
        random: Source of all chance.
        repeated: How many passes were begun beyond the first.
    """

    dataset: ParallelDataset
    rows: Rows
    queries: Masks
    passages: Masks
    random: np.random.Generator
    repeated: int = 0
    _starts: dict[Kind, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._order = self.random.permutation(self.rows)
        self._used = np.zeros(len(self.rows), dtype=bool)
        self._starts.clear()

    def begin_again(self) -> None:
        """Begin another pass."""
        self.repeated += 1
        self._begin()

    @property
    def left(self) -> int:
        """Rows not taken in this pass."""
        return len(self._used) - int(np.count_nonzero(self._used))

    def find(self, kind: Kind, need: int) -> Taken:
        """Look for examples that can share a batch.

        No two of them share a group, a question or a passage text.

        Args:
            kind: What the batch is to be.
            need: How many are wanted.

        Returns:
            At most `need` of them.
        """
        place = self._starts.get(kind, 0)
        taken = Taken([], [], place)
        skipped: int | None = None
        seen: set[Any] = set()
        while place < len(self._order) and len(taken.examples) < need:
            block = self._order[place : place + BLOCK]
            free = ~self._used[place : place + BLOCK]
            queries, passages = self.queries[block], self.passages[block]
            hits = np.flatnonzero(free & kind.allowed(queries, passages))
            chances = self.random.random(len(hits))
            for hit, chance in zip(hits.tolist(), chances.tolist(), strict=True):
                if len(taken.examples) == need:
                    skipped = place + hit if skipped is None else skipped
                    break
                pair = kind.draw(int(queries[hit]), int(passages[hit]), chance)
                example = Example(int(block[hit]), *pair)
                marks = self._marks(example)
                if seen.isdisjoint(marks):
                    seen.update(marks)
                    taken.examples.append(example)
                    taken.places.append(place + hit)
                elif skipped is None:
                    skipped = place + hit
            place += len(block)
        taken.resume = place if skipped is None else skipped
        return taken

    def take(self, kind: Kind, taken: Taken) -> list[Example]:
        """Take what was found: its rows have had their turn."""
        self._used[taken.places] = True
        self._starts[kind] = taken.resume
        return taken.examples

    def _marks(self, example: Example) -> tuple[Any, ...]:
        corpus, row = self.dataset.locate(example.row)
        query = self.dataset.languages[example.query_language]
        passage = self.dataset.languages[example.passage_language]
        return (
            corpus.group(row),
            "q" + corpus.text("query", query, row),
            "p" + corpus.text("passage", passage, row),
        )
