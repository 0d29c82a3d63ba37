"""Parallel JSON lines as a collection: what is relevant, what is refused, and the real files."""

import gzip
import hashlib
import json
from unicodedata import normalize

import pytest

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import task_views
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.retrieval.views import Setting, View, view_queries
from mteb_hybrid.sources import load_collection

CODES = {"en": "eng-Latn", "de": "deu-Latn", "fr": "fra-Latn"}


def row(id_, query=None, **passage):
    found = {"id": id_, "passage": passage}
    return found | ({"query": query} if query else {})


ROWS = [
    row("size", {"en": "how big?", "de": "wie groß?"}, en="ten", de="zehn", fr="dix"),
    row("age", {"en": "how old?", "fr": "quel âge ?"}, en="ten", de="zehn Jahre"),
    row("name", {"fr": "quel nom ?"}, fr="Jean"),
    row("spare", None, en="a spare", de="Ersatz"),
]


@pytest.fixture
def made(tmp_path, sample_card):
    def card(*files, languages=("en", "de", "fr"), **source):
        (tmp_path / "toy").mkdir(exist_ok=True)
        texts = []
        for number, content in enumerate(files):
            if isinstance(content, list):
                content = "".join(json.dumps(one) + "\n" for one in content)
            content = content.encode() if isinstance(content, str) else content
            name = f"{number}.jsonl{'.gz' if content[:2] == bytes([31, 139]) else ''}"
            (tmp_path / "toy" / name).write_bytes(content)
            texts.append({"file": name, "sha256": hashlib.sha256(content).hexdigest()})
        source = {"format": "parallel", "path": "toy", "repository": "toy/toy", **source}
        source |= {"revision": "1.0.0", "texts": texts}
        short = {language: {"code": CODES[language]} for language in languages}
        fields = {"name": "Toy", "title": "toy", "source": source, "languages": short}
        found = TaskCard.model_validate(sample_card.model_dump() | fields)
        found._file = tmp_path / "toy.toml"
        return found

    return card


def judged(collection):
    found = {}
    for query, passage, relevance in collection.qrels.iter_rows():
        assert relevance == 1
        found.setdefault(query, []).append(passage)
    return found


def test_a_row_answers_its_question_in_every_language(made):
    """Passages that read alike are one; languages may be missing; a row may have no question."""
    collection = load_collection(made(ROWS))
    assert collection.passages.select("id", "text", "language").rows() == [
        ("en:size", "ten", "en"),
        ("en:spare", "a spare", "en"),
        ("de:size", "zehn", "de"),
        ("de:age", "zehn Jahre", "de"),
        ("de:spare", "Ersatz", "de"),
        ("fr:size", "dix", "fr"),
        ("fr:name", "Jean", "fr"),
    ]
    assert collection.queries.rows() == [
        ("en:size", "how big?", "en", "size"),
        ("en:age", "how old?", "en", "age"),
        ("de:size", "wie groß?", "de", "size"),
        ("fr:age", "quel âge ?", "fr", "age"),
        ("fr:name", "quel nom ?", "fr", "name"),
    ]
    assert judged(collection) == {
        "en:size": ["en:size", "de:size", "fr:size"],
        "de:size": ["en:size", "de:size", "fr:size"],
        "en:age": ["en:size", "de:age"],
        "fr:age": ["en:size", "de:age"],
        "fr:name": ["fr:name"],
    }


def test_groups_of_passages(made):
    """Rows that share a passage share its group, in all languages; a row alone has its own."""
    collection = load_collection(made(ROWS))
    group = dict(collection.passages.select("id", "group").iter_rows())
    linked = ("en:size", "de:size", "de:age", "fr:size")
    assert len({group[id_] for id_ in linked}) == 1
    assert group["en:spare"] == group["de:spare"]
    assert len(set(group.values())) == 3


def test_texts_that_differ_in_normalisation_only_are_one_passage(made):
    """As the first is written: what is encoded is never changed."""
    texts = [normalize(form, "un café") for form in ("NFD", "NFC")]
    assert texts[0] != texts[1]
    rows = [row(str(n), {"en": f"q{n}"}, en=f"p{n}", fr=text) for n, text in enumerate(texts)]
    collection = load_collection(made(rows, languages=("en", "fr")))
    french = collection.passages.filter(language="fr")
    assert french.select("id", "text").rows() == [("fr:0", texts[0])]
    assert judged(collection) == {"en:0": ["en:0", "fr:0"], "en:1": ["en:1", "fr:0"]}


def test_views(made):
    collection = load_collection(made(ROWS))
    _, qrels = view_queries(collection, View("fr", ("de",)))
    assert qrels == {"fr:age": {"de:age": 1}}, "the name is not said in German"
    _, qrels = view_queries(collection, View("en", ("en", "de", "fr")))
    assert qrels["en:age"] == {"en:size": 1, "de:age": 1}


def test_several_files_and_gzip(made):
    packed = gzip.compress(b"".join(json.dumps(one).encode() + b"\n" for one in ROWS[2:]))
    both = load_collection(made(ROWS[:2], packed))
    assert both.passages.equals(load_collection(made(ROWS)).passages)


def test_fewer_languages_than_the_files_have(made):
    collection = load_collection(made(ROWS, languages=("de", "fr")))
    assert collection.languages == ("de", "fr")
    assert set(collection.passages["language"]) == {"de", "fr"}
    assert judged(collection)["fr:age"] == ["de:age"]


def test_rows_without_an_id_are_numbered(made):
    rows = [{"query": {"en": "q"}, "passage": {"en": "p", "de": "P", "fr": x}} for x in "ab"]
    assert load_collection(made(rows)).queries["id"].to_list() == ["en:1", "en:2"]


def test_integers_are_ids_and_groups_play_no_part(made):
    rows = [
        {"id": n, "group": "page", "query": {"en": f"q{n}"}, "passage": {"en": f"p{n}", "de": "P"}}
        for n in (7, 8)
    ]
    collection = load_collection(made(rows, languages=("en", "de")))
    assert judged(collection) == {"en:7": ["en:7", "de:7"], "en:8": ["en:8", "de:7"]}
    assert collection.queries["group"].to_list() == ["7", "8"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([*ROWS, ROWS[0]], r"0\.jsonl:5: repeats the id 'size' of .*0\.jsonl:1; expected an id"),
        (json.dumps(ROWS[0])[:60], r"0\.jsonl:1: invalid JSON: .*seems to be cut off"),
        (b'{"id": "\xff"}\n', r"0\.jsonl:1: not UTF-8"),
        ('["a"]\n', r"0\.jsonl:1: found .*; expected an object like"),
        ([{"id": "1", "query": {"en": "q"}}], r":1: 'passage' is missing; expected texts by"),
        ([row("1", {"en": " "}, en="p")], r":1: 'query\.en' is blank"),
        ([row("1", {"English": "q"}, en="p")], None),
        ([row("1", None, en="p", de="P", fr="π")], "qrels|queries is empty"),
        ([row("1", {"en": "q"}, en="p", de="P")], r"no row has a passage in 'fr', a language of"),
        ("", r"0\.jsonl: no row has a passage in 'en'.*found none\. Correct .*toy\.toml"),
    ],
)
def test_bad_files_are_refused(made, content, said):
    if said is None:  # other languages are not looked at, be they what they may
        said = "no row has a passage in 'de'"
    with pytest.raises(DataError, match=said):
        load_collection(made(content))


def test_a_card_needs_a_file(made):
    with pytest.raises(ValueError, match="at least 1 item"):
        made()


def test_subsets_that_are_empty_can_be_named(made):
    rows = [row("1", {"en": "q"}, en="p"), row("2", {"de": "q"}, de="p")]
    names = ["en-de", "de-en"]
    card = made(rows, languages=("en", "de"), empty_subsets=names)
    assert [list(task_views(card, setting)) for setting in Setting] == [
        ["en-en", "de-de"],
        [],
        ["en-multi", "de-multi"],
    ]
    assert len(task_classes({"Toy": card})) == 2, "no cross-lingual task without subsets"


def test_real_rows(made, real_data):
    """Nine languages, of which a row has two to nine; headings repeat, and so do paragraphs."""
    packed = (real_data / "parallel" / "libreoffice-help" / "pairs.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    collection = load_collection(made(packed, languages=("en", "de")))
    repeats = {}
    for language in ("en", "de"):
        having = [one for one in rows if language in one["passage"]]
        texts = {one["passage"][language] for one in having}
        assert len(collection.passages.filter(language=language)) == len(texts)
        repeats[language] = len(having) - len(texts)
    assert repeats["en"] == 0 < repeats["de"]
    pairs = sum(
        (language in one["query"]) * len({"en", "de"} & one["passage"].keys())
        for one in rows
        for language in ("en", "de")
    )
    assert len(collection.qrels) == pairs


def test_a_question_answered_in_other_languages_only_is_in_no_subset(made):
    lone = row("lone", {"en": "who knows?"}, it="nessuno")
    collection = load_collection(made([*ROWS, lone]))
    assert "en:lone" not in judged(collection)
    queries, _ = view_queries(collection, View("en", ("en",)))
    assert "en:lone" not in queries["id"].to_list()
