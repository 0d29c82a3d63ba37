"""A corpus of several languages, judged across them: what is read, and what is refused."""

import pytest

from conftest import write_mixed_card
from mteb_hybrid.cards.card import CardError
from mteb_hybrid.cards.tasks import data_revision
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources import load_collection

CORPUS = """\
{"_id": "d1", "title": "Cats", "text": "purr.", "language": "en"}
{"_id": "d2", "title": null, "text": " Hunde bellen. ", "metadata": {"language": "deu"}}
{"id": 3, "text": "Vögel singen.", "language": "DE", "other": [1]}
"""
QUERIES = """\
{"_id": "q1e", "topic": 1, "text": "Who purrs?", "language": "en"}
{"_id": "q1d", "topic": 1, "text": "Wer schnurrt?", "language": "de"}
{"_id": "q2", "topic": "2", "text": "Wer singt?", "language": "de"}
{"_id": "unjudged", "topic": "3", "text": "Who else?", "language": "en"}
"""
QRELS = "1 0 d1 2\nq1d 0 d2 -1\nq2 0 3 1\nq1e 0 d1 2\n"
KEYS = 'language = "language"\ntopic = "topic"\n'


def card(folder, corpus=CORPUS, queries=QUERIES, qrels=QRELS, source=KEYS, languages=("en", "de")):
    files = {"corpus.jsonl": corpus, "queries.jsonl": queries, "qrels.txt": qrels}
    return write_mixed_card(folder, files, languages, source)


def test_what_is_read(tmp_path):
    collection = load_collection(card(tmp_path))
    assert collection.passages.rows() == [
        ("en:d1", "Cats purr.", "en", "en:d1"),
        ("de:d2", "Hunde bellen.", "de", "de:d2"),
        ("de:3", "Vögel singen.", "de", "de:3"),
    ]
    assert collection.queries.rows() == [
        ("en:q1e", "Who purrs?", "en", "1"),
        ("de:q1d", "Wer schnurrt?", "de", "1"),
        ("de:q2", "Wer singt?", "de", "2"),
    ]
    assert sorted(collection.qrels.rows()) == [
        *(("de:q1d", "de:d2", 0), ("de:q1d", "en:d1", 2), ("de:q2", "de:3", 1)),
        *(("en:q1e", "de:d2", 0), ("en:q1e", "en:d1", 2)),
    ]


def test_translations_may_have_one_id(tmp_path):
    queries = (
        '{"id": "1", "text": "Who purrs?", "language": "en"}\n'
        '{"id": "1", "text": "Wer schnurrt?", "language": "de"}\n'
    )
    beir = "query-id\tcorpus-id\tscore\n1\td1\t1\n"
    collection = load_collection(card(tmp_path, queries=queries, qrels=beir, source=KEYS[:22]))
    assert collection.queries["group"].to_list() == ["1", "1"]
    assert collection.qrels["query_id"].to_list() == ["en:1", "de:1"]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("corpus", '"language": "en"', '"language": "fr"',
         r"jsonl:1: key 'language' is 'fr', a language that the card lacks; .*en, de.*XX"),
        ("corpus", '"language": "en"', '"language": "?"', r"jsonl:1: .* is '\?', no language"),
        ("corpus", ', "language": "en"', "", r"jsonl:1: key 'language' is 'null'; expected the"),
        ("corpus", '"language": "en"', '"language": 3', r"jsonl:1: key 'language' is '3'"),
        ("corpus", '"_id": "d1", ', "", r"jsonl:1: the id is 'null'; expected an object with"),
        ("corpus", '"purr."', "null", r"jsonl:1: key 'text': found 'null'"),
        ("corpus", '"Cats"', "[]", r"jsonl:1: key 'title': found"),
        ("corpus", '{"_id": "d1"', '["d1"', r"jsonl:1: invalid JSON"),
        ("corpus", "3,", '"d2",', r"corpus.jsonl: the id 'd2' is there twice .*1 such row"),
        ("corpus", CORPUS, "", r"corpus.jsonl: is empty"),
        ("corpus", '"Vögel singen."', '" "', r"judges the passage '3', which has neither"),
        ("queries", '"Wer singt?"', '" "', r"queries.jsonl:3: the query '.*' is empty"),
        ("queries", '"topic": "2"', '"topic": 1', r"the topic '1' is there twice in 'de'"),
        ("queries", '"topic": "2", ', "", r"queries.jsonl:3: key 'topic', the topic, is 'null'"),
        ("queries", '"_id": "q2"', '"_id": "q1d"', r"the id 'q1d' is there twice in 'de'"),
        ("queries", '"_id": "unjudged"', '"_id": "2"', r"'2' is a topic, and the id of a query of"),
        ("qrels", "q2 0 3 1", "q2 0 d9 1", r"judges 'q2' on 'd9', and there is no passage 'd9'"),
        ("qrels", "q2 0 3 1", "q9 0 3 1", r"judges 'q9' on '3', and there is no query 'q9'"),
        ("qrels", "q1e 0 d1 2", "q1e 0 d1 1",
         r"topic '1' on 'd1' with 1, .* translation, with 2"),
        ("qrels", "q2 0 3 1", "q2 3 1", r"expected TREC qrels"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, file, old, new, said):
    texts = {"corpus": CORPUS, "queries": QUERIES, "qrels": QRELS}
    assert old in texts[file]
    made = card(tmp_path, **texts | {file: texts[file].replace(old, new, 1)})
    qrels = made.file.parent / "qrels.txt"
    if '"2"' in new and file == "queries" and "_id" in old:
        qrels.write_text(qrels.read_text().replace("q2 ", "2 "))
        made = card(tmp_path, queries=QUERIES.replace(old, new), qrels=qrels.read_text())
    with pytest.raises(DataError, match=said):
        load_collection(made)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("topics", "judged", "said"),
    [
        (("S", "T"), "a", "'a' is the id of queries of the topics S, T; expected the topic"),
        (("a", "T"), "a", "'a' is a topic, and the id of a query of the topic 'T'"),
    ],
)
def test_one_id_of_two_topics_is_not_judged(tmp_path, topics, judged, said, order):
    queries = [
        f'{{"_id": "a", "topic": "{topic}", "text": "Who purrs?", "language": "{language}"}}\n'
        for topic, language in zip(topics, ("en", "de"), strict=True)
    ]
    made = card(tmp_path, queries="".join(queries[::order]), qrels=f"{judged} 0 d1 1\n")
    with pytest.raises(DataError, match=said):
        load_collection(made)
    made = card(tmp_path, queries="".join(queries), qrels="T 0 d1 1\n")
    assert load_collection(made).qrels.rows() == [("de:a", "en:d1", 1)]


def test_languages_that_the_card_has_and_the_files_lack(tmp_path):
    made = card(tmp_path, languages=("en", "de", "zh"))
    with pytest.raises(DataError, match=r"languages\.zh: no passage and no query is in 'zh'"):
        load_collection(made)


def test_a_passage_without_a_word_is_left_out(tmp_path, caplog):
    empty = '{"id": "e", "text": "\\n", "language": "en"}\n'
    assert len(load_collection(card(tmp_path, CORPUS + empty)).passages) == 3
    assert "1 passage(s) without title and text left out" in caplog.text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('topic = "topic"\n', r"nothing tells the languages in 'corpus.jsonl'; add 'language'"),
        (f"{KEYS}\n[source.detected]\nfile = 'x'\nsha256 = '{'0' * 64}'\nby = 'x'\ntexts = 1\n"
         "certainty = 1\ndoubtful = 0\n", "remove one of them"),
    ],
)  # fmt: skip
def test_cards_that_are_refused(tmp_path, source, said):
    with pytest.raises(CardError, match=said):
        card(tmp_path, source=source)


def test_known_faults_are_of_published_files(tmp_path):
    source = f"{KEYS}\n[source.known_faults]\njudged_unknown = 1\n"
    with pytest.raises(CardError, match="correct the files themselves"):
        card(tmp_path, source=source)
    made = card(
        tmp_path, qrels=QRELS + "q9 0 d1 1\n", source=f'made_from = "https://e.org/"\n{source}'
    )
    assert "+left-out-" in data_revision(made, Setting.MULTILINGUAL)
