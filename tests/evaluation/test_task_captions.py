"""Captions through unmodified MTEB: the same scores on its own path, and sensible measures."""

import math
import re

import polars as pl
import pytest

from conftest import HashEncoder
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.results.per_query import read_consistency, read_per_query
from sources.test_captions import CODES, captions_card, lines

MTEB_SCORE = re.compile(r"(nauc_)?(ndcg|map|recall|precision|mrr|hit_rate)_at_\d+|accuracy")
CAPTIONS = {"en": 2, "de": 3, "bn": 1}
IMAGES = {
    f"{n:03}": {
        language: [
            f"{language} {n % 19 if n % 7 == 0 else n} {i}" for i in range(count - n % count)
        ]
        for language, count in CAPTIONS.items()
    }
    for n in range(60)
}


@pytest.fixture
def toy(sample_card, tmp_path, evaluate):
    def run(encoder, setting, stock=False, per_query=None):
        card = captions_card(sample_card, tmp_path, lines(IMAGES))
        classes = {made.__name__: made for made in task_classes({"Toy": card})}
        task = classes[f"Toy{setting}Retrieval"]()
        task.per_query_root = per_query
        return evaluate(encoder, task, stock=stock)

    return run


@pytest.mark.parametrize("levels", [None, 3], ids=["distinct", "tied"])
@pytest.mark.parametrize(
    ("setting", "subsets"), [("Monolingual", 2), ("Crosslingual", 6), ("Multilingual", 3)]
)
def test_equals_mtebs_own_path(setting, subsets, levels, toy):
    encoder = HashEncoder(dimensions=8, levels=levels)
    fast, stock = (toy(encoder, setting, stock) for stock in (False, True))
    assert len(fast) == subsets and fast.keys() == stock.keys()
    for subset, scores in stock.items():
        assert fast[subset].keys() == scores.keys()
        for key, theirs in scores.items():
            # Where the own text ties, its place in MTEB's heap is arbitrary: see test_task_lines.
            if MTEB_SCORE.match(key) and not key.endswith("_std"):
                ours = fast[subset][key]
                assert ours == theirs or (math.isnan(ours) and math.isnan(theirs)), (subset, key)
        assert fast[subset]["map"] == pytest.approx(scores["map"])


def test_measures_with_several_relevant_passages_in_a_language(toy, tmp_path):
    scores = toy(HashEncoder(dimensions=64), "Multilingual", per_query=tmp_path)
    english = scores["en-multi"]
    # A Bengali query has no other Bengali caption of its image.
    assert math.isnan(scores["bn-multi"]["removal_gap"])
    assert math.isnan(scores["bn-multi"]["language_preference_rate"])
    for name in ("removal_gap", "language_preference_rate", "gold_language_map_en", "peer"):
        assert not math.isnan(english[name]), name
    assert 0 < english["rank_distance_normalised"] < 1
    (folder,) = {file.parents[1] for file in tmp_path.rglob("*.parquet")}
    rows = read_per_query(folder).filter(query_language="en", measure="removal_gap")
    # Every image has a second English caption where its number is even.
    assert rows["value"].is_not_nan().sum() == 60 and len(rows) == 90
    tops = pl.read_parquet(next(tmp_path.rglob("*.rankings/en-multi.parquet")))
    assert tops["group"].n_unique() == 60 and len(tops) == 90
    assert read_consistency(folder, "ToyMultilingualRetrieval") == {}


def test_languages_of_subsets(sample_card, tmp_path):
    card = captions_card(sample_card, tmp_path, lines(IMAGES))
    made = {task.__name__: task for task in task_classes({"Toy": card})}
    multi = made["ToyMultilingualRetrieval"].metadata.eval_langs["bn-multi"]
    assert sorted(multi) == sorted(CODES.values())
    assert made["ToyMonolingualRetrieval"].ignore_identical_ids
