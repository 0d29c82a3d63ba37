"""The texts of a task, and their vectors: each is encoded once for all subsets."""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import polars as pl
from datasets import Dataset
from mteb._create_dataloaders import create_dataloader
from mteb.types import PromptType

from mteb_hybrid.evaluation.model_key import keeper, model_key, precision
from mteb_hybrid.evaluation.rounding import Side
from mteb_hybrid.files.places import STORE_VARIABLE
from mteb_hybrid.files.sizes import memory_limit
from mteb_hybrid.retrieval.checked import checked_vectors
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.retrieval.embeddings import Encode, TextVectors, probe_texts, shared_vectors
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.retrieval.views import View
from mteb_hybrid.scale.rounded import Rounded

if TYPE_CHECKING:
    from mteb import TaskMetadata
    from mteb.models import EncoderProtocol
    from mteb.types import EncodeKwargs

logger = logging.getLogger(__name__)

_Spoken: TypeAlias = tuple[Literal["own", "other"], tuple[str, ...]]
"""Languages of the texts that are encoded, or of what they are searched in or found by."""

_PREPARING = Lock()
"""As datasets are not made for several threads."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a subset, as MTEB asks for it.

    Attributes:
        model: The encoder.
        task: Of the task.
        split: Its split.
        subset: Its subset.
        options: Those of encoding.
        processes: That prepare batches; None for this one.
    """

    model: "EncoderProtocol"
    task: "TaskMetadata"
    split: str
    subset: str
    options: "EncodeKwargs"
    processes: int | None

    def encode(
        self, prompt_type: PromptType, subset: str | None = None, *, whole: bool = False
    ) -> Encode:
        """What encodes texts as queries or passages.

        Args:
            prompt_type: As which.
            subset: Of which subset; this one by default.
            whole: Whether a model that shares calls out must not.
        """
        call = (
            getattr(self.model, "encode_whole", self.model.encode) if whole else self.model.encode
        )

        def encode(some: list[str]) -> Any:
            rows = {"id": [str(i) for i in range(len(some))], "text": some}
            with _PREPARING:
                loader = create_dataloader(
                    Dataset.from_dict(rows),
                    task_metadata=self.task,
                    prompt_type=prompt_type,
                    num_proc=self.processes,
                    **self.options,
                )
            return call(
                loader,
                task_metadata=self.task,
                hf_split=self.split,
                hf_subset=subset or self.subset,
                prompt_type=prompt_type,
                **self.options,
            )

        return encode


class TaskTexts:
    """Distinct queries and passages by language, and the vectors that models gave them.

    All texts of a language are encoded together, whatever subset asks first, so that no score
    depends on which subsets are evaluated.
    """

    def __init__(
        self, collection: Collection, views: Iterable[View], every: Iterable[View]
    ) -> None:
        """Take the texts of a collection in the languages of some of all views of a setting."""
        views = list(views)
        self._every = tuple(every)
        asked = {view.query_language for view in views}
        pooled = {language for view in views for language in view.passage_languages}
        self._paired = collection.paired
        self._units = {
            PromptType.query: _units(collection.queries, asked),
            PromptType.document: _units(collection.passages, pooled),
        }
        self._probes = {
            PromptType.query: probe_texts(collection.queries["text"]),
            PromptType.document: probe_texts(collection.passages["text"]),
        }
        # By what identifies a model, its options and the side; and by the languages of each side.
        self._vectors: dict[tuple[str, ...], dict[_Spoken, TextVectors | None]] = {}
        self._evaluated: set[str] = set()
        self._call: object = None
        self._left: Sequence[View] = ()

    def count(self) -> list[int]:
        """How many distinct queries and passages there are."""
        return [sum(map(len, by_language.values())) for by_language in self._units.values()]

    def begin(self, subset: str, left: Sequence[View], call: object) -> None:
        """A subset is evaluated: in another call, or once more, by what may be another model since.

        Args:
            subset: The subset.
            left: What will be evaluated, in this order: a model that makes several calls at a time
                encodes the texts already.
            call: One object for all subsets of a call of ``mteb.evaluate``, such as its timer.
        """
        if subset in self._evaluated or call is not self._call:
            self._vectors, self._evaluated, self._call = {}, set(), call
        self._evaluated.add(subset)
        self._left = left

    def vectors(
        self, evaluation: Evaluation, prompt_type: PromptType, rows: Dataset, view: View
    ) -> tuple[Vectors, Side | None]:
        """Vectors of the queries or passages of a subset.

        Args:
            evaluation: Of the subset.
            prompt_type: Queries or passages.
            rows: Their ids and texts.
            view: The subset's.

        Returns:
            Shape (rows, D), and what is known of their rounding, if they are kept rounded.

        Raises:
            EncoderError: If the model returns no vectors that can be ranked.
        """
        texts = rows["text"][:]
        own = tuple(dict.fromkeys(texts))
        shared = self._shared(evaluation, prompt_type, view)
        encode = evaluation.encode(prompt_type, whole=shared is None)
        if (rounded := precision()) and not (shared and shared.keep):
            encode = _rounding(encode, rounded, evaluation.model.mteb_model_meta.name)
        if shared is None:
            name = evaluation.model.mteb_model_meta.name
            alone = TextVectors(name, memory=memory_limit(), texts_per_call=len(own))
            return alone.get(texts, [own], encode), None
        encoded = shared.get(
            texts, [own] if self._paired else self._units_of([view], prompt_type), encode
        )
        exact = shared.exact_ones(texts)
        return encoded, Side(rows["id"][:], encoded, *exact) if exact else None

    def _shared(
        self, evaluation: Evaluation, prompt_type: PromptType, view: View
    ) -> TextVectors | None:
        model = evaluation.model
        key = model_key(model, prompt_type, evaluation.options)
        known = self._vectors.setdefault((str(id(model)), *key), {})
        # A model may read the language of either side, as "find a German passage" does.
        query = prompt_type is PromptType.query
        asked, pooled = (view.query_language,), tuple(view.passage_languages)
        own, other = (asked, pooled) if query else (pooled, asked)
        spoken: list[_Spoken] = [("own", own), ("other", other)]
        if not known:
            found = self._checked(evaluation, prompt_type, view, key)
            known |= dict.fromkeys(spoken, found)
            if found is None:
                self._warn(
                    evaluation,
                    "the vectors of a text depend on the subset, or on what is encoded with it; "
                    "each subset encodes all of its texts, and none are kept",
                )
        elif new := [one for one in spoken if one not in known]:
            first = next(iter(known.values()))
            holds = first is not None and first.hold(evaluation.encode(prompt_type))
            if first is not None and not holds and None not in known.values():
                self._warn(
                    evaluation,
                    f"{evaluation.subset} has other vectors of a text than earlier subsets; it and "
                    "others in its languages encode all of their texts, and none of these are kept",
                )
            known |= dict.fromkeys(new, first if holds else None)
        by_side = [known[one] for one in spoken]
        return None if None in by_side else by_side[0]

    def _warn(self, evaluation: Evaluation, said: str) -> None:
        name, model = evaluation.task.name, evaluation.model.mteb_model_meta.name
        logger.warning("%s: %s: %s", name, model, said)

    def _checked(
        self, evaluation: Evaluation, prompt_type: PromptType, view: View, key: tuple[str, ...]
    ) -> TextVectors | None:
        model, meta = evaluation.model, evaluation.model.mteb_model_meta
        here = evaluation.encode(prompt_type)
        there = evaluation.encode(prompt_type, self._unlike(view).name)
        memory, rounded = memory_limit(), precision()
        # Vectors that were had without this store, or kept otherwise, are not shared.
        kept = (os.environ.get(STORE_VARIABLE, ""), str(memory), str(rounded))
        found = shared_vectors(
            *((*key, *kept), self._probes[prompt_type], here, there),
            model=meta.name,
            keeper=keeper(meta, key, rounded),
            memory=memory,
            executor=getattr(model, "executor", None),
            exact_keeper=keeper(meta, key) if rounded else None,
        )
        if found and not self._paired:
            if rounded and not found.keep:
                here = _rounding(here, rounded, meta.name)
            found.begin(self._units_of(self._left, prompt_type), here)
        return found

    def _unlike(self, view: View) -> View:
        """A view of other languages on both sides, or on as many as there is one of."""
        return min(
            self._every,
            key=lambda other: (
                (other.query_language == view.query_language)
                + (other.passage_languages == view.passage_languages)
            ),
        )

    def _units_of(self, views: Iterable[View], prompt_type: PromptType) -> list[tuple[str, ...]]:
        """The texts in the languages of some views, in their order."""
        queries, known = prompt_type is PromptType.query, self._units[prompt_type]
        spoken = ([x.query_language] if queries else x.passage_languages for x in views)
        return [known[x] for x in dict.fromkeys(chain.from_iterable(spoken)) if x in known]


def _units(table: pl.DataFrame, languages: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The distinct texts of each language, in their order."""
    texts = table.filter(pl.col("language").is_in(list(languages)))
    found = texts.group_by("language").agg(pl.col("text").unique(maintain_order=True))
    return {language: tuple(some) for language, some in found.iter_rows()}


def _rounding(encode: Encode, precision: str, model: str | None) -> Encode:
    """What rounds vectors that no store keeps as one would have kept them."""

    def encode_rounded(some: list[str]) -> Any:
        return Rounded.of(checked_vectors(encode(some), some, model), precision)[:]

    return encode_rounded
