"""Bottleneck adapters: the model becomes an X-MOD, an architecture that transformers has.

X-MOD (arXiv:2205.06266) is XLM-R with adapters after the feed-forward layers. With one adapter, and
the settings below, a layer ends as Pfeiffer et al. place them (arXiv:2005.00247): where the model
had LayerNorm(h), of h = x + FFN(x), it has LayerNorm(h + U f(D LayerNorm(h))), with the model's own
activation f. No such adapter can be merged into the weights; but a model that is saved so loads
wherever sentence-transformers does.
"""

from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import XmodConfig, XmodModel
from transformers.models.xmod.modeling_xmod import XmodAdapter

from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.recipes.model import Bottleneck

SHARED = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "type_vocab_size",
    "initializer_range", "layer_norm_eps", "bos_token_id", "eos_token_id",
)  # fmt: skip
"""What the configurations of the architectures have in common, but for positions."""

ARCHITECTURES = ("bert", "camembert", "roberta", "xlm-roberta")
POSITIONS = "embeddings.position_embeddings.weight"
NAME = "adapter"


def add_bottleneck(model: SentenceTransformer, wanted: Bottleneck) -> None:
    """Put an adapter into every layer of a model's transformer; nothing else of it is trained.

    The model gives the same vectors as before, bit for bit, until it is trained: U is zero. D is
    drawn with torch's seed. (Only a text that spells out BERT's padding token gets others: X-MOD
    gives that one no position.)

    Args:
        model: The model, whose transformer is replaced.
        wanted: How wide the adapters are.

    Raises:
        ModelError: If its layers are of an architecture that has no place for adapters here, or
            are too narrow, or BERT's tokenizer has no padding token.
    """
    first: Any = model[0]
    old = model.transformers_model
    kind = "none of transformers" if old is None else old.config.model_type
    if old is None or kind not in ARCHITECTURES:
        raise ModelError(
            f"model.bottleneck: the model's architecture is {kind}; expected one of "
            f"{', '.join(ARCHITECTURES)}. model.lora takes others too"
        )
    if old.config.hidden_size < wanted.reduction_factor:
        raise ModelError(
            f"model.bottleneck.reduction_factor is {wanted.reduction_factor}; expected at most the "
            f"model's width, {old.config.hidden_size}"
        )
    state = old.state_dict()
    pad = old.config.pad_token_id
    if kind == "bert":
        # It numbers positions from 0; the others from behind the number of the padding token,
        # which for BERT is the tokenizer's: multilingual-e5-small's configuration has another.
        pad = model.tokenizer.pad_token_id
        if pad is None:
            raise ModelError(
                "model.bottleneck: the model's tokenizer has no padding token; give it one, in "
                "tokenizer_config.json"
            )
        unused = state[POSITIONS].new_zeros(pad + 1, old.config.hidden_size)
        state[POSITIONS] = torch.cat([unused, state[POSITIONS]])
    config = XmodConfig(
        **{key: getattr(old.config, key) for key in SHARED},
        max_position_embeddings=len(state[POSITIONS]),
        pad_token_id=pad,
        languages=[NAME],
        default_language=NAME,
        adapter_reduction_factor=wanted.reduction_factor,
        adapter_layer_norm=False,
        adapter_reuse_layer_norm=True,
        ln_before_adapter=False,
    )
    wide, narrow = config.hidden_size, config.hidden_size // wanted.reduction_factor
    for layer in range(config.num_hidden_layers):
        down, up = (f"encoder.layer.{layer}.output.adapter_modules.{NAME}.dense{n}" for n in (1, 2))
        state[f"{down}.weight"] = torch.randn(narrow, wide) * config.initializer_range
        state[f"{down}.bias"] = torch.zeros(narrow)
        state[f"{up}.weight"] = torch.zeros(wide, narrow)
        state[f"{up}.bias"] = torch.zeros(wide)
    first.model = XmodModel.from_pretrained(None, config=config, state_dict=state)
    first.model.to(old.device)
    model.requires_grad_(False)
    for module in _adapters(model):
        module.requires_grad_(True)
    fit_autocast(model)


def fit_autocast(model: SentenceTransformer) -> None:
    """Let the adapters of a model be used under autocast; nothing is done where there are none.

    What this adds is not saved with a model: it goes onto every one that is loaded.
    """
    for module in _adapters(model):
        module.register_forward_hook(_in_one_type)


def _adapters(model: SentenceTransformer) -> list[XmodAdapter]:
    return [module for module in model.modules() if isinstance(module, XmodAdapter)]


def _in_one_type(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    """Under autocast X-MOD writes what an adapter gives, in bfloat16, among float32."""
    wide: torch.Tensor = inputs[0]
    return output.to(wide.dtype)
