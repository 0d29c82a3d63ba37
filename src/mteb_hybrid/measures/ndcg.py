"""Normalised discounted cumulative gain: ``ndcg_at_20``."""

import numpy as np

from mteb_hybrid.measures.measure import Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks
from mteb_hybrid.retrieval.views import Setting


def ndcg(ranks: Ranks, k: int = 20) -> Floats:
    """NDCG at k of each query, its gains being the judgments as they are.

    MTEB's score of the same name is the same, rounded; this one is kept for every query.

    Args:
        ranks: Ranks of Q queries.
        k: Cut-off.

    Returns:
        Shape (Q,), between 0 and 1; NaN for a query without relevant passages.
    """
    gain = ranks.relevance.astype(np.float64)
    discount = np.log2(np.where(ranks.ranks <= k, ranks.ranks, np.inf) + 1)
    ideal = -np.sort(-gain, axis=1)[:, :k]
    best = (ideal / np.log2(np.arange(2, ideal.shape[1] + 2))).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray((gain / discount).sum(axis=1) / best)


NDCG_AT_20 = Measure(
    name="ndcg_at_20",
    lowest=0,
    highest=1,
    better="higher",
    formula="sum over the top 20 of judgment / log2(rank + 1), over that of the best order",
    citation="trec_eval's ndcg_cut.20 (Järvelin & Kekäläinen 2002); official in TREC NeuCLIR",
    settings=frozenset(Setting),
    values=ndcg,
    landmarks=Landmarks(
        constant="chance; which, the order of ids decides",
        chance="n D(20) / N over D(n), D(i) being the discounts 1 / log2(rank + 1) of the first i "
        "ranks (20 at most), summed",
        ideal="1",
        below_cut="not found: they add 0",
    ),
)
