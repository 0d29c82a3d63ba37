"""Texts to fit on: translations word for word, in letters that the minute model knows."""

import numpy as np
import pytest

WORDS = {
    "de": ["haus", "katze", "hund", "baum", "wasser", "feuer", "erde", "luft", "stein", "weg"],
    "en": ["house", "cat", "dog", "tree", "water", "fire", "earth", "air", "stone", "way"],
    "fi": ["talo", "kissa", "koira", "puu", "vesi", "tuli", "maa", "ilma", "kivi", "tie"],
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
