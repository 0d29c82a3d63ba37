"""Whole commands, killed while they write: the short form of ``benchmarks/kills.py``.

It has a process of its own, whose forks can use what threads of this one would hold.
"""

import json
import os
import subprocess
import sys

import pytest

from conftest import ROOT

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs Linux")  # noqa: PTH110


def test_killed_commands_end_as_if_never_killed(tmp_path):
    table = tmp_path / "kills.json"
    command = (
        *(sys.executable, ROOT / "benchmarks" / "kills.py", "--output", table, "--kills", "8"),
        *("--commands", "run", "train", "export", "models", "--processes", "2"),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    rows = json.loads(table.read_bytes()) if table.exists() else []
    assert done.returncode == 0, (rows, done.stderr[-3000:])
    assert all(row["kills"] >= 2 for row in rows) and len(rows) == 4
    assert sum(row["writing"] for row in rows) > 0
