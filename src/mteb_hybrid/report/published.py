"""Figures of the literature, to stand beside results."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mteb_hybrid.cards.card import TaskCard


@dataclass(frozen=True)
class Published:
    """Means over query languages that a paper reports for a model; None where it has none.

    Attributes:
        card: Name of the collection's card.
        model: The paper's name for the model.
        source: The paper.
        monolingual: map in the monolingual setting.
        crosslingual: map in the cross-lingual setting.
        multilingual: map in the multilingual setting.
        rank_distance: Mean rank distance.
        digits: Decimals of its map.
    """

    card: str
    model: str
    source: str
    monolingual: float | None = None
    crosslingual: float | None = None
    multilingual: float | None = None
    rank_distance: float | None = None
    digits: int = 4


@cache
def _all() -> tuple[Published, ...]:
    text = Path(__file__).with_name("published.toml").read_text(encoding="utf-8")
    return tuple(Published(**entry) for entry in tomllib.loads(text)["figure"])


def published(card: TaskCard) -> list[Published]:
    """What the literature reports on a collection; nothing for a sample."""
    return [figure for figure in _all() if figure.card == card.name and card.kind == "benchmark"]
