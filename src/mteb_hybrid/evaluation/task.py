"""Task cards to MTEB tasks: one per collection and setting.

``TaskResult.get_score`` is an unweighted mean over subsets, so the score of each task is one
column of the published tables.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

import polars as pl
from datasets import Dataset
from datasets.table import InMemoryTable
from mteb._create_dataloaders import create_dataloader
from mteb.models.models_protocols import EncoderProtocol, SearchProtocol
from mteb.models.sentence_transformer_wrapper import SparseEncoderWrapper
from mteb.timing import TimingStack
from mteb.types import PromptType

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import card_settings, keeps_rankings, task_name, task_views
from mteb_hybrid.evaluation.metadata import card_metadata
from mteb_hybrid.evaluation.model_key import keeper, model_key, precision
from mteb_hybrid.evaluation.predictions import check_predictions, first_places, save_predictions
from mteb_hybrid.evaluation.rounding import Side, rounding_loss
from mteb_hybrid.evaluation.scores import mteb_scores
from mteb_hybrid.evaluation.told import ToldOnce, filed_as
from mteb_hybrid.files.places import FOLDER_VARIABLE, STORE_VARIABLE
from mteb_hybrid.files.sizes import memory_limit
from mteb_hybrid.measures.view import group_depth, measure_view, top_groups, top_passages
from mteb_hybrid.repair.merging import Merging, calibration
from mteb_hybrid.results.mteb_files import EXPERIMENTS
from mteb_hybrid.results.per_query import write_per_query, write_rankings, write_top
from mteb_hybrid.retrieval.embeddings import Encode, TextVectors, probe_texts, shared_vectors
from mteb_hybrid.retrieval.parts import Parts
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.ranks import TOP, Ranks, ranks_of_run
from mteb_hybrid.retrieval.scoring import count_ranks
from mteb_hybrid.retrieval.views import Setting, View, view_passages, view_queries
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.translated import with_translated_queries

if TYPE_CHECKING:
    from mteb.models import ModelMeta, MTEBModels
    from mteb.types import EncodeKwargs

_PREPARING = Lock()
"""As datasets are not made for several threads."""

_FILED: ContextVar["ModelMeta"] = ContextVar("filed")
"""What the results that are being made are filed under. MTEB does not hand it on; a task may be
evaluated in several threads."""


class CardTask(ToldOnce):
    """A collection in one setting. Subclasses are made by `task_classes`.

    Encoders take the fast path: all texts of a language are encoded together and once, so that a
    subset's scores do not depend on which others are evaluated, and ranks come from the full score
    matrix; predictions that are saved are the first places of these. Cross-encoders, search models
    and reranking take MTEB's own path; our measures are then computed from the rankings it returns.

    Attributes:
        card: The collection's card.
        setting: The setting.
        per_query_root: Results folder below which per-query values are kept, in
            ``MODEL/REVISION``; if None, the one that the environment variable
            ``MTEB_HYBRID_PER_QUERY`` names; if that is not set either, none are kept.
        merging: How the rankings of a pool of several languages are merged; by the model's own
            scores if None. Whoever sets it gives the model a name of its own.
        left: The subsets that will be evaluated; all if None. A model that makes several calls at a
            time encodes their texts ahead.
    """

    card: ClassVar[TaskCard]
    setting: ClassVar[Setting]
    per_query_root: Path | None = None
    merging: Merging | None = None
    left: Sequence[str] | None = None
    _views: dict[str, View]
    _paired: bool
    _pools: dict[str, Pool]
    _groups: dict[str, str]
    _passage_groups: dict[str, str]
    _units: dict[PromptType, dict[str, tuple[str, ...]]]
    _probes: dict[PromptType, tuple[str, ...]]
    _vectors: dict[tuple[str, ...], TextVectors | None]
    _evaluated: set[str]

    def load_data(
        self, num_proc: int | None = None, *, timer: TimingStack | None = None, **kwargs: Any
    ) -> None:
        """Fill ``dataset`` for the subsets that are asked for. Pools are shared between them.

        Raises:
            DataError: If the collection's files are missing, altered or malformed.
            ValueError: If a subset has no query with a relevant passage.
        """
        if self.data_loaded:
            return
        with (timer or TimingStack())("Data loading", log_message=f"Loading {self.card.title}..."):
            collection = load_collection(self.card)
            if self.setting is Setting.CROSSLINGUAL:
                collection = with_translated_queries(collection, self.card)
            self._views = task_views(self.card, self.setting)
            self._paired, self._pools = collection.paired, {}
            shared: dict[object, tuple[Dataset, Pool]] = {}
            self.dataset = {}
            for subset in self.hf_subsets:
                view = self._views[subset]
                languages = view.passage_languages
                key = subset if collection.paired else languages
                if key not in shared:
                    passages = view_passages(collection, view)
                    ids, spoken = passages["id"].to_list(), passages["language"].to_list()
                    shared[key] = _texts(passages), Pool(ids, spoken, languages)
                corpus, self._pools[subset] = shared[key]
                queries, qrels = view_queries(collection, view)
                self.dataset[subset] = {
                    self.card.split: {
                        "corpus": corpus,
                        "queries": _texts(queries),
                        "relevant_docs": qrels,
                        "top_ranked": None,
                    }
                }
            self._groups = dict(collection.queries.select("id", "group").iter_rows())
            self._passage_groups = {}
            if self.keeps_rankings:
                self._passage_groups |= collection.passages.select("id", "group").iter_rows()
            used = [self._views[subset] for subset in self.hf_subsets]
            asked = {view.query_language for view in used}
            pooled = {language for view in used for language in view.passage_languages}
            self._units = {
                PromptType.query: _units(collection.queries, asked),
                PromptType.document: _units(collection.passages, pooled),
            }
            self._probes = {
                PromptType.query: probe_texts(collection.queries["text"]),
                PromptType.document: probe_texts(collection.passages["text"]),
            }
        self._vectors, self._evaluated = {}, set()
        self.data_loaded = True

    def count_texts(self) -> list[int]:
        """How many distinct queries and passages there are, once the data are loaded."""
        return [sum(map(len, by_language.values())) for by_language in self._units.values()]

    def _evaluate_subset(
        self,
        model: "MTEBModels",
        data_split: Any,
        *,
        encode_kwargs: "EncodeKwargs",
        hf_split: str,
        hf_subset: str,
        prediction_folder: Path | None = None,
        num_proc: int | None = None,
        timer: TimingStack,
        **kwargs: Any,
    ) -> Any:
        filed = filed_as(model, encode_kwargs)
        _FILED.set(filed)
        if prediction_folder:
            check_predictions(self._predictions_path(prediction_folder), filed)
        if (
            not isinstance(model, EncoderProtocol)
            or isinstance(model, SearchProtocol | SparseEncoderWrapper)
            or data_split["top_ranked"] is not None
        ):
            if self.merging is not None:
                raise ValueError(
                    f"merging by {self.merging.name} needs the scores of all passages, from an "
                    "encoder; merge a saved ranking with `mteb-hybrid merge`"
                )
            return super()._evaluate_subset(
                model,
                data_split,
                encode_kwargs=encode_kwargs,
                hf_split=hf_split,
                hf_subset=hf_subset,
                prediction_folder=prediction_folder,
                num_proc=num_proc,
                timer=timer,
                **kwargs,
            )

        if hf_subset in self._evaluated:  # this is another evaluation, of what may be another model
            self._vectors, self._evaluated = {}, set()
        self._evaluated.add(hf_subset)
        memory, rounded = memory_limit(), precision()
        sides: dict[PromptType, Side] = {}

        def encoder(prompt_type: PromptType, subset: str) -> Encode:
            def encode(some: list[str]) -> Any:
                rows = {"id": [str(i) for i in range(len(some))], "text": some}
                with _PREPARING:
                    loader = create_dataloader(
                        Dataset.from_dict(rows),
                        task_metadata=self.metadata,
                        prompt_type=prompt_type,
                        num_proc=num_proc,
                        **encode_kwargs,
                    )
                return model.encode(
                    loader,
                    task_metadata=self.metadata,
                    hf_split=hf_split,
                    hf_subset=subset,
                    prompt_type=prompt_type,
                    **encode_kwargs,
                )

            return encode

        def shared(prompt_type: PromptType) -> TextVectors | None:
            # The last subset differs from all others in both languages, or is the first itself.
            subsets = self.metadata.hf_subsets
            elsewhere = subsets[-1] if hf_subset != subsets[-1] else subsets[0]
            key = model_key(model, prompt_type, encode_kwargs)
            checked = (str(id(model)), *key)
            known = self._vectors
            if checked not in known:
                here, there = encoder(prompt_type, hf_subset), encoder(prompt_type, elsewhere)
                # Vectors that were had without this store, or kept otherwise, are not shared.
                kept = (os.environ.get(STORE_VARIABLE, ""), str(memory), str(rounded))
                found = known[checked] = shared_vectors(
                    *((*key, *kept), self._probes[prompt_type], here, there),
                    model=model.mteb_model_meta.name,
                    keeper=keeper(model.mteb_model_meta, key, rounded),
                    memory=memory,
                    executor=getattr(model, "executor", None),
                    exact_keeper=keeper(model.mteb_model_meta, key) if rounded else None,
                )
                if found and not self._paired:
                    found.begin(self._units_left(prompt_type), here)
            return known[checked]

        def vectors(prompt_type: PromptType, texts: Sequence[str], languages: Sequence[str]) -> Any:
            encode, found = encoder(prompt_type, hf_subset), shared(prompt_type)
            own = tuple(dict.fromkeys(texts))
            if found is None:
                alone = TextVectors(model.mteb_model_meta.name, memory=memory)
                return alone.get(texts, [own], encode)
            known = self._units[prompt_type]
            units = [own] if self._paired else [known[x] for x in languages if x in known]
            encoded = found.get(texts, units, encode)
            if exact := found.exact_ones(texts):
                ids = (queries if prompt_type is PromptType.query else corpus)["id"][:]
                sides[prompt_type] = Side(ids, encoded, *exact)
            return encoded

        queries, corpus = data_split["queries"], data_split["corpus"]
        view = self._views[hf_subset]
        with timer("Encoding queries", split=hf_split, subset=hf_subset):
            query_vectors = vectors(PromptType.query, queries["text"][:], [view.query_language])
        with timer("Encoding corpus", split=hf_split, subset=hf_subset):
            passage_vectors = vectors(
                PromptType.document, corpus["text"][:], view.passage_languages
            )
        with timer("Scoring", split=hf_split, subset=hf_subset):
            qrels = {id_: data_split["relevant_docs"][id_] for id_ in queries["id"][:]}
            pool = self._pools[hf_subset]
            counter = RankCounter(
                *(pool, qrels, view.query_language, self._top_k, self.ignore_identical_ids),
                depth=max(self._depth(pool), self._top_k if prediction_folder else 0),
            )
            calibrate = calibration(
                self.merging, pool, queries["id"][:] if self.ignore_identical_ids else None
            )
            large = isinstance(passage_vectors, Parts)
            count_ranks(
                *(counter, query_vectors, passage_vectors, model.similarity, calibrate),
                memory=memory,
                # Where memory is short.
                by=getattr(model, "search_tiles", None) if large else None,
            )
            ranks, highest = counter.result()
            if prediction_folder:
                first = first_places(ranks, qrels, self._top_k)
                self._save_task_predictions(first, model, prediction_folder, hf_split, hf_subset)
            measured = self._measure(ranks, qrels, hf_subset)
            if len(sides) == 2:
                both = (sides[PromptType.query], sides[PromptType.document])
                language = view.query_language
                measured |= rounding_loss(*both, pool, qrels, language, model.similarity)
            return mteb_scores(ranks, highest, self.k_values, measured)

    def _units_left(self, prompt_type: PromptType) -> list[tuple[str, ...]]:
        """The units of the subsets that are to be evaluated, in their order."""
        views = [self._views[subset] for subset in self.left or self.hf_subsets]
        queries = prompt_type is PromptType.query
        spoken = [[v.query_language] if queries else v.passage_languages for v in views]
        known = self._units[prompt_type]
        return [known[x] for x in dict.fromkeys(chain.from_iterable(spoken)) if x in known]

    def _save_task_predictions(
        self,
        predictions: Any,
        model: "MTEBModels",
        prediction_folder: Path,
        hf_split: str,
        hf_subset: str,
    ) -> None:
        file = self._predictions_path(prediction_folder)
        save_predictions(file, predictions, _FILED.get(), hf_split, hf_subset)

    def task_specific_scores(
        self,
        scores: Mapping[str, Any],
        qrels: Mapping[str, Mapping[str, int]],
        results: Mapping[str, Mapping[str, float]],
        hf_split: str,
        hf_subset: str,
    ) -> dict[str, float]:
        """Our measures, from the rankings that MTEB's own path returned.

        Returns:
            One value per measure; and ``truncated_at``, where the rankings hold only the top k of
            the pool: passages below count as not found (``map``) or as rank k+1 (the others).
        """
        view = self._views[hf_subset]
        pool = self._pools[hf_subset]
        ranks = ranks_of_run(
            *(results, qrels, pool, view.query_language, self.ignore_identical_ids),
            depth=self._depth(pool),
        )
        measured = self._measure(ranks, qrels, hf_subset)
        if ranks.cutoff is not None:
            measured["truncated_at"] = ranks.cutoff
        return measured

    def folder_of(self, meta: "ModelMeta") -> Path | None:
        """Where a model's per-query values go, named as MTEB names the folder of its results."""
        root = self.per_query_root or os.environ.get(FOLDER_VARIABLE)
        if not root:
            return None
        folder = Path(root) / meta.model_name_as_path() / str(meta.revision)
        experiment = meta.experiment_name
        return folder / EXPERIMENTS / experiment if experiment else folder

    def _measure(
        self, ranks: Ranks, qrels: Mapping[str, Mapping[str, int]], hf_subset: str
    ) -> dict[str, float]:
        groups = {query: self._groups[query] for query in qrels}
        source = self.card.source
        kind = (source.parallel, source.judged_across)
        scores, rows = measure_view(ranks, self.setting, groups, hf_subset, *kind)
        if folder := self.folder_of(_FILED.get()):
            task, revision = self.metadata.name, self.metadata.revision
            if self.setting is Setting.MULTILINGUAL:
                # First: what `is_kept` asks for is not there before this is.
                passages = top_passages(ranks, groups)
                write_top(passages, folder, task, hf_subset, revision)
            write_per_query(rows, folder, task, revision)
            if self.keeps_rankings:
                tops = top_groups(ranks, groups, self._passage_groups)
                write_rankings(tops, folder, task, hf_subset, revision)
        return scores

    def _depth(self, pool: Pool) -> int:
        return group_depth(pool, self._passage_groups) if self.keeps_rankings else TOP

    @property
    def keeps_rankings(self) -> bool:
        """Whether the top of rankings is kept, to compare those of parallel queries."""
        return keeps_rankings(self.card, self.setting)


def task_classes(cards: Mapping[str, TaskCard] | None = None) -> list[type[CardTask]]:
    """One task class per card and setting that it has.

    Args:
        cards: Cards by name; by default the ones that ship with the package.

    Raises:
        CardError: If MTEB does not accept a card's metadata.
    """
    found = task_cards() if cards is None else cards
    return [
        _task_class(card, setting) for card in found.values() for setting in card_settings(card)
    ]


def _task_class(card: TaskCard, setting: Setting) -> type[CardTask]:
    name = task_name(card, setting)
    members = {
        "__doc__": f"{card.title}, {setting} setting, from {card.file.name}.",
        "__module__": __name__,
        "card": card,
        "setting": setting,
        "metadata": card_metadata(card, setting, name),
        "ignore_identical_ids": card.source.queries_are_passages,
    }
    made = type(name, (CardTask,), members)
    globals().setdefault(name, made)  # where pickle looks for it
    return made


def _texts(table: pl.DataFrame) -> Dataset:
    # Shares the table's memory; datasets would copy all of it again to make a fingerprint.
    arrow = InMemoryTable(table.select("id", "text").to_arrow())
    return Dataset(arrow, fingerprint=uuid4().hex)


def _units(table: pl.DataFrame, languages: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The distinct texts of each language, in their order."""
    texts = table.filter(pl.col("language").is_in(list(languages)))
    found = texts.group_by("language").agg(pl.col("text").unique(maintain_order=True))
    return {language: tuple(some) for language, some in found.iter_rows()}
