"""The embedded sample: its size, that it is parallel, and that it is called a sample."""

import json

import pytest

from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.sources import load_collection


def paragraphs(card, language):
    file = card.file.parent / card.source.path / card.languages[language].file
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    return [paragraph for article in articles for paragraph in article["paragraphs"]]


def test_size_and_parallelism(sample_card):
    collection = load_collection(sample_card)
    for language in sample_card.languages:
        assert len(paragraphs(sample_card, language)) >= 24
        assert len(collection.queries.filter(language=language)) >= 48
        assert len(collection.passages.filter(language=language)) == 96
    assert set(collection.qrels.group_by("query_id").len()["len"]) == {11}
    assert collection.passages["text"].is_unique().all()
    assert collection.queries["text"].is_unique().all()


def test_every_answer_stands_where_it_says(sample_card):
    for language in sample_card.languages:
        for paragraph in paragraphs(sample_card, language):
            context = paragraph["context"]
            for sentence, (begin, end) in zip(
                paragraph["sentences"], paragraph["sentence_breaks"], strict=True
            ):
                assert context[begin:end] == sentence
            for question in paragraph["qas"]:
                (answer,) = question["answers"]
                assert context[answer["answer_start"] :].startswith(answer["text"])


def test_languages_are_in_their_scripts(sample_card):
    ranges = {
        "ar": "\u0600-\u06ff", "el": "\u0370-\u03ff", "hi": "\u0900-\u097f", "ru": "\u0400-\u04ff",
        "th": "\u0e00-\u0e7f", "zh": "\u4e00-\u9fff",
    }  # fmt: skip
    collection = load_collection(sample_card)
    for table in (collection.passages, collection.queries):
        for language in sample_card.languages:
            texts = table.filter(language=language)["text"]
            script = f"[{ranges.get(language, 'a-zA-Z')}]"
            assert texts.str.contains(script).all(), language


def test_called_a_sample_wherever_it_shows(sample_card):
    assert sample_card.kind == "sample"
    assert "sample" in sample_card.title and "not a benchmark" in sample_card.title
    for name, (card, _) in tasks_by_name().items():
        assert ("Sample" in name) == (card.kind == "sample")
    assert "not a benchmark" in sample_card.description


def test_it_is_read_by_its_name(sample_card):
    assert load_collection("sample") is load_collection(sample_card)
    with pytest.raises(ValueError, match=r"no collection 'simple'; did you mean 'sample'"):
        load_collection("simple")
