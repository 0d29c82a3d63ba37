"""A model that encodes in another precision, or on another backend, is evaluated as another."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel
from typer.testing import CliRunner

from conftest import HashEncoder
from mteb_hybrid.commands.app import app
from mteb_hybrid.models import precision
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.models.encoding import Backend, EncodingPrecision, encoding_as
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.precision import Native
from mteb_hybrid.scale.store import opened

FLOAT32, BF16, AUTO = EncodingPrecision
TEXTS = ["one", "and another one", "a third"]
RUN = ["sample", "--setting", "monolingual", "--query-language", "en"]


@pytest.fixture
def native(monkeypatch):
    """Sets whether this device computes bf16 natively."""

    def set_(value):
        monkeypatch.setattr(precision, "native_bf16", lambda place: Native(value, "it was told"))

    return set_


@pytest.fixture
def saved_in_bf16(tiny_model, tmp_path):
    folder = tmp_path / "reduced"
    SentenceTransformer(str(tiny_model), device="cpu").to(torch.bfloat16).save_pretrained(
        str(folder)
    )
    assert load_model(str(folder)).model.dtype == torch.bfloat16
    return folder


def loaded(folder, wanted, backend=Backend.TORCH):
    return encoding_as(load_model(str(folder), device="cpu"), backend, wanted)


def test_another_precision_is_filed_and_kept_apart(tiny_model, tmp_path):
    def run(*options):
        given = ["run", "-m", str(tiny_model), *RUN, "--device", "cpu", *options]
        given += ["--output-folder", str(tmp_path / "out"), "--store", str(tmp_path / "store")]
        done = CliRunner().invoke(app, given)
        assert done.exit_code == 0, done.output
        return done.output

    def files():
        return {
            file.relative_to(tmp_path / "out"): file.read_bytes()
            for file in (tmp_path / "out").rglob("*")
            if file.suffix in (".json", ".parquet")
        }

    run()
    plain = files()
    said = run("--precision", "bf16")
    assert "local/tiny (precision=bf16)" in said
    both = files()
    assert plain.items() < both.items(), "nothing of the plain model was touched"
    new = [file for file in both.keys() - plain.keys() if file.name == "model_meta.json"]
    assert [file.parts[-3:-1] for file in new] == [("experiments", "precision_bf16")]
    kept = json.loads(both[new[0]])["experiment_kwargs"]
    assert kept == {"precision": "bf16"}
    assert "nothing is evaluated again" in run(), "and the plain model's are found again"
    assert "nothing is evaluated again" in run("--precision", "float32"), "it is in float32 itself"
    assert files() == both

    spaces = opened(tmp_path / "store").spaces
    named = sorted(space.about["model"] for space in spaces)
    assert named == ["local/tiny"] * 2 + ["local/tiny (precision=bf16)"] * 2
    ones, others = (
        {s.shards[0].file.name: s.shards[0].read()[1] for s in spaces if s.about["model"] == name}
        for name in sorted(set(named))
    )
    assert ones.keys() == others.keys(), "of the same texts"
    for shard, vectors in ones.items():
        assert not np.array_equal(vectors, others[shard])
        assert np.allclose(vectors, others[shard], atol=0.1)


@pytest.mark.parametrize(
    ("is_native", "saved", "found", "experiment"),
    [
        (True, "tiny_model", torch.bfloat16, {"precision": "bf16"}),
        (False, "tiny_model", torch.float32, None),
        (True, "saved_in_bf16", torch.bfloat16, None),
        (False, "saved_in_bf16", torch.float32, {"precision": "float32"}),
    ],
)
def test_auto_asks_the_device(native, request, capsys, is_native, saved, found, experiment):
    native(is_native)
    model = loaded(request.getfixturevalue(saved), AUTO)
    assert model.model.dtype == found
    assert model.mteb_model_meta.experiment_kwargs == experiment
    assert f"precision: {str(found)[6:]}, as it was told" in capsys.readouterr().err


def test_what_is_asked_for_is_taken(native, saved_in_bf16, tiny_model):
    native(False)
    assert loaded(tiny_model, BF16).model.dtype == torch.bfloat16
    model = loaded(saved_in_bf16, FLOAT32)
    assert model.model.dtype == torch.float32
    assert model.mteb_model_meta.experiment_name == "precision_float32"
    assert loaded(saved_in_bf16, None).mteb_model_meta.experiment_kwargs is None


@pytest.fixture
def exporter(monkeypatch):
    """Stands in for what sentence-transformers exports with: gives the weights that it is given."""
    asked = []

    def load(model_name_or_path, config, task_name, **options):
        assert options.pop("export")
        asked.append(model_name_or_path)
        return AutoModel.from_pretrained(model_name_or_path)

    place = "sentence_transformers.base.modules.transformer.load_openvino_model"
    monkeypatch.setattr(place, load)
    return asked


def test_a_backend_is_given_the_very_model(tiny_model, tmp_path, exporter):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / "openvino").mkdir()
    (folder / "openvino" / "openvino_model.xml").write_text("of other weights")
    configured = SentenceTransformer(str(folder), device="cpu")
    configured.prompts = {"query": "ask: ", "document": "say: "}
    configured.max_seq_length = 8
    configured.save_pretrained(str(folder))
    before = load_model(str(folder), device="cpu")
    model = loaded(folder, None, Backend.OPENVINO)
    assert model.model.get_backend() == "openvino"
    assert model.mteb_model_meta.experiment_name == "backend_openvino"
    assert model.mteb_model_meta.revision == before.mteb_model_meta.revision
    assert exporter and not (folder.parent / exporter[0]).exists(), "the copy is gone"
    for encode in ("encode_query", "encode_document"):
        wanted = getattr(before.model, encode)(TEXTS)
        assert np.array_equal(getattr(model.model, encode)(TEXTS), wanted)


def test_openvino_finds_about_the_same(tiny_model):
    pytest.importorskip("optimum.intel", reason="the extra of sentence-transformers is not there")
    model = loaded(tiny_model, None, Backend.OPENVINO)
    wanted = load_model(str(tiny_model), device="cpu").model.encode(TEXTS)
    found = model.model.encode(TEXTS)
    assert model.model.get_backend() == "openvino"
    assert np.allclose(found, wanted, atol=0.02)


def test_what_cannot_be_is_refused(tiny_model):
    with pytest.raises(ValueError, match="--precision bf16: openvino has its own; leave it out"):
        loaded(tiny_model, BF16, Backend.OPENVINO)
    with pytest.raises(ModelError, match="test/hash: --backend and --precision are for transfor"):
        encoding_as(HashEncoder(), Backend.TORCH, BF16)


def test_a_backend_that_is_not_installed_is_named(tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "optimum.onnxruntime", None)
    with pytest.raises(ModelError, match="cannot be exported to onnx: Using the ONNX") as refused:
        loaded(tiny_model, None, Backend.ONNX)
    assert "local/tiny" in str(refused.value) and "--backend openvino" in str(refused.value)
