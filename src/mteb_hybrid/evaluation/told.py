"""What is said of a task once, not of each of its subsets; and which of these were evaluated."""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.models.model_meta import _merge_precision_into_experiment_kwargs

from mteb_hybrid.retrieval.ties import MEANING, gathered

if TYPE_CHECKING:
    from mteb.models import ModelMeta, MTEBModels

LOG = logging.getLogger(__name__)
EVALUATED: defaultdict[tuple[str, ...], dict[tuple[str, str], str]] = defaultdict(dict)
"""By `named` model, and the task: splits and subsets evaluated by this process that are not noted
in `run_settings.jsonl` for good, with the options for encoding as JSON."""


def filed_as(model: "MTEBModels", encode_kwargs: Mapping[str, Any]) -> "ModelMeta":
    """What MTEB files the results of a model under: encoding with a ``precision`` is apart."""
    meta = model.mteb_model_meta
    if encode_kwargs.get("precision") is None:
        return meta
    options: Any = dict(encode_kwargs)
    kwargs = _merge_precision_into_experiment_kwargs(meta.experiment_kwargs, options)
    return meta.model_copy(update={"experiment_kwargs": kwargs}, deep=True)


def named(model: "ModelMeta") -> tuple[str, str, str]:
    """Name, revision and experiment of a model, by which MTEB files its results."""
    return str(model.name), str(model.revision), model.experiment_name or ""


class ToldOnce(AbsTaskRetrieval):
    """A task that warns of scores that tie, and vectors that coincide, in its first such subset.

    It notes what it has evaluated.

    Attributes:
        rows_made: By split and subset, scores and what MTEB last made of them for its results.
    """

    _told: frozenset[str | None] = frozenset()

    @cached_property
    def rows_made(self) -> dict[tuple[str, str], tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Of this task alone."""
        return {}

    def evaluate(
        self, model: "MTEBModels", split: str = "test", *args: Any, **options: Any
    ) -> Mapping[str, Any]:
        """As MTEB's, which calls it for every subset."""
        with gathered() as ties:
            scores = super().evaluate(model, split, *args, **options)
        encode_kwargs = options.get("encode_kwargs") or {}
        filed = filed_as(model, encode_kwargs)
        with_which = json.dumps(encode_kwargs, default=str)
        done = {(split, subset): with_which for subset in scores}
        EVALUATED[*named(filed), self.metadata.name] |= done
        name = str(filed.name)
        if ties and name not in self._told:
            self._told |= {name}
            LOG.warning(
                "%s: %s %s Said once for the task; tied_scores in its results has the share of "
                "each subset.",
                *(self.metadata.name, ", ".join(ties), MEANING),
            )
        return scores
