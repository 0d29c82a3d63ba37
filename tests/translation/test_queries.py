"""The command on a collection: translated queries beside it, merged, resumed, refused."""

import json
from dataclasses import replace

import polars as pl
import pytest
from typer.testing import CliRunner

from cards.test_translations import TOY
from mteb_hybrid.cards.translations import overlay_folder, provenance
from mteb_hybrid.commands.app import app
from mteb_hybrid.commands.translate import language_codes
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.models.contents import folder_hash
from mteb_hybrid.retrieval.views import View, view_queries
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.translated import with_translated_queries
from mteb_hybrid.translation.cache import Translated
from mteb_hybrid.translation.translator import Options, Translator

QUERIES = "".join(
    json.dumps({"_id": str(n), "text": text}) + "\n"
    for n, text in enumerate(["who purrs", "who barks", "where is it", "who purrs"])
)
QRELS = "query-id\tcorpus-id\tscore\n" + "".join(f"{n}\td{1 + n % 2}\t1\n" for n in range(4))


@pytest.fixture
def toy(beir_card):
    return beir_card({**TOY, "queries.jsonl": QUERIES, "qrels/test.tsv": QRELS})


@pytest.fixture
def translate(nllb):
    def run(*arguments, model=nllb, max_length=20):
        options = ["--model", model, "--beams", 2, "--max-length", max_length, *arguments]
        result = CliRunner().invoke(app, ["translate", *map(str, options)])
        if result.exception and not isinstance(result.exception, ValueError | SystemExit):
            raise result.exception
        return result.output + str(result.exception or "")

    return run


def test_queries_in_another_language(toy, translate, nllb):
    said = translate("toy", "--into", "de")
    folder = overlay_folder("toy")
    assert said == f"{folder}: the cross-lingual subsets are now de-en\n"
    about = json.loads((folder / "provenance.json").read_text())
    assert about["system"] == "local/nllb" and about["revision"] == folder_hash(nllb)
    assert about["options"] == {"beams": 2, "max_length": 20, "dtype": "float32"}
    assert about["languages"] == {"de": "deu-Latn"}
    collection = with_translated_queries(load_collection(toy), toy)
    queries, qrels = view_queries(collection, View("de", ("en",)))
    made = Translator(str(nllb), options=Options(beams=2, max_length=20))
    originals = load_collection(toy).queries["text"]
    expected = made.translate(originals, "eng-Latn", "deu-Latn")
    assert queries["text"].to_list() == [expected[text].text for text in originals]
    assert qrels == {f"de>en:{n}": {f"en:d{1 + n % 2}": 1} for n in range(4)}
    changed = load_collection(toy)
    upper = changed.queries.with_columns(pl.col("text").str.to_uppercase())
    with pytest.raises(DataError, match=r"de-en\.jsonl: the queries of en are not those that"):
        with_translated_queries(replace(changed, queries=upper), toy)
    assert "translated by: local/nllb" in CliRunner().invoke(app, ["tasks", "show", "toy"]).output


def test_further_languages_are_added(toy, translate):
    translate("toy", "--into", "de")
    before = (overlay_folder("toy") / "de-en.jsonl").read_bytes()
    (overlay_folder("toy") / "notes.txt").write_text("mine")
    said = translate("toy", "--into", "zh", "--into", "ar", "--of", "en")
    assert "now de-en, zh-en, ar-en" in said
    assert (overlay_folder("toy") / "de-en.jsonl").read_bytes() == before
    assert (overlay_folder("toy") / "notes.txt").read_text() == "mine"
    about = provenance(toy)
    assert list(about.languages) == ["de", "zh", "ar"]
    translate("toy", "--into", "de")
    again = provenance(toy)
    assert {entry.into: entry.sha256 for entry in again.translations} == {
        entry.into: entry.sha256 for entry in about.translations
    }
    assert with_translated_queries(load_collection(toy), toy).languages == ("en", "de", "zh", "ar")


def test_another_system_is_refused(toy, translate, madlad):
    translate("toy", "--into", "de")
    about = (overlay_folder("toy") / "provenance.json").read_bytes()
    for changes, key in (({"model": madlad}, "system"), ({"max_length": 30}, "options")):
        said = translate("toy", "--into", "zh", **changes)
        assert f"provenance.json: the {key} there is" in said and "remove that folder" in said
    assert (overlay_folder("toy") / "provenance.json").read_bytes() == about


def test_an_interruption_keeps_the_pairs_that_are_whole(toy, translate, monkeypatch):
    real = Translator._translate_batch

    def killed(self, texts, source, target):
        if target == "zho-Hans":
            raise KeyboardInterrupt
        return real(self, texts, source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Translator, "_translate_batch", killed)
        translate("toy", "--into", "de", "--into", "zh")
    assert [entry.into for entry in provenance(toy).translations] == ["de"]
    assert "now de-en, zh-en" in translate("toy", "--into", "de", "--into", "zh")
    names = {path.name for path in overlay_folder("toy").iterdir()}
    assert names == {"de-en.jsonl", "zh-en.jsonl", "provenance.json"}
    assert [path.name for path in overlay_folder("toy").parent.iterdir()] == ["toy"]


def test_an_empty_translation_is_refused(toy, translate, monkeypatch):
    made = {"who purrs": Translated("", False), "who barks": Translated("x", False)}
    made["where is it"] = Translated("y", False)
    monkeypatch.setattr(Translator, "translate", lambda *arguments, **options: made)
    said = translate("toy", "--into", "de")
    assert "Toy: 2 of 4 translations of en into de are empty: 0, 3. Translate with other" in said
    assert not overlay_folder("toy").exists()


def test_what_is_cut_is_listed(toy, translate):
    said = translate("toy", "--into", "de", max_length=3)
    assert "de-en: 4 cut by the length limit: 0, 1, 2, 3\n" in said
    assert provenance(toy).translations[0].cut == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["toy", "--into", "en"], "no pair of languages is left"),
        (["toy", "--into", "fr"], "fra-Latn: not a language of this NLLB-200 model, which knows"),
        (["toy", "--into", "de", "--of", "fr"], "pair de-fr has no passages: Toy is in en. Give"),
        (["sample", "--into", "de"], "pair de-en is not wanted: sample (not a benchmark) has its"),
        (["ntrex", "--into", "de"], "are its passages. Give other languages"),
        (["toy", "--into", "qqq"], "language 'qqq': on no card"),
        (["toy", "--into", "sv=swedish"], "unknown language 'swedish'"),
        (["toy", "--into", "de", "-o", "x.jsonl"], "--output is for pairs"),
        (
            ["nothing", "--into", "de"],
            "nothing: neither a file of parallel JSON lines nor a collection. There",
        ),
    ],
)
def test_refusals(toy, translate, arguments, said):
    assert said in translate(*arguments)
    assert not overlay_folder("toy").exists()


def test_codes_of_languages(toy):
    assert language_codes(["de", "sv=swe-Latn"]) == {"de": "deu-Latn", "sv": "swe-Latn"}
    assert language_codes(["en"], toy) == {"en": "eng-Latn"}
    other = toy.model_copy(update={"languages": {"de": toy.languages["en"]}})
    assert language_codes(["de"], other) == {"de": "eng-Latn"}, "the card's own come first"
