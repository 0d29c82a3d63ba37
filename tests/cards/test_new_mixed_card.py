"""Cards of corpora that are not parallel, as `mteb-hybrid tasks new` writes them: or nothing."""

import json
import re

import pytest
from typer.testing import CliRunner

from mteb_hybrid.cards.card import read_card
from mteb_hybrid.cards.tasks import card_settings, data_revision, task_views
from mteb_hybrid.commands.app import app
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.sources import load_collection

TEXTS = {
    "en": "The cat sleeps on the warm roof",
    "de": "Die Katze schläft auf dem warmen Dach",
    "ru": "Кошка спит на тёплой крыше",
}


def jsonl(rows):
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def corpus(*languages, **keys):
    return [{"_id": f"{x}{i}", "text": f"{TEXTS[x]} {i}", **dict.fromkeys(keys, x)}
            for x in languages for i in range(2)]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "my mix"
    (made / "qrels").mkdir(parents=True)
    return made


def write(folder, **files):
    names = {"qrels": "qrels/test.tsv"}
    for name, content in files.items():
        (folder / names.get(name, f"{name}.jsonl")).write_text(
            content if isinstance(content, str) else jsonl(content), encoding="utf-8"
        )


def new(*options):
    return CliRunner().invoke(
        app, ["tasks", "new", *map(str, options), "--sample-creation", "found"]
    )


QRELS = "query-id\tcorpus-id\tscore\nq\ten0\t1\nq\tru1\t2\nd\tru0\t1\n"
QUERIES = [
    {"_id": "q", "text": f"Where? {TEXTS['en']}", "language": "en"},
    {"_id": "d", "text": f"Wo? {TEXTS['de']}", "language": "de"},
]


def test_a_folder_in_beirs_layout(folder):
    write(folder, corpus=corpus("en", "ru", language=1), queries=QUERIES, qrels=QRELS)
    done = new(folder, "--to", folder)
    assert done.exit_code == 0, done.output + str(done.exception)
    card = read_card(folder / "my-mix.toml")
    assert card.name == "MyMix"
    assert {k: v.code for k, v in card.languages.items()} == {
        **{"en": "eng-Latn", "ru": "rus-Cyrl", "de": "deu-Latn"}
    }
    assert card_settings(card) == tuple(Setting)
    assert [name for s in Setting for name in task_views(card, s)] == [
        *("en-en", "en-ru", "de-ru", "en-multi", "de-multi")
    ]
    for task in task_classes({card.name: card}):
        task().load_data()
    assert "left out, as no query has an answer there" in done.output


def test_a_corpus_whose_files_are_in_a_language_each(folder):
    write(folder, fas=corpus("en"), rus=corpus("ru"), topics=QUERIES[:1])
    (folder / "a.qrels").write_text("q 0 en0 1\n")
    (folder / "b.qrels").write_text("q 0 ru1 3\n")
    options = ("--queries", folder / "topics.jsonl", "--qrels", folder / "a.qrels", "--qrels",
               folder / "b.qrels", "--file-language", "fas.jsonl=en")  # fmt: skip
    files = (folder / "fas.jsonl", folder / "rus.jsonl")
    assert "key 'language' is 'null'" in str(new(*files, *options).exception)
    done = new(*files, *options, "--file-language", "rus.jsonl=ru")
    assert done.exit_code == 0, done.exception
    card = read_card(folder / "fas.toml")
    assert [entry.language for entry in card.source.corpus] == ["en", "ru"]
    assert len(load_collection(card).qrels) == 2


def by_language(folder):
    """Files of the same names, in a folder for each language."""
    for language in ("en", "ru"):
        (folder / language).mkdir()
        write(folder / language, corpus=corpus(language))
    write(folder, topics=QUERIES[:1])
    (folder / "a.qrels").write_text("q 0 en0 1\nq 0 ru1 3\n")
    return [*(folder / x / "corpus.jsonl" for x in ("en", "ru")), "--to", folder, "--queries",
            folder / "topics.jsonl", "--qrels", folder / "a.qrels"]  # fmt: skip


def test_files_of_the_same_name_are_told_apart_by_their_paths(folder, monkeypatch):
    options = by_language(folder)
    monkeypatch.chdir(folder)
    of_files = ("--file-language", "en/corpus.jsonl=en",
                "--file-language", f"{folder}/ru/corpus.jsonl=ru")  # fmt: skip
    done = new(*options, *of_files)
    assert done.exit_code == 0, done.exception
    card = read_card(folder / "en.toml")
    assert [entry.language for entry in card.source.corpus] == ["en", "ru"]


@pytest.mark.parametrize(
    ("of_files", "said"),
    [
        (
            ["corpus.jsonl=en"],
            "en: several files have that name; expected one of .*en/corpus.jsonl,",
        ),
        (["en/corpus.jsonl=en", "./en/corpus.jsonl=ru"], "was said to be in 'en'; expected one"),
    ],
)
def test_the_language_of_a_file_is_not_guessed(folder, monkeypatch, of_files, said):
    options = by_language(folder)
    monkeypatch.chdir(folder)
    done = new(*options, *(word for one in of_files for word in ("--file-language", one)))
    assert re.search(said, str(done.exception)), done.exception
    assert not list(folder.glob("*.toml"))


def test_what_names_the_languages_of_a_corpus_is_refused_for_a_parallel_file(folder):
    rows = [{"question": {"en": f"{n}?"}, "passage": {"en": f"{n}."}} for n in range(3)]
    write(folder, faq=rows)
    done = new(folder / "faq.jsonl", "--file-language", "faq.jsonl=en", "--topic-key", "topic")
    assert "--file-language, --topic-key: for a corpus with --queries" in str(done.exception)
    assert not list(folder.glob("*.toml"))


def test_the_language_of_a_file_is_called_as_in_its_rows(folder):
    rows = [{"id": "row", "text": "um texto brasileiro", "language": "pt-br"}]
    write(folder, rows=rows, whole=[{"id": "whole", "text": "um livro"}], topics=QUERIES[:1])
    (folder / "a.qrels").write_text("q 0 row 1\nq 0 whole 1\n")
    done = new(folder / "rows.jsonl", folder / "whole.jsonl", "--queries", folder / "topics.jsonl",
               "--qrels", folder / "a.qrels", "--file-language", "whole.jsonl=pt-BR")  # fmt: skip
    assert done.exit_code == 0, done.exception
    card = read_card(folder / "rows.toml")
    assert list(card.languages) == ["pt-br", "en"] and card.source.corpus[1].language == "pt-br"


def test_variants_of_a_language_stay_two_however_they_are_written(folder):
    passages = [{"id": x, "text": "um texto", "language": x} for x in ("POR", "pt-BR")]
    write(folder, corpus=passages, queries=QUERIES[:1], qrels="q 0 POR 1\nq 0 pt-BR 1\n")
    done = new(folder, "--to", folder)
    assert done.exit_code == 0, done.exception
    collection = load_collection(read_card(folder / "my-mix.toml"))
    assert collection.passages["id"].to_list() == ["pt:POR", "pt-BR:pt-BR"]


@pytest.mark.parametrize(
    ("asked", "found", "warned"),
    [
        (["zh_TW"], ["zh-Hant"], "'zh-Hant' (passages) and 'zh-TW' (queries) have the code zho-H"),
        (["zh_TW", "zh-Hant"], ["zh-Hant"], "'zh-Hant' (passages, queries) and 'zh-TW' (queries)"),
        (["zh_TW", "zh-Hant"], ["zh-TW", "zh-Hant"], None),
        (["zh-Hant"], ["zh-Hans"], None),
    ],
)
def test_one_language_in_two_spellings(folder, caplog, asked, found, warned):
    texts = dict.fromkeys(("zh_TW", "zh-TW", "zh-Hant"), "圖書館幾點開門") | {
        "zh-Hans": "图书馆开门"
    }
    write(
        folder,
        corpus=[{"id": x, "text": texts[x], "language": x} for x in found],
        queries=[{"id": f"q{x}", "text": texts[x], "language": x} for x in asked],
        qrels="".join(f"q{x} 0 {y} 1\n" for x in asked for y in found),
    )
    done = new(folder, "--to", folder)
    assert done.exit_code == 0, done.exception
    assert warned in caplog.text if warned else "different languages" not in caplog.text


def test_detected_languages_are_kept_and_said(folder, caplog):
    pytest.importorskip("lingua", reason="needs the extra detect")
    passages = [*corpus("en", "ru", "de"), {"_id": "number", "text": "1234"}]
    queries = [{k: v for k, v in row.items() if k != "language"} for row in QUERIES]
    write(folder, corpus=passages, queries=queries, qrels=QRELS)
    done = new(folder, "--to", folder, "--detect", "en,de,ru")
    assert done.exit_code == 0, done.exception
    card = read_card(folder / "my-mix.toml")
    told = [json.loads(line) for line in (folder / "my-mix.languages.jsonl").open(encoding="utf-8")]
    assert {row["id"]: row["language"] for row in told} == {
        **{f"{x}{i}": x for x in TEXTS for i in range(2)},
        **{"q": "en", "d": "de", "number": "en"},
    }
    assert {row["certainty"] for row in told if row["id"] == "number"} == {0}
    found = card.source.languages_detected
    assert found.by.startswith("lingua-language-detector 2.") and found.texts == 9
    assert found.doubtful == 1 and 0.8 < found.certainty < 0.9
    assert str(found) in done.output and "1 of 9 languages were detected with" in caplog.text
    assert str(found) in task_classes({card.name: card})[0].metadata.description
    assert f"+languages-{found.sha256[:12]}" in data_revision(card, Setting.MULTILINGUAL)
    caplog.clear()
    load_collection(card.model_copy(update={"title": "again"}))
    assert str(found) in caplog.text, "a warning while any is doubtful"


def test_detected_languages_need_ids_of_their_own(folder):
    """Translations of a query that share its id are told apart by a language alone."""
    pytest.importorskip("lingua", reason="needs the extra detect")
    queries = [{"_id": "q", "text": row["text"]} for row in QUERIES]
    write(folder, corpus=corpus("en", "ru"), queries=queries, qrels="q 0 en0 1\nq 0 ru1 2\n")
    before = sorted(folder.rglob("*"))
    done = new(folder, "--to", folder, "--detect", "en,de,ru")
    said = ":2: the query 'q' is there in en and in de; for --detect every text needs an id"
    assert said in str(done.exception), done.exception
    assert "what they share by --topic-key" in str(done.exception)
    assert sorted(folder.rglob("*")) == before
    apart = [{**row, "_id": f"q{place}", "topic": "q"} for place, row in enumerate(queries)]
    write(folder, queries=apart)
    done = new(folder, "--to", folder, "--detect", "en,de,ru", "--topic-key", "topic")
    assert done.exit_code == 0, done.exception
    collection = load_collection(read_card(folder / "my-mix.toml"))
    assert set(collection.queries["language"]) == {"en", "de"}


def test_a_corpus_in_one_language_has_no_pool_of_all(folder):
    write(folder, corpus=corpus("ru", language=1), queries=QUERIES, qrels="q 0 ru1 1\nd 0 ru0 1\n")
    assert new(folder, "--to", folder).exit_code == 0
    card = read_card(folder / "my-mix.toml")
    assert card_settings(card) == (Setting.CROSSLINGUAL,)


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        ({}, ["--language-key", "lang"], "key 'lang' is 'null'; expected the language"),
        ({"qrels": "q 0 nowhere 1\n"}, [], "there is no passage 'nowhere'"),
        ({"qrels": "x 0 en0 1\n"}, [], "there is no query 'x'"),
        ({"qrels": "q 0 en0 0\n"}, [], "no judgment above 0"),
        ({"corpus": ""}, [], "corpus.jsonl"),
        (
            {"corpus": corpus("en", language=1), "queries": QUERIES[:1], "qrels": "q 0 en0 1\n"},
            [],
            "my mix/corpus.jsonl: passages and queries are all in en; a collection judged across",
        ),
        ({}, ["--file-language", "corpus.jsonl"], "expected a file and its language"),
        ({}, ["--file-language", "other=de"], "no file of passages or queries; expected one of"),
        ({}, ["--code", "zh=zho-Hans"], "no text in 'zh'"),
        ({}, ["--detect", "en"], "two languages or more"),
        ({}, ["--detect", "en,qu"], "does not know this language"),
        ({}, ["--qrels", "none"], "none: no such file"),
    ],
)
def test_what_is_of_no_use_is_not_written(folder, files, options, said):
    if "--detect" in options:
        pytest.importorskip("lingua", reason="needs the extra detect")
    given = {"corpus": corpus("en", "ru", language=1), "queries": QUERIES, "qrels": QRELS} | files
    write(folder, **given)
    before = sorted(folder.rglob("*"))
    done = new(folder, "--to", folder, *options)
    assert done.exit_code and said in str(done.exception), done.exception
    assert ".part" not in str(done.exception), "the card is named, not what it is written to first"
    assert sorted(folder.rglob("*")) == before


def test_a_corpus_alone_is_not_enough(folder):
    write(folder, corpus=corpus("en"), queries=QUERIES)
    file = folder / "corpus.jsonl"
    assert "--qrels is missing" in str(new(file, "--queries", file).exception)
    assert "name judgments with --qrels" in str(new(folder).exception)
