"""Foreign tables, vectors, archives, results and entries, damaged at random; see its neighbour."""

import io
import json
import os
import sys
import tempfile
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from files.test_foreign_files import CAPTIONS, OURS, PREDICTIONS, damaged, fuzz, one_file
from mteb_hybrid.evaluation.predictions import PredictionsError, save_predictions
from mteb_hybrid.evaluation.salvage import _rows as rows_in
from mteb_hybrid.evaluation.saving import mend
from mteb_hybrid.export.upstream.result_file import read_object, read_run_settings
from mteb_hybrid.files.archives import unpack
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.models import registry
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.models.describe import model_facts
from mteb_hybrid.models.kind import kind_of
from mteb_hybrid.models.load import open_folder
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.repair.stored import repair_file
from mteb_hybrid.repair.texts import read_corpus
from mteb_hybrid.results.mteb_files import ResultError, evaluated_model, read_result_files
from mteb_hybrid.results.per_query import read_per_query
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.value_files import PerQueryError
from mteb_hybrid.sources import READERS
from mteb_hybrid.training.precompute.work import Work
from mteb_hybrid.training.readers.parquet import read_parquet
from mteb_hybrid.training.run.folder import RunFolder, RunFolderError
from mteb_hybrid.training.saved import load

ERRORS = (*OURS, RepairError, ResultError, ModelError, PerQueryError)


def written(write):
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


ROWS = pl.DataFrame(
    {"text": ["a cat", "a dog", "Katze", "Hund"], "language": ["en", "en", "de", "de"]}
)
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)
PAIRS = pl.DataFrame(
    {
        "query_en": ["Who purrs?", "Who barks?"],
        "passage_en": ["a cat", "a dog"],
        "passage_de": ["Katze", "Hund"],
    }
)
TEXT = "".join(f"line {number}\n" for number in range(50))


def zipped(**members):
    def write(stream):
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in members.items():
                archive.writestr(name.replace("__", "/").replace("_", "."), text)

    return written(write)


def corpus(file):
    return read_corpus(str(file)).fit


def folder_of_texts(file):
    (file.parent / "en.txt").write_bytes(b"a cat\na dog\n")
    return read_corpus(str(file.parent)).fit


def vectors(file):
    return repair_file(file, file.with_name(f"new{file.suffix}"), lambda some, _: some)


def archive(file):
    unpack(file, file.with_name("unpacked"))
    return list(file.with_name("unpacked").rglob("*"))


def training(file):
    return read_parquet(file, cache_folder=file.with_name("cache"))


READ = {
    "texts.jsonl": (corpus, "".join(f"{json.dumps(row)}\n" for row in ROWS.to_dicts()).encode()),
    "texts.csv": (corpus, written(ROWS.write_csv)),
    "texts.tsv": (corpus, written(lambda stream: ROWS.write_csv(stream, separator="\t"))),
    "texts.parquet": (corpus, written(ROWS.write_parquet)),
    "de.txt": (folder_of_texts, b"Katze\nHund\n"),
    "vectors.npy": (vectors, written(lambda stream: np.save(stream, VECTORS))),
    "vectors.parquet": (
        vectors,
        written(pl.DataFrame({"v": VECTORS.tolist()}, {"v": pl.List(pl.Float32)}).write_parquet),
    ),
    "pairs.parquet": (training, written(PAIRS.write_parquet)),
    "archive.zip": (archive, zipped(toy__a_txt=TEXT, toy__b__c_txt=TEXT)),
}


def outcome(read, file, content):
    """A value, or an error of ours that names the file or its folder."""
    file.write_bytes(content)
    try:
        return read(file)
    except ERRORS as error:
        assert str(file.parent) in str(error)
        assert not [path for path in file.parent.rglob("*") if path.suffix in (".part", ".old")]


@pytest.mark.parametrize("name", READ)
@fuzz
def test_tables_and_archives(name, edits):
    read, content = READ[name]
    with tempfile.TemporaryDirectory() as folder:
        assert outcome(read, Path(folder) / name, content)
    with tempfile.TemporaryDirectory() as folder:
        outcome(read, Path(folder) / name, damaged(content, edits))


@pytest.mark.skipif(sys.platform != "linux", reason="paths are UTF-8 there")
@pytest.mark.parametrize("name", READ)
def test_paths_that_are_not_utf8(tmp_path, name):
    folder = tmp_path / os.fsdecode(b"b\xff")
    folder.mkdir()
    found = outcome(READ[name][0], folder / name, READ[name][1])
    if name == "pairs.parquet":  # its cache cannot lie there, it can
        assert found is None
        found = read_parquet(folder / name, cache_folder=tmp_path / "cache")
    assert found


@pytest.mark.skipif(sys.platform != "linux", reason="paths are UTF-8 there")
def test_models_whose_paths_are_not_utf8(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_MODELS", str(tmp_path / "models"))
    folder = tmp_path / os.fsdecode(b"b\xff")
    folder.mkdir()
    (folder / "modules.json").write_text("[]")
    with pytest.raises(ModelError, match="not UTF-8"):
        open_folder(folder)
    with pytest.raises(ModelError, match="not UTF-8"):
        registry.add_model(folder, "me/a")
    with pytest.raises(RunFolderError, match="not UTF-8"):
        RunFolder(folder).check(None, resume=False)
    with pytest.raises(ERRORS, match="not UTF-8"):
        load(folder)


@fuzz
def test_captions_in_an_archive(edits):
    make, content = one_file("captions", "captions", zipped(captions_jsonl=CAPTIONS))
    with tempfile.TemporaryDirectory() as name:
        card, file = make(Path(name), damaged(content, edits))
        file.rename(file.with_suffix(".zip"))
        entry = card.source.captions.model_copy(update={"file": "file.zip"})
        card = card.model_copy(
            update={"source": card.source.model_copy(update={"captions": entry})}
        )
        card._file = Path(name) / "toy.toml"
        try:
            assert len(READERS["captions"](card).passages)
        except ERRORS as error:
            assert str(file.parent) in str(error)


RESULT = {
    "task_name": "HybridSampleMultilingualRetrieval",
    "mteb_version": "2.26.0",
    "dataset_revision": "1.0.0",
    "evaluation_time": 1.5,
    "scores": {
        "test": [
            {"hf_subset": "en-multi", "languages": ["eng-Latn"], "main_score": 0.5, "map": 0.5}
        ]
    },
}
Model = namedtuple("Model", "name revision experiment_name", defaults=[None])
META = {"name": "test/model", "revision": "1", "experiment_kwargs": {}}


@pytest.mark.parametrize("name", ["HybridSampleMultilingualRetrieval.json", "model_meta.json"])
@fuzz
def test_results_of_mteb(name, edits):
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "results" / "test__model" / "1"
        folder.mkdir(parents=True)
        files = {"HybridSampleMultilingualRetrieval.json": RESULT, "model_meta.json": META}
        for file, content in files.items():
            (folder / file).write_text(json.dumps(content))
        (folder / name).write_bytes(damaged((folder / name).read_bytes(), edits))
        try:
            assert len(load_results(root).scores)
        except ERRORS as error:
            assert str(root) in str(error)


@fuzz
def test_values_of_queries(edits):
    rows = {"query_id": ["a"], "pool": ["en-multi"], "measure": ["map"], "value": [0.5]}
    content = written(pl.DataFrame(rows).write_parquet)
    with tempfile.TemporaryDirectory() as root:
        file = Path(root) / "Task.per_query" / "en-multi.parquet"
        file.parent.mkdir()
        file.write_bytes(damaged(content, edits))
        try:
            read_per_query(Path(root))
        except ERRORS as error:
            assert str(root) in str(error)


@fuzz
def test_entries_of_models(edits, monkeypatch):
    content = {"folder": "/models/a", "hash": "0" * 40, "meta": {"name": "me/a", "revision": "1"}}
    with tempfile.TemporaryDirectory() as root:
        monkeypatch.setenv("MTEB_HYBRID_MODELS", root)
        file = Path(root) / "me__a.json"
        file.write_bytes(damaged(json.dumps(content).encode(), edits))
        try:
            registry.read_entry("me/a")
        except ERRORS as error:
            assert str(file) in str(error)


BEYOND = {
    "deep": b'{"a": ' * 5000 + b"1" + b"}" * 5000,
    "long": b'{"a": ' + b"1" * 9000 + b"}",
    "twice": b'{"a": 1, "a": 2}',
    "list": b"[]",
}


WHOLE = [
    ("HybridSampleMonolingualRetrieval.json", lambda file: read_result_files([file])),
    ("model_meta.json", lambda file: evaluated_model(file.parent)),
    ("model_meta.json", lambda file: model_facts(file.parent)),
    ("object.json", read_object),
    ("about.json", lambda file: Work(file.parent, {})),
    ("dataset_dict.json", lambda file: load(file.parent)),
    ("config.json", lambda file: kind_of(file.parent)),
]


@pytest.mark.parametrize("kind", BEYOND)
def test_json_beyond_the_limits_is_named(tmp_path, kind):
    for name, read in WHOLE:
        file = tmp_path / name
        file.write_bytes(BEYOND[kind])
        try:
            assert read(file) is None
        except ERRORS as error:
            assert str(file) in str(error) and len(str(error)) < 500
        else:
            assert name == "object.json"
        file.unlink()


@pytest.mark.parametrize("kind", ["deep", "long", "twice"])
def test_what_the_tables_refuse_is_set_aside_by_the_next_run(tmp_path, kind):
    file = tmp_path / "HybridSampleMultilingualRetrieval.json"
    row = RESULT["scores"]["test"][0]
    text = json.dumps(RESULT | {"scores": {"test": [row | {"mteb_version": "2.26.0"}]}})
    file.write_bytes(text.replace("1.5", "1.5, " + '"a": @').encode().replace(b"@", BEYOND[kind]))
    with pytest.raises(ResultError, match="sets it aside"):
        read_result_files([file])
    mend(file)
    (found,) = read_result_files([file])
    assert found.content["scores"]["test"][0]["main_score"] == 0.5
    assert file.with_name(f"{file.name}.damaged").is_file()


@pytest.mark.parametrize(
    "line", [*BEYOND.values(), b'{"task": "a", "splits": 1}', b"\xff", b'{"version": 1}']
)
def test_run_settings_that_mteb_does_not_write(tmp_path, line):
    file = tmp_path / "run_settings.jsonl"
    file.write_bytes(line + b"\n")
    assert read_run_settings(file) is None


def test_scores_that_are_no_number_of_any_size():
    row = RESULT["scores"]["test"][0]
    for text in (json.dumps(row).replace("0.5", "9" * 5000), json.dumps(row)[:-1] + ', "\\q": 1}'):
        damaged_file = f'"scores": {{"test": [{text}'
        assert list(rows_in(damaged_file)) == []
    assert list(rows_in('"scores": {"te\\qst": [' + json.dumps(row))) == []


@fuzz
def test_predictions_that_are_added_to(edits):
    with tempfile.TemporaryDirectory() as root:
        file = Path(root) / "predictions.json"
        file.write_bytes(damaged(PREDICTIONS, edits))
        try:
            save_predictions(file, {"q": {"d": 1.0}}, Model("x", "1"), "test", "en-en")
        except PredictionsError as error:
            assert str(file) in str(error)
        else:
            assert json_file(file)["en-en"] == {"test": {"q": {"d": 1.0}}}
