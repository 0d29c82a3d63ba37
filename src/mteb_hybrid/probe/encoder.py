"""A model as MTEB runs it, for texts of no task: each distinct text is encoded once."""

import sys
from collections.abc import Sequence
from typing import Any, Literal

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import task_name
from mteb_hybrid.evaluation.metadata import card_metadata
from mteb_hybrid.probe.corpus import ProbeError
from mteb_hybrid.retrieval.embeddings import TextVectors
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.retrieval.views import Setting


class Encoder:
    """An encoder with its prompts for queries and passages.

    Args:
        model: A model of MTEB.
        batch_size: Texts per batch.

    Attributes:
        name: Its name.
        revision: Its revision, if it has one.

    Raises:
        ProbeError: If it makes no vectors of texts.
    """

    def __init__(self, model: Any, batch_size: int = 32) -> None:
        meta = model.mteb_model_meta
        self.name, self.revision = str(meta.name), meta.revision
        kinds = meta.model_type or ["dense"]
        if "dense" not in kinds or not hasattr(model, "encode"):
            raise ProbeError(
                f"{self.name}: a model of type {', '.join(kinds)}, without a vector for each text. "
                "Save its ranking as a TREC run, and look at that: mteb-hybrid bias --run"
            )
        self._model, self._batch_size = model, batch_size
        self.similarity = model.similarity

    def vectors(self, texts: Sequence[str], role: Literal["query", "document"]) -> Vectors:
        """Vectors of texts, with a progress bar in a terminal.

        Args:
            texts: N texts, repeats allowed: equal texts have equal vectors.
            role: Whose prompt they get.

        Returns:
            Shape (N, D).

        Raises:
            EncoderError: If the model returns the wrong shape, NaN or infinity.
        """
        import datasets
        from mteb._create_dataloaders import create_dataloader
        from mteb.types import PromptType

        datasets.disable_progress_bars()
        # Models may have prompts for types of tasks, and look up the task by its name: one of ours
        # stands for retrieval.
        card, setting = task_cards()["HybridSample"], Setting.MULTILINGUAL
        metadata = card_metadata(card, setting, task_name(card, setting))
        options: Any = {
            "batch_size": self._batch_size,
            "show_progress_bar": sys.stderr.isatty(),
        }

        def encode(some: list[str]) -> Vectors:
            rows = {"id": list(map(str, range(len(some)))), "text": some}
            loader = create_dataloader(
                datasets.Dataset.from_dict(rows),
                task_metadata=metadata,
                prompt_type=PromptType(role),
                **options,
            )
            return self._model.encode(
                loader,
                task_metadata=metadata,
                hf_split="test",
                hf_subset="default",
                prompt_type=PromptType(role),
                **options,
            )

        return TextVectors(self.name).get(texts, [tuple(dict.fromkeys(texts))], encode)
