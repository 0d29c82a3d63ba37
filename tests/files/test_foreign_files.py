"""Files that others wrote, damaged at random: each is read right, or refused by its name.

Every reader gets files of its format with bytes put in, taken out, repeated and cut off. What comes
back is a value, or an error of ours that names the file; never another exception.
``MTEB_HYBRID_FUZZ`` sets how many per reader.
"""

import gzip
import hashlib
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.test_task_miracl import toy_card, write_language
from mteb_hybrid.cards.card import CardError, TaskCard, read_card
from mteb_hybrid.cards.catalogue import card_folder, task_cards
from mteb_hybrid.cards.translations import provenance
from mteb_hybrid.files.errors import DataError, ExportError
from mteb_hybrid.files.lines import columns, json_file, lines, text_of
from mteb_hybrid.files.predictions import read_predictions
from mteb_hybrid.files.runs import read_mapping, read_qrels, read_run
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.sources import READERS
from mteb_hybrid.sources.translated import with_translated_queries
from mteb_hybrid.training.readers.json import read_json
from mteb_hybrid.training.readers.mmarco import read_mmarco

EXAMPLES = int(os.environ.get("MTEB_HYBRID_FUZZ", "30"))
OURS = (DataError, CardError, ExportError)

BITS = [
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"\x00", b"\xff", b"\xe2\x80\xa8", b"\xc2\x85",
    b"\n", b"\r", b"\r\n", b"\n\n", b"\t", b" ", b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]",
    b"null", b"true", b"NaN", b"Infinity", b"1e999", b"0.5", b"1.0", b"-1", b"1" * 30, b"1" * 5000,
    b"1" * 400,
    b"\\ud800", b'"id"', b'"_id": ', b"[]", b"{}", b"[" * 2000, b"mteb_model_meta", b"zh_TW", b"#",
]  # fmt: skip
PLACE = st.floats(0, 1)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), PLACE, st.sampled_from(BITS)),
        st.tuples(st.just("replace"), PLACE, st.sampled_from(BITS)),
        st.tuples(st.just("cut"), PLACE, st.integers(1, 40)),
        st.tuples(st.just("repeat"), PLACE, st.integers(1, 60)),
        st.tuples(st.just("end"), PLACE, st.none()),
        st.tuples(st.just("bytes"), PLACE, st.binary(max_size=4)),
        st.tuples(st.just("gzip"), PLACE, st.none()),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content, edits):
    for kind, place, what in edits:
        at = int(place * len(content))
        if kind == "end":
            content = content[:at]
        elif kind == "cut":
            content = content[:at] + content[at + what :]
        elif kind == "repeat":
            content = content[: at + what] + content[at:]
        elif kind == "gzip":
            content = gzip.compress(content)
        else:
            after = at + (len(what) if kind == "replace" else 0)
            content = content[:at] + what + content[after:]
    return content


def sha(content):
    return hashlib.sha256(content).hexdigest()


TREC_RUN = b"q1 Q0 d1 1 2.5 tag\nq1 Q0 d2 2 1.0 tag\nq2\tQ0\td 2\t1\t-1.0\ttag\n"
TABLE = json.dumps({"q1": {"d1": 2, "d2": 1}, "q2": {"d2": 0}}).encode()
PREDICTIONS = json.dumps(
    {"mteb_model_meta": {"model_name": "x"}, "en-de": {"test": {"q1": {"d1": 2.5}}}}
).encode()
BEIR_QRELS = b"query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t0\n"
CORPUS = (
    b'{"_id": "d1", "title": "Cats", "text": "purr.", "metadata": {"language": "en"}}\n'
    b'{"_id": "d2", "text": "Dogs bark.", "language": "de"}\n'
)
ROWS = (
    b'{"id": "1", "query": {"en": "q", "de": "f"}, "passage": {"en": "p", "de": "t"}}\n'
    b'{"id": 2, "group": "g", "query": {"de": "f2"}, "passage": {"de": "t2", "en": null}}\n'
)


def language(value):
    return read_mapping(value, "language")


SIMPLE = {
    "trec run": (read_run, TREC_RUN),
    "json run": (read_run, TABLE),
    "predictions": (read_run, PREDICTIONS),
    "exported predictions": (lambda file: read_predictions(file, "test"), PREDICTIONS),
    "trec qrels": (read_qrels, b"q1 0 d1 1\nq2 0 d2 0\n"),
    "beir qrels": (read_qrels, BEIR_QRELS),
    "json qrels": (read_qrels, TABLE),
    "columns": (language, b"id\tlanguage\nd1\ten\nd2\tde\n"),
    "mapping": (language, b'{"d1": "en", "d2": "de"}'),
    "json lines": (language, CORPUS),
    "whole json": (lambda file: [json_file(file)], TABLE),
    "card": (read_card, (card_folder() / "sample.toml").read_bytes()),
    "recipe": (read_recipe, (card_folder("models") / "labse-hybrid.toml").read_bytes()),
}


def fuzz(test):
    suppressed = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    options = settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=suppressed)
    return options(given(edits=EDITS)(test))


@pytest.mark.parametrize("kind", SIMPLE)
@fuzz
def test_single_files(kind, edits):
    read, content = SIMPLE[kind]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.toml"
        file.write_bytes(damaged(content, edits))
        try:
            assert read(file)
        except OURS as error:
            assert str(file) in str(error)


def source_card(folder, source, languages):
    fields = {"name": "Toy", "title": "toy", "languages": languages}
    fields["source"] = {"repository": "toy/toy", "revision": "1.0.0", "path": "toy"} | source
    card = TaskCard.model_validate(task_cards()["HybridSample"].model_dump() | fields)
    card._file = folder / "toy.toml"
    return card


CODES = {"en": {"code": "eng-Latn"}, "de": {"code": "deu-Latn"}}
LAREQA = json.dumps(
    {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "A cat. A dog.",
                        "sentences": ["A cat.", "A dog."],
                        "sentence_breaks": [[0, 6], [7, 13]],
                        "qas": [
                            {
                                "id": "q1",
                                "question": "Who?",
                                "answers": [{"answer_start": 7, "text": "A dog"}],
                            }
                        ],
                    }
                ]
            }
        ]
    }
).encode()
CAPTIONS = (
    b'{"image/key": "a", "en": {"caption": ["a cat", "cat"]}, "de": {"caption": ["Katze"]}}\n'
    b'{"image/key": "b", "en": {"caption": ["a dog"]}, "de": {"caption": ["Hund"]}}\n'
)


def per_language(form, english, german):
    def card(folder, content):
        (folder / "toy").mkdir()
        languages = {}
        for short, written in (("en", content or english), ("de", german)):
            (folder / "toy" / short).write_bytes(written)
            languages[short] = CODES[short] | {"file": short, "sha256": sha(written)}
        source = {"format": form} | ({"candidates": "sentence"} if form == "lareqa" else {})
        return source_card(folder, source, languages), folder / "toy" / "en"

    return card, english


def pair_of_files(english, german):
    def card(folder, content):
        (folder / "toy").mkdir()
        pair = {}
        for short, written in (("en", content or english), ("de", german)):
            (folder / "toy" / short).write_bytes(written)
            pair[short] = {"file": short, "sha256": sha(written)}
        return source_card(folder, {"format": "pairs", "pairs": [pair]}, CODES), folder / "toy/en"

    return card, english


def one_file(form, key, content):
    def card(folder, written):
        (folder / "toy").mkdir()
        (folder / "toy" / "file").write_bytes(written)
        entry = {"file": "file", "sha256": sha(written)}
        entry = [entry] if form == "parallel" else entry
        return source_card(folder, {"format": form, key: entry}, CODES), folder / "toy" / "file"

    return card, content


BEIR = {
    "corpus.jsonl": CORPUS,
    "queries.jsonl": b'{"_id": "q1", "text": "Who purrs?"}\n{"_id": "q2", "text": "Who barks?"}\n',
    "qrels/test.tsv": BEIR_QRELS,
}


def beir_file(name):
    def card(folder, written):
        for file, content in (BEIR | {name: written}).items():
            (folder / "toy" / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / "toy" / file).write_bytes(content)
        languages = {"en": CODES["en"]}
        return source_card(folder, {"format": "beir"}, languages), folder / "toy"

    return card, BEIR[name]


def miracl_file(name):
    with tempfile.TemporaryDirectory() as folder:
        write_language(Path(folder), "yo")
        content = (Path(folder) / name).read_bytes()

    def card(folder, written):
        write_language(folder / "miracl", "yo")
        packed = name.endswith(".gz") and not written.startswith(b"\x1f\x8b")
        (folder / "miracl" / name).write_bytes(gzip.compress(written) if packed else written)
        return toy_card(folder, ["yo"]), folder / "miracl"

    return card, gzip.decompress(content) if name.endswith(".gz") else content


MIXED = {
    "corpus": CORPUS.replace(b'"language": "en"', b'"x": 1, "language": "en"'),
    "queries": b'{"id": 1, "topic": "t", "text": "Who?", "language": "en"}\n'
    b'{"id": 2, "topic": "t", "text": "Wer?", "metadata": {"language": "de"}}\n',
    "qrels": b"t 0 d1 1\n2 0 d2 0\n",
    "detected": b'{"kind": "passage", "id": "d1", "language": "en", "certainty": 1.0}\n'
    b'{"kind": "passage", "id": "d2", "language": "de", "certainty": 0.4}\n'
    b'{"kind": "query", "id": "1", "language": "en", "certainty": 1.0}\n'
    b'{"kind": "query", "id": "2", "language": "de", "certainty": 1.0}\n',
}


def mixed_file(name):
    def card(folder, written):
        (folder / "toy").mkdir()
        source = {"format": "mixed", "topic": "topic"}
        for kind, content in (MIXED | {name: written}).items():
            (folder / "toy" / kind).write_bytes(content)
            source[kind] = [{"file": kind, "sha256": sha(content)}]
        found = {"by": "x 1", "texts": 4, "certainty": 0.9, "doubtful": 1}
        source["detected"] = source["detected"][0] | found
        if name != "detected":
            del source["detected"]
            source["language"] = "language"
        return source_card(folder, source, CODES), folder / "toy" / name

    return card, MIXED[name]


SOURCES = {
    "lines": per_language("lines", b"a cat\na dog\n", b"Katze\nHund\n"),
    "pairs": pair_of_files(b"a cat\na dog\n", b"Katze\nHund\n"),
    "lareqa": per_language("lareqa", LAREQA, LAREQA),
    "captions": one_file("captions", "captions", CAPTIONS),
    "parallel": one_file("parallel", "texts", ROWS),
    **{f"mixed {name}": mixed_file(name) for name in MIXED},
    **{f"beir {name}": beir_file(name) for name in BEIR},
    **{
        f"miracl {name.partition('/')[0]}": miracl_file(name)
        for name in (
            "topics/topics.miracl-v1.0-yo-dev.tsv",
            "qrels/qrels.miracl-v1.0-yo-dev.tsv",
            "miracl-corpus-v1.0-yo/docs-1.jsonl.gz",
        )
    },
}


def test_every_format_that_reads_foreign_files_is_fuzzed():
    assert {kind.partition(" ")[0] for kind in SOURCES} == set(READERS) - {"mteb"}


@pytest.mark.parametrize("kind", SOURCES)
@fuzz
def test_collections(kind, edits):
    make, content = SOURCES[kind]
    with tempfile.TemporaryDirectory() as name:
        card, file = make(Path(name), damaged(content, edits))
        try:
            collection = READERS[card.source.format](card)
        except OURS as error:
            assert str(file.parent) in str(error)
            return
        assert len(collection.passages) and len(collection.queries)


@fuzz
def test_training_pairs(edits):
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "pairs.jsonl"
        file.write_bytes(damaged(ROWS, edits))
        try:
            assert len(read_json(file, cache_folder=Path(name) / "cache"))
        except OURS as error:
            assert str(file) in str(error)


MMARCO = {
    "data/triples.train.ids.small.tsv": b"1\t10\t11\n2\t11\t10\n1\t10\t12\n",
    "data/google/queries/train/english_queries.train.tsv": b"1\tone?\n2\ttwo?\n",
    "data/google/collections/english_collection.tsv": b"10\tten\n11\televen\n12\ttwelve\n",
}


@pytest.mark.parametrize("name", MMARCO)
@fuzz
def test_mmarco(name, edits):
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "mmarco"
        for file, content in (MMARCO | {name: damaged(MMARCO[name], edits)}).items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        try:
            corpus = read_mmarco(
                folder, languages=["EN"], negatives=1, cache_folder=Path(root) / "cache"
            )
            assert len(corpus) and corpus.languages == ("en",)
        except OURS as error:
            assert str(folder) in str(error)


WRONG = [
    b"null", b"[]", b"{}", b"7", b'"x"', b"true", b"NaN", b"1e999", b"9" * 400, b"9" * 9000,
    b'{"a": NaN}', b'{"a": "high"}', b'{"a": null}', b'{"a": [1]}', b'{"a": true}', b"{" * 5000,
    b'{"test": {"q1": {"d1": NaN}}}', b'{"test": {"q1": {"d1": "x"}}}', b'{"test": {"q1": [1]}}',
    b'{"test": [1]}', b'{"test": null}', b'["test"]', b'"test"', b'{"dev": {}}',
    b'{"test": {"q1": {"d1": ' + b"9" * 400 + b"}}}", b'{"test": {"q1": {"d1": true}}}',
]  # fmt: skip


@pytest.mark.parametrize("read", [read_run, lambda file: read_predictions(file, "test")])
@pytest.mark.parametrize("key", [b'{"model_name": "x"}', b'{"test": {"q1": {"d1": 2.5}}}'])
def test_predictions_of_wrong_types(tmp_path, read, key):
    file = tmp_path / "predictions.json"
    for wrong in WRONG:
        file.write_bytes(PREDICTIONS.replace(key, wrong))
        try:
            found = read(file)
        except OURS as error:
            assert str(file) in str(error)
        else:
            runs = [found] if read is read_run else [run.scores for run in found.values()]
            scores = [s for run in runs for rows in run.values() for s in rows.values()]
            assert all(isinstance(score, float) and score == score for score in scores)


GERMAN = b'{"id": "q1", "text": "Wer schnurrt?"}\n{"id": "q2", "text": "Wer bellt?"}\n'


@pytest.mark.parametrize("name", ["de-en.jsonl", "provenance.json"])
@fuzz
def test_translated_queries(name, edits, monkeypatch):
    with tempfile.TemporaryDirectory() as root:
        monkeypatch.setenv("MTEB_HYBRID_DATA", root)
        card, _ = SOURCES["beir corpus.jsonl"][0](Path(root), CORPUS)
        folder = Path(root) / "translated-queries" / "toy"
        folder.mkdir(parents=True)
        text = damaged(GERMAN, edits) if name == "de-en.jsonl" else GERMAN
        entry = {"into": "de", "of": "en", "file": "de-en.jsonl", "sha256": sha(text)}
        about = {"system": "x", "revision": "1", "date": "2026-01-01"}
        about |= {"languages": {"de": "deu-Latn"}, "translations": [entry]}
        written = json.dumps(about).encode()
        (folder / "de-en.jsonl").write_bytes(text)
        (folder / "provenance.json").write_bytes(
            damaged(written, edits) if name == "provenance.json" else written
        )
        try:
            provenance(card)
            assert len(with_translated_queries(READERS["beir"](card), card).queries) >= 2
        except OURS as error:
            assert str(folder) in str(error)


# --- right values


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\0"), max_size=12)
INSIDE = st.sampled_from(["", "\u2028", "\u2029", "\x85", "\x1c", "\x0b", "\x0c", "\ufeff", "\r x"])


@given(st.lists(st.tuples(TEXT, INSIDE, TEXT)), st.sampled_from(["\n", "\r\n"]), st.booleans(),
       st.booleans(), st.booleans())  # fmt: skip
@settings(deadline=None, max_examples=EXAMPLES)
def test_lines_are_what_was_written(parts, end, mark, packed, ended):
    written = ["".join(part) for part in parts]
    content = end.join(written).encode() + (end.encode() if ended and written else b"")
    content = (b"\xef\xbb\xbf" if mark else b"") + content
    if not mark and content.startswith(b"\xef\xbb\xbf"):
        written[0] = written[0].removeprefix("\ufeff")
    if written and not written[-1] and not ended:
        written.pop()  # nothing after the last end of a line is no line
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.write_bytes(gzip.compress(content) if packed else content)
        found = [text_of(where, line) for where, line in lines([file])]
        places = [where for where, _ in lines([file])]
    assert found == written or (written == [""] and found == [])
    assert places == [f"{file}:{number}" for number in range(1, len(found) + 1)]


IDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=8
).filter(lambda text: text == text.strip(" ") and not text.startswith(("{", "[", '"', "\ufeff")))


@given(st.lists(st.tuples(IDS, IDS, st.integers(-9, 9)), min_size=1, unique_by=lambda row: row[:2]))
@settings(deadline=None, max_examples=EXAMPLES)
def test_judgments_are_the_same_in_every_format(rows):
    expected = {}
    for query, document, grade in rows:
        expected.setdefault(query, {})[document] = grade
    written = {
        "trec": "".join(f"{q}\t0\t{d}\t{g}\n" for q, d, g in rows),
        "beir": "query-id\tcorpus-id\tscore\n" + "".join(f"{q}\t{d}\t{g}\n" for q, d, g in rows),
        "json": json.dumps(expected),
        "floats": json.dumps({q: {d: float(g) for d, g in j.items()} for q, j in expected.items()}),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, content in written.items():
            (Path(folder) / name).write_text(content, encoding="utf-8", newline="\n")
            assert read_qrels(Path(folder) / name) == expected, name


def test_columns():
    assert columns("q 1\tQ0\tLos Angeles\t1\t2.5\tmy run", 6)[2] == "Los Angeles"
    assert columns("q1  Q0\td\u00a01 1 2.5 t\r", 6)[2] == "d\u00a01"
    assert columns("q1 Q0 d1 1 2.5 my run", 6)[-2:] == ["my", "run"]
