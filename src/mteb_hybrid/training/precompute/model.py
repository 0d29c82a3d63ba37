"""A model as MTEB runs it, with its prompts for queries and passages: vectors and scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from datasets import Dataset

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import task_name
from mteb_hybrid.evaluation.metadata import card_metadata
from mteb_hybrid.files.leftovers import clean
from mteb_hybrid.files.places import expanded
from mteb_hybrid.models.contents import folder_hash
from mteb_hybrid.models.kind import kind_of
from mteb_hybrid.models.load import folder_of, load_model, open_cross_encoder
from mteb_hybrid.retrieval.checked import checked_vectors
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.training.precompute.work import Floats, PrecomputeError

Role = Literal["query", "document"]


class TextModel:
    """A dense encoder, or a cross-encoder.

    Args:
        name: A name that MTEB knows, one on the hub, or a local folder.
        revision: Revision on the hub.
        device: A torch device.
        batch_size: Texts or pairs per batch.

    Attributes:
        about: Its name and revision.
        is_cross_encoder: Whether it scores pairs, and has no vectors.

    Raises:
        ModelError: If there is no such model.
        PrecomputeError: If it is of another kind.
    """

    def __init__(
        self,
        name: str,
        revision: str | None = None,
        device: str | None = None,
        batch_size: int = 32,
    ) -> None:
        clean(expanded(name))
        folder = folder_of(name)
        self._model: Any
        if folder and kind_of(folder) == "CrossEncoder":
            self._model = _cross_encoder(folder, device)
            self.about = {"name": f"local/{folder.resolve().name}", "revision": folder_hash(folder)}
        else:
            self._model = load_model(name, revision, device)
            meta = self._model.mteb_model_meta
            self.about = {"name": meta.name, "revision": meta.revision}
        self.is_cross_encoder = hasattr(self._model, "predict")
        kinds = self._model.mteb_model_meta.model_type or ["dense"]
        if not self.is_cross_encoder and "dense" not in kinds:
            raise PrecomputeError(
                f"{name}: a model of type {', '.join(kinds)}; expected a dense encoder, or a "
                "cross-encoder to score with"
            )
        self.batch_size = batch_size
        inner = getattr(self._model, "model", None)
        self.device = torch.device(getattr(inner, "device", "cpu"))
        # Models may have prompts for types of tasks, and look up the task by its name: one of ours
        # stands for retrieval.
        card, setting = task_cards()["HybridSample"], Setting.MULTILINGUAL
        self._options: dict[str, Any] = {
            "task_metadata": card_metadata(card, setting, task_name(card, setting)),
            "hf_split": "train",
            "hf_subset": "default",
            "batch_size": batch_size,
            "show_progress_bar": False,
        }

    def vectors(self, texts: Sequence[str], role: Role) -> Floats:
        """Encode texts with the model's prompt for queries or passages.

        Returns:
            Shape (texts, D), as the model gives them, in float32.

        Raises:
            PrecomputeError: If it is a cross-encoder.
            EncoderError: If it returns the wrong shape, NaN or infinity.
        """
        if self.is_cross_encoder:
            raise PrecomputeError(
                f"{self.about['name']} is a cross-encoder, which has no vectors; expected an "
                "encoder"
            )
        from mteb.types import PromptType

        prompt_type = PromptType(role)
        loader = self._loader(texts, prompt_type)
        found = self._model.encode(loader, prompt_type=prompt_type, **self._options)
        return np.asarray(checked_vectors(found, texts, self.about["name"]), dtype=np.float32)

    def scores(self, queries: Sequence[str], passages: Sequence[str]) -> Floats:
        """Score pairs: logits of a cross-encoder, or the encoder's similarity of their vectors.

        Args:
            queries: N queries.
            passages: N passages.

        Returns:
            Shape (N,).

        Raises:
            EncoderError: If a vector is not finite.
            PrecomputeError: If a cross-encoder does not return one finite score for each pair.
        """
        if not self.is_cross_encoder:
            found = self.similarity_pairwise(
                torch.from_numpy(self._distinct(queries, "query")),
                torch.from_numpy(self._distinct(passages, "document")),
            )
            return np.asarray(found, dtype=np.float32)
        from mteb.models import CrossEncoderWrapper
        from mteb.types import PromptType

        options = dict(self._options)
        if isinstance(self._model, CrossEncoderWrapper):  # a sigmoid would squeeze the margins
            options["activation_fn"] = torch.nn.Identity()
        made = self._model.predict(
            self._loader(queries, PromptType.query),
            self._loader(passages, PromptType.document),
            **options,
        )
        scores = np.asarray(made, dtype=np.float32)
        if scores.shape != (len(queries),) or not np.isfinite(scores).all():
            raise PrecomputeError(
                f"{self.about['name']} returned scores of shape {scores.shape} for {len(queries)} "
                "pairs, or some that are not finite; expected one number for each, as a "
                "cross-encoder with one label gives"
            )
        return scores

    def similarity(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """The model's similarity of vectors, each of one with each of the other."""
        return torch.as_tensor(self._model.similarity(first, second))

    def similarity_pairwise(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """The model's similarity of vectors, one by one."""
        return torch.as_tensor(self._model.similarity_pairwise(first, second))

    def _distinct(self, texts: Sequence[str], role: Role) -> Floats:
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        return self.vectors([*places], role)[[places[text] for text in texts]]

    def _loader(self, texts: Sequence[str], prompt_type: Any) -> Any:
        from mteb._create_dataloaders import create_dataloader

        rows = {"id": [str(place) for place in range(len(texts))], "text": list(texts)}
        return create_dataloader(
            Dataset.from_dict(rows),
            task_metadata=self._options["task_metadata"],
            prompt_type=prompt_type,
            batch_size=self.batch_size,
        )


def _cross_encoder(folder: Path, device: str | None) -> Any:
    from mteb.models import CrossEncoderWrapper

    return CrossEncoderWrapper(open_cross_encoder(folder, device))
