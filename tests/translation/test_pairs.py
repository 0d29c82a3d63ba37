"""The command on pairs: parallel training data, which training reads."""

import gzip
import hashlib
import json

import pytest
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.training.dataset import ParallelDataset
from mteb_hybrid.translation.cache import Translated
from mteb_hybrid.translation.translator import Options, Translator

ROWS = [
    {"id": "a", "group": "p", "query": {"en": "who purrs"}, "passage": {"en": "the cat purrs"}},
    {"id": "b", "group": "p", "query": {"de": "nur deutsch"}, "passage": {"en": "a passage"}},
    {"id": 7, "query": {"en": "who barks", "de": "wer"}, "passage": {"en": "a dog", "de": "hund"}},
    {"query": {"en": "who purrs"}, "passage": {"en": "the cat purrs"}, "notes": "no id"},
]


@pytest.fixture
def pairs(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


@pytest.fixture
def translate(nllb, tmp_path):
    def run(*arguments, max_length=20):
        options = ["--model", nllb, "--beams", 2, "--max-length", max_length, *arguments]
        result = CliRunner().invoke(app, ["translate", *map(str, options)])
        if result.exception and not isinstance(result.exception, ValueError | SystemExit):
            raise result.exception
        return result.output + str(result.exception or "")

    return run


def written(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_parallel_data_that_training_reads(pairs, translate, nllb, tmp_path):
    output = tmp_path / "parallel.jsonl"
    said = translate(pairs, "--of", "en", "--into", "de", "--into", "zh", "-o", output)
    assert said.startswith(f"{output}: 3 rows in en, de, zh; 0 translation(s) left out")
    made = Translator(str(nllb), options=Options(beams=2, max_length=20))
    texts = ["who purrs", "the cat purrs", "who barks", "a dog"]
    german, chinese = (made.translate(texts, "eng-Latn", code) for code in ("deu-Latn", "zho-Hans"))

    def in_all(text):
        return {"en": text, "de": german[text].text, "zh": chinese[text].text}

    cats = {"query": in_all("who purrs"), "passage": in_all("the cat purrs")}
    assert written(output) == [
        {"id": "a", "group": "p", **cats},
        {"id": 7, "query": in_all("who barks"), "passage": in_all("a dog")},
        cats,
    ]
    dataset = ParallelDataset.from_json(output, cache_folder=tmp_path / "arrow")
    assert len(dataset) == 3 and list(dataset.languages) == ["en", "de", "zh"]


def test_the_provenance(pairs, translate, tmp_path):
    output = tmp_path / "parallel.jsonl"
    translate(pairs, "--of", "en", "--into", "de", "-o", output)
    about = json.loads((tmp_path / "parallel.jsonl.provenance.json").read_text())
    assert about["system"] == "local/nllb"
    assert about["options"] == {"beams": 2, "max_length": 20, "dtype": "float32"}
    assert about["of"] == "en" and about["languages"] == {"en": "eng-Latn", "de": "deu-Latn"}
    assert about["source"]["sha256"] == hashlib.sha256(pairs.read_bytes()).hexdigest()
    assert about["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert (about["rows"], about["left_out"]) == (3, [])


def test_faulty_translations_are_left_out_and_listed(pairs, translate, tmp_path, monkeypatch):
    made = {
        "who purrs": Translated("wer schnurrt", False),
        "the cat purrs": Translated("die Katze schnurrt und schnurrt und", True),
        "who barks": Translated("", False),
        "a dog": Translated("ein Hund", False),
    }
    monkeypatch.setattr(Translator, "translate", lambda *arguments, **options: made)
    output = tmp_path / "parallel.jsonl"
    said = translate(pairs, "--of", "en", "--into", "de", "-o", output)
    assert f"{pairs}:1: passage in de left out: its translation is cut\n" in said
    assert f"{pairs}:3: query in de left out: its translation is empty\n" in said
    assert "3 translation(s) left out, listed in parallel.jsonl.provenance.json" in said
    first, second, _ = written(output)
    assert first["query"]["de"] == "wer schnurrt" and set(first["passage"]) == {"en"}
    assert set(second["query"]) == {"en"} and second["passage"]["de"] == "ein Hund"
    about = json.loads((tmp_path / "parallel.jsonl.provenance.json").read_text())
    assert about["left_out"] == [
        {"line": 1, "role": "passage", "language": "de", "fault": "cut"},
        {"line": 3, "role": "query", "language": "de", "fault": "empty"},
        {"line": 4, "role": "passage", "language": "de", "fault": "cut"},
    ]


def test_compressed_pairs(pairs, translate, tmp_path):
    packed = tmp_path / "pairs.jsonl.gz"
    packed.write_bytes(gzip.compress(pairs.read_bytes()))
    for file, output in ((pairs, "plain.jsonl"), (packed, "packed.jsonl")):
        translate(file, "--of", "en", "--into", "de", "-o", tmp_path / output)
    assert (tmp_path / "plain.jsonl").read_bytes() == (tmp_path / "packed.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--into", "de", "-o", "out.jsonl"], "the one language that is translated: --of en"),
        (["--of", "en", "--of", "de", "--into", "zh", "-o", "out.jsonl"], "the one language"),
        (["--of", "en", "--into", "de"], "pairs need --output"),
        (["--of", "zh", "--into", "de", "-o", "out.jsonl"], "no row has a question and a passage"),
        (["--of", "en", "--into", "en", "-o", "out.jsonl"], "--into en: the texts are in that"),
        (["--of", "en", "--into", "fr", "-o", "out.jsonl"], "fra-Latn: not a language of this"),
        (["--of", "en", "--into", "de", "-o", "pairs.jsonl"], "is there already; remove it"),
    ],
)
def test_refusals(pairs, translate, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    before = pairs.read_bytes()
    assert said in translate(pairs, *arguments)
    assert pairs.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"pairs.jsonl", "cache"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (json.dumps(ROWS[0]), r"pairs.jsonl:5: repeats the id 'a' of"),
        ('{"id": "x", "query": {"en": ""}', "pairs.jsonl:5: invalid JSON"),
        ('{"id": "x", "query": {"en": " "}, "passage": {"en": "a"}}', "'query.en' is blank"),
    ],
)
def test_bad_pairs_are_refused(pairs, translate, tmp_path, line, said):
    pairs.write_text(pairs.read_text() + line + "\n")
    output = tmp_path / "out.jsonl"
    assert said in translate(pairs, "--of", "en", "--into", "de", "-o", output)
    assert not output.exists()
