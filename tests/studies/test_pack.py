"""Packed results: a report of them is the report of the store, and damage is told."""

import io
import json
import shutil
import zipfile

import polars as pl
import pytest
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lock import LockedError, lock
from mteb_hybrid.results.per_query import read_per_query
from mteb_hybrid.results.value_files import PerQueryError
from mteb_hybrid.studies.answer import answers
from mteb_hybrid.studies.evidence import find
from mteb_hybrid.studies.pack import pack, unpack
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.report import write_report
from mteb_hybrid.studies.store import EARLIER, Store, StudyError
from studies.made_results import MULTILINGUAL, STUDY, study_of, write_runs

MEASURES = ("map", "rank_distance")
PART = {"python": "3.11.7", "precision": "fp32", "packages": {}}


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
    (trained / "versions.json").write_text(json.dumps([PART]), encoding="utf-8")
    return store


@pytest.fixture
def packed(store, tmp_path):
    pack(runs(study_of(), "small"), store, tmp_path / "packed", MEASURES)
    return tmp_path / "packed"


def test_a_report_of_unpacked_results_is_the_same(store, packed, tmp_path):
    there = Store(tmp_path / "there")
    taken, _ = unpack(packed, there)
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
    assert unpack(packed, there) == ([], {})
    assert file.read_text(encoding="utf-8") == "mine"
    # What an archive has more is told.
    shutil.rmtree(file.with_suffix(".per_query"))
    said = CliRunner().invoke(app, ["study", "unpack", str(packed), "--store", str(there.path)])
    told = " ".join(said.output.split())
    assert f"its archive has more: {file.stem}. To have that, move this folder away" in told
    assert told.count("stays as it is") == 1


def test_a_model_that_was_trained_here_keeps_its_own_words(store, packed, tmp_path):
    there, key = Store(tmp_path / "there"), runs(study_of(), "small")[0].key
    shutil.copytree(store.run(key), there.run(key))
    (there.run(key) / "versions.json").write_text("mine", encoding="utf-8")
    with there.costed(key, "mine"):
        pass
    assert key in unpack(packed, there)[0]
    assert (there.run(key) / "versions.json").read_text(encoding="utf-8") == "mine"
    (part,) = json.loads((there.run(key) / EARLIER).read_bytes())
    assert len(part.pop("evaluated")) == 3 and part == PART, "no results are of the training here"
    assert {*there.costs(key)} == {"mine"} and there.has_weights(key)
    with lock(there.run(key)):
        assert unpack(packed, there) == ([], {})
        shutil.rmtree(there.results)
        with pytest.raises(LockedError):
            unpack(packed, there)


def test_the_same_results_have_the_same_bytes(store, packed, tmp_path):
    there = Store(tmp_path / "there")
    unpack(packed, there)
    pack(runs(study_of(), "small"), there, tmp_path / "again", MEASURES)
    for file in packed.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_what_made_a_run_is_packed_whatever_the_store_says(store, packed, tmp_path):
    shutil.copytree(store.path, tmp_path / "copy")
    there = Store(tmp_path / "copy")
    gone, damaged, *_ = (there.path / "made").iterdir()
    gone.unlink()
    damaged.write_text("{}", encoding="utf-8")
    pack(runs(study_of(), "small"), there, tmp_path / "again", MEASURES)
    for file in packed.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
    assert len(unpack(tmp_path / "again", Store(tmp_path / "new"))[0]) == len(
        list(packed.iterdir())
    )


def test_only_some_measures_are_packed(store, tmp_path):
    """A claim about another is answered once that is evaluated again, and `study run` does so."""
    pack(runs(study_of(), "small"), store, tmp_path / "packed", ("map",))
    there = Store(tmp_path / "there")
    unpack(tmp_path / "packed", there)
    for folder in (there.results / next(there.results.iterdir()).name).iterdir():
        assert read_per_query(folder)["measure"].unique().to_list() == ["map"]
    planned = runs(study_of(), "small")
    lacking = {"HybridSampleMultilingualRetrieval": ["en-multi", "de-multi", "ru-multi"]}
    assert [there.missing(one) for one in planned if one.seed == 1] == [lacking] * 3
    _, about_distance, _ = answers(find(study_of(), "alpha", "small", there.path), 10)
    said = "no values of rank_distance per query in en-multi, de-multi; the same `mteb-hybrid study"
    assert said in about_distance.why
    other = [claim for claim in STUDY["claims"] if claim.get("measure") != "rank_distance"]
    assert there.missing(runs(study_of(claims=other), "small")[0]) == {}


@pytest.mark.parametrize("values_on", ["0.9.0", None])
def test_values_without_their_results_are_not_packed(tmp_path, values_on):
    study = study_of({"tests": [MULTILINGUAL]})
    (run,) = write_runs(
        tmp_path, study, only=lambda run: run.condition == "untrained", values_on=values_on
    )
    if not values_on:
        next(Store(tmp_path).results_of(run).glob("*Retrieval.json")).unlink()
    with pytest.raises(StudyError, match="no results"):
        pack([run], Store(tmp_path), tmp_path / "packed", MEASURES)


def test_values_that_may_have_been_edited_are_not_packed(tmp_path):
    """An archive would give them a checksum."""
    study = study_of({"tests": [MULTILINGUAL]})
    (run,) = write_runs(tmp_path, study, only=lambda run: run.condition == "untrained")
    file = next(Store(tmp_path).results_of(run).rglob("en-multi.parquet"))
    pl.read_parquet(file).sort("value").write_parquet(file)
    with pytest.raises(PerQueryError, match=r"en-multi\.parquet: has no checksum"):
        pack([run], Store(tmp_path), tmp_path / "packed", MEASURES)
    assert not (tmp_path / "packed").exists()


def content_of(archive):
    with zipfile.ZipFile(archive) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def write_archive(archive, content):
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, found in content.items():
            zipped.writestr(name, found)


def test_archives_are_named_after_what_made_them(packed, tmp_path):
    there = Store(tmp_path / "there")
    with pytest.raises(DataError, match="no packed results"):
        unpack(tmp_path / "nowhere", there)
    archive = min(packed.iterdir())
    for other in packed.iterdir():
        if other != archive:
            other.unlink()
    renamed = packed / ("0" * 16 + ".zip")
    archive.rename(renamed)
    with pytest.raises(StudyError, match="edited or renamed"):
        unpack(packed, there)
    raw = renamed.read_bytes()
    renamed.unlink()
    archive.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(packed, there)
    with pytest.raises(StudyError, match=r"there: no results .*`mteb-hybrid study run`"):
        pack(runs(study_of(), "small"), there, tmp_path / "none", MEASURES)
    assert not there.path.exists()


MADE, META, COSTS = "made.json", "results/model_meta.json", "costs.json"
MUL = "results/HybridSampleMultilingualRetrieval"


def table(**columns):
    """Changes a table of values per query."""

    def change(raw):
        stream = io.BytesIO()
        found = pl.read_parquet(io.BytesIO(raw)).with_columns(**columns)
        found.filter(pl.col("query").fill_null("") != "gone").write_parquet(stream)
        return stream.getvalue()

    return change


def changed(**keys):
    """Changes an object of JSON."""
    return lambda raw: json.dumps(json.loads(raw) | keys).encode()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (MADE, None, r"it lacks made\.json"),
        (META, None, r"it lacks results/model_meta\.json"),
        (MADE, lambda _: b"[" * 100_000, r"made\.json: not JSON"),
        (COSTS, lambda _: b"\xff\xfe", r"costs\.json: not UTF-8"),
        (META, changed(name="../../../out"), "a model '../../../out'"),
        (META, changed(name=".."), "a model '..'"),
        (META, changed(name="studies/x/y"), "a model 'studies/x/y'"),
        (META, changed(revision="x"), "is of the run 'x'"),
        ("results/../../out.json", lambda _: b"{}", "relative paths"),
        ("results/x/out.json", lambda _: b"{}", "holds 'results/x/out.json', which .* not write"),
        (f"{MUL}.json", None, "MultilingualRetrieval.json: is missing or damaged"),
        (f"{MUL}.json", changed(dataset_revision=5), "a dataset_revision, found 5"),
        (f"{MUL}.parquet", lambda _: b"PAR1", "MultilingualRetrieval.parquet: is damaged"),
        (f"{MUL}.parquet", table(x=pl.lit(1)), "has the columns"),
        (f"{MUL}.parquet", table(pool=pl.lit(None, pl.String)), "without a query, group"),
        (f"{MUL}.parquet", table(query=pl.lit("gone")), "has no rows"),
        (f"{MUL}.parquet", table(pool=pl.lit("../../out")), "'../../out' lies outside"),
        (f"{MUL}.parquet", table(pool=pl.lit("/out")), "'/out' lies outside"),
        (f"{MUL}.parquet", table(pool=pl.lit("a/b")), "'a/b' is no name"),
        (".parquet", None, "has no values per query"),
    ],
)
def test_bad_archives_leave_nothing_behind(packed, tmp_path, name, change, said):
    there = Store(tmp_path / "there")
    archive = next(file for file in packed.iterdir() if COSTS in content_of(file))
    content = content_of(archive)
    content = {n: raw for n, raw in content.items() if change or not n.endswith(name)}
    if change:
        content[name] = change(content.get(name, b""))
    shutil.rmtree(packed)
    packed.mkdir()
    write_archive(archive, content)
    with pytest.raises((StudyError, DataError), match=said) as raised:
        unpack(packed, there)
    assert str(archive) in str(raised.value)
    assert not there.path.exists()


def test_archives_keep_the_measures_that_they_have(store, packed, tmp_path):
    """Those of other studies that share the run; from a store that lacks them nothing is packed."""
    planned = runs(study_of(), "small")
    before = {file.name: file.read_bytes() for file in packed.iterdir()}
    pack(planned, store, packed, ("map",))
    assert {file.name: file.read_bytes() for file in packed.iterdir()} == before
    pack(planned, store, tmp_path / "fewer", ("map",))
    there = Store(tmp_path / "there")
    unpack(tmp_path / "fewer", there)
    with pytest.raises(StudyError, match=r"values per query of rank_distance .* would be lost"):
        pack(planned, there, packed, MEASURES)
    assert {file.name: file.read_bytes() for file in packed.iterdir()} == before
    for file in packed.iterdir():
        file.write_bytes(b"damaged")
    pack(planned, store, packed, MEASURES)
    assert {file.name: file.read_bytes() for file in packed.iterdir()} == before
