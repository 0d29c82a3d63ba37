"""Folders for a moment, which are gone even if the process was killed."""

import signal
import subprocess
import sys
import tempfile

from mteb_hybrid.files.scratch import scratch

KILLED = """
import os, sys
from mteb_hybrid.files.scratch import scratch
with scratch("results") as folder:
    (folder / "file").touch()
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_leaves_goes_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    killed = subprocess.run([sys.executable, "-c", KILLED])
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("file"))) == 1
    with scratch("results") as first, scratch("results") as second:
        assert sorted(tmp_path.iterdir()) == sorted([first, second])
    assert not list(tmp_path.iterdir())
