"""Judgments of a view as positions in its pool, for looking them up in rankings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Judgments:
    """The judgments of Q queries.

    Attributes:
        relevant: Shape (Q, R), positions of the relevant passages.
        relevance: Shape (Q, R), their judgments; 0 where a query has fewer than R of them.
        irrelevant: Shape (Q, Z), positions of the passages that were judged and found not
            relevant; -2, which no ranking holds, where a query has fewer than Z of them.
    """

    relevant: Ints
    relevance: Ints
    irrelevant: Ints

    @classmethod
    def of(cls, qrels: Mapping[str, Mapping[str, int]], index: Mapping[str, int]) -> Self:
        """Look up the positions of judged passages.

        Args:
            qrels: ``{query id: {passage id: relevance}}``; the rows follow its order.
            index: Position of each passage of the pool by its id.

        Raises:
            ValueError: If a relevant passage is not in the pool. One that is not relevant may be
                elsewhere: it plays no part there.
        """
        # Lists of all, as lists of each query take longer to make than what is in them.
        ids = [id_ for judged in qrels.values() for id_ in judged]
        grades = np.array([g for judged in qrels.values() for g in judged.values()], dtype=np.int64)
        positions = np.array([index.get(id_, -1) for id_ in ids], dtype=np.int64)
        row = np.repeat(np.arange(len(qrels)), [len(judged) for judged in qrels.values()])
        known, graded = positions >= 0, grades > 0
        for place in np.flatnonzero(graded & ~known)[:1].tolist():
            raise ValueError(
                f"query {list(qrels)[row[place]]!r} is judged on passage {ids[place]!r}, which is "
                "not in the pool"
            )

        def table(values: Ints, chosen: npt.NDArray[np.bool_], fill: int) -> Ints:
            return in_rows(values[chosen], np.bincount(row[chosen], minlength=len(qrels)), fill)

        return cls(
            relevant=table(positions, graded, 0),
            relevance=table(grades, graded, 0),
            irrelevant=table(positions, known & ~graded, -2),
        )

    def look_up(self, top: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Judgments of the passages at the top of rankings.

        Args:
            top: Shape (Q, K), positions; -1 past the end of a ranking.

        Returns:
            Shape (Q, K), their relevance, 0 if not relevant; and shape (Q, K), whether they were
            judged at all.
        """
        grades = np.zeros_like(top)
        for positions, relevance in zip(self.relevant.T, self.relevance.T, strict=True):
            grades += relevance[:, None] * (top == positions[:, None])
        judged = grades > 0
        for positions in self.irrelevant.T:
            judged |= top == positions[:, None]
        return grades, judged


def in_rows(values: npt.NDArray[Any], counts: Ints, fill: float) -> npt.NDArray[Any]:
    """A table of rows of various lengths.

    Args:
        values: Shape (n,), row after row.
        counts: Shape (B,), how many each row has.
        fill: What follows in rows that have fewer than others.
    """
    table = np.full((len(counts), counts.max(initial=0)), fill, dtype=values.dtype)
    table[np.arange(table.shape[1]) < counts[:, None]] = values
    return table
