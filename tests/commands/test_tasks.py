"""`mteb-hybrid tasks` on a terminal and in a pipe."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest
from typer.testing import CliRunner

from conftest import write_mixed_card
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.statistics import Counts, counts
from mteb_hybrid.commands.app import app
from mteb_hybrid.commands.terminal import PROSE
from mteb_hybrid.sources import load_collection


def on_terminal(*arguments, width=80, **variables):
    """What a real terminal gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    command = [sys.executable, "-m", "mteb_hybrid", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=theirs, env={**os.environ, **variables})
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux's end of a terminal
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    assert process.wait(60) == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_a_table(width, tmp_path):
    write_mixed_card(
        tmp_path,
        {
            "corpus/en.jsonl": '{"id": "d", "text": "a"}\n',
            "queries.jsonl": '{"id": "q", "text": "a", "language": "de"}\n',
            "qrels.txt": "q 0 d 1\n",
        },
        ("en", "de"),
        'language = "language"\n',
        name="Gone",
    )
    (tmp_path / "qrels.txt").unlink()
    shown = on_terminal("tasks", "list", width=width, MTEB_HYBRID_TASKS=str(tmp_path))
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    rows = {line.split()[0]: line.split()[1:] for line in lines if len(line.split()) > 2}
    assert rows["xquad-r"][:5] == ["11", "13,014", "11", "110", "11"]
    assert rows["sample"][-2:] == ["at", "hand"] and rows["xquad-r"][-2:] == ["to", "download"]
    assert rows["gone"] == ["en", "de", "2", "2", "2", "missing"]
    assert rows["miracl"][-3:] == ["on", "first", "use"]
    assert rows["tico-19"][-2:] == ["to", "make"]
    assert "tasks show NAME" in shown


def test_a_pipe_gets_a_line_for_each_task():
    output = CliRunner().invoke(app, ["tasks", "list"]).output
    assert "xquad-r: XQuAD-R, en ar de el es hi ru th tr vi zh\n" in output
    assert "  XQuADRCrosslingualRetrieval  (110 subsets)\n" in output


def test_counts_are_those_of_the_texts():
    card = task_cards()["HybridSample"]
    collection, found = load_collection(card), counts(card)
    assert list(found) == list(card.languages)
    for language, one in found.items():
        assert one == Counts(
            len(collection.queries.filter(language=language)),
            len(collection.passages.filter(language=language)),
        )
    shown = CliRunner().invoke(app, ["tasks", "show", "sample"]).output
    assert f"  en: {found['en'].queries} queries, {found['en'].passages} passages\n" in shown


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"test": 3}', '{"test": {"x": 1}}'])
def test_statistics_of_no_use_are_none(tmp_path, content):
    card = task_cards()["HybridSample"].model_copy()
    card._file = tmp_path / "sample.toml"
    (tmp_path / "statistics").mkdir()
    (tmp_path / "statistics" / "HybridSampleMonolingualRetrieval.json").write_text(content)
    assert counts(card) == {}


def test_prose_wraps_in_a_pipe_and_addresses_do_not():
    output = CliRunner().invoke(app, ["tasks", "show", "xquad-r"]).output.splitlines()
    prose = [line for line in output if "http" not in line and "Retrieval:" not in line]
    assert max(map(len, prose)) <= PROSE
    assert any(line.startswith("  description: XQuAD-R: 1,190 questions") for line in prose)
    assert any(line.startswith("  files: https://") for line in output)
