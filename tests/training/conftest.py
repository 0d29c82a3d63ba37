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


def tagged_corpus(has, groups=None, negative_groups=None, negatives=0):
    """A corpus whose rows have the languages that are told; a text says what it is.

    Args:
        has: For each language, which rows have it: one array, or one for each side.
        groups: Groups of the rows; by default each is its own.
        negative_groups: For each row, the groups of its hard negatives.
        negatives: How many hard negatives an example carries.
    """
    columns = {}
    for code, sides in has.items():
        sides = sides if isinstance(sides, tuple) else (sides, sides)
        for role, side in zip(("query", "passage"), sides, strict=True):
            texts = [f"{role} {code} {row}" if there else None for row, there in enumerate(side)]
            columns[f"{role}_{code}"] = pa.array(texts, pa.string())
    rows = len(texts)
    columns["group"] = pa.array(np.arange(rows) if groups is None else groups)
    if negative_groups is not None:
        columns["negative_groups"] = pa.array(negative_groups, pa.list_(pa.int64()))
    return Corpus("corpus", InMemoryTable(pa.table(columns)), negatives)
