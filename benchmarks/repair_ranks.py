"""Average precision and rank distance without sorting: a few comparisons of the score matrix."""

import numpy as np

from mteb_hybrid.measures.average_precision import average_precision
from mteb_hybrid.measures.rank_distance import rank_distance
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.views import Qrels


class Judge:
    """Ranks the passages of a view: the figures of `RankCounter`, ten times as fast.

    Where a relevant passage ties with another, `RankCounter` itself is asked.
    """

    def __init__(self, pool: Pool, qrels: Qrels, language: str, own: bool) -> None:
        self.pool, self.qrels, self.language, self.own = pool, qrels, language, own
        found = [[pool.index[p] for p, grade in row.items() if grade > 0] for row in qrels.values()]
        width = max(map(len, found))
        self.there = np.array([[i < len(row) for i in range(width)] for row in found])
        self.columns = np.array([row + row[:1] * (width - len(row)) for row in found])
        self.place = np.array([pool.index.get(query, -1) for query in qrels]) if own else None

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Average precision and rank distance of each query; `scores` may be written to."""
        count = self.there.sum(1)
        whole = scores
        if self.place is not None and (self.place >= 0).any():
            whole = scores.copy()
            scores[np.arange(len(scores)), self.place] = -np.inf
        relevant = np.take_along_axis(scores, self.columns, 1)
        ranks = np.full(relevant.shape, np.nan)
        tied = np.zeros(len(scores), bool)
        for place in range(relevant.shape[1]):
            mine = relevant[:, place, None]
            above = np.count_nonzero(scores > mine, axis=1)
            tied |= np.count_nonzero(scores >= mine, axis=1) > above + 1
            ranks[:, place] = above + 1
        ranks[~self.there] = np.nan
        ordered = np.sort(ranks, axis=1)
        precision = np.nansum(np.arange(1, ranks.shape[1] + 1) / ordered, axis=1) / count
        distance = np.nanmax(ranks, axis=1) - np.nanmin(ranks, axis=1)
        distance[count < 2] = np.nan
        if tied.any():
            some = np.flatnonzero(tied)
            names = list(self.qrels)
            qrels = {names[row]: self.qrels[names[row]] for row in some}
            counter = RankCounter(self.pool, qrels, self.language, 10, self.own)
            counter.add(whole[some])
            exact, _ = counter.result()
            precision[some], distance[some] = average_precision(exact), rank_distance(exact)
        return precision, distance
