"""Projection: the directions in which the language means differ are taken out of every vector.

The means of L languages differ in L - 1 directions. All vectors lose those, queries and passages of
any language alike, so that no language needs to be known at use.
"""

import numpy as np

from mteb_hybrid.repair.sample import Sample, language_means
from mteb_hybrid.repair.vector_repair import VectorMap, VectorRepair, without


def _maps(sample: Sample, directions: int) -> dict[str | None, VectorMap]:
    means = language_means(sample)
    _, _, basis = np.linalg.svd(means - means.mean(0), full_matrices=False)
    return {None: without(basis[:directions])}


def independent(sample: Sample) -> int:
    """How many directions the means of the languages differ in: L - 1, or the width if smaller."""
    return int(min(len(sample), *(rows.shape[1] for rows in sample.values()))) - 1


PROJECTION = VectorRepair(
    name="projection",
    formula="x - V V^T x, V the first K right singular vectors of the centred language means",
    citation="this project; the means' subspace as in LSAR (arXiv:2401.05792), simpler centring",
    needs="nothing",
    maps=_maps,
    default=lambda languages: languages - 1,
    most=independent,
)
