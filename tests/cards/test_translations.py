"""Translated queries beside a collection: further subsets, and refusals of what does not fit."""

import hashlib
import json
import os
import re
import subprocess
import sys

import mteb
import polars as pl
import pytest
from mteb.models.search_wrappers import SearchEncoderWrapper
from typer.testing import CliRunner

from conftest import HashEncoder
from evaluation.test_task_miracl import TOPICS, write_language
from export.conftest import files
from mteb_hybrid.cards.card import CardError
from mteb_hybrid.cards.catalogue import card_folder, task_cards
from mteb_hybrid.cards.formats.beir import BeirSource
from mteb_hybrid.cards.tasks import card_settings, task_views
from mteb_hybrid.cards.translations import overlay_folder, provenance
from mteb_hybrid.commands.app import app
from mteb_hybrid.evaluation.select import SelectionError, select_tasks
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.languages.traits import By
from mteb_hybrid.results.compare import breakdown
from mteb_hybrid.retrieval.views import Setting, View, view_queries
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.translated import with_translated_queries

TOY = {
    "corpus.jsonl": '{"_id": "d1", "text": "Cats purr."}\n{"_id": "d2", "text": "Dogs bark."}\n',
    "queries.jsonl": '{"_id": "1", "text": "Who purrs?"}\n{"_id": "2", "text": "Who barks?"}\n',
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\td1\t2\n1\td2\t0\n2\td2\t1\n",
}
GERMAN = '{"id": "2", "text": "Wer bellt?"}\n{"id": "1", "text": "Wer\u2028schnurrt?"}\n'


@pytest.fixture
def translated(beir_card):
    """A collection in English, its queries translated into German."""

    def make(text=GERMAN, **fields):
        card = beir_card(TOY)
        write_overlay("toy", text, **fields)
        return card

    return make


def write_overlay(name, text, into="de", of="en", **fields):
    folder = overlay_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / "de-en.jsonl").write_bytes(raw)
    sha256 = hashlib.sha256(raw).hexdigest()
    entry = {"into": into, "of": of, "file": "de-en.jsonl", "sha256": sha256}
    about = {"system": "acme/mt", "revision": "abc", "date": "2026-11-21"}
    about |= {"languages": {"de": "deu-Latn"}, "translations": [entry]}
    (folder / "provenance.json").write_text(json.dumps(about | fields))


def test_the_judgments_stay(translated):
    card = translated()
    collection = with_translated_queries(load_collection(card), card)
    assert collection.languages == ("en", "de")
    assert collection.queries.rows()[2:] == [
        ("de>en:1", "Wer\u2028schnurrt?", "de", "en:1"),
        ("de>en:2", "Wer bellt?", "de", "en:2"),
    ]
    queries, qrels = view_queries(collection, View("de", ("en",)))
    assert queries["id"].to_list() == ["de>en:1", "de>en:2"]
    assert qrels == {"de>en:1": {"en:d1": 2, "en:d2": 0}, "de>en:2": {"en:d2": 1}}
    _, own = view_queries(collection, View("en", ("en",)))
    assert own == {"en:1": {"en:d1": 2, "en:d2": 0}, "en:2": {"en:d2": 1}}


def test_the_cross_lingual_setting_appears(translated, beir_card):
    card = beir_card(TOY)
    assert card_settings(card) == (Setting.MONOLINGUAL,)
    assert with_translated_queries(load_collection(card), card) is load_collection(card)
    translated()
    assert card_settings(card) == (Setting.MONOLINGUAL, Setting.CROSSLINGUAL)
    assert task_views(card, Setting.CROSSLINGUAL) == {"de-en": View("de", ("en",))}
    assert select_tasks(["toy"], query_languages=["de"]) == {"ToyCrosslingualRetrieval": ["de-en"]}


def test_breakdowns_know_the_languages_of_the_queries(translated):
    """German is none of the card's languages: only its queries are in it."""
    translated()
    value = {"query": "q", "group": "g", "query_language": "de", "pool": "de-en"}
    value |= {"task": "ToyCrosslingualRetrieval", "measure": "map", "value": 0.5}
    (row,) = breakdown(pl.DataFrame([value]), By.FAMILY).iter_rows(named=True)
    assert row["family"] == "Indo-European"


def test_a_collection_that_has_the_others_gets_one_more(sample_card, tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    originals = load_collection(sample_card).queries.filter(language="zh")["id"]
    lines = [json.dumps({"id": id_[3:], "text": f"fi {id_}"}) + "\n" for id_ in originals]
    write_overlay("sample", "".join(lines), "fi", "zh", languages={"fi": "fin-Latn"})
    views = task_views(sample_card, Setting.CROSSLINGUAL)
    assert len(views) == 111 and views["fi-zh"] == View("fi", ("zh",))
    collection = with_translated_queries(load_collection(sample_card), sample_card)
    queries, qrels = view_queries(collection, views["fi-zh"])
    assert len(queries) == 52
    assert {passage[:3] for judged in qrels.values() for passage in judged} == {"zh:"}


def test_what_mteb_is_told(translated):
    card = translated()
    by_name = {task.metadata.name: task.metadata for task in task_classes({"Toy": card})}
    about = by_name["ToyCrosslingualRetrieval"]
    revision = about.dataset["revision"]
    assert re.fullmatch(r"1\.0\.0\+card-[0-9a-f]{12}\+translated-[0-9a-f]{12}", revision)
    assert "translated by acme/mt (abc, 2026-11-21)" in about.description
    assert about.sample_creation == "machine-translated"
    assert about.eval_langs == {"de-en": ["deu-Latn", "eng-Latn"]}
    monolingual = by_name["ToyMonolingualRetrieval"].dataset["revision"]
    assert re.fullmatch(r"1\.0\.0\+card-[0-9a-f]{12}", monolingual)
    translated(GERMAN.replace("bellt", "kläfft"))
    (_, other) = task_classes({"Toy": card})
    assert other.metadata.dataset["revision"] != revision


def test_evaluated_as_mtebs_own_path_does(translated):
    card = translated()
    task = {made.__name__: made for made in task_classes({"Toy": card})}["ToyCrosslingualRetrieval"]
    fast, stock = (
        mteb.evaluate(model, task(), cache=None).task_results[0].scores["test"][0]
        for model in (HashEncoder(), SearchEncoderWrapper(HashEncoder()))
    )
    standard = [key for key in stock if "_at_" in key]
    same = pytest.approx({key: stock[key] for key in standard}, rel=0, abs=0, nan_ok=True)
    assert {key: fast[key] for key in standard} == same


def changed(old, new):
    return GERMAN.replace(old, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed('"id": "1"', '"id": "9"'), r"line\(s\) 2 translate no query of en\. Translate"),
        (changed('"id": "1"', '"id": "2"'), r"line\(s\) 2 repeat an id"),
        (changed("Wer bellt?", " "), r"line\(s\) 1 are empty"),
        (GERMAN.partition("\n")[0], r"1 of 2 queries are missing: 1\. Translate these again"),
        (GERMAN + "\n", r"3: invalid JSON: .*remove the line. Translate these"),
        (changed('"Wer bellt?"', "3"), r"line 1: key .text.: Input should be a valid string"),
        (changed('"id": "1", ', ""), r"line 2: key .id.: Field required"),
        (changed('"id": "1"', '"id": "1", "x": 1'), r"line 2: key .x.: Extra inputs"),
        (GERMAN.encode("latin-1", "replace").replace(b"bellt", b"b\xe4llt"), r"1: not UTF-8"),
        ("", "2 of 2 queries are missing: 1, 2"),
    ],
)
def test_bad_translations_are_refused(translated, text, said):
    card = translated(text)
    with pytest.raises(DataError, match=rf"translated-queries.toy.de-en\.jsonl: ?{said}"):
        with_translated_queries(load_collection(card), card)


def test_altered_and_missing_files_are_refused(translated):
    card = translated()
    file = overlay_folder("toy") / "de-en.jsonl"
    file.write_text(GERMAN.replace("bellt", "kläfft"))
    with pytest.raises(DataError, match=r"de-en\.jsonl: altered or cut short"):
        with_translated_queries(load_collection(card), card)
    file.unlink()
    with pytest.raises(DataError, match=r"de-en\.jsonl: no such file, but provenance\.json"):
        with_translated_queries(load_collection(card), card)


SHA = "0" * 64


def entry(into, of="en", **fields):
    return {"into": into, "of": of, "file": "x.jsonl", "sha256": SHA} | fields


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"translations": [entry("de"), entry("de")]}, "pair de-en stands there twice"),
        ({"translations": [entry("de", "fr")]}, "pair de-fr has no passages: Toy is in en"),
        ({"translations": [entry("en")]}, "pair en-en is not wanted: Toy has its own queries"),
        ({"translations": [entry("fr")]}, "pair fr-en lacks the code of 'fr'; add it"),
        ({"translations": [entry("de", file="../x")]}, r"key 'translations\.0\.file'"),
        ({"translations": [entry("de", sha256="1")]}, r"key 'translations\.0\.sha256'"),
        ({"translations": [entry("German")]}, r"key 'translations\.0\.into'"),
        ({"languages": {"de": "xx"}}, r"key 'languages\.de': .*ISO 639-3"),
        ({"date": "yesterday"}, "key 'date'"),
        ({"system": None}, "key 'system'"),
        ({"author": "me"}, "key 'author': Extra inputs are not permitted"),
    ],
)
def test_bad_provenance_is_refused(translated, fields, said):
    card = translated(**fields)
    with pytest.raises(DataError, match=rf"toy.provenance\.json: {said}.*[Cc]orrect"):
        provenance(card)


def test_provenance_that_is_no_json_is_refused(translated):
    card = translated()
    (overlay_folder("toy") / "provenance.json").write_text('{"system": ')
    with pytest.raises(DataError, match=r"provenance\.json: not JSON: .*correct it"):
        provenance(card)


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("sample", {}, "pair de-en is not wanted: sample .* has its own queries in de"),
        ("ntrex", {}, r"pair de-en is not wanted: the queries of NTREX-128 .* are its passages"),
    ],
)
def test_pairs_that_a_collection_has_are_refused(tmp_path, monkeypatch, name, fields, said):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    write_overlay(name, GERMAN, **fields)
    (card,) = [card for card in task_cards().values() if card.file.stem == name]
    with pytest.raises(DataError, match=said):
        provenance(card)


def test_a_code_that_the_card_contradicts_is_refused(translated, beir_card):
    """Queries in another language of the card, under its short code."""
    card = translated(languages={"de": "deu-Latn", "en": "fra-Latn"})
    assert provenance(card)
    other = card.model_copy(update={"languages": {**card.languages, "de": card.languages["en"]}})
    other._file = card.file
    with pytest.raises(DataError, match=r"pair de-en is into deu-Latn, but 'de' is eng-Latn in"):
        provenance(other)


def output(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    return result.output + str(result.exception or "")


def test_commands_tell_of_them(translated):
    translated()
    assert (
        "toy: Toy, en\n  ToyMonolingualRetrieval  (1 subset)\n"
        "  ToyCrosslingualRetrieval  (1 subset)\n"
    ) in output("tasks", "list")
    assert "queries translated by: acme/mt, abc, 2026-11-21: de-en\n" in output(
        "tasks", "show", "toy"
    )
    assert "translations cut" not in output("tasks", "show", "toy")
    sha256 = hashlib.sha256(GERMAN.encode()).hexdigest()
    translated(translations=[entry("de", file="de-en.jsonl", sha256=sha256, cut=["1"])])
    assert "translations cut: 1, by the length limit" in output("tasks", "show", "toy")


def test_a_collection_that_has_no_queries_of_its_own(translated, beir_card, monkeypatch):
    monkeypatch.setattr(BeirSource, "settings", ())
    beir_card(TOY)
    said = "no setting yet: needs translated queries, see `mteb-hybrid translate --help`"
    assert f"toy: Toy, en\n  {said}" in output("tasks", "list")
    assert said in output("tasks", "show", "toy")
    with pytest.raises(SelectionError, match=f"Toy: {said}"):
        select_tasks(["sample", "toy"])
    assert said in output("export", "toy", "-f", "beir", "-o", "/nonexistent")
    translated()
    assert list(select_tasks(["toy"])) == ["ToyCrosslingualRetrieval"]


def test_exports(translated, tmp_path, monkeypatch):
    translated()
    data = os.environ.pop("MTEB_HYBRID_DATA")
    monkeypatch.setenv("MTEB_HYBRID_DATA", "")
    output("export", "toy", "-f", "beir", "-o", tmp_path / "beir", "--data", data)
    output("export", "ToyCrosslingualRetrieval", "-f", "trec", "-o", tmp_path / "trec")
    beir = files(tmp_path / "beir" / "toy")
    assert {name for name in beir if name.startswith("crosslingual")} == {
        f"crosslingual/de-en/{file}" for file in TOY
    }
    assert (
        beir["crosslingual/de-en/qrels/test.tsv"].decode()
        == "query-id\tcorpus-id\tscore\nde>en:1\ten:d1\t2\nde>en:1\ten:d2\t0\nde>en:2\ten:d2\t1\n"
    )
    queries = beir["crosslingual/de-en/queries.jsonl"].decode().splitlines()
    assert [json.loads(line)["text"] for line in queries] == ["Wer\u2028schnurrt?", "Wer bellt?"]
    topics = files(tmp_path / "trec")["toy/crosslingual/de-en/topics.tsv"].decode()
    assert topics == "de>en:1\tWer schnurrt?\nde>en:2\tWer bellt?\n"


def test_exported_pools_have_the_queries_that_were_asked(tmp_path, monkeypatch):
    """As in MIRACL: Yoruba has passages and queries, and Swahili queries are translated into it."""
    shipped = (card_folder() / "miracl.toml").read_text(encoding="utf-8")
    metadata = shipped[shipped.index("[metadata]") : shipped.index("[languages.ar]")]
    (tmp_path / "toy.toml").write_text(
        'name = "Toy"\ntitle = "Toy"\nkind = "benchmark"\ndescription = "A toy."\nsplit = "dev"\n'
        '[source]\nformat = "miracl"\npath = "miracl"\nrepository = "toy/toy"\n'
        f'revision = "1.0.0"\n{metadata}[languages.sw]\ncode = "swa-Latn"\n'
        '[languages.yo]\ncode = "yor-Latn"\n',
        encoding="utf-8",
    )
    for language in ("sw", "yo"):
        write_language(tmp_path / "miracl", language)
    monkeypatch.setenv("MTEB_HYBRID_TASKS", str(tmp_path))
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
    asked = [id_ for id_ in TOPICS if id_ != "21"]  # without a relevant passage
    lines = [json.dumps({"id": id_, "text": f"yo: {TOPICS[id_]}"}) + "\n" for id_ in asked]
    write_overlay("toy", "".join(lines), "yo", "sw", languages={})
    output("export", "toy", "-f", "beir", "-o", tmp_path / "all")
    whole, apart = files(tmp_path / "all"), {}
    for setting in Setting:
        output("export", "toy", "-f", "beir", "-o", tmp_path / setting, "--setting", setting)
        apart |= files(tmp_path / setting)
    assert whole.keys() == apart.keys()
    assert [name for name in whole if whole[name] != apart[name]] == []
    found = {
        name.split("/")[2]: [json.loads(line)["_id"] for line in text.splitlines()]
        for name, text in whole.items()
        if name.endswith("queries.jsonl")
    }
    assert found["yo-multi"] == found["yo-yo"] == [f"yo:{id_}" for id_ in asked]
    assert found["yo-sw"] == [f"yo>sw:{id_}" for id_ in asked]


def test_the_hub_export_leaves_them_out(translated, tmp_path, monkeypatch):
    translated()
    assert output("export", "toy", "-f", "hub", "-o", tmp_path).endswith("toy: 1 subset\n")
    assert set(files(tmp_path / "toy")) == {
        "README.md",
        "corpus/en.parquet",
        "queries/en.parquet",
        "qrels/en-en.parquet",
    }
    card = (tmp_path / "toy" / "README.md").read_text(encoding="utf-8")
    assert "A passage is a document: its title, a space, and its text." in card
    assert 'load_dataset(REPOSITORY, "en-en-qrels", split="test")' in card
    assert "None" not in card and "de-en" not in card
    monkeypatch.setattr(BeirSource, "settings", ())
    assert "translated queries only" in output("export", "toy", "-f", "hub", "-o", tmp_path)


@pytest.mark.soak
def test_the_unmodified_mteb_runs_them_and_the_table_shows_them(translated, tiny_model, tmp_path):
    """In a process of its own, where only the startup hook brings the tasks."""
    translated()
    code = """
import sys
import mteb
from mteb_hybrid.models.load import load_model
model = load_model(sys.argv[1], device="cpu")
tasks = mteb.get_tasks(tasks=["ToyMonolingualRetrieval", "ToyCrosslingualRetrieval"])
mteb.evaluate(model, tasks, cache=mteb.cache.ResultCache(sys.argv[2]), show_progress_bar=False)
"""
    subprocess.run(
        [sys.executable, "-c", code, str(tiny_model), str(tmp_path / "results")],
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "error:mteb-hybrid could not"},
    )
    shown = output("table", tmp_path / "results", "--format", "csv")
    assert "Toy,local/tiny," in shown
    assert re.search(r",monolingual,map,[^,]+,1,1,", shown)
    assert re.search(r",crosslingual,map,[^,]+,1,1,", shown)


def test_two_cards_whose_files_have_one_name_are_refused(beir_card):
    beir_card(TOY, "Sample")
    with pytest.raises(CardError, match=r"sample\.toml: the file of another card, .*another name"):
        task_cards()
