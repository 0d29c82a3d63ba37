"""LAReQA's format: what counts as relevant, the published counts, and what is refused."""

import hashlib
import json

import pytest

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.sources import load_collection

# Candidates per language, LAReQA (arXiv:2004.05484), table 2.
XQUAD_R = {"ar": 1222, "de": 1276, "el": 1234, "en": 1180, "es": 1215, "hi": 1244} | {
    "ru": 1219, "th": 852, "tr": 1167, "vi": 1209, "zh": 1196
}  # fmt: skip
MLQA_R = {"ar": 2545, "de": 2362, "en": 6264, "es": 1787, "hi": 2426, "vi": 2828, "zh": 2322}
MLQA_R_QUESTIONS = {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504}


def paragraph(sentences, *questions, separator=" "):
    breaks, context = [], ""
    for sentence in sentences:
        context += separator if context else ""
        breaks.append([len(context), len(context) + len(sentence)])
        context += sentence
    qas = [
        {"id": id_, "question": f"{id_}?", "answers": [{"answer_start": start, "text": "x"}]}
        for id_, start in questions
    ]
    return {"context": context, "sentences": sentences, "sentence_breaks": breaks, "qas": qas}


@pytest.fixture
def made(tmp_path, sample_card):
    """Makes a collection of English and German files from paragraphs or raw bytes."""

    def make(english, german, candidates="sentence"):
        languages = {}
        for code, tag, content in (("en", "eng-Latn", english), ("de", "deu-Latn", german)):
            if not isinstance(content, bytes):
                content = json.dumps({"data": [{"title": "t", "paragraphs": content}]}).encode()
            (tmp_path / "toy").mkdir(exist_ok=True)
            (tmp_path / "toy" / f"{code}.json").write_bytes(content)
            sha = hashlib.sha256(content).hexdigest()
            languages[code] = {"code": tag, "file": f"{code}.json", "sha256": sha}
        fields = sample_card.model_dump() | {"languages": languages}
        fields["source"] |= {"path": "toy", "candidates": candidates}
        card = TaskCard.model_validate(fields)
        card._file = tmp_path / "toy.toml"
        return load_collection(card)

    return make


def relevant(collection, query):
    return set(collection.qrels.filter(query_id=query)["passage_id"])


def test_the_sentence_that_holds_answer_start(made):
    english = [paragraph(["A cat.", "A dog.", "A cow."], ("q1", 7), ("q2", 0))]
    german = [paragraph(["Eine Katze.", "Ein Hund."], ("q1", 12), ("q2", 10))]
    collection = made(english, german)
    assert (
        relevant(collection, "en:q1") == relevant(collection, "de:q1") == {"en:0.0.1", "de:0.0.1"}
    )
    assert relevant(collection, "en:q2") == {"en:0.0.0", "de:0.0.0"}
    assert len(collection.passages) == 5


def test_same_text_is_relevant_in_the_same_paragraph_only(made):
    english = [paragraph(["Yes.", "No.", "Yes."], ("q1", 0)), paragraph(["Yes."])]
    collection = made(english, [paragraph(["Ja."], ("q1", 0))])
    assert relevant(collection, "de:q1") == {"en:0.0.0", "en:0.0.2", "de:0.0.0"}
    assert "en:0.1.0" in collection.passages["id"], "repeated texts stay candidates"


def test_a_question_is_asked_only_where_its_language_has_it(made):
    english = [paragraph(["A cat.", "A dog."], ("q1", 0), ("q2", 7))]
    collection = made(english, [paragraph(["Ein Hund."], ("q2", 0))])
    assert set(collection.queries["id"]) == {"en:q1", "en:q2", "de:q2"}
    assert relevant(collection, "en:q1") == {"en:0.0.0"}


def test_groups_join_what_answers_the_same_questions(made):
    english = [paragraph(["A cat.", "A dog.", "A cow."], ("q1", 0), ("q2", 7))]
    german = [paragraph(["Katze und Hund.", "Kuh."], ("q1", 0), ("q2", 3))]
    group = dict(made(english, german).passages.select("id", "group").iter_rows())
    assert group["en:0.0.0"] == group["en:0.0.1"] == group["de:0.0.0"]
    assert len(set(group.values())) == 3


def test_candidates_with_context(made):
    english = [paragraph(["A cat.", "A dog."], ("q1", 7))]
    collection = made(english, [paragraph(["Ein Hund."], ("q1", 0))], "sentence-with-context")
    assert collection.passages["text"][1] == "A dog.\nA cat. A dog."
    assert relevant(collection, "en:q1") == {"en:0.0.1", "de:0.0.0"}


GOOD = [paragraph(["A cat."], ("q1", 0))]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", r"en\.json: not JSON: "),
        (
            b'{"data": [{"paragraphs": [{"context": "x", "qas": []}]}]}',
            "sentences': Field required",
        ),
        (b'{"rows": []}', "key 'data': Field required"),
        (b'{"data": []}', "at least 1 item"),
        (
            [paragraph(["A cat.", "A dog."], ("q1", 6))],
            "answer_start 6 lies outside every sentence",
        ),
        ([paragraph(["A cat."], ("q1", 99))], "question 'q1': answer_start 99 lies outside"),
        ([GOOD[0] | {"sentence_breaks": []}], "1 sentences but 0 sentence_breaks"),
        ([paragraph(["A cat."], ("q1", 0), ("q1", 2))], "queries.*a repeated id"),
        ([paragraph(["A cat.", ""], ("q1", 0))], "passages.*an empty text"),
    ],
)
def test_bad_files_are_refused(made, content, said):
    with pytest.raises(DataError, match=said):
        made(content, GOOD)


def test_a_missing_language_file(made, sample_card, tmp_path):
    made(GOOD, GOOD)
    (tmp_path / "toy" / "de.json").unlink()
    fields = sample_card.model_dump() | {"title": "again"}
    fields["source"] |= {"path": "toy"}
    fields["languages"] = {k: v for k, v in fields["languages"].items() if k in ("en", "de")}
    for code in ("en", "de"):
        fields["languages"][code]["sha256"] = hashlib.sha256(
            json.dumps({"data": [{"title": "t", "paragraphs": GOOD}]}).encode()
        ).hexdigest()
    card = TaskCard.model_validate(fields)
    card._file = tmp_path / "toy.toml"
    with pytest.raises(DataError, match=r"de\.json: no such file"):
        load_collection(card)


def test_published_counts(real_data):
    collection = load_collection(task_cards()["XQuADR"])
    assert dict(collection.passages.group_by("language").len().iter_rows()) == XQUAD_R
    assert set(collection.queries.group_by("language").len()["len"]) == {1190}
    assert set(collection.qrels.group_by("query_id").len()["len"]) <= {11, 12}
    collection = load_collection(task_cards()["MLQAR"])
    assert dict(collection.passages.group_by("language").len().iter_rows()) == MLQA_R
    assert dict(collection.queries.group_by("language").len().iter_rows()) == MLQA_R_QUESTIONS
    with_context = load_collection(task_cards()["MLQARContext"])
    assert with_context.qrels.equals(collection.qrels)
