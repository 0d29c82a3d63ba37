"""What commands print, in real processes: any encoding, and paths that are not UTF-8."""

import json
import logging
import os
import subprocess
import sys
import warnings

import pytest
from mteb.models import ModelMeta
from typer.testing import CliRunner

from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.commands import terminal
from mteb_hybrid.commands.app import app
from mteb_hybrid.retrieval.ties import TieWarning

HOSTILE = "\x1b[31m\u202e\nfine"
HEBREW = "\u05d3\u05d2\u05dd"
TASK = "HybridSampleMultilingualRetrieval"


def run(*arguments, **variables):
    command = [sys.executable, "-m", "mteb_hybrid", *arguments]
    return subprocess.run(command, capture_output=True, env={**os.environ, **variables})


def test_warnings_of_ours_have_no_line_of_code():
    assert terminal._safe_warning("all tie", TieWarning, "x.py", 3) == "mteb-hybrid: all tie\n"
    assert "x.py:3" in terminal._safe_warning("other", UserWarning, "x.py", 3)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of a model with a Hebrew name, in a folder whose name is not UTF-8."""
    root = tmp_path_factory.mktemp("results")
    folder = root / os.fsdecode(b"m\xff") / "abc"
    folder.mkdir(parents=True)
    card, setting = tasks_by_name()[TASK]
    rows = [{"hf_subset": name, "map": 0.5} for name in task_views(card, setting)]
    content = {"task_name": TASK, "scores": {card.split: rows}}
    for name, value in (
        (f"{TASK}.json", content),
        ("model_meta.json", {"name": f"{HEBREW}\x1b[31m\n", "revision": "=1"}),
    ):
        (folder / name).write_text(json.dumps(value))
    return folder.parent


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", f"\u2067{HEBREW}\u2069\\x1b[31m\\n"),
        ("cp1252", r"\u05d3\u05d2\u05dd\x1b[31m\n"),
        ("ascii", r"\u05d3\u05d2\u05dd\x1b[31m\n"),
    ],
)
def test_a_table_in_any_encoding(results, encoding, name):
    done = run("table", results, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert name in text
    assert "\x1b" not in text
    assert ("\u2500" in text) is (encoding == "utf-8")


def test_a_path_that_is_not_utf8_is_shown_in_one_line(tmp_path):
    missing = os.fsencode(tmp_path) + b"/no\xff\x1b[31m\nmteb-hybrid: fine"
    done = run("table", missing)
    assert done.returncode == 1
    first, second = done.stderr.decode().rstrip("\n").split("\n")
    assert first.endswith(r"no\xff\x1b[31m")
    assert second.startswith("  mteb-hybrid: fine: no such file")


@pytest.fixture
def prepared(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    terminal.prepare()
    yield
    logging.lastResort.setFormatter(None)


@pytest.mark.usefixtures("prepared")
def test_logs_and_warnings_are_safe():
    record = logging.LogRecord("a", logging.WARNING, "", 1, "%s: left out", ("\x1b[31m",), None)
    assert logging.lastResort.format(record) == r"\x1b[31m: left out"
    assert "\x1b" not in warnings.formatwarning("\x1b[31m", UserWarning, "a.py", 1, "")


def test_a_line_stays_a_line(capsys):
    terminal.say("a\nb", "c")
    terminal.complain(ValueError("d\ne"))
    out, err = capsys.readouterr()
    assert out == "a\\nb\nc\n"
    assert err == "mteb-hybrid: d\n  e\n"


@pytest.mark.parametrize(
    "arguments",
    [["run", f"--x{HOSTILE}"], [HOSTILE],
     ["models", HOSTILE], ["table", "--format", HOSTILE]],
)  # fmt: skip
def test_what_was_given_is_quoted_without_its_escapes(arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "\\x1b" in done.output
    assert not {"\x1b", "\u202e"} & set(done.output) and "\nfine" not in done.output


def test_hostile_entries_of_models_are_shown_without_their_escapes(tmp_path, monkeypatch):
    fields = {"name": "me/a", "revision": "1", "adapted_from": f"b/{HOSTILE}"}
    meta = ModelMeta.create_empty(fields).model_dump(mode="json", exclude={"loader"})
    entry = {"folder": f"/x{HOSTILE}", "hash": "0" * 40, "meta": meta}
    for name in ("me__a", f"me__{HOSTILE[1:4]}"):
        (tmp_path / f"{name}.json").write_text(json.dumps(entry))
    monkeypatch.setenv("MTEB_HYBRID_MODELS", str(tmp_path))
    for command in (["list"], ["show", "me/a"]):
        done = CliRunner().invoke(app, ["models", *command])
        assert done.exit_code == 0, done
        assert not {"\x1b", "\u202e"} & set(done.output) and "\nfine" not in done.output
        assert r"\x1b[31m" in done.output
