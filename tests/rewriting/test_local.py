"""A causal language model in a folder: a minute one, untrained, through the real code."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from typer.testing import CliRunner

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.commands.app import app
from mteb_hybrid.models.contents import folder_hash
from mteb_hybrid.rewriting.by_model import rewrite
from mteb_hybrid.rewriting.local import LocalModel
from mteb_hybrid.rewriting.overlay import RewriteError
from mteb_hybrid.rewriting.prompt import read_prompt
from mteb_hybrid.sources import load_queries

CHAT = "{% for m in messages %}<s>{{ m['content'] }}{% endfor %}<s>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("lm") / "tiny"
    words = ["wie", "viele", "bögen", "die", "brücke", "hat", "und", "wann", "der", "sie"]
    vocabulary = {word: n for n, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    ).save_pretrained(place)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.5,
    )
    LlamaForCausalLM(config).save_pretrained(place)
    return place


def test_an_answer_depends_on_prompt_and_seed_alone(folder):
    model = LocalModel(folder, 1.0, 12, "cpu")
    first = [model.ask(prompt, seed) for prompt in ("wie viele", "wann hat sie") for seed in (0, 1)]
    again = LocalModel(folder, 1.0, 12, "cpu")
    turned = [
        again.ask(prompt, seed) for prompt in ("wann hat sie", "wie viele") for seed in (1, 0)
    ]
    assert first == turned[::-1] and len({answer.text for answer in first}) > 1
    greedy = LocalModel(folder, 0, 12, "cpu")
    assert greedy.ask("wie viele", 0) == greedy.ask("wie viele", 1)
    assert model.by == "local/tiny" and model.options["revision"] == folder_hash(folder)


def test_what_reaches_the_limit_is_cut(folder):
    model = LocalModel(folder, 1.0, 2, "cpu")
    assert any(model.ask("wie viele", seed).cut for seed in range(5))
    longer = LocalModel(folder, 1.0, 400, "cpu")
    assert any(not longer.ask("wie viele", seed).cut for seed in range(5))


def test_the_prompt_is_no_part_of_the_answer_with_and_without_a_template(folder, tmp_path):
    from transformers import AutoTokenizer

    other = tmp_path / "chat"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    LlamaForCausalLM.from_pretrained(folder).save_pretrained(other)
    tokenizer.save_pretrained(other)
    plain, chat = LocalModel(folder, 0, 5, "cpu"), LocalModel(other, 0, 5, "cpu")
    ids = tokenizer("<s>wie viele<s>", return_tensors="pt", add_special_tokens=False)["input_ids"]
    assert ids.tolist() == [[1, 4, 5, 1]]
    made = LlamaForCausalLM.from_pretrained(folder).generate(
        input_ids=ids, do_sample=False, max_new_tokens=5
    )
    expected = tokenizer.decode(made[0, 4:], skip_special_tokens=True)
    assert chat.ask("wie viele", 0).text == expected
    assert not plain.ask("wie viele bögen", 0).text.startswith("wie viele bögen")


def test_from_a_folder_to_an_overlay(folder, sample_card, tmp_path):
    model = LocalModel(folder, 1.0, 60, "cpu")
    prompt = read_prompt("paraphrase")
    only = {f"de:bridge-{n}-{x}" for n in (1, 2) for x in "ab"}
    about = rewrite(sample_card, "paraphrase", model, prompt, ["de"], only, attempts=4)
    found = about.kinds["paraphrase"]
    assert found.options["transformers"] and found.options["dtype"] == "float32"
    kept = found.languages["de"].queries
    assert kept + sum(found.rejected.get("de", {}).values()) == 4
    words = {"wie", "viele", "bögen", "die", "brücke", "hat", "und", "wann", "der", "sie"}
    for text in load_queries(collection_card("sample-paraphrase"))["text"]:
        assert set(text.split()) <= words


def test_what_is_no_language_model_is_refused(folder, tiny_model, tmp_path):
    with pytest.raises(RewriteError, match=r"weights lack cls\.predictions.*would be random"):
        LocalModel(tiny_model, 0, 5, "cpu")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises((RewriteError, ValueError), match="safetensors"):
        LocalModel(tmp_path, 0, 5, "cpu")
    arguments = ["rewrite", "sample", "--kind", "paraphrase", "--local", str(tmp_path / "none")]
    assert "no such folder" in str(CliRunner().invoke(app, arguments).exception)
