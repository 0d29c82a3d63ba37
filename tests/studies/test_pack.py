"""Packed results: a report of them is the report of the store, and damage is told."""

import json
import re
import shutil
import zipfile

import pytest

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.results.per_query import read_per_query
from mteb_hybrid.studies.pack import pack, unpack
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.report import write_report
from mteb_hybrid.studies.store import Store, StudyError
from studies.made_results import study_of, write_runs

MEASURES = ("map", "rank_distance")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The results of a study, of one of its models but a part, with what else a store keeps."""
    store = Store(tmp_path_factory.mktemp("store"))
    first, *_ = write_runs(store.path, study_of(), only=lambda run: run.seed != 3)
    for run in runs(study_of(), "small"):
        if run.seed != 3:
            store.begin(run)
    with store.costed(first.key, "training"):
        pass
    trained = store.run(first.key)
    (trained / "model").mkdir(parents=True)
    (trained / "model" / "model.safetensors").write_bytes(b"weights")
    (trained / "versions.json").write_text("[]", encoding="utf-8")
    return store


@pytest.fixture
def packed(store, tmp_path):
    pack(runs(study_of(), "small"), store, tmp_path / "packed", MEASURES)
    return tmp_path / "packed"


def test_a_report_of_unpacked_results_is_the_same(store, packed, tmp_path):
    there = Store(tmp_path / "there")
    taken = unpack(packed, there)
    planned = runs(study_of(), "small")
    assert set(taken) == {run.key for run in planned if run.seed != 3}
    for run in planned:
        assert there.missing(run) == store.missing(run)
        assert not there.has_weights(run.key)
    for kept, folder in ((store, "a"), (there, "b")):
        write_report(study_of(), "alpha", "small", kept.path, tmp_path / folder)
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert len(files) > 4
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert {*there.costs(planned[0].key)} == {"training"}
    assert (there.run(planned[0].key) / "versions.json").is_file()
    for file in (store.path / "made").iterdir():
        assert (there.path / "made" / file.name).read_bytes() == file.read_bytes()


def test_what_is_there_stays(packed, tmp_path):
    there = Store(tmp_path / "there")
    unpack(packed, there)
    file = next(there.results.rglob("*Retrieval.json"))
    file.write_text("mine", encoding="utf-8")
    assert unpack(packed, there) == []
    assert file.read_text(encoding="utf-8") == "mine"


def test_the_same_results_have_the_same_bytes(store, packed, tmp_path):
    there = Store(tmp_path / "there")
    unpack(packed, there)
    pack(runs(study_of(), "small"), there, tmp_path / "again", MEASURES)
    for file in packed.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_only_some_measures_are_packed(store, tmp_path):
    pack(runs(study_of(), "small"), store, tmp_path / "packed", ("map",))
    there = Store(tmp_path / "there")
    unpack(tmp_path / "packed", there)
    for folder in (there.results / next(there.results.iterdir()).name).iterdir():
        assert read_per_query(folder)["measure"].unique().to_list() == ["map"]


def test_bad_archives_are_told(packed, tmp_path):
    there = Store(tmp_path / "there")
    with pytest.raises(DataError, match="no packed results"):
        unpack(tmp_path / "nowhere", there)
    archive = min(packed.iterdir())
    for other in packed.iterdir():
        if other != archive:
            other.unlink()
    renamed = packed / ("0" * 16 + ".zip")
    shutil.copy(archive, renamed)
    with pytest.raises(StudyError, match="edited or renamed"):
        unpack(packed, there)
    renamed.unlink()
    raw = archive.read_bytes()
    archive.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(packed, there)
    archive.write_bytes(raw)
    with zipfile.ZipFile(archive) as zipped:
        content = {name: zipped.read(name) for name in zipped.namelist()}
    for name in ("made.json", "results/model_meta.json"):
        with zipfile.ZipFile(archive, "w") as zipped:
            for other, found in content.items():
                if other != name:
                    zipped.writestr(other, found)
        with pytest.raises(StudyError, match=r"lacks made\.json or"):
            unpack(packed, there)
    table = next(name for name in content if name.endswith(".parquet"))
    for name, damage in ((table, b"PAR1"), (table.replace(".parquet", ".json"), b"{}")):
        with zipfile.ZipFile(archive, "w") as zipped:
            for other, found in content.items():
                zipped.writestr(other, damage if other == name else found)
        with pytest.raises(StudyError, match=f"{re.escape(table)}, or .* missing or damaged"):
            unpack(packed, there)
    meta = json.loads(content["results/model_meta.json"])
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, found in content.items():
            zipped.writestr(name, found)
        zipped.writestr("results/../../out.json", "{}")
    with pytest.raises(DataError, match="relative paths"):
        unpack(packed, there)
    for name in ("../../../out", "..", "studies/..", "studies/x/y"):
        content["results/model_meta.json"] = json.dumps(meta | {"name": name}).encode()
        with zipfile.ZipFile(archive, "w") as zipped:
            for other, found in content.items():
                zipped.writestr(other, found)
        if name != "studies/..":
            with pytest.raises(StudyError, match="a model"):
                unpack(packed, there)
        else:
            unpack(packed, there)
    assert {file.name for file in there.path.iterdir()} <= {"results", "made", "costs", "runs"}
