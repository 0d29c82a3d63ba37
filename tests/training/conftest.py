"""Small parallel corpora for the tests of training."""

import numpy as np
import pyarrow as pa
import pytest
from datasets.table import InMemoryTable

from mteb_hybrid.training.corpus import Corpus


def make_corpus(rows, languages, missing=0.0, name="corpus", groups=None, seed=0, negatives=0):
    """Rows of short texts; each text is missing with some probability, never a whole row."""
    chance = np.random.default_rng(seed)
    here = {}
    for row in range(rows):
        anchor = str(chance.choice(languages))
        for role in ("query", "passage"):
            for code in languages:
                here[role, code, row] = code == anchor or chance.random() >= missing
    columns = {}
    words = "abcdefghijklmnopqrstuvwxyz"
    for role in ("query", "passage"):
        for code in languages:
            columns[f"{role}_{code}"] = pa.array(
                [
                    f"{words[row % 26]}{words[row // 26 % 26]} {role} {code} {row}"
                    if here[role, code, row]
                    else None
                    for row in range(rows)
                ],
                pa.string(),
            )
    for code in languages if negatives else ():
        columns[f"negatives_{code}"] = pa.array(
            [
                [f"negative {code} {row} {n}" for n in range(negatives + row % 3)]
                for row in range(rows)
            ]
        )
    columns["group"] = pa.array([row if groups is None else row % groups for row in range(rows)])
    return Corpus(name, InMemoryTable(pa.table(columns)), negatives)


@pytest.fixture
def corpus():
    return make_corpus
