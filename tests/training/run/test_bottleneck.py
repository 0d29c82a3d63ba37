"""Bottleneck adapters: a slow reference of their formula, what is trained, and what is saved."""

import json
import os
import string

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch.nn.functional import gelu, layer_norm, linear
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from mteb_hybrid.models.contents import ModelError, folder_hash
from mteb_hybrid.models.load import open_folder
from mteb_hybrid.recipes.model import Bottleneck
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.training.run.bottleneck import ARCHITECTURES, add_bottleneck
from mteb_hybrid.training.run.build import load_model
from mteb_hybrid.training.run.train import train
from training.run.test_train import (  # noqa: F401 - a fixture
    SHORT,
    command,
    interrupted,
    recipe_file,
    weights,
)

SOAK = int(os.environ.get("MTEB_HYBRID_SOAK", "1"))
FACTOR = "model.bottleneck={reduction_factor=4}"
TEXTS = ["abc", "a longer text of words", "x " * 40, ""]


def tiny(architecture, folder, pad=1):
    """An encoder of two layers, with random weights and a module that is trained as well."""
    torch.manual_seed(0)
    words = ["<s>", "<pad>", "</s>", "<unk>", *string.ascii_letters]
    words[1], words[pad] = words[pad], words[1]
    tokenizer = Tokenizer(models.WordLevel({x: n for n, x in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    ends = [(end, words.index(end)) for end in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=ends)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", model_max_length=32
    ).save_pretrained(folder)
    own = {} if architecture == "bert" else {"pad_token_id": pad}
    config = AutoConfig.for_model(
        architecture, vocab_size=len(words), hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=8, initializer_range=0.3,
        max_position_embeddings=40, **own,
    )  # fmt: skip
    AutoModel.from_config(config).save_pretrained(folder)
    modules = [Transformer(str(folder)), Pooling(16, "mean"), Dense(16, 8)]
    return SentenceTransformer(modules=modules, device="cpu").eval()


@pytest.fixture(scope="module", params=[(kind, pad) for kind in ARCHITECTURES for pad in (0, 1, 4)])
def pair(request, tmp_path_factory):
    """An encoder, and the same with adapters that are not trained."""
    kind, pad = request.param
    before, after = (tiny(kind, tmp_path_factory.mktemp(kind), pad) for _ in range(2))
    add_bottleneck(after, Bottleneck(reduction_factor=4))
    return before, after


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first | second)


@given(st.lists(st.text(string.ascii_letters + " é"), min_size=1, max_size=8))
@settings(deadline=None, max_examples=15 * SOAK, suppress_health_check=[HealthCheck.too_slow])
def test_untrained_they_change_no_bit_of_a_vector(pair, texts):
    before, after = (model.encode(texts) for model in pair)
    assert np.array_equal(before, after)


def reference(model, adapters, text):
    """The last hidden states of one text, by the formula, from the model's layers."""
    inner = model.transformers_model
    tokens = model.tokenizer(text, return_tensors="pt", truncation=True, max_length=32)
    x = inner.embeddings(tokens["input_ids"])
    for layer, (down, down_bias, up, up_bias) in zip(inner.encoder.layer, adapters, strict=True):
        x = layer.attention(x)[0]
        norm = layer.output.LayerNorm
        h = x + layer.output.dense(layer.intermediate(x))
        normed = layer_norm(h, (16,), norm.weight, norm.bias, norm.eps)
        x = norm(h + linear(gelu(linear(normed, down, down_bias)), up, up_bias))
    return x[0].mean(0)


def test_trained_they_are_the_formula(pair):
    before, after = pair
    torch.manual_seed(1)
    adapters = []
    for layer in after.transformers_model.encoder.layer:
        (module,) = layer.output.adapter_modules.values()
        values = [torch.randn_like(parameter) for parameter in module.parameters()]
        module.load_state_dict(dict(zip(module.state_dict(), values, strict=True)))
        adapters.append(values)
    pooled = torch.nn.Sequential(*list(after)[:2])
    try:
        with torch.inference_mode():
            for text in TEXTS:
                found = pooled(after.preprocess([text]))["sentence_embedding"][0]
                expected = reference(before, adapters, text)
                assert torch.allclose(found, expected, atol=1e-5)
                assert not torch.allclose(found, pooled_before(before, text), atol=1e-2)
    finally:
        for layer in after.transformers_model.encoder.layer:
            (module,) = layer.output.adapter_modules.values()
            torch.nn.init.zeros_(module.dense2.weight)
            torch.nn.init.zeros_(module.dense2.bias)


def pooled_before(model, text):
    return torch.nn.Sequential(*list(model)[:2])(model.preprocess([text]))["sentence_embedding"][0]


def test_nothing_else_is_trained(pair):
    _, model = pair
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all(".adapter_modules." in name for name in trained)
    # Two layers; from 16 to 4 and back, with biases.
    assert sum(p.numel() for p in trained.values()) == 2 * (16 * 4 + 4 + 4 * 16 + 16)


def test_under_autocast_they_learn(pair):
    _, model = pair
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        vectors = model(model.preprocess(TEXTS[:2]))["sentence_embedding"]
    vectors.float().sum().backward()
    up = model.transformers_model.encoder.layer[0].output.adapter_modules["adapter"].dense2.weight
    assert up.grad.abs().sum() > 0
    model.zero_grad()
    model.eval()


def test_a_saved_model_trains_on_under_autocast(recipe_file, tmp_path):  # noqa: F811
    given = [*SHORT, "training.precision=bf16"]
    train(read_recipe(recipe_file, [FACTOR, *given]), tmp_path / "first")
    first = tmp_path / "first" / "model"
    train(read_recipe(recipe_file, [f"model.name={first}", *given]), tmp_path / "second")
    before, after = weights(tmp_path / "first"), weights(tmp_path / "second")
    assert before.keys() == after.keys() and not same(before, after)


def test_the_seed_draws_them(tmp_path):
    drawn = []
    for seed in (1, 1, 2):
        model = tiny("bert", tmp_path)
        torch.manual_seed(seed)
        add_bottleneck(model, Bottleneck(reduction_factor=2))
        drawn.append(model.transformers_model.state_dict())
    first, again, other = drawn
    assert same(first, again) and not same(first, other)


def test_a_run_and_a_resumed_one(recipe_file, tmp_path):  # noqa: F811
    recipe = read_recipe(recipe_file, [FACTOR, "evaluation=", "model.freeze=['embeddings.word']"])
    untrained = load_model(recipe)
    train(recipe, tmp_path / "whole")
    interrupted(recipe, tmp_path / "halves")
    train(recipe, tmp_path / "halves", resume=True)
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert same(first, second)
    before = untrained.transformers_model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], first[name])}
    assert changed and all(".adapter_modules." in name for name in changed)


def test_it_loads_with_sentence_transformers_alone(recipe_file, tmp_path):  # noqa: F811
    recipe = read_recipe(recipe_file, [FACTOR, *SHORT])
    options = [part for one in (FACTOR, *SHORT) for part in ("--set", one)]
    said = " ".join(command(recipe_file, "--dry-run", *options).split())
    assert "of which 148 train" in said
    assert "finished\n" in command(recipe_file, "-o", tmp_path / "run", *options)
    folder = tmp_path / "run" / "model"
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "bottleneck adapters, reduction factor 4" in card
    kinds = [module["type"] for module in json.loads((folder / "modules.json").read_text())]
    assert all(kind.startswith("sentence_transformers.") for kind in kinds)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "xmod"
    assert not [*folder.rglob("*.bin"), *folder.rglob("*.py")]
    loaded, opened = SentenceTransformer(str(folder), device="cpu"), open_folder(folder, "cpu")
    assert np.array_equal(loaded.encode(TEXTS), opened.encode(TEXTS))
    saved = load_file(folder / "model.safetensors")
    assert same(saved, loaded.transformers_model.state_dict())
    meta = json.loads((tmp_path / "run" / "model_meta.json").read_text())
    assert meta["revision"] == folder_hash(folder)
    assert not np.allclose(loaded.encode(TEXTS[:1]), load_model(recipe).encode(TEXTS[:1]))


def test_it_may_be_kept_between_the_start_and_the_end(recipe_file, tmp_path):  # noqa: F811
    given = [FACTOR, *SHORT]
    train(read_recipe(recipe_file, given), tmp_path / "all")
    train(read_recipe(recipe_file, [*given, "training.interpolate=0.5"]), tmp_path / "half")
    found, trained = weights(tmp_path / "half"), weights(tmp_path / "all")
    up = next(name for name in found if name.endswith("dense2.weight"))
    assert torch.equal(found[up], 0.5 * trained[up]) and found[up].abs().sum() > 0


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.bottleneck={reduction_factor=17}", "is 17; expected at most the model's width, 16"),
        ("training.max_tokens=600", "max_tokens is 600, and "),
    ],
)
def test_what_the_model_has_no_room_for(recipe_file, override, said):  # noqa: F811
    with pytest.raises(ModelError, match=said):
        load_model(read_recipe(recipe_file, [override]))


def test_other_architectures_are_refused(tmp_path):
    config = AutoConfig.for_model("distilbert", vocab_size=60, dim=16, n_layers=1, n_heads=2)
    model = tiny("bert", tmp_path)
    model[0].model = AutoModel.from_config(config)
    with pytest.raises(ModelError, match=r"is distilbert; expected one of bert, .*model\.lora"):
        add_bottleneck(model, Bottleneck())
    trained = tiny("bert", tmp_path)
    add_bottleneck(trained, Bottleneck())
    with pytest.raises(ModelError, match="is xmod; expected one of bert"):
        add_bottleneck(trained, Bottleneck())


def test_bert_without_a_padding_token_is_refused(tmp_path):
    model = tiny("bert", tmp_path)
    model.tokenizer.pad_token = None
    with pytest.raises(ModelError, match=r"no padding token; give it one, in tokenizer_config"):
        add_bottleneck(model, Bottleneck())
