"""Where relative paths of a recipe begin."""

import subprocess
import sys

import pytest

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.recipes.places import check_places, data_path
from mteb_hybrid.recipes.toml import read_recipe

RECIPE = """
name = "own"
title = "Own"
description = "For tests."
languages = {en = "eng-Latn", de = "deu-Latn"}
batches = {size = 8}
training = {learning_rate = 2e-5, max_steps = 10}

[model]
name = "./model"

[[data]]
name = "pairs"
format = "json"
path = "pairs.jsonl"
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A recipe, seen from another folder."""
    file = tmp_path / "own" / "own.toml"
    file.parent.mkdir()
    file.write_text(RECIPE)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return file


def put(folder):
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text("{}")
    (folder / "pairs.jsonl").write_text("")


def places(file, *overrides):
    recipe = read_recipe(file, overrides)
    check_places(recipe)
    return recipe.model.name, str(data_path(recipe.data[0].path))


def test_paths_begin_at_the_recipe(own):
    put(own.parent)
    assert places(own) == (str(own.parent / "model"), str(own.parent / "pairs.jsonl"))


def test_the_data_folder_and_the_current_one_come_first(own, tmp_path, monkeypatch):
    for folder in (own.parent, tmp_path / "here", tmp_path / "data"):
        put(folder)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
    assert places(own) == ("./model", str(tmp_path / "data" / "pairs.jsonl"))
    assert read_recipe(own).data[0].path == "pairs.jsonl", "so that it goes on elsewhere"


def test_what_is_not_in_the_data_folder_is_beside_the_recipe(own, tmp_path, monkeypatch):
    put(own.parent)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "here"))
    assert places(own)[1] == str(own.parent / "pairs.jsonl")


def test_what_the_command_line_says_begins_at_the_current_folder(own, tmp_path):
    put(own.parent)
    put(tmp_path / "here" / "sub")
    assert places(own, "data.0.path=sub/pairs.jsonl", "model.name=./sub/model") == (
        "./sub/model",
        str(tmp_path / "here" / "sub" / "pairs.jsonl"),
    )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("title=x", "data pairs.jsonl: no such file or folder beside the recipe. Correct"),
        ("data.0.path=none.jsonl", "here/none.jsonl: no such file or folder. Correct"),
        ("data.0.path=../own/own.tml", "own.tml: no such file or folder; did you mean '"),
    ],
)
def test_data_that_are_not_there(own, override, said):
    with pytest.raises(CardError) as error:
        check_places(read_recipe(own, [override]))
    assert said in str(error.value)


def test_a_model_that_is_not_there(own):
    put(own.parent)
    with pytest.raises(ModelError, match=r"model\.name: no folder"):
        check_places(read_recipe(own, ["model.name=./none"]))
    (own.parent / "model" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no model: neither modules\.json"):
        check_places(read_recipe(own))


def test_a_missing_file_is_told_before_torch_is_imported(own):
    code = f"""
import sys
from mteb_hybrid.commands.app import app
try:
    app(["train", {str(own)!r}], standalone_mode=False)
except ValueError as error:
    print(error)
assert not {{"torch", "mteb", "datasets", "transformers"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "data pairs.jsonl: no such file or folder beside the recipe" in done.stdout
