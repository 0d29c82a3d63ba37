"""LEACE: the smallest affine change after which no linear classifier reads the language.

In the space where the vectors are white, the directions that covary with the language are projected
out; every language then has the same mean. Languages count alike, whatever their number of texts.
"""

import numpy as np

from mteb_hybrid.repair.sample import Sample, language_means
from mteb_hybrid.repair.vector_repair import VectorMap, VectorRepair


def _maps(sample: Sample, directions: int) -> dict[str | None, VectorMap]:
    means = language_means(sample)
    centre = means.mean(0)
    spread = [(rows - centre).T @ (rows - centre) / len(rows) for rows in sample.values()]
    values, vectors = np.linalg.eigh(np.mean(spread, axis=0))
    kept = values > values.max() * len(values) * np.finfo(np.float64).eps
    values, vectors = values[kept], vectors[:, kept]
    whiten = (vectors / np.sqrt(values)) @ vectors.T
    colour = (vectors * np.sqrt(values)) @ vectors.T
    basis, sizes, _ = np.linalg.svd(whiten @ (means - centre).T, full_matrices=False)
    basis = basis[:, sizes > sizes.max() * 1e-10]
    removed = colour @ basis @ basis.T @ whiten
    return {None: VectorMap(np.eye(len(centre)) - removed, removed @ centre)}


LEACE = VectorRepair(
    name="leace",
    formula="x - W^+ P W (x - mean), W = S^(-1/2) of the covariance S, P onto W S_xz",
    citation="Belrose et al. 2023 (arXiv:2306.03819)",
    needs="nothing",
    maps=_maps,
)
