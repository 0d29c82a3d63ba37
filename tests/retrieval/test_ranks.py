"""Ranks against pytrec_eval's order and scipy's mean ranks, many ties included."""

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.ranks import ranks_of_run


@st.composite
def problems(draw):
    """Passage ids, scores with many ties (Q, N), and judgments."""
    n = draw(st.integers(1, 12))
    q = draw(st.integers(1, 4))
    ids = draw(
        st.lists(st.text("abzäЖ日0:.", min_size=1, max_size=3), min_size=n, max_size=n, unique=True)
    )
    values = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 0.5000001, 0.1 + 0.2, 3.0, 1e30])
    scores = draw(st.lists(st.lists(values, min_size=n, max_size=n), min_size=q, max_size=q))
    qrels = {
        f"q{i}": {
            id_: draw(st.integers(1, 3))
            for id_ in draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
        }
        for i in range(q)
    }
    return ids, np.array(scores, dtype=np.float32), qrels


@st.composite
def problems_of_passages(draw):
    """The same where queries are passages, which are left out; some scores are -inf."""
    ids, scores, _ = draw(problems().filter(lambda problem: len(problem[0]) > 1))
    own = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=min(4, len(ids)), unique=True))
    values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5])
    row = st.lists(values, min_size=len(ids), max_size=len(ids))
    scores = draw(st.lists(row, min_size=len(own), max_size=len(own)))
    qrels = {
        query: {
            id_: draw(st.integers(1, 2))
            for id_ in draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
            if id_ != query
        }
        for query in own
    }
    languages = ["en" if id_ in own else "de" for id_ in ids]
    return Pool(ids, languages, ("de", "en", "xx")), np.array(scores, dtype=np.float32), qrels


LANGUAGES = ("de", "en", "xx")


def pool_of(ids):
    """A pool whose passages are in the language that their id begins with, else in any."""
    spoken = [LANGUAGES[ord(id_[0]) % 3] if ":" not in id_[1:] else id_[:2] for id_ in ids]
    known = [language if language in LANGUAGES else "xx" for language in spoken]
    return Pool(ids, known, LANGUAGES)


def counted(ids, scores, qrels, block=2, highest=5, query_language="en"):
    counter = RankCounter(pool_of(ids), qrels, query_language, highest)
    for start in range(0, len(scores), block):
        counter.add(scores[start : start + block])
    return counter.result()


@given(problems())
@settings(deadline=None)
def test_order_is_pytrec_evals(problem):
    ids, scores, qrels = problem
    ranks, _ = counted(*problem)
    run = {
        query: dict(zip(ids, row, strict=True))
        for query, row in zip(qrels, scores.tolist(), strict=True)
    }
    for row, (query, judged) in enumerate(qrels.items()):
        for column, id_ in enumerate(judged):
            # With this passage alone relevant, its rank is one over the reciprocal rank.
            evaluator = pytrec_eval.RelevanceEvaluator({query: {id_: 1}}, {"recip_rank"})
            expected = evaluator.evaluate({query: run[query]})[query]["recip_rank"]
            assert round(1 / expected) == ranks.ranks[row, column]


@given(problems())
@settings(deadline=None)
def test_tied_ranks_are_scipys(problem):
    ids, scores, qrels = problem
    ranks, top = counted(*problem)
    for row, judged in enumerate(qrels.values()):
        mean_ranks = rankdata(-scores[row], method="average")
        for column, id_ in enumerate(judged):
            assert ranks.tied_ranks[row, column] == mean_ranks[ids.index(id_)]
            assert ranks.relevance[row, column] == judged[id_]
        assert np.isnan(ranks.ranks[row, len(judged) :]).all()
        assert top[row].tolist() == sorted(scores[row].tolist(), reverse=True)[:5]


@given(problems(), st.integers(1, 5))
@settings(deadline=None)
def test_blocks_and_runs_give_the_same(problem, block):
    ids, scores, qrels = problem
    whole, _ = counted(*problem, block=len(scores))
    run = {
        query: dict(zip(ids, row, strict=True))
        for query, row in zip(qrels, scores.tolist(), strict=True)
    }
    for other in (counted(*problem, block=block)[0], ranks_of_run(run, qrels, pool_of(ids), "en")):
        for name in (
            *("ranks", "tied_ranks", "tie_sizes", "languages", "top", "top_relevance"),
            *("overflow", "crowded"),
        ):
            np.testing.assert_array_equal(getattr(other, name), getattr(whole, name))
        assert other.cutoff is None
        assert other.query_language == "en"


@given(problems())
@settings(deadline=None)
def test_the_top_is_in_trec_evals_order(problem):
    ids, scores, qrels = problem
    ranks, _ = counted(*problem)
    for row, (judged, mine) in enumerate(zip(qrels.values(), scores.tolist(), strict=True)):
        score = dict(zip(ids, mine, strict=True))
        order = sorted(ids, key=lambda id_: (score[id_], id_), reverse=True)
        assert [ids[position] for position in ranks.top[row]] == order
        assert ranks.top_relevance[row].tolist() == [judged.get(id_, 0) for id_ in order]


def test_a_run_that_is_cut():
    run = {"q1": {"a": 3.0, "b": 2.0}, "q2": {}}
    qrels = {"q1": {"b": 1, "x": 1}, "q2": {"a": 1}, "q3": {"b": 1}}
    ranks = ranks_of_run(run, qrels, pool_of(list("abcdefxyz")))
    assert ranks.top[:, :3].tolist() == [[0, 1, -1], [-1, -1, -1], [-1, -1, -1]]
    assert ranks.cutoff == 2
    assert ranks_of_run(run, qrels, pool_of(list("abcdefxyz")), cutoff=5).cutoff == 5
    np.testing.assert_array_equal(ranks.ranks, [[2, np.inf], [np.inf, np.nan], [np.inf, np.nan]])
    np.testing.assert_array_equal(ranks.tied_ranks, [[2, 3], [3, np.nan], [3, np.nan]])


def test_a_rank_after_the_cut_is_in_the_pool():
    run = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}, "r": {"a": 1.0}}
    qrels = {"q": {"c": 1}, "r": {"b": 1}}
    ranks = ranks_of_run(run, qrels, pool_of(list("abc")))
    assert ranks.tied_ranks.tolist() == [[3], [3]] and ranks.cutoff == 3


def test_ties_beyond_the_places_that_are_kept():
    """Of nine that tie, five are kept: the others are counted by language and relevance."""
    ids = [f"{language}:{i}" for language in LANGUAGES for i in range(3)]
    qrels = {"q": {"de:0": 1, "en:0": 1, "en:1": 0}}
    counter = RankCounter(pool_of(ids), qrels, "en", depth=5)
    counter.add(np.zeros((1, 9), dtype=np.float32))
    for ranks in (
        counter.result()[0],
        ranks_of_run({"q": dict.fromkeys(ids, 0.0)}, qrels, pool_of(ids), "en", depth=5),
    ):
        # Kept, ids descending: three of xx, and en:2 and en:1.
        assert ranks.overflow.tolist() == [[[2, 0, 0], [1, 1, 0]]]
        assert ranks.crowded.tolist() == [1]
        with pytest.raises(ValueError, match=r"top 6 needs as many places .* 5 were kept"):
            ranks.need_top(6)


def test_judgments_of_zero_are_not_relevant():
    ranks = ranks_of_run({"q": {"a": 2.0, "b": 1.0}}, {"q": {"a": 0, "b": 2}}, pool_of(["a", "b"]))
    np.testing.assert_array_equal(ranks.ranks, [[2]])
    counter = RankCounter(pool_of(["a", "b"]), {"q": {"a": 0, "b": 2}})
    counter.add(np.array([[2, 1]], dtype=np.float32))
    np.testing.assert_array_equal(counter.result()[0].ranks, [[2]])


@pytest.mark.parametrize(
    ("run", "qrels", "said"),
    [
        ({"a": float("nan")}, {"a": 1}, "query 'q', passage 'a': the score is NaN"),
        ({"zz": 1.0}, {"a": 1}, "ranked passage 'zz' is not in the pool"),
        ({"a": 1.0}, {"zz": 1}, "judged on passage 'zz', which is not in the pool"),
    ],
)
def test_bad_runs_are_refused(run, qrels, said):
    with pytest.raises(ValueError, match=said):
        ranks_of_run({"q": run}, {"q": qrels}, pool_of(["a", "b"]))


@given(problems_of_passages(), st.integers(1, 3))
@settings(deadline=None)
def test_leaving_out_is_as_if_it_were_not_in_the_pool(problem, block):
    pool, scores, qrels = problem
    counter = RankCounter(pool, qrels, "en", 5, ignore_identical_ids=True)
    for start in range(0, len(scores), block):
        counter.add(scores[start : start + block])
    ranks, highest = counter.result()
    run = {
        query: dict(zip(pool.ids, row, strict=True))
        for query, row in zip(qrels, scores, strict=True)
    }
    of_run = ranks_of_run(run, qrels, pool, "en", ignore_identical_ids=True)
    for row, (query, judged) in enumerate(qrels.items()):
        kept = [place for place, id_ in enumerate(pool.ids) if id_ != query]
        rest = Pool(
            [pool.ids[place] for place in kept],
            [pool.passage_languages[place] for place in kept],
            pool.languages,
        )
        counter = RankCounter(rest, {query: judged}, "en", 5)
        counter.add(scores[[row]][:, kept])
        expected, expected_highest = counter.result()
        r = len(judged)
        for found in (ranks, of_run):
            for name in ("ranks", "tied_ranks", "tie_sizes", "relevance", "languages"):
                ours = getattr(found, name)[row]
                assert ours[:r].tolist() == getattr(expected, name)[0].tolist(), name
            top = [pool.ids[place] for place in found.top[row]]
            assert top == [rest.ids[place] for place in expected.top[0]]
            assert found.top_scores[row].tolist() == expected.top_scores[0].tolist()
            assert found.top_relevance[row].tolist() == expected.top_relevance[0].tolist()
            assert len(found.pool) == len(rest) and found.cutoff is None
            assert found.pool.shares.tolist() == rest.shares.tolist()
        assert highest[row].tolist() == expected_highest[0].tolist()
        whole = RankCounter(pool, {query: {query: 1}}, "en")
        whole.add(scores[[row]])
        assert ranks.own_ranks[row] == whole.result()[0].ranks[0, 0]


def test_a_query_that_is_a_passage_by_hand():
    """Scores 9 (itself), 7, 7, 5 (a tie with the other query's own), 5."""
    pool = Pool(
        ["de:1", "de:2", "en:1", "en:2", "en:3"], ["de", "de", "en", "en", "en"], ("de", "en")
    )
    qrels = {"en:1": {"de:1": 1}, "en:2": {"de:2": 1}}
    scores = np.array([[5, 7, 9, 7, 5], [7, 5, 7, 5, 1]], dtype=np.float32)
    counter = RankCounter(pool, qrels, "en", ignore_identical_ids=True)
    counter.add(scores)
    ranks, highest = counter.result()
    # en:1: en:2 and de:2 at 7, then en:3 before de:1 at 5. en:2: en:1, de:1, then de:2 at 5,
    # with which en:2 itself would tie.
    assert ranks.ranks.tolist() == [[4], [3]]
    assert ranks.tied_ranks.tolist() == [[3.5], [3]]
    assert ranks.tie_sizes.tolist() == [[2], [1]]
    assert ranks.own_ranks.tolist() == [1, 3]
    assert ranks.top.tolist() == [[3, 1, 4, 0], [2, 0, 1, 4]]
    assert highest.tolist() == [[7, 7, 5, 5], [7, 7, 5, 1]]
    assert len(ranks.pool) == 4 and ranks.pool.shares.tolist() == [0.5, 0.5]
    assert scores[0, 2] == 9, "scores are left as they are"


def test_queries_that_are_not_in_the_pool_leave_nothing_out():
    counter = RankCounter(pool_of(["a", "b"]), {"q": {"a": 1}}, ignore_identical_ids=True)
    counter.add(np.array([[1, 2]], dtype=np.float32))
    ranks, _ = counter.result()
    assert ranks.ranks.tolist() == [[2]] and len(ranks.pool) == 2 and ranks.own_ranks is None


@pytest.mark.parametrize(
    ("qrels", "said"),
    [
        ({"a": {"b": 1}, "q": {"b": 1}}, "1 of 2 queries are passages of the pool"),
        ({"de:1": {"en:1": 1}, "en:1": {"de:1": 1}}, r"in 2 language\(s\); expected"),
        ({"a": {"a": 1, "b": 1}}, "query 'a' is judged on itself"),
    ],
)
def test_what_cannot_be_left_out_is_refused(qrels, said):
    pool = Pool(["a", "b", "de:1", "en:1"], ["en", "en", "de", "en"], LANGUAGES)
    with pytest.raises(ValueError, match=said):
        RankCounter(pool, qrels, ignore_identical_ids=True)
    with pytest.raises(ValueError, match=said):
        ranks_of_run({}, qrels, pool, ignore_identical_ids=True)
