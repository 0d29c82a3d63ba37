"""LIR, language information removal: each language loses the main directions of its own vectors.

As in the authors' code, the vectors are not centred, so that the first direction is close to the
language's mean.
"""

import numpy as np

from mteb_hybrid.repair.sample import Sample
from mteb_hybrid.repair.vector_repair import VectorMap, VectorRepair, without


def _maps(sample: Sample, directions: int) -> dict[str | None, VectorMap]:
    return {
        language: without(np.linalg.svd(rows, full_matrices=False)[2][:directions])
        for language, rows in sample.items()
    }


def _most(sample: Sample) -> int:
    return int(min(min(len(rows), rows.shape[1] - 1) for rows in sample.values()))


LIR = VectorRepair(
    name="lir",
    formula="x - U U^T x, U the first K left singular vectors of the D x N matrix of x's language",
    citation="Yang et al. 2021 (arXiv:2109.04727)",
    needs="language",
    maps=_maps,
    default=lambda languages: 1,
    most=_most,
)
