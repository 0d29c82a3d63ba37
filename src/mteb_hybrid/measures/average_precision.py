"""Average precision without a cut-off: ``map``."""

import numpy as np

from mteb_hybrid.measures.measure import Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks
from mteb_hybrid.retrieval.views import Setting


def average_precision(ranks: Ranks) -> Floats:
    """Average precision of each query over its full ranking.

    A relevant passage that a search model did not return contributes nothing, as in trec_eval.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q,), between 0 and 1; NaN for a query without relevant passages.
    """
    ordered = np.sort(ranks.ranks, axis=1)  # NaN sorts last
    hits = np.arange(1, ordered.shape[1] + 1)
    count = np.count_nonzero(~np.isnan(ordered), axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(hits / ordered, axis=1) / count)


MAP = Measure(
    name="map",
    lowest=0,
    highest=1,
    better="higher",
    formula="(1/|Rel|) * sum over relevant d of (relevant passages at or above d) / rank(d)",
    citation="trec_eval's map (Buckley & Voorhees, 2005), over the full ranking",
    settings=frozenset(Setting),
    values=average_precision,
    landmarks=Landmarks(
        constant="chance; which, the order of ids decides",
        chance="(H(N) + (n - 1)(N - H(N)) / (N - 1)) / N",
        ideal="1",
        below_cut="not found: they add 0",
    ),
)
