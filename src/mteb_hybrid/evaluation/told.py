"""What is said of a task once, not of each of its subsets; and which of these were evaluated."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mteb.abstasks.retrieval import AbsTaskRetrieval

from mteb_hybrid.retrieval.ties import MEANING, gathered

if TYPE_CHECKING:
    from mteb.models import MTEBModels

LOG = logging.getLogger(__name__)
EVALUATED: defaultdict[tuple[str, str, str], set[tuple[str, str]]] = defaultdict(set)
"""Splits and subsets that this process has evaluated, by a model's name, revision, and the task."""


class ToldOnce(AbsTaskRetrieval):
    """A task that warns of scores that tie, and vectors that coincide, in its first such subset.

    It notes what it has evaluated.
    """

    _told: frozenset[str | None] = frozenset()

    def evaluate(
        self, model: "MTEBModels", split: str = "test", *args: Any, **options: Any
    ) -> Mapping[str, Any]:
        """As MTEB's, which calls it for every subset."""
        with gathered() as ties:
            scores = super().evaluate(model, split, *args, **options)
        name, revision = str(model.mteb_model_meta.name), str(model.mteb_model_meta.revision)
        EVALUATED[name, revision, self.metadata.name].update((split, subset) for subset in scores)
        if ties and name not in self._told:
            self._told |= {name}
            LOG.warning(
                "%s: %s %s Said once for the task; tied_scores in its results has the share of "
                "each subset.",
                *(self.metadata.name, ", ".join(ties), MEANING),
            )
        return scores
