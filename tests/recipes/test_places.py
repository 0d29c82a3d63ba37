"""Where relative paths of a recipe begin."""

import subprocess
import sys
from pathlib import Path

import pytest

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.recipes.kept_run import keep_run, read_run
from mteb_hybrid.recipes.places import check_places, data_path
from mteb_hybrid.recipes.toml import read_recipe, to_toml

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
    model = str(tmp_path / "here" / "model")
    assert places(own) == (model, str(tmp_path / "data" / "pairs.jsonl"))
    assert read_recipe(own).data[0].path == "pairs.jsonl", "so that it goes on elsewhere"


def test_what_is_not_in_the_data_folder_is_beside_the_recipe(own, tmp_path, monkeypatch):
    put(own.parent)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "here"))
    assert places(own)[1] == str(own.parent / "pairs.jsonl")


def test_what_the_command_line_says_begins_at_the_current_folder(own, tmp_path):
    put(own.parent)
    put(tmp_path / "here" / "sub")
    assert places(own, "data.0.path=sub/pairs.jsonl", "model.name=./sub/model") == (
        str(tmp_path / "here" / "sub" / "model"),
        str(tmp_path / "here" / "sub" / "pairs.jsonl"),
    )


def test_a_resolved_recipe_means_the_same_from_elsewhere(own, tmp_path, monkeypatch):
    """A run folder has a folder called model, which is the trained one."""
    put(own.parent)
    put(tmp_path / "run")
    monkeypatch.chdir(own.parent)
    recipe = read_recipe("own.toml")
    (tmp_path / "run" / "recipe.toml").write_text(to_toml(recipe.settings()))
    monkeypatch.chdir(tmp_path)
    assert read_recipe("run/recipe.toml") == recipe


def test_a_recipe_is_the_same_by_any_spelling_of_its_path(own):
    put(own.parent)
    assert read_recipe("../own/own.toml") == read_recipe(own)
    assert read_recipe("../here/../own/own.toml") == read_recipe(own)


def test_a_way_out_of_a_link_stays(own, tmp_path):
    put(tmp_path / "far")
    (tmp_path / "far" / "sub").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "far" / "sub")
    found = read_recipe(own, ["data.0.path=link/../pairs.jsonl"]).data[0].path
    assert Path(found).samefile(tmp_path / "far" / "pairs.jsonl")


@pytest.mark.parametrize(
    "override",
    [
        "data.0.path=pairs.jsonl",
        "data.00.path=pairs.jsonl",
        "data=[{name='pairs', format='json', path='pairs.jsonl'}]",
        "data.0={name='pairs', format='json', path='pairs.jsonl'}",
    ],
)
def test_of_data_on_the_command_line_the_current_folder_comes_first(
    own, tmp_path, monkeypatch, override
):
    for folder in (own.parent, tmp_path / "here", tmp_path / "data"):
        put(folder)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
    assert read_recipe(own, [override]).data[0].path == str(tmp_path / "here" / "pairs.jsonl")
    (tmp_path / "here" / "pairs.jsonl").unlink()
    assert read_recipe(own, [override]).data[0].path == "pairs.jsonl"
    monkeypatch.delenv("MTEB_HYBRID_DATA")
    assert read_recipe(own, [override]).data[0].path == str(tmp_path / "here" / "pairs.jsonl")


def test_a_model_on_the_command_line_is_not_the_one_beside_the_recipe(own):
    put(own.parent)
    with pytest.raises(ModelError, match=r"no folder .*here/model\. Expected"):
        check_places(read_recipe(own, ["model={name='./model'}"]))


def test_a_card_has_no_path_of_what_has_the_same_name_where_it_is_written(own, tmp_path):
    put(own.parent)
    keep_run(read_recipe(own), tmp_path, tmp_path / "trained")
    (tmp_path / "trained" / "model_card" / "versions.json").write_text("[]")
    for folder in (tmp_path / "here", tmp_path / "trained" / "model_card"):
        put(folder)
    kept = read_run(tmp_path / "trained").recipe
    assert (kept.model.name, kept.data[0].path) == ("model", "pairs.jsonl")


@pytest.mark.parametrize("override", ["data.0.path=~nobodyx/a", "model.name='~nobodyx/a'"])
def test_a_home_that_is_not_known(own, override):
    with pytest.raises(DataError, match="~nobodyx/a: no home folder is known for ~nobodyx; write"):
        read_recipe(own, [override])


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


def test_a_slip_of_the_pen_is_told_by_what_lies_beside_the_recipe(own):
    put(own.parent)
    text = own.read_text()
    own.write_text(text.replace("pairs.jsonl", "pairz.jsonl"))
    with pytest.raises(CardError, match=r"did you mean 'pairs\.jsonl'\?"):
        check_places(read_recipe(own), own.parent)
    own.write_text(text.replace("./model", "./modle"))
    with pytest.raises(ModelError, match=r"no folder \./modle; did you mean 'model'\?"):
        check_places(read_recipe(own), own.parent)


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
