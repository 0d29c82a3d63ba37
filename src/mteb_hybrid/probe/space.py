"""How far languages lie apart in the space of vectors of passages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from mteb_hybrid.measures.language_share import language_share
from mteb_hybrid.probe.corpus import different
from mteb_hybrid.probe.estimate import estimates
from mteb_hybrid.probe.rankings import ALL, FIGURES, figure
from mteb_hybrid.retrieval.parts import Vectors
from mteb_hybrid.retrieval.pool import Floats, Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.ranks import TOP
from mteb_hybrid.retrieval.scoring import count_ranks

ASKED = 1000
"""Passages of each language, at most, whose neighbours are looked for, among all."""

READ = 200
"""Passages of each language, at most, whose language is read by the linear probe."""

FOLDS = 5


def measure_space(
    vectors: Vectors,
    pool: Pool,
    texts: Sequence[str],
    similarity: Callable[[Vectors, Vectors], Vectors],
    k: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> pl.DataFrame:
    """How separable languages are.

    - ``same_language_neighbours_at_k``: share of passages of its own language among a passage's k
      nearest neighbours, itself aside, by the model's similarity; by chance their share of the
      other passages. ``neighbour_excess_at_k`` is the one minus the other.
    - ``language_probe_accuracy``: share of a language's passages whose language a linear probe
      (logistic regression, languages weighing alike) reads from vectors that it was not fitted on,
      in 5-fold cross-validation; over all languages the mean, and 1 / L by chance, also for whoever
      always names the most frequent one.

    Args:
        vectors: Shape (N, D).
        pool: The N passages.
        texts: Their texts.
        similarity: The model's own.
        k: How many neighbours.
        resamples: Bootstrap samples, of passages; the fitted probes stay the same.
        seed: Of the samples, of what is asked and read, and of the folds.

    Returns:
        A table with the columns of `mteb_hybrid.probe.rankings.FIGURES`, by passage language. No
        probe accuracy where fewer than two languages have `FOLDS` different texts.
    """
    rows = {
        language: np.flatnonzero(pool.codes == place)
        for place, language in enumerate(pool.languages)
    }
    random = np.random.default_rng(seed)
    order = {language: random.permutation(some) for language, some in rows.items()}
    asked = {language: some[:ASKED] for language, some in order.items()}
    neighbours, expected = {}, {}
    for language, some in asked.items():
        shares = _same_language(vectors, pool, language, some, similarity, k)
        expected[language] = (len(rows[language]) - 1) / (len(pool) - 1)
        neighbours[language] = np.column_stack([shares, shares - expected[language]])
    found = _figures(
        (f"same_language_neighbours_at_{k}", f"neighbour_excess_at_{k}"),
        neighbours,
        {language: [pool.ids[row] for row in some] for language, some in asked.items()},
        {language: (share, 0.0) for language, share in expected.items()},
        (float(np.mean(list(expected.values()))), 0.0),
        (resamples, seed),
    )
    read = {language: different(some.tolist(), texts)[:READ] for language, some in order.items()}
    read = {language: some for language, some in read.items() if len(some) >= FOLDS}
    if len(read) > 1:
        chance = 1 / len(read)
        found += _figures(
            ("language_probe_accuracy",),
            read_languages(
                {x: np.asarray(vectors[some], np.float64) for x, some in read.items()}, seed
            ),
            {language: [pool.ids[row] for row in some] for language, some in read.items()},
            dict.fromkeys(read, (chance,)),
            (chance,),
            (resamples, seed),
        )
    return pl.DataFrame(found, FIGURES)


def _same_language(
    vectors: Vectors,
    pool: Pool,
    language: str,
    asked: Any,
    similarity: Callable[[Vectors, Vectors], Vectors],
    k: int,
) -> Floats:
    """Shape (A,): the share of a language among the neighbours of some of its passages."""
    ids = [pool.ids[row] for row in asked]
    counter = RankCounter(
        *(pool, {id_: {} for id_ in ids}, language), ignore_identical_ids=True, depth=max(TOP, k)
    )
    count_ranks(counter, vectors[asked], vectors, similarity)
    ranks, _ = counter.result()
    return np.asarray(language_share(ranks, k)[:, pool.languages.index(language)])


def read_languages(vectors: Mapping[str, Floats], seed: int) -> dict[str, Floats]:
    """Whether a linear probe reads each vector's language, by language: shape (N, 1), 1 or 0.

    All vectors are divided by one number, so that what a repair took out stays small.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import (
        StratifiedKFold,
        cross_val_predict,
    )

    rows = np.concatenate(list(vectors.values()))
    rows = rows - rows.mean(axis=0)
    rows /= np.sqrt((rows**2).mean()) or 1.0
    spoken = np.repeat(list(vectors), [len(some) for some in vectors.values()])
    answers = cross_val_predict(
        LogisticRegression(class_weight="balanced", max_iter=1000),
        rows,
        spoken,
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=seed),
    )
    right = (answers == spoken).astype(np.float64)
    return {language: right[spoken == language, None] for language in vectors}


def _figures(
    measures: Sequence[str],
    values: Mapping[str, Floats],
    groups: Mapping[str, Sequence[str]],
    chance: Mapping[str, Sequence[float]],
    chance_of_all: Sequence[float],
    draws: tuple[int, int],
) -> list[dict[str, object]]:
    each, over_all = estimates(values, groups, *draws)
    found = [(ALL, over_all, chance_of_all), *((x, each[x], chance[x]) for x in values)]
    return [
        figure(measure, None, language, some[place], expected[place])
        for language, some, expected in found
        for place, measure in enumerate(measures)
    ]
