"""Several corpora as one: their rows are counted through, one corpus after another."""

from collections.abc import Mapping, Sequence

import numpy as np

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import plain_number
from mteb_hybrid.training.corpus import Corpus, Ints
from mteb_hybrid.training.labels import label_depth


def of_corpus(position: int, starts: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """The rows that are of one corpus.

    Args:
        position: Which corpus.
        starts: Where each corpus begins, and the number of all rows.
        rows: Positions in the corpora one after another.

    Returns:
        Where its rows are in `rows`, and their positions in the corpus.
    """
    start, end = starts[position : position + 2]
    own = np.flatnonzero((rows >= start) & (rows < end))
    return own, rows[own] - start


def joined(
    parts: Sequence[tuple[Sequence[Corpus], Ints | None]],
) -> tuple[list[Corpus], Ints]:
    """Put corpora and their chosen rows one after another, each corpus once.

    Args:
        parts: Corpora, and positions in them or None for all their rows.

    Returns:
        The different corpora, and positions in them.
    """
    corpora = list({id(corpus): corpus for own, _ in parts for corpus in own}.values())
    places = {id(corpus): place for place, corpus in enumerate(corpora)}
    starts = np.cumsum([0, *map(len, corpora)])
    found = [np.empty(0, dtype=np.int64)]
    for own, rows in parts:
        own_starts = np.cumsum([0, *map(len, own)])
        rows = np.arange(own_starts[-1]) if rows is None else rows
        shifts = starts[[places[id(corpus)] for corpus in own]] - own_starts[:-1]
        found.append(rows + shifts[np.searchsorted(own_starts, rows, side="right") - 1])
    return corpora, np.concatenate(found)


def check_corpora(corpora: Sequence[Corpus], languages: Sequence[str]) -> None:
    """Refuse corpora that cannot be in one data set.

    Raises:
        ParallelDataError: If there is no row, there are too many, two share a name, or they carry
            different numbers of negatives or different labels.
    """
    names = [corpus.name for corpus in corpora]
    if len(set(names)) < len(names):
        raise ParallelDataError(f"corpora need different names, found {names}")
    size = sum(map(len, corpora))
    if not size:
        raise ParallelDataError(f"{', '.join(names) or 'no corpus'}: no rows to train on")
    if size >= 2**31 or len(languages) > 64:
        raise ParallelDataError(
            f"{size:,} rows in {len(languages)} languages; at most 2^31 rows and 64 languages are "
            "supported"
        )
    if len({corpus.negatives for corpus in corpora}) > 1:
        raise ParallelDataError(
            "corpora carry different numbers of hard negatives: "
            f"{ {corpus.name: corpus.negatives for corpus in corpora} }; choose one"
        )
    labels = {corpus.name: _labels(corpus) for corpus in corpora}
    if len(set(labels.values())) > 1:
        raise ParallelDataError(
            f"corpora carry different labels: {labels}; give all of them labels of one name and "
            "kind, or none"
        )


def _labels(corpus: Corpus) -> str:
    if not corpus.label_column:
        return "none"
    kind = corpus.table.schema.field(corpus.label_column).type
    return f"{corpus.label_column} ({('numbers', 'lists', 'lists of lists')[label_depth(kind)]})"


def checked_weights(
    corpora: Sequence[Corpus], weights: Mapping[str, float] | None
) -> dict[str, float] | None:
    """Weights that sum to 1.

    Raises:
        ParallelDataError: If they do not name every corpus, or one is no positive number.
    """
    if weights is None:
        return None
    names = {corpus.name for corpus in corpora}
    given = weights if isinstance(weights, Mapping) else {}
    plain = {name: plain_number(weight) or 0.0 for name, weight in given.items()}
    if set(plain) != names or min(plain.values()) <= 0:
        raise ParallelDataError(
            f"weights {weights!r} must give a positive number for each of {sorted(names)}"
        )
    total = sum(plain.values())
    return {corpus.name: plain[corpus.name] / total for corpus in corpora}
