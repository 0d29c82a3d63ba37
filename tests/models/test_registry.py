"""Models of the user that MTEB knows by name, in any process."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import mteb
import pytest
from mteb.models.model_implementations import MODEL_REGISTRY

from mteb_hybrid import plugin
from mteb_hybrid.models.load import ModelError, folder_hash
from mteb_hybrid.models.registry import (
    add_model,
    find_model,
    load_registered,
    models_folder,
    registered,
    remove_model,
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_MODELS", str(tmp_path / "models"))
    before = dict(MODEL_REGISTRY)
    yield
    for name in set(MODEL_REGISTRY) - set(before):
        del MODEL_REGISTRY[name]


@pytest.fixture
def folder(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "run" / "model")


def test_a_registered_model_is_known_to_the_unmodified_command(folder, tmp_path):
    meta = add_model(folder, "me/tiny", {"languages": ["eng-Latn"], "training_datasets": set()})
    assert meta.revision == folder_hash(folder)
    command = [sys.executable, "-m", "mteb", "run", "-m", "me/tiny"]
    command += ["-t", "HybridSampleMonolingualRetrieval", "--output-folder", str(tmp_path / "out")]
    done = subprocess.run(
        command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = tmp_path / "out" / "results" / "me__tiny" / meta.revision
    assert (results / "HybridSampleMonolingualRetrieval.json").is_file()
    written = json.loads((results / "model_meta.json").read_text())
    assert written["languages"] == ["eng-Latn"] and written["revision"] == meta.revision


def test_mteb_finds_it_after_registration_and_zero_shot_flags_are_right(folder):
    fields = {"training_datasets": {"HybridSampleMonolingualRetrieval"}}
    add_model(folder, "me/tiny", fields)
    plugin.register()
    meta = mteb.get_model_meta("me/tiny")
    assert meta.n_parameters > 0 and meta.embed_dim == 16
    sample, other = mteb.get_tasks(
        tasks=["HybridSampleMonolingualRetrieval", "XQuADRMonolingualRetrieval"]
    )
    assert meta.is_zero_shot_on([sample]) is False
    assert meta.is_zero_shot_on([other]) is True
    assert meta.load_model().mteb_model_meta.name == "me/tiny"


def test_what_the_training_run_wrote_is_taken_over(folder):
    (folder.parent / "model_meta.json").write_text(
        json.dumps(
            mteb.models.ModelMeta.create_empty(
                {"languages": ["deu-Latn"], "training_datasets": {"MLQARMonolingualRetrieval"}}
            ).model_dump(mode="json", exclude={"loader"})
        )
    )
    meta = add_model(folder, "me/tiny", {"license": "apache-2.0"})
    assert meta.languages == ["deu-Latn"] and meta.license == "apache-2.0"
    assert meta.training_datasets == {"MLQARMonolingualRetrieval"}


def test_changed_files_and_missing_folders_are_refused_at_loading(folder):
    meta = add_model(folder, "me/tiny")
    (folder / "modules.json").write_text((folder / "modules.json").read_text() + " ")
    with pytest.raises(ModelError, match=r"wrong revision.*--replace"):
        load_registered("me/tiny", meta.revision)
    shutil.rmtree(folder)
    with pytest.raises(ModelError, match="is gone"):
        load_registered("me/tiny", meta.revision)


def test_entries_of_earlier_versions_still_hold(folder):
    """Their hash is of all files below the folder, whether they are loaded or not."""
    (folder / ".gitattributes").write_text("* text")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"not loaded")
    add_model(folder, "me/tiny")
    entry = registered()["me/tiny"]
    content = json.loads(entry.read_text())
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        if file.name != "README.md":
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    old = digest.hexdigest()[:16]
    assert old != content["hash"]
    content["hash"] = content["meta"]["revision"] = old
    entry.write_text(json.dumps(content))
    assert load_registered("me/tiny", old).mteb_model_meta is not None
    # That hash saw nothing below links to folders.
    (folder / "1_Pooling").rename(folder.parent / "1_Pooling")
    (folder / "1_Pooling").symlink_to(folder.parent / "1_Pooling")
    with pytest.raises(ModelError, match=r"wrong revision.*--replace"):
        load_registered("me/tiny", old)
    (folder / "1_Pooling").unlink()
    (folder.parent / "1_Pooling").rename(folder / "1_Pooling")
    load_registered("me/tiny", old)
    (folder / "modules.json").write_text((folder / "modules.json").read_text() + " ")
    with pytest.raises(ModelError, match=r"wrong revision.*--replace"):
        load_registered("me/tiny", old)


def test_a_commit_of_the_hub_takes_the_place_of_the_hash(folder):
    commit = "0123456789" * 4
    assert add_model(folder, "me/tiny", revision=commit).revision == commit
    load_registered("me/tiny", commit)
    with pytest.raises(ModelError, match=f"registered at revision {commit}, not other"):
        load_registered("me/tiny", "other")
    (folder / "modules.json").write_text((folder / "modules.json").read_text() + " ")
    with pytest.raises(ModelError, match=r"wrong revision.*--replace"):
        load_registered("me/tiny", commit)
    with pytest.raises(ModelError, match="40 hex digits"):
        add_model(folder, "me/other", revision="main")


def test_the_card_and_what_it_shows_are_no_part_of_the_revision(folder):
    before = folder_hash(folder)
    (folder / "README.md").write_text("new")
    (folder / "model_card").mkdir()
    (folder / "model_card" / "curves.png").write_bytes(b"new")
    assert folder_hash(folder) == before
    (folder / "model_card.json").write_text("{}")
    assert folder_hash(folder) != before


def test_models_are_found_by_name_or_folder(folder, tmp_path):
    found, meta = find_model(str(folder))
    assert (found, meta.name) == (folder, "local/model")
    assert meta.revision == folder_hash(folder)
    add_model(folder, "me/tiny")
    for source in ("me/tiny", str(folder)):
        found, meta = find_model(source)
        assert (found, meta.name) == (folder, "me/tiny")
    add_model(folder, "me/twin")
    with pytest.raises(ModelError, match="registered as me/tiny, me/twin"):
        find_model(str(folder))
    found, meta = find_model("intfloat/multilingual-e5-small")
    assert found is None and meta.license == "mit"
    with pytest.raises(ModelError, match="no model 'me/nothing'"):
        find_model("me/nothing")
    with pytest.raises(ModelError, match=r"no modules\.json"):
        find_model(str(tmp_path))


def test_names_are_listed_replaced_and_removed(folder):
    first = add_model(folder, "me/tiny")
    with pytest.raises(ModelError, match="registered already"):
        add_model(folder, "me/tiny")
    (folder / "config_sentence_transformers.json").write_text("{}")
    assert add_model(folder, "me/tiny", replace=True).revision != first.revision
    add_model(folder, "a/b_c.d-e")
    assert list(registered()) == ["a/b_c.d-e", "me/tiny"]
    remove_model("me/tiny")
    assert list(registered()) == ["a/b_c.d-e"] and folder.is_dir()
    with pytest.raises(ModelError, match=r"there are: a/b_c\.d-e"):
        remove_model("me/tiny")


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("tiny", {}, "expected org/name"),
        ("me/../tiny", {}, "expected org/name"),
        ("me__x/tiny", {}, "double underscore"),
        ("intfloat/multilingual-e5-small", {}, "MTEB has itself"),
        ("me/tiny", {"languages": ["xx"]}, "languages"),
        ("me/tiny", {"training_datasets": {"XQuADRMonolingual"}}, "XQuADRMonolingualRetrieval"),
        ("me/tiny", {"colour": "blue"}, "colour"),
    ],
)
def test_what_mteb_would_not_accept_is_refused_and_nothing_is_written(folder, name, fields, said):
    with pytest.raises(ModelError, match=said):
        add_model(folder, name, fields)
    assert not registered()


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no modules\.json"):
        add_model(tmp_path, "me/tiny")


def test_a_broken_entry_warns_and_hides_nothing_else(folder):
    add_model(folder, "me/tiny")
    models_folder().joinpath("me__broken.json").write_text("{")
    with pytest.warns(UserWarning, match="me__broken.json"):
        plugin.register()
    assert "me/tiny" in MODEL_REGISTRY and "me/broken" not in MODEL_REGISTRY
