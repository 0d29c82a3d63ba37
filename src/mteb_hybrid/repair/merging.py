"""What a calibrated merging is: scores made comparable between the languages of a pool.

Per query, and from scores alone: never from judgments. The order within a language stays, but for
CSLS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.pool import Floats, Pool

ScoreMatrix: TypeAlias = npt.NDArray[np.floating]
"""Shape (Q, N): Q queries, N passages; ``-inf`` where a query has no such passage."""


@dataclass(frozen=True)
class Merging:
    """A way to merge the rankings of several languages.

    Attributes:
        name: Its name in commands and tables; ``NAME-M`` where it looks at the best M.
        formula: What becomes of a score s.
        citation: Paper or program that defines it.
        values: Scores, the language of each passage as a number, and M, to new scores.
        best: M, unless told; None if there is no such choice.
        of_query: Whether the scores of one query suffice; else those of all queries count.
    """

    name: str
    formula: str
    citation: str
    values: Callable[[ScoreMatrix, Ints, int], ScoreMatrix] = field(repr=False)
    best: int | None = None
    of_query: bool = True

    def __call__(self, scores: ScoreMatrix, languages: Ints) -> ScoreMatrix:
        """Make scores comparable between languages.

        Args:
            scores: Shape (Q, N).
            languages: Shape (N,), the language of each passage as a number from 0.

        Returns:
            Shape (Q, N); ``-inf`` where `scores` is.

        Raises:
            RepairError: If a score is NaN or ``+inf``, or the languages are not N.
        """
        if languages.shape != scores.shape[1:]:
            raise RepairError(
                f"languages of shape {languages.shape} for scores of shape {scores.shape}; "
                "expected one of each passage"
            )
        bad = int((np.isnan(scores) | np.isposinf(scores)).sum())
        if bad:
            raise RepairError(f"{bad} scores are NaN or +infinity; expected numbers")
        return self.values(scores, languages, self.best or 0)


def calibration(
    how: Merging | None, pool: Pool, own: Sequence[str] | None = None
) -> Callable[[Any, int], Any] | None:
    """What a merging does to blocks of the score matrix of a pool; None if there is none to do.

    Args:
        how: The merging.
        pool: The passages.
        own: Ids of the queries, where those are passages and no candidates themselves.
    """
    if how is None or len(set(pool.passage_languages)) < 2:
        return None
    columns = None if own is None else [pool.index.get(query) for query in own]

    def calibrate(scores: ScoreMatrix, start: int) -> ScoreMatrix:
        if start and not how.of_query:
            raise RepairError(
                f"{how.name} needs the scores of all queries at once, and this pool is too large "
                "for that; choose best-M"
            )
        if columns is not None:
            scores = scores.copy()
            for row, column in enumerate(columns[start : start + len(scores)]):
                if column is not None:
                    scores[row, column] = -np.inf
        return how(scores, pool.codes)

    return calibrate


def by_language(
    scores: ScoreMatrix, languages: Ints, level: Callable[[ScoreMatrix], ScoreMatrix]
) -> ScoreMatrix:
    """Apply a function to the scores of each language apart.

    Args:
        scores: Shape (Q, N).
        languages: Shape (N,).
        level: From shape (Q, n) to the same.
    """
    merged = np.empty_like(scores)
    for language in np.unique(languages):
        columns = languages == language
        merged[:, columns] = level(scores[:, columns])
    return merged


def mean_of_best(scores: ScoreMatrix, best: int, axis: int = 1) -> Floats:
    """Mean of the highest finite scores along an axis, which is kept with length 1.

    In float64, so that what is left of a float32 score without it is rounded once.
    """
    kept = min(best, scores.shape[axis])
    highest = -np.partition(-scores, kept - 1, axis=axis).take(range(kept), axis=axis)
    return _finite_mean(highest, axis)


def _finite_mean(scores: ScoreMatrix, axis: int) -> Floats:
    """Mean of the finite scores; 0 if there is none."""
    there = np.isfinite(scores)
    total = np.where(there, scores, 0).sum(axis, keepdims=True, dtype=np.float64)
    return np.asarray(total / np.maximum(there.sum(axis, keepdims=True), 1))
