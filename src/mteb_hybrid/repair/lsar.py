"""LSAR: the language-specific subspace, with a common part that is orthogonal to it.

Language means M (D x L) are taken apart into a common vector and a subspace,
``min ||M - c 1^T - M_s G^T||`` with c orthogonal to M_s. In closed form (the authors' algorithm 1):
the best approximation of rank K about the mean of the means, then the common vector of that
approximation that is orthogonal to what is left.
"""

import numpy as np

from mteb_hybrid.repair.projection import independent
from mteb_hybrid.repair.sample import Sample, language_means
from mteb_hybrid.repair.vector_repair import VectorMap, VectorRepair, without


def _maps(sample: Sample, directions: int) -> dict[str | None, VectorMap]:
    means = language_means(sample)
    centre = means.mean(0)
    left, sizes, right = np.linalg.svd(means - centre, full_matrices=False)
    near = centre + (left[:, :directions] * sizes[:directions]) @ right[:directions]
    # c with near @ c constant: the pseudoinverse gives the one in the span of the means.
    common = np.linalg.pinv(near) @ np.ones(len(near))
    common /= np.square(common).sum()
    _, _, basis = np.linalg.svd(near - common, full_matrices=False)
    return {None: without(basis[:directions])}


LSAR = VectorRepair(
    name="lsar",
    formula="x - M_s M_s^T x; c, M_s minimise ||M - c 1^T - M_s G^T|| with c orthogonal to M_s",
    citation="Xie et al. 2022 (arXiv:2401.05792)",
    needs="nothing",
    maps=_maps,
    default=lambda languages: languages - 1,
    most=independent,
)
