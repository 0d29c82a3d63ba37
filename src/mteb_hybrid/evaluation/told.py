"""What is said of a task once, not of each of its subsets."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mteb.abstasks.retrieval import AbsTaskRetrieval

from mteb_hybrid.retrieval.ties import MEANING, gathered

if TYPE_CHECKING:
    from mteb.models import MTEBModels

LOG = logging.getLogger(__name__)


class ToldOnce(AbsTaskRetrieval):
    """A task that warns of scores that tie, and vectors that coincide, in its first such subset."""

    _told: frozenset[str | None] = frozenset()

    def evaluate(self, model: "MTEBModels", *args: Any, **options: Any) -> Mapping[str, Any]:
        """As MTEB's, which calls it for every subset."""
        with gathered() as ties:
            scores = super().evaluate(model, *args, **options)
        name = model.mteb_model_meta.name
        if ties and name not in self._told:
            self._told |= {name}
            LOG.warning(
                "%s: %s %s Said once for the task; tied_scores in its results has the share of "
                "each subset.",
                *(self.metadata.name, ", ".join(ties), MEANING),
            )
        return scores
