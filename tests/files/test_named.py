"""A folder that is called as something we know: the name wins, the path is told how to be written.

One rule for collections, recipes, studies, models and repairs.
"""

import logging
import shutil

import pytest

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.cards.catalogue import find_card
from mteb_hybrid.files import named
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.files.named import is_name, is_path
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.models.load import check_name, folder_of, load_model
from mteb_hybrid.models.registry import find_model
from mteb_hybrid.probe.repaired import check_repair, find_repair
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.repair.texts import read_corpus
from mteb_hybrid.studies.catalogue import find_study, read_study
from mteb_hybrid.studies.content import texts_content
from mteb_hybrid.training.precompute.source import read_source

MODEL = "mteb-hybrid/multilingual-e5-small-q4"
RECIPE = "e5-small-offline-hybrid"
STUDY = "monolingual-degradation"


@pytest.fixture
def told(tmp_path, monkeypatch, caplog):
    """What has been said; in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    named._tell.cache_clear()
    caplog.set_level(logging.WARNING)
    return caplog


def assert_told(told, name, what):
    (said,) = told.messages
    assert said.startswith(f"{name}: the {what} of that name is meant")
    assert said.endswith(f"for that write ./{name}")


@pytest.mark.parametrize("word", ["/x", "./x", "../x", "~", "~me/x", ".", ".."])
def test_what_is_written_as_a_path_is_one(word):
    assert is_path(word) and not is_name(word, {word}, "model")


@pytest.mark.parametrize("word", ["x", "org/x", ".x", "x/", "..x"])
def test_what_is_not_is_a_name_where_it_is_known(word):
    assert not is_path(word) and is_name(word, {word}, "model")
    assert not is_name(word, (), "model")


def test_collections(told, tmp_path):
    folder = tmp_path / "sample"
    folder.mkdir()
    corpus = read_corpus("sample", 2)
    assert set(corpus.fit) >= {"en", "th"} and texts_content("sample").startswith("1.")
    assert_told(told, "sample", "collection")
    with pytest.raises(RepairError, match=r"sample: no \.txt file"):
        read_corpus("./sample", 2)
    assert not texts_content("./sample").startswith("1.")
    folder.rmdir()
    folder.write_text('{"id": 1, "query": {"en": "a", "de": "b"}}\n')
    assert read_source("sample").collection is not None
    with pytest.raises(ParallelDataError):
        read_source(str(folder))
    assert len(told.messages) == 1, "it is said once"


def test_recipes_and_studies(told, tmp_path):
    for name in (RECIPE, STUDY):
        (tmp_path / name).mkdir()
    (tmp_path / RECIPE / "recipe.toml").write_text("")
    assert read_recipe(RECIPE).name == RECIPE
    assert_told(told, RECIPE, "recipe")
    with pytest.raises(CardError, match="is a folder; its recipe is"):
        read_recipe(f"./{RECIPE}")
    told.clear()
    shutil.rmtree(tmp_path / STUDY)
    (tmp_path / STUDY).write_text("name = 1")
    assert find_study(STUDY).stem == STUDY and find_study(STUDY).suffix == ".toml"
    assert find_card(tmp_path / STUDY, "studies", "study") == tmp_path / STUDY
    assert_told(told, STUDY, "study")
    with pytest.raises(CardError, match=rf"{STUDY}: "):
        read_study(f"./{STUDY}")


def test_models(told, tmp_path, monkeypatch):
    folder = tmp_path / MODEL
    folder.mkdir(parents=True)
    assert folder_of(MODEL) is None and find_model(MODEL)[0] is None
    check_name(MODEL)
    assert_told(told, MODEL, "model")
    monkeypatch.setattr("mteb_hybrid.models.load._load_by_name", lambda name, *_: name)
    assert load_model(MODEL) == MODEL
    assert folder_of(f"./{MODEL}") == folder_of(str(folder)).relative_to(tmp_path)
    with pytest.raises(ModelError, match="neither modules"):
        load_model(f"./{MODEL}")
    (tmp_path / "of" / "mine").mkdir(parents=True)
    assert folder_of("of/mine") and folder_of("of") and len(told.messages) == 1


def test_repairs(told, tmp_path):
    (tmp_path / "projection").mkdir()
    check_repair("projection")
    assert_told(told, "projection", "repair")
    with pytest.raises(RepairError, match="projection: not a repaired model"):
        find_repair("./projection", ("a/b", None), None, None, [], 0)
