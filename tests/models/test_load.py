"""Local model folders, which MTEB itself refuses."""

import codecs
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys

import mteb
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Router, StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.models.contents import ModelError, folder_hash
from mteb_hybrid.models.load import check_name, load_model, open_folder


def test_a_folder(tiny_model):
    model = load_model(str(tiny_model))
    assert model.mteb_model_meta.name == "local/tiny"
    assert model.mteb_model_meta.revision == folder_hash(tiny_model)
    task = mteb.get_task("HybridSampleMonolingualRetrieval", hf_subsets=["en-en"])
    result = mteb.evaluate(model, task, cache=None, show_progress_bar=False)
    assert 0 < result.task_results[0].get_score() < 1


@pytest.fixture
def folder(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "model")


def add(folder, name, content="new"):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "model.safetensors",
        "tokenizer_config.json",
        "1_Pooling/config.json",
        "1_Pooling/deeper/weights.bin",
        "sentence_bert_config.json",
        "additional_chat_templates/x.jinja",
        "vocab.txt",
        "modeling_own.py",
        "anything.npz",
    ],
)
def test_every_file_that_may_be_loaded_is_part_of_the_revision(folder, name):
    before = folder_hash(folder)
    add(folder, name)
    first = folder_hash(folder)
    add(folder, name, "newer")
    assert len({before, first, folder_hash(folder)}) == 3


@pytest.mark.parametrize(
    "name",
    [
        *(".DS_Store", "1_Pooling/.DS_Store", "._config.json", "1_Pooling/__pycache__/x.pyc"),
        *(".git/HEAD", ".gitattributes", ".cache/huggingface/download/x.metadata"),
        *("README.md", "1_Pooling/README.md", "LICENSE", "LICENSE.txt", "model_card/curves.png"),
        *("onnx/model.onnx", "openvino/openvino_model.xml", "tf_model.h5", "rust_model.ot"),
        *(
            "checkpoint-100/model.safetensors",
            "optimizer.pt",
            "trainer_state.json",
            "runs/x/events",
        ),
        *("eval/similarity.csv", "results/results/a/b/Task.json", "model_meta.json"),
    ],
)
def test_what_is_not_loaded_is_no_part_of_the_revision(folder, name):
    before = folder_hash(folder)
    add(folder, name)
    assert folder_hash(folder) == before


@pytest.mark.parametrize("code", ["own.py", "1_Pooling/own.py"])
def test_with_code_of_its_own_a_model_may_read_any_folder(folder, code):
    add(folder, code)
    before = folder_hash(folder)
    for name in ("model_card/curves.png", ".git/HEAD"):
        add(folder, name)
        assert folder_hash(folder) == before
    add(folder, "tables/words.json")
    assert folder_hash(folder) != before


def test_modules_may_lie_deeper_or_in_the_folder_itself(folder):
    modules = json.loads((folder / "modules.json").read_text())
    assert modules[0]["path"] == ""
    modules[1]["path"] = "heads/pooling"
    add(folder, "modules.json", json.dumps(modules))
    before = folder_hash(folder)
    add(folder, "heads/pooling/config.json")
    assert folder_hash(folder) != before


def test_links_are_followed_and_loops_are_not(folder, tmp_path):
    whole = folder_hash(folder)
    for name in ("1_Pooling", "model.safetensors"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
        assert folder_hash(folder) == whole, "the same files"
    (tmp_path / "1_Pooling" / "again").symlink_to(tmp_path / "1_Pooling")
    (tmp_path / "1_Pooling" / "up").symlink_to(folder)
    (tmp_path / "1_Pooling" / "itself").symlink_to(tmp_path / "1_Pooling" / "itself")
    (tmp_path / "1_Pooling" / "nothing").symlink_to(tmp_path / "none")
    looped = folder_hash(folder)
    for name in ("1_Pooling/config.json", "model.safetensors"):
        before = folder_hash(folder)
        add(tmp_path, name, "trained again")
        assert folder_hash(folder) not in (before, looped)


def test_an_adapter_counts_with_the_folder_of_its_base(folder, tmp_path):
    adapter = tmp_path / "adapter"
    add(adapter, "adapter_config.json", json.dumps({"base_model_name_or_path": str(folder)}))
    before = folder_hash(adapter)
    add(folder, "README.md")
    assert folder_hash(adapter) == before
    add(folder, "model.safetensors", "trained again")
    assert folder_hash(adapter) != before
    add(adapter, "adapter_config.json", json.dumps({"base_model_name_or_path": "org/name"}))
    folder_hash(adapter)


def test_what_save_pretrained_wrote_has_the_hash_of_earlier_versions(folder):
    """All files, in order: so that results and recipes keep their revisions."""
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        if file.name != "README.md":
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    assert folder_hash(folder) == digest.hexdigest()[:16]


@pytest.mark.parametrize("content", ["{", "{}"])
def test_modules_that_cannot_be_read(folder, content):
    add(folder, "modules.json", content)
    with pytest.raises(ModelError, match=r"modules\.json: .*(not JSON|expected a JSON array)"):
        folder_hash(folder)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("modules.json", '[{"path": "/"}]', "the path '/' is none inside"),
        ("modules.json", '[{"path": "//x"}]', "the path '//x' is none inside"),
        ("modules.json", '[{"path": "1/../../x"}]', r"the path '1/\.\./\.\./x' is none inside"),
        ("modules.json", '[{"path": 1}]', "the path 1 is none inside"),
        ("modules.json", "[1]", "expected a list of tables with a path, found 1"),
        ("router_config.json", '{"types": {"../x": "Dense"}}', r"the path '\.\./x' is none inside"),
        ("router_config.json", '{"types": 1}', "key 'types': expected a table"),
    ],
)
def test_modules_that_lie_elsewhere(folder, name, content, said):
    add(folder, name, content)
    with pytest.raises(ModelError, match=rf"{name}: {said}"):
        folder_hash(folder)


def test_no_model_in_the_folder(tmp_path):
    with pytest.raises(ModelError, match=r"neither modules\.json .* nor config\.json"):
        load_model(str(tmp_path))


@pytest.mark.parametrize("kind", ["router", "path with a dot"])
def test_the_revision_sees_weights_wherever_modules_lie(kind, tmp_path):
    """A Router keeps its encoders at the root, and modules.json names neither."""
    letters = {"[UNK]": 0, **{letter: n for n, letter in enumerate("abc", 1)}}

    def encoder(seed):
        tokenizer = Tokenizer(WordLevel(letters, unk_token="[UNK]"))
        weights = np.random.default_rng(seed).normal(size=(4, 8)).astype(np.float32)
        return StaticEmbedding(tokenizer, embedding_weights=weights)

    found = []
    for seed in (1, 2):
        folder = tmp_path / f"{seed}"
        if kind == "router":
            modules = [Router.for_query_document([encoder(0)], [encoder(seed)])]
        else:
            torch.manual_seed(seed)
            modules = [encoder(0), Dense(8, 8)]
        SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder))
        file = folder / "modules.json"
        if kind != "router":
            content = json.loads(file.read_text())
            for module in content:
                module["path"] = f"./{module['path']}" if module["path"] else ""
            file.write_text(json.dumps(content))
        found.append(folder_hash(folder))
    assert found[0] != found[1]


def without(*names):
    def change(folder):
        for name in names:
            (folder / name).unlink(missing_ok=True)

    return change


def with_config(**values):
    def change(folder):
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


def cut(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def pickled(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def pickled_beside_other_tensors(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").rename(folder / "more.safetensors")


def pickled_under_other_names(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin.index.json").write_text('{"weight_map": {"x": "weights.pt"}}')


def other_weights(folder):
    save_file({"x": torch.zeros(2)}, folder / "model.safetensors", metadata={"format": "pt"})


def own_module(folder):
    file = folder / "modules.json"
    own = {"idx": 2, "name": "2", "path": "", "type": "own.Module"}
    file.write_text(json.dumps([*json.loads(file.read_text()), own]))


def kind(name):
    def change(folder):
        add(folder, "config_sentence_transformers.json", json.dumps({"model_type": name}))

    return change


def marked(folder):
    file = folder / "sentence_bert_config.json"
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())


def classifier(folder):
    without("modules.json", "config_sentence_transformers.json")(folder)
    with_config(architectures=["BertForSequenceClassification"])(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (kind("CrossEncoder"), "a cross-encoder, which .* has no vectors of texts; expected an en"),
        (classifier, "a cross-encoder"),
        (kind("SparseEncoder"), r"a sparse encoder; .*load it in Python with SparseEncoder\("),
        (kind("MultiVectorEncoder"), "an encoder with a vector for every token"),
        (cut, r"model\.safetensors: damaged or cut short \(.*\); copy or download it again"),
        (pickled_beside_other_tensors, r"pytorch_model\.bin: pickled weights"),
        (pickled_under_other_names, r"pytorch_model\.bin\.index\.json: pickled weights"),
        (pickled, r"pytorch_model\.bin: pickled weights.*Convert the folder.*save_pretr"),
        (without("model.safetensors"), "cannot be loaded: Error no file named model.safetensors"),
        (other_weights, "none of the weights in its files is one of BertModel"),
        (without("tokenizer.json", "tokenizer_config.json"), "no tokenizer: expected tokenizer"),
        (with_config(model_type="nonsense"), "model type `nonsense` but Transformers does not"),
        (with_config(hidden_size=32), "its weights have other shapes than config.json says"),
        (with_config(model_type="x", auto_map={"AutoConfig": "own.C"}), "needs code of its own.*"
         r"trust_remote_code=True\), and give the model to mteb.evaluate"),
        (own_module, "needs code of its own"),
        (lambda folder: add(folder, "config.json", "{"), r"config\.json: not JSON"),
        (lambda folder: add(folder, "tokenizer.json", "{"), r"tokenizer\.json: not JSON"),
        (lambda folder: add(folder, "modules.json", "[]"), "cannot be loaded: An empty modules"),
        (marked, r"sentence_bert_config\.json: begins with a byte order mark.*save it as UTF-8"),
        (without("modules.json", "config.json"), "no model: neither modules.json"),
    ],
)  # fmt: skip
def test_a_folder_that_holds_no_whole_model_is_refused(folder, change, said):
    change(folder)
    with pytest.raises(ModelError, match=f"(?s)^{re.escape(str(folder))}.*{said}"):
        load_model(str(folder))


def test_pickled_weights_are_converted_by_the_command_that_is_named(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(ModelError) as refused:
        open_folder(folder)
    command = shlex.split(str(refused.value).partition("if you trust it: ")[2])
    assert command[0] == "python"
    subprocess.run([sys.executable, *command[1:]], check=True, capture_output=True)
    converted = folder.with_name(f"{folder.name}-safetensors")
    found = open_folder(converted, "cpu")[0].auto_model.state_dict()
    assert all(torch.equal(found[name], weights[name]) for name in weights.keys() & found.keys())
    assert weights.keys() & found.keys()


def test_the_base_of_an_adapter_is_checked_too(folder, tmp_path):
    adapter = tmp_path / "adapter"
    add(adapter, "adapter_config.json", json.dumps({"base_model_name_or_path": str(folder)}))
    add(adapter, "config.json", "{}")
    pickled(folder)
    with pytest.raises(ModelError, match=f"{folder}/pytorch_model.bin: pickled weights"):
        open_folder(adapter)
    add(folder, "adapter_config.json", json.dumps({"base_model_name_or_path": str(adapter)}))
    with pytest.raises(ModelError, match="as its base, an adapter too"):
        folder_hash(adapter)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/no/such/folder", "^/no/such/folder: no such folder; expected a folder"),
        ("./nothing", "no such folder"),
        ("a/b/c", "no such folder"),
        ("", r"^\(empty\): no such folder"),
        (__file__, "is a file; expected a folder"),
        ("org/nothing", "no model 'org/nothing': .* nor to be had from the hub .*offline mode"),
        ("multilingual-e5-smal", "did you mean 'intfloat/multilingual-e5-small'"),
        ("intfloat/multilingual-e5-large-instruct", "large-instruct: cannot be loaded: We couldn"),
    ],
)
def test_a_name_that_is_none(name, said):
    with pytest.raises(ModelError, match=said):
        load_model(name)


def test_a_home_that_is_not_known():
    with pytest.raises(
        DataError, match=r"^~nobodyx/m: no home folder is known for ~nobodyx; write"
    ):
        check_name("~nobodyx/m")


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "CPU", "meta"])
def test_a_device_that_is_not_here(tiny_model, device):
    with pytest.raises(ModelError, match=f"device '{device}' .*cpu"):
        load_model(str(tiny_model), device=device)


def test_a_folder_has_no_revision(tiny_model):
    with pytest.raises(ModelError, match="a folder has no revision 'abc'"):
        load_model(str(tiny_model), revision="abc")
