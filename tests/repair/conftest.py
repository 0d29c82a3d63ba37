"""A record as the folder of a repaired model has it."""

SEAT = {"between": 0.2, "spectrum": [0.7, 0.3], "probe": 0.9}
ROW = {
    "repair": "projection 2",
    "merging": "none",
    "directions": 2,
    "monolingual": 0.9,
    "pool": 0.5,
    "rank_distance": 40.5,
}
RECORD = {
    "repair": "projection",
    "formula": "x - <b>",
    "citation": "none",
    "directions": 2,
    "base_model": "org/base",
    "base_revision": None,
    "texts": "texts",
    "languages": {"de": 30, "en": 30, "fi": 30},
    "tasks": None,
    "where": {"texts": 90, "before": SEAT, "after": SEAT | {"probe": 0.4}},
    "curve": [ROW | {"repair": "none", "directions": 0}, ROW],
    "chosen": 1,
    "mergings": [ROW | {"merging": "best-10", "pool": None, "rank_distance": None}],
    "warnings": [],
    "mteb_hybrid": "0.1.0",
}
