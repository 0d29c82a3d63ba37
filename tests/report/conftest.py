"""The made-up results that the tests of `results` have, and a repair with hostile names."""

from mteb_hybrid.repair.record import Record
from repair.conftest import RECORD, ROW
from results.conftest import HOSTILE, made

__all__ = ["REPAIRS", "made"]

REPAIRS = [
    Record.model_validate(
        RECORD | {"base_model": HOSTILE, "texts": HOSTILE, "warnings": [f"IT COSTS {HOSTILE}"]}
    ),
    Record.model_validate(
        RECORD
        | {
            "repair": HOSTILE,
            "directions": None,
            "curve": [
                ROW | {"repair": name, "directions": n, "pool": None, "rank_distance": None}
                for name, n in (("none", 0), (HOSTILE, None))
            ],
            "languages": {HOSTILE: 3, "$x$": 3},
            "tasks": ["MLQARMultilingualRetrieval"],
            "mergings": [],
        }
    ),
]
"""One with a curve, one without directions and of texts that are not parallel, those of MLQA-R."""
