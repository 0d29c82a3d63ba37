"""The folder of a run after kills."""

import json
import signal
import subprocess
import sys

import pytest

from files.dead import of_the_dead
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.training.run.folder import RunFolder, RunFolderError

BEGIN = """
import os, sys
from pathlib import Path
from mteb_hybrid.files import whole
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.training.run import folder

folder._versions = dict
calls = 0

def die(path):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), 9)

whole._flush = die
folder.RunFolder(Path(sys.argv[1])).begin(read_recipe("labse-hybrid"), "fp32")
"""


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run")


def names(run):
    return {path.name for path in run.path.iterdir()}


@pytest.mark.parametrize("write", [1, 2], ids=["recipe", "versions"])
def test_killed_at_the_beginning_a_run_begins_anew(run, write, monkeypatch):
    killed = subprocess.run([sys.executable, "-c", BEGIN, str(run.path), str(write)])
    assert killed.returncode == -signal.SIGKILL
    assert any(name.endswith(".part") for name in names(run))
    recipe = read_recipe("labse-hybrid")
    assert run.check(recipe, resume=False)
    monkeypatch.setattr("mteb_hybrid.training.run.folder._versions", dict)
    run.begin(recipe, "fp32")
    run.begin(recipe, "fp32")
    assert names(run) == {"recipe.toml", "versions.json"}
    assert json.loads(run.versions.read_text()) == [{"from": "start", "precision": "fp32"}]


def test_only_our_own_unfinished_files_are_no_hindrance(run):
    run.path.mkdir()
    recipe = read_recipe("labse-hybrid")
    of_the_dead(run.recipe, "part").touch()
    elsewhere = run.path / ".recipe.toml-00000000-1-01234567.part"
    elsewhere.touch()
    (run.path / ".recipe.toml.lock").touch()
    assert run.check(recipe, resume=False)
    assert names(run) == {elsewhere.name}
    (run.path / "mine").touch()
    with pytest.raises(RunFolderError, match="holds files, but no run"):
        run.check(recipe, resume=False)


@pytest.mark.parametrize("state", ["", '{"epoch": 1'])
def test_a_checkpoint_that_was_being_written_does_not_count(run, state):
    for step, content in ((5, "{}"), (10, state)):
        folder = run.checkpoints / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text(content)
    assert run.last_checkpoint().name == "checkpoint-5"


def test_a_checkpoint_that_lacks_what_another_process_writes_does_not_count(run):
    attributes = {"_fingerprint": {"processes": 2}}
    state = {"stateful_callbacks": {"HybridBatchCallback": {"attributes": attributes}}}
    for step, processes in ((5, (0, 1)), (10, (0,))):
        folder = run.checkpoints / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text(json.dumps(state))
        for number in processes:
            (folder / f"rng_state_{number}.pth").touch()
    assert run.last_checkpoint().name == "checkpoint-5"
    (folder / "rng_state_1.pth").touch()
    assert run.last_checkpoint().name == "checkpoint-10"
