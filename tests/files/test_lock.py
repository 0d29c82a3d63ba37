"""One process at a time, however they end."""

import errno
import os
import signal
import subprocess
import sys
from threading import Timer

import pytest

from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.lock import LOG, lock

COUNT = """
import pathlib, sys
from mteb_hybrid.files.lock import LOG, lock
file = pathlib.Path(sys.argv[1])
for _ in range(25):
    with lock(file):
        before = int(file.read_text())
        file.write_text(str(before + 1))
"""

HOLD = """
import pathlib, sys, time
from mteb_hybrid.files.lock import LOG, lock
with lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_no_turn_is_lost(tmp_path):
    file = tmp_path / "count"
    file.write_text("0")
    counting = [subprocess.Popen([sys.executable, "-c", COUNT, str(file)]) for _ in range(3)]
    assert [process.wait(60) for process in counting] == [0, 0, 0]
    assert file.read_text() == "75"
    assert os.listdir(tmp_path) == ["count"]  # noqa: PTH208


def test_a_killed_process_lets_go_and_waiting_is_said(tmp_path, monkeypatch):
    file = tmp_path / "new" / "results"
    file.parent.mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    said = []

    def hear(text, *values):
        said.append(text % values)
        Timer(0.2, holder.kill).start()

    monkeypatch.setattr(LOG, "warning", hear)
    with lock(file):
        assert said == [f"{file}: another process is at work on it; waiting for that to end"]
    assert not list(file.parent.iterdir())
    assert holder.wait(10) == -signal.SIGKILL
    holder.stdout.close()


def test_the_lock_of_a_killed_process_is_cleared_away_and_that_of_a_living_one_is_not(tmp_path):
    file = tmp_path / "results"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True
    )
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        clean(file)
        assert (tmp_path / ".results.lock").exists()
        holder.kill()
        assert holder.wait(10) == -signal.SIGKILL
    clean(tmp_path / "other")
    assert (tmp_path / ".results.lock").exists(), "it may be of another program"
    clean(file)
    assert not list(tmp_path.iterdir())
    with lock(file):
        clean(file)
        assert (tmp_path / ".results.lock").exists()
    assert not list(tmp_path.iterdir())


def test_let_go_when_the_work_fails(tmp_path):
    file = tmp_path / "results"
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock(file):
            raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EACCES])
def test_where_the_file_system_has_no_locks(tmp_path, monkeypatch, caplog, number):
    def fail(self, **_):
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr("filelock.FileLock.acquire", fail)
    if number == errno.EACCES:
        with pytest.raises(PermissionError), lock(tmp_path / "results"):
            pass
    else:
        with lock(tmp_path / "results"):
            assert "results: no locks there (No locks available); have one" in caplog.text
