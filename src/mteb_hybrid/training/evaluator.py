"""Our scores while a model is trained, as a sentence-transformers evaluator.

The three settings are those of arXiv:2408.10536, section 3; rank distance is that of
arXiv:2305.09025.
"""

import csv
import io
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from sentence_transformers.base.evaluation import BaseEvaluator

from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.whole import write_text
from mteb_hybrid.languages.codes import find_language
from mteb_hybrid.measures import MAP, RANK_DISTANCE
from mteb_hybrid.retrieval.checked import checked_vectors, name_of
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.scoring import count_ranks
from mteb_hybrid.retrieval.views import Qrels, Setting, View, view_passages, view_queries, views

CONFIG = (
    "languages", "max_groups", "seed", "keep_monolingual_within", "query_prompt", "passage_prompt",
    "similarity_fn_name",
)  # fmt: skip
CONSTRAINED = f"constrained_{MAP.name}"
NEEDED = ("encode_query", "encode_document", "similarity")


@dataclass(frozen=True)
class _Problem:
    setting: Setting
    view: View
    pool: Pool
    passages: list[str]
    queries: list[str]
    qrels: Qrels


class ParallelRetrievalEvaluator(BaseEvaluator):
    """Mean average precision in the three settings, and rank distance, on one collection.

    The values are those of the MTEB tasks: the mean over the queries of a subset, then the
    unweighted mean over the subsets of a setting. Every distinct text is encoded once per role,
    in other batches than MTEB's; where that changes the last bit of a score, near ties may fall
    otherwise (1e-5 of an average). A `SentenceTransformer`, `SparseEncoder` or
    `MultiVectorEncoder` can be evaluated.

    The training arguments take ``f"eval_{evaluator.primary_metric}"`` as
    ``metric_for_best_model``. With `keep_monolingual_within`, the untrained model has to be
    evaluated first: by a call before ``trainer.train()``, which a script that resumes repeats,
    or by ``eval_on_start=True``.

    Args:
        collection: Passages, queries and judgments.
        languages: Restricts queries and passages to these; by default all of the collection.
        max_groups: How many groups of parallel queries to draw at random, for quick validation;
            by default all. The pool stays whole, so that the values estimate those of all
            queries; subsets that the draw leaves without a query are left out of the mean.
        seed: Decides which groups are drawn.
        keep_monolingual_within: How much of the untrained model's monolingual map a better pool
            may cost, as in 0.005. The primary metric then holds to it, and so do
            ``load_best_model_at_end`` and ``EarlyStoppingCallback``.
        batch_size: Texts per batch.
        query_prompt: Put before every query; by default the model's own prompt "query", if it has
            one. The empty string is no prompt.
        passage_prompt: The same for passages; by default "document", "passage" or "corpus".
        name: Begins the names of scores and file; by default the collection's. Two evaluators
            that run together need different ones.
        show_progress_bar: Whether to show the progress of encoding.
        write_csv: Whether to append a row to ``Parallel-Retrieval_evaluation_NAME_results.csv``
            at every call that has an output path.

    Attributes:
        primary_metric: ``NAME_multilingual_map``, or ``NAME_constrained_map`` with
            `keep_monolingual_within`; from the start.
        greater_is_better: True.
        similarity_fn_name: The similarity of the last model evaluated.
        texts: How many texts a call encodes.
        monolingual_before: Monolingual map of the untrained model, that of the first call.

    Raises:
        ValueError: If a language is unknown, `max_groups` is below 1, no query has a relevant
            passage in `languages`, or `keep_monolingual_within` is negative or without any
            monolingual query.
    """

    primary_metric: str | None

    def __init__(
        self,
        collection: Collection,
        *,
        languages: Sequence[str] | None = None,
        max_groups: int | None = None,
        seed: int = 0,
        keep_monolingual_within: float | None = None,
        batch_size: int = 32,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        name: str = "",
        show_progress_bar: bool = False,
        write_csv: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if collection.paired:
            raise ValueError(
                f"{collection.name}: its pairs of languages have texts of their own, which make no "
                "pool of all languages; evaluate on a collection that is parallel"
            )
        self.name = name or re.sub(r"\W+", "-", collection.name.lower()).strip("-")
        self.csv_file = f"Parallel-Retrieval_evaluation_{self.name}_results.csv"
        known = {language: language for language in collection.languages}
        asked = collection.languages if languages is None else languages
        self.languages = tuple(find_language(language, known) or language for language in asked)
        self.max_groups, self.seed = max_groups, seed
        self.batch_size, self.show_progress_bar = batch_size, show_progress_bar
        self.query_prompt, self.passage_prompt = query_prompt, passage_prompt
        self.write_csv = write_csv
        self.similarity_fn_name: str | None = None
        self._queries_are_passages = collection.queries.equals(collection.passages)
        self._problems = _problems(collection.part(self.languages, max_groups, seed))
        queries = {text for problem in self._problems for text in problem.queries}
        passages = {text for problem in self._problems for text in problem.passages}
        self.texts = len(queries) + len(passages)
        self.keep_monolingual_within = keep_monolingual_within
        self.monolingual_before: float | None = None
        self.primary_metric = f"{self.name}_{Setting.MULTILINGUAL}_{MAP.name}"
        if keep_monolingual_within is not None:
            self.primary_metric = f"{self.name}_{CONSTRAINED}"
            if not keep_monolingual_within >= 0:
                raise ValueError(
                    f"keep_monolingual_within is {keep_monolingual_within}; expected a difference "
                    "of maps from 0, such as 0.005"
                )
            if all(problem.setting != Setting.MONOLINGUAL for problem in self._problems):
                raise ValueError(
                    f"keep_monolingual_within: {collection.name} has no query with an answer in "
                    "its own language; take another collection, or leave it out"
                )

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Evaluate a model; the trainer calls this.

        Args:
            model: The model.
            output_path: Folder of the CSV file; if None, none is written.
            epoch: Where training stands, for the CSV file and the model card.
            steps: The same in steps.

        Returns:
            ``NAME_monolingual_map``, ``NAME_crosslingual_map`` and ``NAME_multilingual_map``,
            from 0 to 1; ``NAME_rank_distance``, in ranks; what the call cost: ``NAME_texts``
            that were encoded, and ``NAME_seconds``; and, for every query language,
            ``NAME_multilingual_map_LANGUAGE``. NaN where there is nothing to measure: crosslingual
            retrieval in one language, or the distance of a single relevant passage. With
            `keep_monolingual_within` also ``NAME_constrained_map``: the multilingual map if the
            monolingual one is kept; else, below 0, what that falls short by.

        Raises:
            ValueError: If a model that is in training comes before the untrained one, with
                `keep_monolingual_within`.
            TypeError: If the model cannot encode queries and passages apart from each other.
            EncoderError: If it returns NaN or infinity, as after training has diverged.
        """
        if missing := [method for method in NEEDED if not hasattr(model, method)]:
            raise TypeError(
                f"cannot evaluate a {type(model).__name__}: it has no {' and no '.join(missing)}. "
                "Expected a SentenceTransformer, SparseEncoder or MultiVectorEncoder."
            )
        constrained = self.keep_monolingual_within is not None
        if constrained and self.monolingual_before is None and steps > 0:
            raise ValueError(
                f"keep_monolingual_within: this is step {steps}, and the untrained model was not "
                "evaluated; call the evaluator with it before trainer.train(), also in a script "
                "that resumes"
            )
        start = time.perf_counter()
        self.similarity_fn_name = getattr(model, "similarity_fn_name", None)
        metrics = self._measure(model)
        if constrained:
            metrics[CONSTRAINED] = self._constrained(metrics)
        cost = {"texts": self.texts, "seconds": time.perf_counter() - start}
        if output_path is not None and self.write_csv:
            self._append(Path(output_path), {"epoch": epoch, "steps": steps, **metrics, **cost})
        named = self._named(metrics)
        self.store_metrics_in_model_card_data(model, named, epoch, steps)
        return named | self._named(cost)

    def get_config_dict(self) -> dict[str, Any]:
        """What the values depend on beside model and collection, for the model card."""
        return {key: getattr(self, key) for key in CONFIG if getattr(self, key) is not None}

    def _measure(self, model: Any) -> dict[str, float]:
        texts = [text for problem in self._problems for text in problem.queries]
        queries = self._encode(model, model.encode_query, self.query_prompt, texts)
        texts = [text for problem in self._problems for text in problem.passages]
        passages = self._encode(model, model.encode_document, self.passage_prompt, texts)
        maps: dict[Setting, dict[View, float]] = {setting: {} for setting in Setting}
        distances: list[float] = []
        for problem in self._problems:
            counter = RankCounter(
                problem.pool,
                problem.qrels,
                problem.view.query_language,
                ignore_identical_ids=self._queries_are_passages,
            )
            ours = [queries[text] for text in problem.queries]
            theirs = [passages[text] for text in problem.passages]
            count_ranks(counter, ours, theirs, model.similarity)
            ranks, _ = counter.result()
            maps[problem.setting][problem.view] = MAP.scores(ranks)[MAP.name]
            if problem.setting in RANK_DISTANCE.settings:
                distances.append(RANK_DISTANCE.scores(ranks)[RANK_DISTANCE.name])
        metrics = {f"{s}_{MAP.name}": fmean(maps[s].values() or [nan]) for s in Setting}
        # A query language without a distance (one relevant passage a query) is left out.
        there = [distance for distance in distances if not isnan(distance)]
        metrics[RANK_DISTANCE.name] = fmean(there) if there else nan
        for view, value in maps[Setting.MULTILINGUAL].items():
            metrics[f"{Setting.MULTILINGUAL}_{MAP.name}_{view.query_language}"] = value
        return metrics

    def _named(self, values: dict[str, float]) -> dict[str, float]:
        return {f"{self.name}_{key}": value for key, value in values.items()}

    def _constrained(self, metrics: dict[str, float]) -> float:
        """What orders models: by the pool those that keep enough, behind them by what they lack.

        The rule is that of Deb (2000) for constraints, doi:10.1016/S0045-7825(99)00389-8.
        """
        monolingual = metrics[f"{Setting.MONOLINGUAL}_{MAP.name}"]
        if self.monolingual_before is None:
            self.monolingual_before = monolingual
        least = self.monolingual_before - (self.keep_monolingual_within or 0)
        if monolingual < least:
            return monolingual - least
        return metrics[f"{Setting.MULTILINGUAL}_{MAP.name}"]

    def _encode(
        self, model: Any, encode: Callable[..., Any], prompt: str | None, texts: list[str]
    ) -> dict[str, Any]:
        """One vector per distinct text; a list of them is what all kinds of `similarity` take."""
        distinct = list(dict.fromkeys(texts))
        options = {"batch_size": self.batch_size, "show_progress_bar": self.show_progress_bar}
        vectors = encode(distinct, prompt=prompt, **options)
        if isinstance(vectors, torch.Tensor) and vectors.is_sparse:
            vectors = _sparse_rows(vectors)
        elif not isinstance(vectors, list):
            vectors = checked_vectors(vectors, distinct, name_of(model))
        return dict(zip(distinct, vectors, strict=True))

    def _append(self, folder: Path, row: dict[str, float]) -> None:
        file = folder / self.csv_file
        with lock(file):
            before = file.read_bytes().decode("utf-8") if file.exists() else ""
            added = io.StringIO(newline="")
            rows = [row.values()] if before else [row, row.values()]
            csv.writer(added, lineterminator="\n").writerows(rows)
            write_text(file, before + added.getvalue())


def _problems(collection: Collection) -> list[_Problem]:
    pools: dict[tuple[str, ...], tuple[Pool, list[str]]] = {}
    found = []
    for setting in Setting:
        for view in views(setting, collection.languages).values():
            # A draw, or a collection that is parallel only in part, may leave a view empty.
            try:
                queries, qrels = view_queries(collection, view)
            except ValueError:
                continue
            languages = view.passage_languages
            if languages not in pools:
                table = view_passages(collection, view)
                pool = Pool(table["id"].to_list(), table["language"].to_list(), languages)
                pools[languages] = pool, table["text"].to_list()
            texts = queries["text"].to_list()
            in_order = {id_: qrels[id_] for id_ in queries["id"]}
            found.append(_Problem(setting, view, *pools[languages], texts, in_order))
    return found


def _sparse_rows(vectors: torch.Tensor) -> list[torch.Tensor]:
    """Rows that stay sparse: 13,000 texts over a vocabulary of 250,000 are 13 GB if dense."""
    vectors = vectors.cpu().coalesce()
    row, column = vectors.indices()
    ends = torch.bincount(row, minlength=len(vectors)).cumsum(0)[:-1]
    parts = zip(column.tensor_split(ends), vectors.values().tensor_split(ends), strict=True)
    size = vectors.shape[1:]
    return [torch.sparse_coo_tensor(c[None], v, size, check_invariants=True) for c, v in parts]
