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


@pytest.mark.soak
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


@pytest.mark.soak
def test_on_a_full_disk_commands_end_with_a_sentence_and_go_on(tmp_path):
    path = os.pathsep.join(str(ROOT / folder) for folder in ("benchmarks", "tests"))
    done = subprocess.run(
        (sys.executable, ROOT / "tests" / "full_disk.py", tmp_path),
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(rows) == 9
    for row in rows:
        assert row["status"] == 1 and not row["again"], row
        assert row["said"].startswith(f"mteb-hybrid: {tmp_path.resolve()}/"), row
        assert "too large" in row["said"] or "disk" in row["said"], row
        assert not any(name.endswith((".part", ".old", ".lock", ".tmp")) for name in row["left"])
