"""Whether all translations of an answer are at the top: ``complete_at_10``."""

import numpy as np

from mteb_hybrid.measures.measure import MULTILINGUAL, Landmarks, Measure
from mteb_hybrid.retrieval.pool import Floats
from mteb_hybrid.retrieval.ranks import Ranks


def complete_at_10(ranks: Ranks) -> Floats:
    """1 if all relevant passages are in the top 10 (in the top |Rel| where that is more), else 0.

    With two captions of an image in each of 36 languages, |Rel| is 71. Ties are in trec_eval's
    order.

    Args:
        ranks: Ranks of Q queries.

    Returns:
        Shape (Q,); NaN for a query without relevant passages.
    """
    count = ranks.relevant_count
    worst = np.fmax.reduce(ranks.ranks, axis=1, initial=np.nan)
    return np.where(count > 0, worst <= np.maximum(10, count), np.nan)


COMPLETE_AT_10 = Measure(
    name="complete_at_10",
    lowest=0,
    highest=1,
    better="higher",
    formula="1 if max rank(d) over relevant d <= max(10, |Rel|), else 0",
    citation="arXiv:2604.05684",
    settings=MULTILINGUAL,
    values=complete_at_10,
    landmarks=Landmarks(
        constant="chance; which, the order of ids decides",
        chance="C(N - n, m - n) / C(N, m) with m = max(10, n)",
        ideal="1",
        below_cut="not found: 0",
    ),
)
