"""Models between the untrained and the trained one (WiSE-FT, Wortsman et al., arXiv:2109.01903)."""

from collections.abc import Mapping

import torch
from sentence_transformers import SentenceTransformer


def trained_parameters(model: SentenceTransformer) -> dict[str, torch.Tensor]:
    """A copy, in main memory, of all parameters that training changes."""
    return {
        name: parameter.detach().to("cpu", copy=True)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def interpolate(
    model: SentenceTransformer, start: Mapping[str, torch.Tensor], share: float
) -> None:
    """Set parameters to start + share (trained - start), computed in float32.

    Args:
        model: The trained model, which becomes the one between.
        start: Its `trained_parameters` before training.
        share: How far from the start, above 0; at 1 the model stays as it is.
    """
    if share == 1:
        return
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, before in start.items():
            trained = parameters[name]
            origin = before.to(trained.device, torch.float32)
            trained.copy_(origin + share * (trained.float() - origin))
