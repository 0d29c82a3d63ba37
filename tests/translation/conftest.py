"""Minute translation models, untrained, whose output ends after a few tokens."""

import json

import pytest
import torch
from transformers import (
    GenerationConfig,
    M2M100Config,
    M2M100ForConditionalGeneration,
    M2M100Tokenizer,
    NllbTokenizer,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

from mteb_hybrid.translation import translator

LETTERS = "abcdefghijklmnopqrstuvwxyz"
NLLB_CODES = ["eng_Latn", "deu_Latn", "arb_Arab", "zho_Hans"]


def save(model, tokenizer, folder, silent):
    """Save a model that never says `silent` tokens, and is drawn to the end from token 6 on."""
    generation = GenerationConfig.from_model_config(model.config)
    generation.suppress_tokens = sorted(silent)
    generation.exponential_decay_length_penalty = (6, 2.0)
    model.generation_config = generation
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def m2m_model(size):
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=size,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=64,
        init_std=1.0,
    )
    return M2M100ForConditionalGeneration(config)


@pytest.fixture(scope="session")
def nllb(tmp_path_factory):
    return write_nllb(tmp_path_factory.mktemp("mt") / "nllb")


def write_nllb(folder):
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = NllbTokenizer(vocab=vocabulary, merges=[], extra_special_tokens=NLLB_CODES)
    silent = set(range(len(tokenizer))) - {2, *range(5, len(pieces))}
    silent -= set(tokenizer.convert_tokens_to_ids(NLLB_CODES))
    return save(m2m_model(len(tokenizer)), tokenizer, folder, silent)


@pytest.fixture(scope="session")
def m2m(tmp_path_factory):
    spm = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("mt") / "m2m"
    folder.mkdir()
    text = folder.parent / "text.txt"
    text.write_text("\n".join(LETTERS[n:] + " " + LETTERS[:n] for n in range(26)))
    prefix = folder.parent / "spm"
    spm.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(prefix), vocab_size=31, model_type="char", minloglevel=2
    )
    processor = spm.SentencePieceProcessor(model_file=f"{prefix}.model")
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    vocabulary = dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", *pieces])
    file = folder.parent / "vocab.json"
    file.write_text(json.dumps({piece: number for number, piece in enumerate(vocabulary)}))
    tokenizer = M2M100Tokenizer(str(file), f"{prefix}.model")
    languages = len(vocabulary) + 100
    model = m2m_model(languages + 8)  # it has 8 words without a meaning
    with torch.no_grad():  # seldom says a language token
        model.model.shared.weight[len(vocabulary) : languages] *= 0.1
    return save(model, tokenizer, folder, {0, 1, 3, 4, *range(languages, languages + 8)})


@pytest.fixture(scope="session")
def madlad(tmp_path_factory):
    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    tokenizer = T5Tokenizer(
        vocab=[(piece, -float(number)) for number, piece in enumerate(pieces)],
        extra_ids=0,
        additional_special_tokens=["<2de>", "<2zh>", "<2iw>"],
    )
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=16,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
        initializer_factor=5.0,
    )
    model = T5ForConditionalGeneration(config)
    folder = tmp_path_factory.mktemp("mt") / "madlad"
    return save(model, tokenizer, folder, {0, 2, 3, *range(len(pieces), len(tokenizer))})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setattr(translator, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "translations.sqlite"
