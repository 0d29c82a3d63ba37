"""Judgments of a view as positions in its pool, for looking them up in rankings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

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
        graded = [[(id_, g) for id_, g in judged.items() if g > 0] for judged in qrels.values()]
        relevant = np.zeros((len(qrels), max(map(len, graded), default=0)), dtype=np.int64)
        relevance = np.zeros_like(relevant)
        for row, (query, judged) in enumerate(zip(qrels, graded, strict=True)):
            for place, (id_, grade) in enumerate(judged):
                if id_ not in index:
                    raise ValueError(
                        f"query {query!r} is judged on passage {id_!r}, which is not in the pool"
                    )
                relevant[row, place] = index[id_]
                relevance[row, place] = grade
        others = [
            [index[id_] for id_, g in judged.items() if g <= 0 and id_ in index]
            for judged in qrels.values()
        ]
        irrelevant = np.full((len(qrels), max(map(len, others), default=0)), -2)
        for row, positions in enumerate(others):
            irrelevant[row, : len(positions)] = positions
        return cls(relevant, relevance, irrelevant)

    def look_up(self, top: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Judgments of the passages at the top of rankings.

        Args:
            top: Shape (Q, K), positions; -1 past the end of a ranking.

        Returns:
            Shape (Q, K), their relevance, 0 if not relevant; and shape (Q, K), whether they were
            judged at all.
        """
        stride = max(int(part.max(initial=0)) for part in (top, self.relevant, self.irrelevant)) + 3

        def keys(positions: Ints) -> Ints:
            """One number for every query and position, those below 0 included."""
            return np.arange(len(positions))[:, None] * stride + positions + 2

        wanted, graded = keys(top), self.relevance > 0
        known, grades = keys(self.relevant)[graded], self.relevance[graded]
        order = np.argsort(known)
        known, grades = np.append(known[order], -1), np.append(grades[order], 0)
        place = np.searchsorted(known[:-1], wanted)
        found = np.where(known[place] == wanted, grades[place], 0)
        return found, (found > 0) | np.isin(wanted, keys(self.irrelevant))
