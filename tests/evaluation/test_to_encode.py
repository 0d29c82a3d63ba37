"""How many texts a run encodes: counted, or as statistics have it."""

import json
from importlib.resources import files

import pytest

from evaluation.test_task_pairs import numbered, pairs_card
from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.cards.statistics import counts
from mteb_hybrid.evaluation import to_encode
from mteb_hybrid.evaluation.select import select_tasks
from mteb_hybrid.evaluation.to_encode import SIDES, by_statistics, counted, languages
from mteb_hybrid.sources import load_collection


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    """Nothing but the sample is at hand."""
    monkeypatch.delenv("MTEB_HYBRID_DATA", raising=False)


def test_only_languages_that_are_asked_for():
    selected = select_tasks(["sample"], query_languages=["en"], passage_languages=["de", "en"])
    assert languages(selected) == {"sample": {"queries": {"en"}, "passages": {"de", "en"}}}
    selected = select_tasks(["HybridSampleMultilingualRetrieval"], query_languages=["en"])
    assert len(languages(selected)["sample"]["passages"]) == 11


def test_statistics_say_what_is_counted():
    card = collections()["sample"]
    asked = languages(select_tasks(["sample"]))["sample"]
    parts, collection = counted(card, asked), load_collection(card)
    for part in parts:
        table = getattr(collection, part.side)
        texts = {t for t, x in table.select("text", "language").iter_rows() if x == part.language}
        assert (part.texts, part.characters) == (len(texts), sum(map(len, texts)))
        assert set(part.some) <= texts and len(part.some) == len(texts)
    told = by_statistics(card, asked)
    assert {part[:4] for part in told} == {part[:4] for part in parts}
    assert not any(part.some for part in told)


def test_texts_that_are_looked_at_are_spread_evenly(monkeypatch):
    monkeypatch.setattr(to_encode, "SAMPLE", 40)
    card = collections()["sample"]
    parts, collection = (
        counted(card, {"queries": {"en"}, "passages": {"en"}}),
        load_collection(card),
    )
    for part in parts:
        table = getattr(collection, part.side).filter(language="en")
        assert part.some == tuple(table["text"])[:: -(-part.texts // 40)]


def test_a_collection_that_is_not_at_hand_is_counted_by_mteb():
    card = collections()["miracl"]
    selected = select_tasks(["MIRACLMonolingualRetrieval"])
    asked = languages(selected)["miracl"]
    assert counted(card, asked) is None
    parts = by_statistics(card, asked)
    file = files("mteb") / "descriptive_stats" / "Retrieval" / "MIRACLRetrieval.json"
    whole = json.loads(file.read_text(encoding="utf-8"))["dev"]
    for side, number in SIDES.items():
        assert sum(p.texts for p in parts if p.side == side) == whole[number]
    assert sum(p.characters for p in parts) == whole["number_of_characters"]
    assert sum(p.texts for p in by_statistics(card, {"queries": {"sw"}, "passages": {"sw"}})) > 1e5


def test_what_no_statistics_tell_is_not_known():
    card = collections()["tico-19"]
    assert by_statistics(card, {"queries": {"en"}, "passages": {"en"}}) is None


def test_texts_of_pairs_are_counted_pair_by_pair():
    card, lines = collections()["tatoeba"], 31_692
    assert sum(counts(card)["en"]) == 2 * lines
    assert sum(sum(found) for found in counts(card).values()) == 4 * lines
    parts = by_statistics(card, languages(select_tasks(["tatoeba"]))["tatoeba"])
    assert sum(part.texts for part in parts) == 4 * lines
    german = select_tasks(["tatoeba"], query_languages=["de"])
    parts = by_statistics(card, languages(german)["tatoeba"])
    assert [part[:3] for part in parts] == [("queries", "de", 1000), ("passages", "en", 1000)]


def test_of_pairs_only_the_texts_of_those_asked_for_are_counted(sample_card, tmp_path):
    contents = {
        "sw-en": numbered("sw", "en", lines=40),
        "ta-en": numbered("ta", "other", lines=25),
    }
    card = pairs_card(sample_card, tmp_path, contents)
    asked = {"queries": {"sw", "en"}, "passages": {"en", "ta"}}
    parts = {part[:3] for part in counted(card, asked)}
    assert parts == {
        ("queries", "sw", 40), ("queries", "en", 25), ("passages", "en", 40), ("passages", "ta", 25)
    }  # fmt: skip
