"""Repairs of language bias without training: linear maps of vectors, calibration of rankings.

In come plain texts by language and an encoder, or a ranking; out go a repaired model folder,
vectors or ranking, with the strength chosen on held-out text. For `evaluation`, `report`, which
shows what a repaired folder keeps of its fit, and the commands ``repair``, ``merge`` and
``run --merge-by``.
"""

from mteb_hybrid.repair.centring import CENTRING
from mteb_hybrid.repair.leace import LEACE
from mteb_hybrid.repair.lir import LIR
from mteb_hybrid.repair.lsar import LSAR
from mteb_hybrid.repair.projection import PROJECTION
from mteb_hybrid.repair.shift import SHIFT
from mteb_hybrid.repair.vector_repair import FittedRepair, VectorRepair

VECTOR_REPAIRS: dict[str, VectorRepair] = {
    repair.name: repair for repair in (PROJECTION, LSAR, LEACE, CENTRING, LIR, SHIFT)
}
"""By name; those that need no language at use, and so can become part of a model, first."""

FOR_MODELS = tuple(name for name, repair in VECTOR_REPAIRS.items() if repair.needs == "nothing")
"""Those that can become part of a model."""

__all__ = ["FOR_MODELS", "VECTOR_REPAIRS", "FittedRepair", "VectorRepair"]
