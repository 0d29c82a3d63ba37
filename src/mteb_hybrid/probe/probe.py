"""Look at a model on a corpus of several languages without judgments."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl

from mteb_hybrid.probe.corpus import MixedCorpus, ProbeError
from mteb_hybrid.probe.encoder import Encoder
from mteb_hybrid.probe.rankings import FIGURES, measure_rankings
from mteb_hybrid.probe.repaired import apply_repair, find_repair
from mteb_hybrid.probe.space import measure_space
from mteb_hybrid.results.resample import INTERVAL_FROM
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.ranks import TOP, Ranks
from mteb_hybrid.retrieval.scoring import count_ranks
from mteb_hybrid.retrieval.ties import MEANING, gathered

NONE = "none"
"""In the place of a repair."""


@dataclass(frozen=True)
class Probed:
    """What was found.

    Attributes:
        about: The model, the corpus, and what decides the figures: JSON values.
        figures: The columns of `mteb_hybrid.probe.rankings.FIGURES`, and ``repair`` before them:
            `NONE`, then the repair, if there is one.
        notes: What limits the figures, in words.
    """

    about: dict[str, Any]
    figures: pl.DataFrame
    notes: tuple[str, ...] = ()


def probe(
    model: Any,
    corpus: MixedCorpus,
    repair: str | None = None,
    k: int = 10,
    batch_size: int = 32,
    resamples: int = 1000,
    seed: int = 0,
) -> Probed:
    """Encode a corpus and its queries, rank all passages for each query, and measure both.

    Args:
        model: A model of MTEB.
        corpus: What to look at.
        repair: Measured beside the model as it is; see `mteb_hybrid.probe.repaired.find_repair`.
        k: How many places, and neighbours.
        batch_size: Texts per batch.
        resamples: Bootstrap samples.
        seed: Of all that is drawn.

    Raises:
        ProbeError: If the model makes no vectors, or fewer than k + 1 passages are there, or left
            by the repair.
        EncoderError: If a vector is of the wrong shape, NaN or infinite.
        RepairError: If the repair cannot be read or fitted.
    """
    pool, texts = corpus.pool, corpus.passages["text"].to_list()
    if k >= len(pool):
        raise ProbeError(
            f"--top {k}: the corpus has {len(pool)} passages; expected fewer than those. Give a "
            "smaller --top, or a larger corpus."
        )
    encoder = Encoder(model, batch_size)
    passages = encoder.vectors(texts, "document")
    queries = encoder.vectors(corpus.queries["text"].to_list(), "query")
    versions: list[tuple[str, Callable[[Vectors], Vectors]]] = [(NONE, lambda vectors: vectors)]
    others = np.arange(len(pool), dtype=np.int64)
    if repair is not None:
        fitted, others = find_repair(
            *(repair, (encoder.name, encoder.revision), passages, pool, texts, seed)
        )
        if k >= len(others):
            raise ProbeError(
                f"--top {k}: --repair {repair} leaves {len(others)} of {len(pool)} passages that "
                "it was not fitted on, among which neighbours are looked for; expected more than "
                f"{k}. Give a smaller --top, a larger corpus, or a repair that was made of other "
                "texts."
            )
        versions.append((fitted.label, lambda vectors: apply_repair(fitted, vectors)))
    apart = Pool(
        [pool.ids[row] for row in others.tolist()],
        [pool.passage_languages[row] for row in others.tolist()],
        pool.languages,
    )
    groups = {
        language: corpus.queries.filter(language=language)["group"].to_list()
        for language in sorted(corpus.queries["language"].unique())
    }
    tables, notes = [], []
    for label, change in versions:
        changed = change(passages)
        with gathered() as tied:
            ranks = _ranks(corpus, pool, change(queries), changed, encoder.similarity, k)
            found = [
                measure_rankings(ranks, groups, k, resamples, seed),
                measure_space(
                    changed[others],
                    apart,
                    [texts[row] for row in others.tolist()],
                    encoder.similarity,
                    k,
                    resamples,
                    seed,
                ),
            ]
        tables.append(pl.concat(found).select(pl.lit(label).alias("repair"), *FIGURES))
        notes += [f"{said} {MEANING}" for said in dict.fromkeys(tied)]
    if f"ranking_consistency_at_{k}" not in tables[0]["measure"]:
        notes.append(
            "No two queries of different languages have the same 'group', so none is known to be a "
            "translation of another: whether their rankings agree was not measured."
        )
    if len(others) < len(pool):
        notes.append(
            f"The repair was fitted on {len(pool) - len(others)} of the {len(pool)} passages; how "
            "separable languages are, before and after it, was measured on the others alone; "
            "lifts, AWRF and how alike rankings are, on all."
        )
    elif repair is not None:
        notes.append(
            "Whether the repair was fitted on some of these passages is not known; if it was, what "
            "it does here says little of other texts."
        )
    notes += _too_few(groups, apart, k)
    about = {
        "model": encoder.name,
        "revision": encoder.revision,
        "repair": repair,
        "passages": _counted(corpus.passages),
        "queries": _counted(corpus.queries),
        "questions": corpus.queries["group"].n_unique(),
        "k": k,
        "resamples": resamples,
        "seed": seed,
        "versions": {name: version(name) for name in ("mteb-hybrid", "mteb", "scikit-learn")},
    }
    return Probed(about, pl.concat(tables), tuple(dict.fromkeys(notes)))


def _too_few(groups: Mapping[str, Sequence[str]], apart: Pool, k: int) -> Iterator[str]:
    """What a small corpus cannot show."""
    asked = [x for x, some in groups.items() if len(set(some)) < INTERVAL_FROM]
    if asked:
        yield (
            f"Fewer than {INTERVAL_FROM} queries in {', '.join(asked)}: their means have no "
            "interval, and may say little about other queries."
        )
    sizes = np.bincount(apart.codes, minlength=len(apart.languages))
    small = [x for x, size in zip(apart.languages, sizes, strict=True) if size <= k]
    if small:
        yield (
            f"No more than {k} passages in {', '.join(small)} among which neighbours were looked "
            f"for: not all {k} can be in the passage's own language, however the space is ordered. "
            "Give a smaller --top, or a larger corpus."
        )


def _ranks(
    corpus: MixedCorpus,
    pool: Pool,
    queries: Vectors,
    passages: Vectors,
    similarity: Callable[[Vectors, Vectors], Vectors],
    k: int,
) -> dict[str, Ranks]:
    """Exact rankings of all passages, by query language."""
    found = {}
    for language in sorted(corpus.queries["language"].unique()):
        rows = np.flatnonzero((corpus.queries["language"] == language).to_numpy())
        ids = corpus.queries["id"].gather(rows)
        counter = RankCounter(pool, {id_: {} for id_ in ids}, language, depth=max(TOP, k))
        count_ranks(counter, queries[rows], passages, similarity)
        found[language], _ = counter.result()
    return found


def _counted(table: pl.DataFrame) -> dict[str, int]:
    return dict(table.group_by("language").len().sort("language").iter_rows())
