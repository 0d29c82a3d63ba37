"""Centring: the mean of its language is subtracted from each vector."""

from mteb_hybrid.repair.sample import Sample
from mteb_hybrid.repair.vector_repair import VectorMap, VectorRepair, minus


def _maps(sample: Sample, directions: int) -> dict[str | None, VectorMap]:
    return {language: minus(rows.mean(0)) for language, rows in sample.items()}


CENTRING = VectorRepair(
    name="centring",
    formula="x - mean of the vectors in the language of x",
    citation="Libovicky, Rosa & Fraser 2020 (arXiv:2004.05160)",
    needs="language",
    maps=_maps,
)
