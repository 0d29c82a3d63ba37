"""Where the bias sits in vectors: how far languages lie apart, and whether a line tells them."""

from collections.abc import Collection
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from mteb_hybrid.repair.sample import Sample, language_means
from mteb_hybrid.retrieval.pool import Floats

SHRINKAGE = 0.1
"""How much of the probe's covariance is that of a ball; it matters little (0.01 to 0.5)."""


Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


class Where(BaseModel):
    """Where the bias sits in the vectors of some texts.

    Attributes:
        between: Share of their variance that lies between languages.
        spectrum: Share of that in each direction, largest first.
        probe: Share of texts whose language a linear probe reads.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    between: Share
    spectrum: list[Share] = Field(max_length=10_000)
    probe: Share


def where(sample: Sample) -> Where:
    """Where the bias sits.

    Args:
        sample: Vectors by language, of two texts each at least.
    """
    between, spectrum = variance(sample)
    return Where(between=between, spectrum=spectrum, probe=probe(sample))


def chance(texts: Collection[int]) -> tuple[float, float]:
    """The `between` and `probe` to expect where the vectors do not depend on the language.

    The first is the ratio of the expected variances, each language weighing the same; with as many
    texts in each it is the mean of eta squared under its null hypothesis.

    Args:
        texts: How many there are of each language, at least two.
    """
    few = sum(1 / count for count in texts) / len(texts)  # variance of a mean, of that of a text
    between = few * (1 - 1 / len(texts))
    return between / (between + 1 - few), 1 / len(texts)


def variance(sample: Sample) -> tuple[float, list[float]]:
    """Share of the variance between languages (eta squared), and how it spreads over directions."""
    means = language_means(sample)
    within = np.mean([rows.var(0).sum() for rows in sample.values()])
    sizes = np.linalg.svd(means - means.mean(0), compute_uv=False) ** 2 / len(means)
    total = sizes.sum()
    shares = [float(size / (total or 1)) for size in sizes[: len(means) - 1]]
    return float(total / (total + within or 1)), shares


def probe(sample: Sample) -> float:
    """Share of texts whose language a linear probe reads, the mean over languages.

    A linear discriminant analysis, fitted on the first half of each language's texts, read on the
    second. Where row i of all languages is one text, no text is in both. A repair that is judged so
    must not have been fitted on these texts: of those, a probe does not see what others still show.
    """
    rows = list(sample.values())
    fitted, read = [x[: len(x) // 2] for x in rows], [x[len(x) // 2 :] for x in rows]
    weights, offsets = discriminant(fitted)
    right = [(x @ weights.T + offsets).argmax(1) == place for place, x in enumerate(read)]
    return float(np.mean([answers.mean() for answers in right]))


def discriminant(classes: list[Floats]) -> tuple[Floats, Floats]:
    """Linear discriminant analysis in closed form, with equal priors and `SHRINKAGE`.

    Args:
        classes: Vectors of each class, shape (texts, D).

    Returns:
        Weights of shape (classes, D) and offsets of shape (classes,); the largest score wins.
    """
    means = np.stack([rows.mean(0) for rows in classes])
    # Each class weighs the same, whatever its size.
    apart = [(x - m) / np.sqrt(len(x) * len(means)) for x, m in zip(classes, means, strict=True)]
    rows = np.concatenate(apart)
    covariance, width = rows.T @ rows, rows.shape[1]
    ball = np.trace(covariance) / width or 1.0
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * ball * np.eye(width)
    weights = np.linalg.solve(covariance, means.T).T
    return weights, -0.5 * (means * weights).sum(1)
