"""Studies by the command line: all of them on the sample, killed and side by side."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.results.results import load_results
from mteb_hybrid.studies.catalogue import read_study, shipped_studies
from mteb_hybrid.studies.one_run import perform
from mteb_hybrid.studies.order import works
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.store import Store
from mteb_hybrid.studies.workers import THREADS
from studies.conftest import with_tiny_recipes

KILLS = 10
ONE = ["--condition", "hybrid", "--condition", "repaired", "--seed", "1"]


def study(*arguments, fails=False):
    done = CliRunner().invoke(app, ["study", *map(str, arguments)])
    assert (done.exit_code != 0) == fails, (done.output, done.exception)
    return done.output + str(done.exception or "")


def start(*arguments):
    command = (sys.executable, "-m", "mteb_hybrid", "study", *map(str, arguments))
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def do(file: Path, store: Path, conditions: set[str] | None = None) -> None:
    """The first seed, in this process: those of `study run` would each import torch."""
    asked = [run for run in runs(read_study(file), "smoke") if run.seed in (None, 1)]
    for work in works([run for run in asked if not conditions or run.condition in conditions]):
        perform(work.run, Store(store), lambda step: None)


def table(store: Path):
    """All scores and values per query, in one order."""
    found = load_results(store / "results")
    values = found.per_query.sort("task", "revision", "query", "pool", "measure")
    return found.scores.sort("task", "revision", "subset", "measure"), values


def report(store: Path, file: Path, folder: Path) -> dict[str, bytes]:
    """The report of a study, by file."""
    study("report", file, "--budget", "smoke", "--store", store, "-o", folder)
    return {part.name: part.read_bytes() for part in folder.iterdir()}


def workers(store) -> list[str]:
    """Processes that do runs in a store, by /proc."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"mteb_hybrid.studies.worker" in words and str(store).encode() in words:
            found.append(file.parent.name)
    return found


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums of several threads may differ in their last bits; side by side there is one each."""
    with pytest.MonkeyPatch.context() as patch:
        for name in THREADS:
            patch.setenv(name, "1")
        yield


@pytest.fixture(scope="module")
def uninterrupted(study_folder, tmp_path_factory):
    """A store with a part of the minute study."""
    store = tmp_path_factory.mktemp("uninterrupted")
    do(study_folder / "tiny-study.toml", store, {"hybrid", "repaired"})
    return store


@pytest.fixture(scope="session")
def smoke(study_folder, tmp_path_factory):
    """A store with all shipped studies on the sample, with the tiny model."""
    store = tmp_path_factory.mktemp("smoke")
    files = [with_tiny_recipes(card, study_folder) for card in shipped_studies().values()]
    for file in files:
        do(file, store)
    return store, files


def test_all_studies_on_the_sample(smoke, tmp_path):
    store, files = smoke
    for file in files:
        asked = (file, "--budget", "smoke", "--store", store)
        assert "runs are complete; nothing to do." in study("run", *asked, "--seed", 1)
        said = study("status", *asked)
        whole, total = map(int, re.search(r"(\d+) of (\d+) runs are complete", said).groups())
        assert 0 < whole < total  # the second seed
        assert f"Go on: mteb-hybrid study run {file} --budget smoke --store {store}" in said
        answer = report(store, file, tmp_path / file.stem)
        page = answer["index.md"].decode()
        # Of the sample's languages none has little text.
        assert "(one seed)" in page or ("low-resource" in file.name and "not testable" in page)


def test_two_side_by_side_are_as_one(study_folder, uninterrupted, tmp_path):
    file = study_folder / "tiny-study.toml"
    said = study("run", file, "--budget", "smoke", "--store", tmp_path / "s", "--jobs", 2, *ONE)
    assert "tiny, hybrid, seed 1: training" in said
    for one, other in zip(table(tmp_path / "s"), table(uninterrupted), strict=True):
        assert one.equals(other, null_equal=True)


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
def test_killed_at_any_moment_it_goes_on_and_leaves_no_orphan(
    study_folder, uninterrupted, tmp_path
):
    store, chance = tmp_path / "store", random.Random(0)  # noqa: S311
    asked = ("run", study_folder / "tiny-study.toml", "--budget", "smoke", "--store", store, *ONE)
    for kill in range(KILLS):
        parent = start(*asked)
        until = time.monotonic() + 120
        while not workers(store) and parent.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 12))
        if kill % 2 and (alive := workers(store)):
            os.kill(int(alive[0]), signal.SIGKILL)  # its parent tells, and ends
        else:
            parent.kill()
        parent.wait(120)
        until = time.monotonic() + 30
        while workers(store) and time.monotonic() < until:
            time.sleep(0.1)
        assert workers(store) == []
    study(*asked)
    assert "nothing to do" in study(*asked)
    for one, other in zip(table(store), table(uninterrupted), strict=True):
        assert one.equals(other, null_equal=True)
    file = study_folder / "tiny-study.toml"
    assert report(store, file, tmp_path / "a") == report(uninterrupted, file, tmp_path / "b")
    left = [path for path in store.rglob("*") if path.name.endswith((".part", ".old", ".lock"))]
    assert left == []


def test_a_run_that_fails_is_told_and_the_others_go_on(study_folder, uninterrupted):
    store = Store(uninterrupted)
    (trained,) = [
        path for path in (uninterrupted / "runs").iterdir() if (path / "log.jsonl").exists()
    ]
    weights = trained / "model" / "model.safetensors"
    before = weights.read_bytes()
    weights.write_bytes(before[:-1] + b"x")
    asked = ("run", study_folder / "tiny-study.toml", "--budget", "smoke", "--store", store.path)
    chosen = ("--condition", "mended", "--condition", "untrained", "--seed", 1)
    said = study(*asked, *chosen, fails=True)
    weights.write_bytes(before)
    assert re.search(r"tiny, mended, seed 1 failed: .*was edited by hand", said)
    assert f"the last lines of {store.path}/logs/" in said
    assert "tiny, untrained: HybridSampleMonolingualRetrieval" in said
    said = study(*asked, *chosen)
    assert "3 runs, 2 of them complete" in said and "tiny, mended, seed 1: repair" in said


def test_weights_can_go(study_folder, uninterrupted):
    asked = (study_folder / "tiny-study.toml", "--budget", "smoke", "--store", uninterrupted)
    study("run", *asked, *ONE, "--condition", "mended", "--models", "remove")
    assert not list(uninterrupted.glob("runs/*/model/model.safetensors"))
    assert "not kept" in study("status", *asked)


def test_earlier_versions_are_counted(study_folder, uninterrupted, study_file):
    file = study_file(
        "seeds = [1, 2]", 'seeds = [1, 2]\nset = ["training.max_steps=2"]', "tiny-study"
    )
    said = study("status", file, "--budget", "smoke", "--store", uninterrupted)
    assert re.search(r"Not used, as they are of another version.* recipes or data: [12] \(", said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--condition", "hybird"], "the study has none of that name; did you mean 'hybrid'?"),
        (["--seed", "9"], "--seed 9: the budget has the seeds [1, 2]"),
    ],
)
def test_what_a_study_does_not_have(study_folder, tmp_path, options, said):
    file = study_folder / "tiny-study.toml"
    asked = ("run", file, "--budget", "smoke", "--store", tmp_path / "store", *options)
    assert said in study(*asked, fails=True)
    assert "has no budget 'paper'; it has smoke" in study(
        "run", file, "--budget", "paper", fails=True
    )
    assert not (tmp_path / "store").exists()


def test_the_plan_of_a_study(study_folder, tmp_path):
    file = study_folder / "tiny-study.toml"
    said = study("run", file, "--budget", "smoke", "--store", tmp_path / "store", "--dry-run")
    assert "6, of which 2 are trained and 3 repaired; 0 are complete" in said
    assert "sample 1.0.0: at hand, from beside the card" in said
    assert "3 steps of 8 pairs, 2 times" in said
    assert re.search(r"time left +\d+ (s|min) on this device", said)
    assert not (tmp_path / "store").exists()
