"""What it costs to keep vectors in fewer bits, measured on a sample of a view.

No text is encoded for it: of each language's texts the first 8,192 are kept as the model returned
them, too. Up to 500 queries with an answer among these search up to 16,384 of these passages, once
by exact vectors and once by those that are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mteb_hybrid.measures.average_precision import MAP
from mteb_hybrid.measures.rank_distance import RANK_DISTANCE
from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.parts import Vectors, take
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.scoring import count_ranks
from mteb_hybrid.retrieval.tiles import Similarity

QUERIES, PASSAGES = 500, 16384


@dataclass(frozen=True)
class Side:
    """Queries or passages of a view.

    Attributes:
        ids: N of them.
        kept: Their vectors, as kept.
        places: Shape (n,), of which ones the exact vectors are known.
        exact: These, shape (n, D).
    """

    ids: list[str]
    kept: Vectors
    places: Ints
    exact: Vectors

    def sample(self, some: Ints) -> tuple[Vectors, Vectors]:
        """Exact and kept vectors of some of `places`."""
        return take(self.exact, some), take(self.kept, self.places[some])


def rounding_loss(
    queries: Side,
    passages: Side,
    pool: Pool,
    qrels: Mapping[str, Mapping[str, int]],
    query_language: str,
    similarity: Similarity,
    ignore_identical_ids: bool = False,
) -> dict[str, float]:
    """What changes by rounding.

    Args:
        queries: The queries of a view.
        passages: Its pool.
        pool: The same, by id and language.
        qrels: ``{query id: {passage id: relevance}}``.
        query_language: Language of the queries.
        similarity: The model's own.
        ignore_identical_ids: Whether queries are passages, each left out of its own ranking.

    Returns:
        ``rounding_queries``, how many were asked. If any: ``rounding_score_error`` and
        ``rounding_mean_score_error``, by how much the score of a pair differs, at most and on
        average; ``rounding_map``, the ``map`` by kept vectors less that by exact ones, and
        ``rounding_rank_distance`` likewise, where there is one.
    """
    known = {passages.ids[place] for place in passages.places}
    judged = {
        query: {id_: grade for id_, grade in qrels[query].items() if id_ in known and id_ != query}
        for query in (queries.ids[place] for place in queries.places)
    }
    lost = pool.index.keys() - known if ignore_identical_ids else set()
    askable = [
        any(grade > 0 for grade in some.values()) and query not in lost
        for query, some in judged.items()
    ]
    rows = _spread(np.flatnonzero(askable), QUERIES)
    if not len(rows):
        return {"rounding_queries": 0.0}
    chosen = {queries.ids[place]: judged[queries.ids[place]] for place in queries.places[rows]}
    needed = {id_ for some in chosen.values() for id_ in some}
    if ignore_identical_ids:
        needed |= chosen.keys()  # that each can be left out of its own ranking
    others = np.array([passages.ids[place] not in needed for place in passages.places], dtype=bool)
    wanted = np.flatnonzero(~others)
    distractors = _spread(np.flatnonzero(others), PASSAGES - len(wanted))
    columns = np.sort(np.concatenate([wanted, distractors]))
    there = passages.places[columns]
    smaller = Pool(
        [pool.ids[place] for place in there],
        [pool.passage_languages[place] for place in there],
        pool.languages,
    )
    measured, scores = [], []
    for asking, answering in zip(queries.sample(rows), passages.sample(columns), strict=True):
        counter = RankCounter(
            smaller, chosen, query_language, ignore_identical_ids=ignore_identical_ids
        )
        count_ranks(counter, asking, answering, similarity)
        ranks, _ = counter.result()
        measured.append([m.scores(ranks)[m.name] for m in (MAP, RANK_DISTANCE)])
        scores.append(_numbers(similarity(asking, answering)))
    errors = np.abs(scores[1] - scores[0])
    change = np.subtract(measured[1], measured[0])
    found = {
        "rounding_queries": float(len(rows)),
        "rounding_score_error": float(errors.max()),
        "rounding_mean_score_error": float(errors.mean()),
        "rounding_map": float(change[0]),
    }
    if not np.isnan(change[1]):
        found["rounding_rank_distance"] = float(change[1])
    return found


def _spread(places: Ints, most: int) -> Ints:
    """Some of the places, spread evenly over them: so many at most, none if that is less than 1."""
    return places[:: max(1, -(-len(places) // max(1, most)))][: max(0, most)]


def _numbers(scores: Vectors) -> npt.NDArray[np.float32]:
    return np.asarray(scores.detach().cpu().float() if hasattr(scores, "detach") else scores)
