"""Translation models: what each family is told, batches, the cache, and what cannot be loaded."""

import shutil
import sqlite3

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig, NllbTokenizer

from mteb_hybrid.models.contents import ModelError, folder_hash
from mteb_hybrid.translation.model_languages import TranslationError
from mteb_hybrid.translation.translator import Options, Translator
from translation.conftest import NLLB_CODES

TEXTS = ["a cat", "the dog is here", "who", "where does the sun go at night", "hello", "y x z"]
SHORT = Options(beams=2, max_length=20)


@pytest.fixture
def counted(monkeypatch):
    """The batches that were really translated."""
    batches = []
    real = Translator._translate_batch

    def count(self, texts, source, target):
        batches.append(texts)
        return real(self, texts, source, target)

    monkeypatch.setattr(Translator, "_translate_batch", count)
    return batches


def documented(folder, family, text, target):
    """One text, translated as the model cards say."""
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    if family == "madlad":
        tokenizer = AutoTokenizer.from_pretrained(folder)
        given, forced = tokenizer(f"<2{target}> {text}", return_tensors="pt"), {}
    else:
        source = {"nllb": "eng_Latn", "m2m": "en"}[family]
        tokenizer = AutoTokenizer.from_pretrained(folder, src_lang=source)
        given = tokenizer(text, return_tensors="pt")
        first = target if family == "nllb" else f"__{target}__"
        forced = {"forced_bos_token_id": tokenizer.convert_tokens_to_ids(first)}
    made = model.generate(**given, **forced, num_beams=2, max_new_tokens=20)
    (text,) = tokenizer.batch_decode(made, skip_special_tokens=True)
    return text.removeprefix(f"__{target}__").strip()


@pytest.mark.parametrize(
    ("family", "german", "chinese"),
    [("nllb", "deu_Latn", "zho_Hans"), ("m2m", "de", "zh"), ("madlad", "de", "zh")],
)
def test_as_the_model_cards_say(family, german, chinese, request):
    folder = request.getfixturevalue(family)
    translator = Translator(str(folder), options=SHORT)
    for code, target in (("deu-Latn", german), ("zho-Hans", chinese)):
        found = translator.translate(TEXTS, "eng-Latn", code, batch_size=4)
        assert list(found) != TEXTS and set(found) == set(TEXTS)
        for text in TEXTS:
            assert found[text].text == documented(folder, family, text, target)
            assert not found[text].cut
    assert (translator.system, translator.revision) == (f"local/{family}", folder_hash(folder))


def test_the_source_language_counts(nllb):
    translator = Translator(str(nllb), options=SHORT)
    english = translator.translate(TEXTS, "eng-Latn", "zho-Hans")
    assert english != translator.translate(TEXTS, "deu-Latn", "zho-Hans")


def test_each_text_once_the_longest_first(nllb, counted):
    translator = Translator(str(nllb), options=SHORT)
    first = translator.translate([*TEXTS, *TEXTS], "eng-Latn", "deu-Latn", batch_size=4)
    assert counted == [
        ["where does the sun go at night", "the dog is here", "a cat", "hello"],
        ["y x z", "who"],
    ]
    again = translator.translate([*TEXTS, "new"], "eng-Latn", "deu-Latn", batch_size=4)
    assert counted[2:] == [["new"]]
    assert {text: again[text] for text in TEXTS} == first


@pytest.mark.parametrize(
    "other",
    [
        {"source": "deu-Latn"},
        {"target": "zho-Hans"},
        {"options": Options(beams=1, max_length=20)},
        {"options": Options(beams=2, max_length=21)},
        {"folder": True},
    ],
)
def test_what_a_translation_depends_on(nllb, counted, other, tmp_path):
    def translate(source="eng-Latn", target="arb-Arab", options=SHORT, folder=False):
        model = nllb
        if folder:
            model = shutil.copytree(nllb, tmp_path / "nllb")
            (model / "notes.txt").write_text("another revision")
        Translator(str(model), options=options).translate(["a cat"], source, target)

    translate()
    translate()
    assert counted == [["a cat"]]
    translate(**other)
    assert len(counted) == 2


def test_an_interrupted_run_goes_on(nllb, counted, monkeypatch, cache):
    translator = Translator(str(nllb), options=SHORT)
    whole = translator.translate(TEXTS, "eng-Latn", "deu-Latn", batch_size=2)
    cache.unlink()
    done, real = len(counted), Translator._translate_batch

    def killed(self, texts, source, target):
        if len(counted) == done + 2:
            raise KeyboardInterrupt
        return real(self, texts, source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Translator, "_translate_batch", killed)
        translator.translate(TEXTS, "eng-Latn", "deu-Latn", batch_size=2)
    resumed = translator.translate(TEXTS, "eng-Latn", "deu-Latn", batch_size=2)
    assert counted[done:] == counted[:done], "no batch twice, and the same batches"
    assert resumed == whole


def test_what_is_cut_is_marked(nllb):
    long = "word " * 30  # 150 tokens for a model of 64
    found = Translator(str(nllb), options=SHORT).translate(["hello", long], "eng-Latn", "deu-Latn")
    assert [found[text].cut for text in ("hello", long)] == [False, True]
    short = Translator(str(nllb), options=Options(beams=2, max_length=4))
    assert short.translate(["hello"], "eng-Latn", "deu-Latn")["hello"].cut


def test_an_end_that_the_model_forces_hides_nothing(nllb, tmp_path):
    folder = shutil.copytree(nllb, tmp_path / "forced")
    generation = GenerationConfig.from_pretrained(folder)
    generation.forced_eos_token_id = 2
    generation.max_length = 200
    generation.save_pretrained(folder)
    translator = Translator(str(folder), options=Options(beams=1, max_length=4))
    assert translator.translate(["hello"], "eng-Latn", "deu-Latn")["hello"].cut


def test_other_numbers(nllb):
    options = Options(beams=1, max_length=20, dtype="bfloat16")
    translator = Translator(str(nllb), options=options)
    assert translator._model.dtype == torch.bfloat16
    assert translator.translate(["hello"], "eng-Latn", "deu-Latn")["hello"].text


def test_unknown_languages_are_refused(nllb, madlad, counted):
    translator = Translator(str(nllb))
    for source, target in (("eng-Latn", "fra-Latn"), ("fra-Latn", "eng-Latn")):
        with pytest.raises(TranslationError, match=r"fra-Latn: .*knows arb_Arab, deu_Latn"):
            translator.translate(["hello"], source, target)
    with pytest.raises(TranslationError, match=r"fra-Latn: .*knows de, iw, zh"):
        Translator(str(madlad)).translate(["hello"], "eng-Latn", "fra-Latn")
    assert counted == []


def test_weights_that_are_no_safetensors_are_refused(nllb, tmp_path):
    folder = shutil.copytree(nllb, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(TranslationError, match=r"pickled: no safetensors weights .*refs/pr/45"):
        Translator(str(folder))


def test_weights_that_are_cut_short_are_refused(nllb, tmp_path):
    folder = shutil.copytree(nllb, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"model\.safetensors: damaged or cut short"):
        Translator(str(folder))


def test_weights_that_lack_a_part_are_refused(nllb, tmp_path):
    """Else that part would be random, and so would be every translation."""
    folder = tmp_path / "half"
    shutil.copytree(nllb, folder)
    weights = load_file(folder / "model.safetensors")
    lost = min(name for name in weights if "decoder.layers" in name)
    del weights[lost]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(TranslationError, match=rf"weights lack {lost}, which would be random"):
        Translator(str(folder))


def test_what_is_no_translation_model(tiny_model, nllb, tmp_path):
    with pytest.raises(TranslationError, match=r"bert: model_type 'bert' without language tokens"):
        Translator(str(tiny_model.with_name("bert")))
    with pytest.raises(TranslationError, match=r"cannot be loaded: "):
        Translator(str(tmp_path))
    with pytest.raises(TranslationError, match=r"nobody/nothing: cannot be loaded: "):
        Translator("nobody/nothing")
    with pytest.raises(TranslationError, match="a folder has no revisions; leave --revision out"):
        Translator(str(nllb), revision="main")


def test_a_tokenizer_that_breaks_its_language_tokens(madlad):
    translator = Translator(str(madlad))
    translator._names["fr"] = "<2fr>"
    with pytest.raises(TranslationError, match=r"does not keep the language token '<2fr>' whole"):
        translator.translate(["hello"], "eng-Latn", "fra-Latn")


def test_a_damaged_cache_is_refused(nllb, cache):
    translator = Translator(str(nllb), options=SHORT)
    translator.translate(["hello"], "eng-Latn", "deu-Latn")
    with sqlite3.connect(cache) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM translations")
    connection.close()
    assert rows == 1
    cache.write_bytes(b"not a database" * 100)
    with pytest.raises(TranslationError, match=r"translations\.sqlite: not a cache .*Remove"):
        translator.translate(["hello"], "eng-Latn", "deu-Latn")


def test_the_fixtures_have_real_tokenizers(nllb):
    tokenizer = AutoTokenizer.from_pretrained(nllb, src_lang="deu_Latn")
    assert isinstance(tokenizer, NllbTokenizer)
    ids = tokenizer("hallo")["input_ids"]
    assert tokenizer.convert_ids_to_tokens([ids[0], ids[-1]]) == ["deu_Latn", "</s>"]
    assert set(NLLB_CODES) <= set(tokenizer.get_vocab())
