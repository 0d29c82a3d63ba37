"""An output that takes long, by two processes, or by one that is killed."""

import json
import signal
import subprocess
import sys

import pytest

from mteb_hybrid.training.precompute.work import PrecomputeError, Work, new_output

MAKE = """
import os, sys
from pathlib import Path
from mteb_hybrid.training.precompute import work as module

made = 0

def make(items):
    global made
    made += len(items)
    print("making", flush=True)
    sys.stdin.readline()
    return [[item] for item in items]

if len(sys.argv) > 2:
    module.shutil.rmtree = lambda folder: os.kill(os.getpid(), 9)
about = {"seed": 1}
try:
    with module.new_output(Path(sys.argv[1]), about) as (work, part):
        part.write_text(str(work.arrays("items", [1, 2, 3], make).tolist()))
        about |= {"date": "today"}
except module.PrecomputeError as error:
    print(error)
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-c", MAKE, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_two_processes_the_second_waits_and_is_told(tmp_path):
    output = tmp_path / "out.jsonl"
    first = start(output)
    assert first.stdout.readline() == "making\n"
    second = start(output)
    assert "another process is at work on it; waiting" in second.stderr.readline()
    first.communicate("\n", timeout=60)
    said, _ = second.communicate("\n", timeout=60)
    assert (first.returncode, second.returncode) == (0, 0)
    assert said == f"{output}: is there already; remove it or give another --output\n"
    assert output.read_text() == "[[1.0], [2.0], [3.0]]"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"out.jsonl", "out.jsonl.provenance.json"}


def test_what_goes_on_says_so(tmp_path, capsys):
    Work(tmp_path / "out.work", {"model": "m"})
    assert capsys.readouterr().err == ""
    Work(tmp_path / "out.work", {"model": "m"})
    assert capsys.readouterr().err == f"{tmp_path / 'out.work'}: going on with what is there\n"


def test_killed_once_the_output_is_whole(tmp_path):
    output = tmp_path / "out.jsonl"
    killed = start(output, "kill")
    killed.communicate("\n", timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "out.jsonl.work").is_dir()
    for _ in range(2):
        with pytest.raises(PrecomputeError, match="is there already"), new_output(output, {}):
            pass
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {"out.jsonl", "out.jsonl.provenance.json"}
        (tmp_path / "out.jsonl.work").mkdir()  # as a kill in the middle of removing leaves it


def test_work_on_another_output_is_kept(tmp_path):
    output = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt), new_output(output, {"seed": 1}):
        raise KeyboardInterrupt
    output.write_text("mine")
    output.with_name("out.jsonl.provenance.json").write_text(json.dumps({"seed": 2}))
    with pytest.raises(PrecomputeError, match="is there already"), new_output(output, {}):
        pass
    assert (tmp_path / "out.jsonl.work" / "about.json").is_file()
