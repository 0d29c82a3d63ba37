"""SHIFT: passages are moved by the mean difference between a language and English.

Read from the paper's abstract alone, which says: "utilizes parallel translation pairs to estimate a
relative language vector for each target language with respect to a source language", and
subtracts it "from document embeddings during indexing". So queries stay as they are. The source
language here is English, or the first language if there is no English.
"""

from mteb_hybrid.repair.sample import Sample
from mteb_hybrid.repair.vector_repair import VectorMap, VectorRepair, minus


def _maps(sample: Sample, directions: int) -> dict[str | None, VectorMap]:
    english = (code for code in sample if code.partition("-")[0] in ("en", "eng"))
    source = sample[next(english, next(iter(sample)))]
    return {language: minus((rows - source).mean(0)) for language, rows in sample.items()}


SHIFT = VectorRepair(
    name="shift",
    formula="passage x - mean over translated pairs of (vector in the language of x - in English)",
    citation="our reading of the abstract of SHIFT (arXiv:2606.18801)",
    needs="passage language",
    maps=_maps,
    parallel=True,
)
