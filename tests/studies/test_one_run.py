"""One run of a study: what is made and kept, what is made again, and what is refused."""

import json
import shutil
import zipfile
from dataclasses import replace

import polars as pl
import pytest

from mteb_hybrid.files.lock import LockedError, lock
from mteb_hybrid.repair.apply import Said
from mteb_hybrid.results.results import load_results
from mteb_hybrid.studies import one_run
from mteb_hybrid.studies.catalogue import read_study
from mteb_hybrid.studies.evidence import find
from mteb_hybrid.studies.one_run import perform
from mteb_hybrid.studies.order import works
from mteb_hybrid.studies.pack import pack
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.progress import unfinished
from mteb_hybrid.studies.status import states
from mteb_hybrid.studies.store import EARLIER, VERSIONS, Store, StudyError
from mteb_hybrid.studies.trained_with import precisions
from mteb_hybrid.training.run.train import train

TASK = "HybridSampleMonolingualRetrieval"


@pytest.fixture(scope="module")
def whole(study_folder, tmp_path_factory):
    """A store with the first seed of the minute study, and its runs by condition."""
    store = Store(tmp_path_factory.mktemp("store"))
    found = runs(read_study(study_folder / "tiny-study.toml"), "smoke")
    first = {run.condition: run for run in found if run.seed in (None, 1)}
    said = {}
    for work in works(first.values()):
        perform(work.run, store, said.setdefault(work.run.condition, []).append)
    return store, first, said


@pytest.fixture
def store(whole, tmp_path):
    """A copy of it."""
    shutil.copytree(whole[0].path, tmp_path / "store")
    return Store(tmp_path / "store")


def test_all_is_made_and_told(whole):
    store, first, said = whole
    assert said == {
        "untrained": [TASK],
        "repaired": ["repair", TASK],
        "hybrid": ["training", TASK],
        "mended": ["repair", TASK],
    }
    assert all(store.missing(run) == {} for run in first.values())
    found = load_results(store.results)
    kept = {(e.model, e.revision) for e in found.evaluations}
    assert kept == {(run.model_name, run.key) for run in first.values()}
    assert len({e.scores["de-de"]["map"] for e in found.evaluations}) == 4
    assert found.per_query["revision"].n_unique() == 4
    for run in first.values():
        made = json.loads((store.path / "made" / f"{run.key}.json").read_bytes())
        assert made == run.made
        assert all(cost["cpu_seconds"] >= 0 for cost in store.costs(run.key).values())
    folder = store.run(first["hybrid"].key)
    assert not (folder / "checkpoints").exists() and (folder / "model").is_dir()


def test_what_is_there_is_not_made_again(whole):
    store, first, _ = whole
    files = _times(store.path)
    for run in first.values():
        perform(run, store, pytest.fail)
    assert _times(store.path) == files


def _times(folder):
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_an_edited_model_is_refused(store, whole):
    run = whole[1]["hybrid"]
    shutil.rmtree(store.results)
    weights = store.model(run.key) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(StudyError, match=r"runs/\w+/model: was edited by hand.*remove .*again"):
        perform(run, store, pytest.fail)
    shutil.rmtree(store.run(run.key))
    perform(run, store, lambda step: None)
    assert store.missing(run) == {}


def test_an_edited_repair_is_refused(store, whole):
    run = whole[1]["repaired"]
    shutil.rmtree(store.results)
    (store.model(run.key) / "extra.txt").write_text("")
    with pytest.raises(StudyError, match="was edited by hand"):
        perform(run, store, pytest.fail)


def test_a_model_stays_when_its_project_moves(store, whole, study_folder):
    """And is packed without the folders."""
    run = whole[1]["hybrid"]
    shutil.rmtree(store.results)
    recipe = store.run(run.key) / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text(text.replace(str(study_folder), "/home/elsewhere"))
    assert "/home/elsewhere/tiny" in recipe.read_text()
    said = []
    perform(run, store, said.append)
    assert said == [TASK] and recipe.read_text() == text
    (archive,) = pack([run], store, store.path / "packed", ["map"])
    with zipfile.ZipFile(archive) as zipped:
        packed = zipped.read("training/recipe.toml").decode()
    assert 'name = "tiny"' in packed.split("[model]")[1] and "/tiny" not in packed


def test_an_edited_recipe_is_refused(store, whole):
    run = whole[1]["hybrid"]
    shutil.rmtree(store.results)
    recipe = store.run(run.key) / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("max_steps = 3", "max_steps = 4"))
    with pytest.raises(StudyError, match=r"max_steps: 4, now 3.*remove .*trains it again"):
        perform(run, store, pytest.fail)


def test_damaged_results_are_made_again_and_others_stay(store, whole):
    """Without rankings too, as packed results are: `mteb-hybrid run` evaluates these again."""
    test = whole[1]["untrained"].tests[0].model_copy(update={"settings": ["multilingual"]})
    run = replace(whole[1]["untrained"], tests=(test,))
    (task,), folder = run.selected(), store.results_of(run)
    file, values = folder / f"{task}.json", folder / f"{task}.per_query"
    file.write_text("{")
    assert store.missing(run) == {task: ["en-multi", "de-multi"]}
    perform(run, store, lambda step: None)
    assert store.missing(run) == {}
    shutil.rmtree(folder / f"{task}.rankings")
    before, scores = _times(values), json.loads(file.read_bytes())["scores"]
    damaged, kept = values / "de-multi.parquet", values / "en-multi.parquet"
    pl.read_parquet(damaged).write_parquet(damaged)
    assert store.missing(run) == {task: ["de-multi"]}, "no checksum"
    perform(run, store, lambda step: None)
    assert store.missing(run) == {} and json.loads(file.read_bytes())["scores"] == scores
    assert [path for path, time in _times(values).items() if time == before[path]] == [kept]


def test_removed_weights_are_trained_again_for_another_test(store, whole, study_folder):
    run = whole[1]["hybrid"]
    before = (store.model(run.key) / "model.safetensors").read_bytes()
    elsewhere = (store.run(run.key) / VERSIONS).read_text().replace('"fp32"', '"bf16"')
    (store.run(run.key) / VERSIONS).write_text(elsewhere)
    store.remove_weights(run.key)
    assert store.is_removed(run) and not store.has_model(run) and store.missing(run) == {}
    perform(run, store, pytest.fail)  # its results are all there
    test = run.tests[0].model_copy(update={"query_languages": ["es"]})
    more = replace(run, tests=(*run.tests, test))
    said = []
    perform(more, store, said.append)
    assert said == ["training", TASK] and store.missing(more) == {}
    assert (store.model(run.key) / "model.safetensors").read_bytes() == before
    # The report says it of the trainings that made its results.
    (*_, part) = json.loads((store.run(run.key) / EARLIER).read_bytes())
    assert part.pop("evaluated") == {TASK: ["de-de", "en-en"]}
    assert part == json.loads(elsewhere)[-1]
    study = read_study(study_folder / "tiny-study.toml")
    for languages, again, precision in (
        (["en", "de"], [False], "bf16"),
        (["en", "es"], [True], "bf16 then fp32"),
        (["es"], [False], "fp32"),
    ):
        asked = study.budgets["smoke"].tests[0].model_copy(update={"query_languages": languages})
        budget = study.budgets["smoke"].model_copy(update={"tests": [asked]})
        other = study.model_copy(update={"budgets": {"smoke": budget}})
        trained = find(other, "other", "smoke", store.path).trained
        assert ([model.again for model in trained], [*precisions(trained)]) == (again, [precision])


def test_what_changes_meanwhile_is_not_filed_under_what_it_was(study_folder, tmp_path, monkeypatch):
    folder = tmp_path / "studies"
    shutil.copytree(study_folder, folder)
    found = runs(read_study(folder / "tiny-study.toml"), "smoke")
    by_condition = {run.condition: run for run in found if run.seed in (None, 1)}
    assert len({run.key for run in by_condition.values()}) == 4
    store, file = Store(tmp_path / "store"), next((folder / "tiny").glob("**/config.json"))

    def train_and_change(*args, **options):
        train(*args, **options)
        file.write_text(file.read_text() + "\n")

    monkeypatch.setattr("mteb_hybrid.training.run.train.train", train_and_change)
    for condition in ("hybrid", "untrained", "repaired"):  # the first one changes it
        with pytest.raises(StudyError, match="changed since the study began"):
            perform(by_condition[condition], store, pytest.fail)
        assert not store.has_model(by_condition[condition])
    assert not store.results.exists()


def test_where_no_repair_is_needed_the_model_itself_is_evaluated(store, whole, monkeypatch):
    run = whole[1]["repaired"]
    shutil.rmtree(store.run(run.key))
    shutil.rmtree(store.results / "studies__tiny" / run.key)
    monkeypatch.setattr(
        "mteb_hybrid.repair.apply.repair_model", lambda *a, **k: Said("No repair needed")
    )
    perform(run, store, lambda step: None)
    outcome = json.loads((store.run(run.key) / one_run.REPAIRED).read_bytes())
    assert states([run], store)[0].model == "needs no repair"
    assert outcome["hash"] is None and "No repair needed" in outcome["said"]
    found = {e.revision: e for e in load_results(store.results).evaluations}
    base = found[whole[1]["untrained"].key]
    assert str(found[run.key].scores) == str(base.scores)


def test_another_process_is_not_waited_for(whole):
    import subprocess
    import sys

    store, first, _ = whole
    run = first["untrained"]
    code = (
        "import sys; from pathlib import Path; from mteb_hybrid.files.lock import lock\n"
        "with lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, store.run(run.key)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LockedError):
            perform(run, store, pytest.fail)
    with lock(store.run(run.key), wait=False):
        pass


def test_what_is_left(store, whole):
    first = whole[1]
    found = works(first.values())
    assert unfinished(found, store) == []
    shutil.rmtree(store.results / "studies__tiny" / first["mended"].key)
    assert [work.run.condition for work in unfinished(found, store)] == ["mended"]
    store.remove_weights(first["mended"].key)
    store.remove_weights(first["hybrid"].key)
    assert [work.run.condition for work in unfinished(found, store)] == ["hybrid", "mended"]
