"""Models of the user that MTEB knows by name, in any process."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import mteb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mteb.models.model_implementations import MODEL_REGISTRY
from typer.testing import CliRunner

from files.dead import of_the_dead
from mteb_hybrid import plugin
from mteb_hybrid.commands.app import app
from mteb_hybrid.models.contents import ModelError, folder_hash
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.registry import (
    NAME,
    add_model,
    entry_file,
    find_model,
    load_registered,
    models_folder,
    read_entries,
    read_entry,
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


def test_a_model_that_a_killed_process_took_away_is_put_back(folder):
    meta = add_model(folder, "me/tiny")
    folder.rename(of_the_dead(folder, "old"))
    assert load_registered("me/tiny", meta.revision).mteb_model_meta is not None
    folder.rename(of_the_dead(folder, "old"))
    assert find_model(str(folder))[1].name == "me/tiny"
    folder.rename(of_the_dead(folder, "old"))
    load_model(str(folder))
    assert list(folder.parent.iterdir()) == [folder]


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
    with pytest.raises(ModelError, match=r"did you mean .*'me/tiny'"):
        find_model("me/tinny")
    with pytest.raises(ModelError, match=r"did you mean .*'intfloat/multilingual-e5-small'"):
        find_model("multilingual-e5-small")
    with pytest.raises(ModelError, match=r"neither modules\.json"):
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
    with pytest.raises(ModelError, match=r"There are: a/b_c\.d-e"):
        remove_model("me/tiny")


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("tiny", {}, "expected org/name"),
        ("me/../tiny", {}, "expected org/name"),
        ("me__x/tiny", {}, "double underscore"),
        ("me_/tiny", {}, "no underscore beside the slash"),
        ("mé/tiny", {}, "letters, digits"),
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
    with pytest.raises(ModelError, match=r"neither modules\.json"):
        add_model(tmp_path, "me/tiny")


NESTED = '{"folder": "/x", "meta": ' + "[" * 100_000 + "]" * 100_000 + "}"
BAD = {
    "not-json": "{",
    "empty": "",
    "no-object": "[1]",
    "other-keys": '{"path": "/x"}',
    "no-folder": '{"meta": {"name": "me/no-folder"}}',
    "folder-of-numbers": '{"folder": 7, "meta": {}}',
    "nul": '{"folder": "a\\u0000b", "meta": {"name": "me/nul"}}',
    "nested": NESTED,
    "not-utf-8": b"\xff\xfe",
    "digits": '{"folder": "/x", "meta": ' + "9" * 100_000 + "}",
    "other-name": '{"folder": "/x", "meta": {"name": "me/somebody"}}',
    "bad-meta": '{"folder": "/x", "meta": {"name": "me/bad-meta", "languages": 7}}',
    "_underscore": '{"folder": "/x", "meta": {"name": "me_/underscore"}}',
}


def make_bad_entries():
    models_folder().mkdir(exist_ok=True)
    for name, content in BAD.items():
        content = content if isinstance(content, bytes) else content.encode()
        models_folder().joinpath(f"me__{name}.json").write_bytes(content)
    models_folder().joinpath("me__folder.json").mkdir()
    models_folder().joinpath("me__folder.json", "mine").touch()
    os.mkfifo(models_folder() / "me__pipe.json")
    models_folder().joinpath("me__loop.json").symlink_to("me__loop.json")
    models_folder().joinpath("._me__tiny.json").touch()
    return [*(f"me/{name}" for name in BAD), "me/folder", "me/loop", "me/pipe"]


def test_bad_entries_hide_no_others_and_say_what_to_do(folder):
    bad = make_bad_entries()
    meta = add_model(folder, "me/tiny")
    with pytest.warns(UserWarning, match="me__not-json.json") as warned:
        plugin.register()
    assert len(warned) == len(bad) and "me/tiny" in MODEL_REGISTRY
    assert not MODEL_REGISTRY.keys() & set(bad)
    listed = CliRunner().invoke(app, ["models", "list"])
    assert listed.exit_code == 0
    lines = dict(line.split("  ", 1) for line in listed.output.splitlines())
    assert lines.pop("me/tiny") == f"{meta.revision}  {folder}"
    assert sorted(lines) == sorted(bad)
    assert find_model(str(folder))[1].name == "me/tiny"
    for name, said in lines.items():
        assert said.startswith(f"{models_folder() / name.replace('/', '__')}.json: not the entry")
        assert len(said) < 700
        if "move it away" in said:
            assert name in ("me/folder", "me/pipe", "me/loop")
        else:
            assert f"`mteb-hybrid models remove {name}`" in said
        if name == "me/folder":
            with pytest.raises(ModelError, match="is a folder, and no entry; move it away"):
                remove_model(name)
        else:
            remove_model(name)
    assert list(registered()) == ["me/folder", "me/tiny"]
    assert models_folder().joinpath("me__folder.json", "mine").exists()
    with pytest.raises(FileExistsError, match="is a folder"):
        add_model(folder, "me/folder", replace=True)


ENTRY = {"folder": "/x", "hash": "0", "meta": {"name": "me/fuzz", "languages": ["eng-Latn"]}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FIELDS = st.sampled_from(sorted(mteb.models.ModelMeta.model_fields))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(FIELDS, JSON, max_size=2), st.dictionaries(st.sampled_from([*ENTRY]), JSON))
def test_any_entry_is_read_or_said_to_be_bad(fields, keys):
    models_folder().mkdir(exist_ok=True)
    content = ENTRY | {"meta": ENTRY["meta"] | fields} | keys
    models_folder().joinpath("me__fuzz.json").write_text(json.dumps(content))
    ((name, entry),) = read_entries()
    assert name == "me/fuzz"
    if isinstance(entry, ModelError):
        assert "me__fuzz.json: not the entry of a model" in str(entry)
    else:
        assert entry.meta.name == name and not entry.folder.is_dir()


PARTS = st.text(st.sampled_from("aAé_.-/_"), min_size=1, max_size=8)


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARTS, PARTS)
@example("me_/a", "me/_a")
@example("a__b/c", "a/b__c")
@example("a/b__c", "a/b/c")
def test_names_and_files_give_back_one_another(first, second):
    names = {name for name in (first, second) if NAME.fullmatch(name)}
    files = {entry_file(name).name: name for name in names}
    assert len(files) == len(names)
    for file, name in files.items():
        models_folder().mkdir(exist_ok=True)
        entry_file(name).touch()
        assert registered() == {name: models_folder() / file}
        entry_file(name).unlink()


def test_names_that_differ_in_case_alone_do_not_stand_beside_one_another(folder):
    add_model(folder, "me/tiny")
    with pytest.raises(ModelError, match="Me/tiny: me/tiny is registered, and some systems"):
        add_model(folder, "Me/tiny", replace=True)
    assert list(registered()) == ["me/tiny"]


ADD = """
import sys
from pathlib import Path
from mteb_hybrid.models import registry
registry.describe = lambda folder, fields: __import__("mteb").models.ModelMeta.create_empty(fields)
registry._check_tasks(registry.describe("", {"name": "me/x"}))  # all is loaded
print("ready", flush=True)
sys.stdin.readline()
for name in sys.argv[2:]:
    try:
        registry.add_model(Path(sys.argv[1]), name)
        print("added", name)
    except registry.ModelError as error:
        print("refused", name, str(error).partition(",")[0])
    for _, entry in registry.read_entries():
        assert isinstance(entry, registry.Entry), entry
"""


def test_two_processes_lose_no_entry_and_one_of_the_same_name_is_told(folder):
    names = [f"me/same-{turn}" for turn in range(5)]
    adding = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, str(folder), *names, f"me/own-{which}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for which in range(2)
    ]  # fmt: skip
    for process in adding:
        assert process.stdout.readline() == "ready\n"
    for process in adding:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].splitlines() for process in adding]
    assert [process.returncode for process in adding] == [0, 0]
    for name in names:
        lines = [line for one in said for line in one if name in line]
        assert sorted(lines) == [f"added {name}", f"refused {name} {name} is registered already"]
    assert sorted(registered()) == sorted([*names, "me/own-0", "me/own-1"])
    assert len(list(models_folder().iterdir())) == 7, "no lock, nothing unfinished"


KILLED = """
import os, sys
from pathlib import Path
from mteb_hybrid.files import whole
from mteb_hybrid.models import registry
registry.describe = lambda folder, fields: __import__("mteb").models.ModelMeta.create_empty(fields)
registry._check_tasks = lambda meta: None
at = sys.argv[2]
setattr(*{
    "before": (whole, "_flush"), "after": (whole, "_flush_folder"),
}[at], lambda path: os.kill(os.getpid(), 9))
registry.add_model(Path(sys.argv[1]), "me/tiny", {"license": "mit"}, replace=True)
"""


@pytest.mark.parametrize(("at", "license"), [("before", "apache-2.0"), ("after", "mit")])
@pytest.mark.soak
def test_killed_while_adding(folder, at, license):
    add_model(folder, "me/tiny", {"license": "apache-2.0"})
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder), at])
    assert killed.returncode == -signal.SIGKILL
    assert len(list(models_folder().iterdir())) > 1
    assert registered().keys() == {"me/tiny"}
    assert read_entry("me/tiny").meta.license == license
    add_model(folder, "me/other")
    add_model(folder, "me/tiny", replace=True)
    names = {path.name for path in models_folder().iterdir()}
    assert names == {"me__other.json", "me__tiny.json"}
