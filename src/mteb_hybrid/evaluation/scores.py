"""MTEB's standard retrieval scores, computed from ranks.

Every value equals what MTEB computes with pytrec_eval from the top 1,000 of the same scores, to
the last bit: sums run in trec_eval's order, means and rounding in MTEB's
(``mteb/_evaluators/retrieval_metrics.py``, mteb 2.26).

Where a query's own passage is left out, MTEB drops it after it has cut: k-1 others are left of k.
"""

import heapq
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from mteb._evaluators.retrieval_metrics import _DEFAULT_ABSTENTION_RATES, make_score_dict

from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def mteb_scores(
    ranks: Ranks,
    top_scores: npt.NDArray[np.float32],
    k_values: Sequence[int],
    task_scores: dict[str, float],
) -> dict[str, Any]:
    """The score dictionary of one subset, as MTEB's own evaluation returns it.

    Args:
        ranks: Ranks of Q queries.
        top_scores: Shape (Q, K), each query's highest scores in descending order, K being MTEB's
            ``top_k`` or the pool size, whichever is smaller.
        k_values: Cut-offs; the last is MTEB's ``top_k``.
        task_scores: Our own measures, to go into the same dictionary.

    Returns:
        Score names to floats: ``ndcg_at_10``, ``map_at_100``, ``nauc_map_at_10_max``, ….
    """
    order = np.argsort(ranks.ranks, axis=1, kind="stable")  # NaN sorts last
    place = np.take_along_axis(ranks.ranks, order, axis=1)
    gain = np.take_along_axis(ranks.relevance, order, axis=1).astype(np.float64)
    relevant = np.count_nonzero(ranks.relevance, axis=1)
    ideal = -np.sort(-ranks.relevance, axis=1).astype(np.float64)
    hits = np.arange(1, place.shape[1] + 1)
    cut = min(max(k_values), len(ranks.pool.ids))
    beyond = np.full(len(place), cut + 1)
    own = beyond if ranks.own_ranks is None else np.minimum(ranks.own_ranks, beyond)
    left = np.where(own <= cut, cut - 1, cut)

    values: dict[str, dict[str, Floats]] = {
        name: {} for name in ("NDCG", "MAP", "Recall", "P", "HitRate", "MRR")
    }
    for k in k_values:
        inside = place <= np.minimum(k, left)[:, None]
        found = np.count_nonzero(inside, axis=1)
        dcg = _sum_in_order(np.where(inside, gain / _log2(place, k), 0))
        best = _sum_in_order(np.where(hits <= k, ideal / _log2(hits, k), 0))
        values["NDCG"][f"NDCG@{k}"] = dcg / best
        values["MAP"][f"MAP@{k}"] = _sum_in_order(np.where(inside, hits / place, 0)) / relevant
        values["Recall"][f"Recall@{k}"] = found / relevant
        values["P"][f"P@{k}"] = found / k
        values["HitRate"][f"HitRate@{k}"] = (found > 0).astype(np.float64)
        values["MRR"][f"MRR@{k}"] = np.where(inside[:, 0], 1 / place[:, 0], 0)

    queries = len(place)
    mean = {
        name: {key: sum(v.tolist()) / queries for key, v in by_k.items()}
        for name, by_k in values.items()
    }
    rounded = {
        name: {key: round(value, 5) for key, value in by_k.items()} for name, by_k in mean.items()
    }
    return make_score_dict(
        ndcg=rounded["NDCG"],
        _map=rounded["MAP"],
        recall=rounded["Recall"],
        precision=rounded["P"],
        mrr=mean["MRR"],
        naucs=_naucs(_confidence(top_scores, cut, own), values),
        naucs_mrr={},
        hit_rate=rounded["HitRate"],
        task_scores=task_scores,
    )


def _sum_in_order(terms: Floats) -> Floats:
    """Row sums, added one after the other as trec_eval does; ``sum`` would add pairwise."""
    return np.asarray(np.cumsum(terms, axis=1)[:, -1])


def _log2(place: npt.NDArray[Any], k: int) -> Floats:
    """Discounts log2(rank + 1) from the C library, as trec_eval's; 1 beyond rank k."""
    table = np.array([1.0] + [math.log2(rank + 1) for rank in range(1, k + 1)] + [1.0])
    inside = np.where(place <= k, place, k + 1).astype(np.int64)
    return np.asarray(table[inside])


def _confidence(top_scores: npt.NDArray[np.float32], cut: int, own: Ints) -> dict[str, Floats]:
    """MTEB's three confidence scores per query (arXiv:2402.12997)."""
    # MTEB takes the standard deviation in the order in which its heap leaves the scores, without
    # the own passage, at place `own`. The order shows in the last bit, and ties between queries
    # depend on that bit.
    std = np.empty(len(top_scores))
    for rank in np.unique(own):
        kept = [i - (i >= rank) for i in _heap_order(cut) if i != rank - 1]
        order = np.array(kept, dtype=np.int64)
        rows = np.flatnonzero(own == rank)
        for some in np.array_split(rows, -(-len(rows) // 64)):  # small enough for a cache
            std[some] = top_scores[some].take(order, axis=1).astype(np.float64).std(axis=1)
    first = top_scores[:, :2].astype(np.float64)
    gap = first[:, 0] - first[:, -1]  # of one score alone, 0
    return {"max": first[:, 0], "std": std, "diff1": gap}


@cache
def _heap_order(length: int) -> list[int]:
    """Where a min-heap puts `length` values that arrive in descending order."""
    heap: list[int] = []
    for position in range(length):
        heapq.heappush(heap, -position)
    return [-value for value in heap]


def _naucs(
    confidence: dict[str, Floats], metrics: dict[str, dict[str, Floats]]
) -> dict[str, float]:
    """MTEB's nAUC of every metric but the hit rate, for every confidence score.

    As ``nauc`` in its ``retrieval_metrics.py``, to the last bit, but of all metrics at once.
    """
    families = ("NDCG", "MAP", "Recall", "P", "MRR")
    values = {name: of for family in families for name, of in metrics[family].items()}
    table = np.array(list(values.values()))
    oracle = _abstention_curves(table, table)
    flat = oracle[:, 0] * (_DEFAULT_ABSTENTION_RATES[-1] - _DEFAULT_ABSTENTION_RATES[0])
    best = np.trapezoid(oracle, _DEFAULT_ABSTENTION_RATES) - flat
    naucs = []
    for scores in confidence.values():
        gain = (
            np.trapezoid(_abstention_curves(table, scores[None]), _DEFAULT_ABSTENTION_RATES) - flat
        )
        naucs.append(np.divide(gain, best, out=np.full(len(best), np.nan), where=best != 0))
    names = [f"nAUC_{name}_{kind}" for name in values for kind in confidence]
    return dict(zip(names, np.transpose(naucs).ravel().tolist(), strict=True))


def _abstention_curves(metrics: Floats, confidence: Floats) -> Floats:
    """Mean metrics of the queries that are left, by the share that is abstained from.

    Args:
        metrics: Shape (M, Q), of M metrics.
        confidence: Shape (M, Q), or (1, Q) for all of them. Queries of equal confidence share
            their mean.

    Returns:
        Shape (M, A).
    """
    queries = metrics.shape[1]
    order = np.argsort(confidence, axis=1, kind="stable")
    ascending = np.take_along_axis(confidence, order, axis=1)
    first = np.ones(metrics.shape, dtype=bool)
    first[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=metrics.size)
    in_order = np.take_along_axis(metrics, np.broadcast_to(order, metrics.shape), axis=1)
    means = np.add.reduceat(in_order.ravel(), starts) / sizes
    shared = np.repeat(means, sizes).reshape(metrics.shape)
    left = [min(round(rate * queries), queries - 1) for rate in _DEFAULT_ABSTENTION_RATES]
    return np.stack([shared[:, start:].mean(axis=1) for start in left], axis=1)
