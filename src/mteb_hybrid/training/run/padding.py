"""Less padding on processors: texts of like length go through a model together.

A batch is padded to its longest text, and a few long ones make most of it padding. A processor is
busy with a few texts, and saves that time; an accelerator would not be busy with so few.
"""

from typing import Any

import torch
from sentence_transformers import SentenceTransformer

TEXTS = 8
"""Per call of the model."""


def trim_padding(model: SentenceTransformer) -> None:
    """Let a model, while it trains, take a batch in parts of like length.

    Losses and gradients stay the same but for rounding and the draws of dropout. A batch that is
    padded on the left or without a mask is taken whole.

    Args:
        model: It is changed; what is saved of it is not.
    """
    whole = model.forward

    def forward(features: dict[str, Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        mask = features.get("attention_mask") if model.training else None
        if mask is None or mask.ndim != 2 or len(mask) <= TEXTS or not mask[:, 0].all():
            return whole(features, *args, **kwargs)
        lengths = mask.sum(dim=1)
        order = lengths.argsort(stable=True)
        found = []
        for rows in order.split(TEXTS):
            width = int(lengths[rows].max())
            part = {name: _cut(value, rows, width, mask) for name, value in features.items()}
            found.append(whole(part, *args, **kwargs)["sentence_embedding"])
        return {**features, "sentence_embedding": torch.cat(found)[order.argsort()]}

    model.forward = forward  # type: ignore[method-assign, assignment]


def _cut(value: Any, rows: torch.Tensor, width: int, mask: torch.Tensor) -> Any:
    """What belongs to some texts of a feature: of their tokens, of them, or of the whole batch."""
    if not isinstance(value, torch.Tensor) or value.shape[:1] != mask.shape[:1]:
        return value
    return value[rows, :width] if value.shape[:2] == mask.shape else value[rows]
