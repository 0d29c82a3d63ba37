"""Tasks whose queries are passages: MTEB's own path and ours leave out the same, ties included."""

import hashlib
import math
import re

import mteb
import polars as pl
import pytest

from conftest import HashEncoder
from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.results.per_query import read_per_query

CODES = {"en": "eng-Latn", "de": "deu-Latn", "fr": "fra-Latn"}
MTEB_SCORE = re.compile(r"(nauc_)?(ndcg|map|recall|precision|mrr|hit_rate)_at_\d+|accuracy")


def lines_card(sample_card, folder, contents, groups=None, lines=None):
    """A card beside files with these bytes, one per language, and one of groups."""

    def written(file, content):
        (folder / "toy").mkdir(exist_ok=True)
        (folder / "toy" / file).write_bytes(content)
        return {"file": file, "sha256": hashlib.sha256(content).hexdigest()}

    source = {"format": "lines", "path": "toy", "repository": "toy/toy", "revision": "1.0.0"}
    if lines is not None:
        source["lines"] = lines
    if groups is not None:
        source["groups"] = written("groups.txt", groups)
    languages = {
        language: {"code": CODES[language], **written(f"{language}.txt", content)}
        for language, content in contents.items()
    }
    fields = {"name": "Toy", "title": "toy", "source": source, "languages": languages}
    card = TaskCard.model_validate(sample_card.model_dump() | fields)
    card._file = folder / "toy.toml"
    return card


@pytest.fixture
def toy(sample_card, tmp_path, evaluate):
    """Evaluates an encoder on so many lines per language; up to 100, some texts repeat in each."""

    def run(encoder, lines, setting="Multilingual", stock=False, subsets=None, per_query=None):
        contents = {
            language: "".join(
                f"{language} {1 if lines <= 100 and n % 9 == 0 else n}\n" for n in range(lines)
            ).encode()
            for language in CODES
        }
        card = lines_card(sample_card, tmp_path, contents)
        classes = {made.__name__: made for made in task_classes({"Toy": card})}
        task = classes[f"Toy{setting}Retrieval"]().filter_languages(None, hf_subsets=subsets)
        task.per_query_root = per_query
        return evaluate(encoder, task, stock=stock)

    return run


def test_the_settings_that_there_are(sample_card, tmp_path):
    card = lines_card(sample_card, tmp_path, {"en": b"a\n", "de": b"b\n"})
    made = task_classes({"Toy": card})
    assert [task.__name__ for task in made] == [
        "ToyCrosslingualRetrieval",
        "ToyMultilingualRetrieval",
    ]
    assert all(task.ignore_identical_ids for task in made)
    assert not any(task.ignore_identical_ids for task in task_classes({"Sample": sample_card}))


class Contrary(HashEncoder):
    """Ranks a query's own text last."""

    def similarity(self, first, second):
        return -super().similarity(first, second)


def same(ours, theirs):
    return ours == theirs or (math.isnan(theirs) and math.isnan(ours))


@pytest.mark.parametrize("levels", [None, 2, 3], ids=["distinct", "most-tied", "tied"])
@pytest.mark.parametrize("setting", ["Crosslingual", "Multilingual"])
def test_equals_mtebs_own_path(setting, levels, toy):
    """A pool that MTEB does not cut: its scores, and ours, are the same to the last bit."""
    encoder = HashEncoder(dimensions=8, levels=levels)
    fast, stock = (toy(encoder, 60, setting, stock) for stock in (False, True))
    assert fast.keys() == stock.keys()
    for subset, scores in stock.items():
        assert sum(bool(MTEB_SCORE.match(key)) for key in scores) == 6 * 7 + 1 + 5 * 7 * 3
        assert "truncated_at" not in scores
        assert fast[subset].keys() == scores.keys()
        wrong = [key for key in scores if not same(fast[subset][key], scores[key])]
        if setting == "Multilingual":
            # Where the own text ties, its place in MTEB's heap is arbitrary. It shows in the last
            # bit of the standard deviation of the others, and so in which of them are tied.
            wrong = [key for key in wrong if not key.endswith("_std")]
        assert wrong == [], subset


@pytest.mark.parametrize("kind", [HashEncoder, Contrary])
def test_equals_mtebs_own_path_where_that_cuts(kind, toy):
    """MTEB cuts at 1,000 and then drops the own text, if it is among them; nothing ties there."""
    encoder = kind(dimensions=8)
    fast, stock = (toy(encoder, 350, stock=stock, subsets=["de-multi"]) for stock in (False, True))
    for subset, scores in stock.items():
        assert scores["truncated_at"] == (999 if kind is HashEncoder else 1000)
        checked = [key for key in scores if MTEB_SCORE.match(key)]
        assert [key for key in checked if not same(fast[subset][key], scores[key])] == []


def test_the_own_text_is_nowhere(toy, tmp_path):
    scores = toy(HashEncoder(dimensions=64), 30, per_query=tmp_path)
    for subset, found in scores.items():
        own = subset.partition("-")[0]
        assert found[f"pool_share_{own}"] == 29 / 89
        assert found["top1_relevant_same"] == 0
        assert math.isnan(found["removal_gap"]) and math.isnan(found[f"mean_rank_{own}"])
    (folder,) = {file.parents[1] for file in tmp_path.rglob("*.parquet")}
    assert len(read_per_query(folder).filter(measure="map")) == 90
    # Its group is nowhere among the first either, other than by its translations.
    (file,) = tmp_path.rglob("*.rankings/en-multi.parquet")
    found = [group in top for group, _, top in pl.read_parquet(file).iter_rows()]
    assert 0 < sum(found) < len(found)


@pytest.mark.parametrize(
    ("name", "lines"), [("XTD10", 1000), ("NTREX128", 1997), ("TICO19First300", 300)]
)
def test_real_collections_through_mteb(name, lines, real_data):
    task = mteb.get_task(f"{name}MultilingualRetrieval", hf_subsets=["zh-multi"])
    task.load_data()
    split = task.dataset["zh-multi"]["test"]
    languages = len(task.card.languages)
    assert len(split["queries"]) == lines
    assert len(split["corpus"]) == lines * languages
    assert {len(judged) for judged in split["relevant_docs"].values()} == {languages - 1}
    assert not any(query in judged for query, judged in split["relevant_docs"].items())
