"""Ranks in blocks of rows, and rows sorted in pieces, against one row after another, sorted."""

import os
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.retrieval import rank_counter, sorted_rows
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.sorted_rows import SortedRows
from mteb_hybrid.retrieval.ties import crowded

EXAMPLES = 3000 if os.environ.get("MTEB_HYBRID_SOAK") else 60
LANGUAGES = ("de", "en", "xx")


def row_by_row(pool, qrels, scores, highest, depth, own):
    """What `RankCounter` finds, from Python's sorting by score and id."""
    found = []
    for query, judged, row in zip(qrels, qrels.values(), scores.tolist(), strict=True):
        score = {
            id_: value for id_, value in zip(pool.ids, row, strict=True) if not own or id_ != query
        }
        ranking = sorted(score, key=lambda id_: (score[id_], id_), reverse=True)
        ascending = np.sort(np.array([*score.values()], dtype=np.float32))
        last = score[ranking[depth - 1]]
        late = [id_ for id_ in ranking[depth:] if score[id_] == last]
        spoken = dict(zip(pool.ids, pool.passage_languages, strict=True))
        with_own = sorted(pool.ids, key=lambda id_: (row[pool.index[id_]], id_), reverse=True)
        found.append(
            {
                "ranks": [ranking.index(id_) + 1 for id_ in judged],
                "tied_ranks": [
                    sum(other > score[id_] for other in score.values())
                    + (sum(other == score[id_] for other in score.values()) + 1) / 2
                    for id_ in judged
                ],
                "top": [pool.index[id_] for id_ in ranking[:depth]],
                "top_scores": [score[id_] for id_ in ranking[:depth]],
                "overflow": [
                    [sum(spoken[i] == x for i in late if (i in judged) == kind) for x in LANGUAGES]
                    for kind in (False, True)
                ],
                "crowded": crowded(ascending),
                "highest": ascending[::-1][:highest].tolist(),
                "own_ranks": with_own.index(query) + 1 if own else None,
            }
        )
    return found


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=EXAMPLES)
@pytest.mark.parametrize("own", [False, True])
def test_ranks_are_those_of_one_row_after_another(own, data, seed):
    random = np.random.default_rng(seed)
    draw = data.draw
    n, q, r = draw(st.integers(3, 400)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    levels = draw(st.sampled_from([1, 2, 30, 10**6]))
    scores = (random.integers(-levels, levels, (q, n)) / levels).astype(np.float32)
    scores[random.random((q, n)) < 0.1] = -0.0
    scores[random.random((q, n)) < draw(st.sampled_from([0, 0.1]))] = -np.inf
    ids = [f"{LANGUAGES[random.integers(3)]}:{i}" for i in random.permutation(n)]
    pool = Pool(ids, [id_[:2] for id_ in ids], LANGUAGES)
    asked = [id_ for id_ in ids if id_[:2] == "en"][:q] if own else [f"q{i}" for i in range(q)]
    scores = scores[: len(asked)]
    if not asked:
        return
    qrels = {
        query: {
            ids[place]: 1
            for place in random.choice(n, min(r, n), replace=False)
            if ids[place] != query
        }
        for query in asked
    }
    highest, depth = draw(st.integers(1, 50)), min(draw(st.integers(1, 30)), n - own)
    with (
        patch.object(sorted_rows, "PIECE", draw(st.sampled_from([1, 2, 5, 256]))),
        patch.object(sorted_rows, "FEW", draw(st.sampled_from([0, 2, 16]))),
        patch.object(rank_counter, "SCORES_AT_ONCE", draw(st.sampled_from([1, 700, 10**6]))),
    ):
        counter = RankCounter(pool, qrels, "en", highest, own, depth)
        half = len(asked) // 2
        for part in (scores[:half], np.asfortranarray(scores[half:])):
            if len(part):
                counter.add(part)
        ranks, best = counter.result()
    for row, expected in enumerate(row_by_row(pool, qrels, scores, highest, depth, own)):
        judged = len([*qrels.values()][row])
        assert best[row].tolist() == expected.pop("highest")
        for name in ("ranks", "tied_ranks"):
            assert getattr(ranks, name)[row, :judged].tolist() == expected.pop(name), name
            assert np.isnan(getattr(ranks, name)[row, judged:]).all()
        assert (ranks.own_ranks[row] if own else None) == expected.pop("own_ranks")
        for name, value in expected.items():
            assert getattr(ranks, name)[row].tolist() == value, name


@pytest.mark.parametrize("many", [130, 131, 2000])
def test_scores_that_crowd_are_found_in_pieces(many):
    """More than a hundredth of 13,001, or just that, wherever they are."""
    scores = np.random.default_rng(0).permutation(13_001).astype(np.float32)[None]
    scores[:, np.random.default_rng(1).choice(13_001, many, replace=False)] = 6000.5
    in_pieces = SortedRows(scores, 13_001, 100, 1)
    assert in_pieces._pieces.shape == (1, 51, 256)
    assert in_pieces.crowded().tolist() == [crowded(np.sort(scores[0]))] == [(many - 130) / 12_871]
