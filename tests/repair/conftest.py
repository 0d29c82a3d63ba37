"""Texts to fit on, in letters that the minute model knows, and a record of a repair."""

import numpy as np
import pytest

WORDS = {
    "de": ["haus", "katze", "hund", "baum", "wasser", "feuer", "erde", "luft", "stein", "weg"],
    "en": ["house", "cat", "dog", "tree", "water", "fire", "earth", "air", "stone", "way"],
    "fi": ["talo", "kissa", "koira", "puu", "vesi", "tuli", "maa", "ilma", "kivi", "tie"],
}
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
    "where": {
        "texts": {"de": 30, "en": 30, "fi": 30},
        "before": SEAT,
        "after": SEAT | {"probe": 0.4},
    },
    "curve": [ROW | {"repair": "none", "directions": 0}, ROW],
    "chosen": 1,
    "mergings": [ROW | {"merging": "best-10", "pool": None, "rank_distance": None}],
    "warnings": [],
    "mteb_hybrid": "0.1.0",
}


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """A folder of line-aligned texts: word for word translations."""
    folder = tmp_path_factory.mktemp("texts")
    random = np.random.default_rng(0)
    rows = random.integers(0, 10, (60, 6))
    for language, words in WORDS.items():
        lines = [" ".join(words[word] for word in row) for row in rows]
        (folder / f"{language}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
