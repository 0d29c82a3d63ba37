"""The language-bias measures: by hand, by brute force, against other programs, and under ties."""

import math
from itertools import permutations

import numpy as np
import pytest
import pytrec_eval
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from mteb_hybrid.measures import ANY_POOL, MAP, MEASURES, PARALLEL
from mteb_hybrid.measures.peer import kruskal_wallis
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.ranks import ranks_of_run
from retrieval.test_ranks import LANGUAGES, counted, pool_of

BY_NAME = {measure.name: measure for measure in MEASURES}


def ranks_for(ranking, relevant, query_language="en", pool=None):
    """Ranks of one query whose ranking is given as ids, best first."""
    run = {"q": {id_: -float(place) for place, id_ in enumerate(ranking)}}
    qrels = {"q": relevant if isinstance(relevant, dict) else dict.fromkeys(relevant, 1)}
    return ranks_of_run(run, qrels, pool or pool_of(ranking), query_language)


def value(name, ranks):
    return np.asarray(BY_NAME[name].values(ranks))[0].tolist()


TEN = ["en:1", "en:a", "de:1", "en:b", "de:a", "xx:1", "de:b", "xx:a", "xx:b", "de:c"]
ANSWERS = ["en:1", "de:1", "xx:1"]


def test_by_hand():
    ranks = ranks_for(TEN, ANSWERS)  # at ranks 1, 3 and 6
    assert value("rank_distance", ranks) == 5
    assert value("rank_distance_normalised", ranks) == pytest.approx((5 - 2) / (10 - 3))
    expected = 100 * (math.log2(10) - math.log2(6)) / (math.log2(10) - math.log2(3))
    assert value("max_rank_normalised", ranks) == pytest.approx(expected)
    assert value("complete_at_10", ranks) == 1
    assert value("language_preference_rate", ranks) == 1
    assert value("mean_rank", ranks) == [3, 1, 6]
    # Alone, the answer in de moves up by one, the one in xx by two.
    assert value("gold_language_map", ranks) == [1 / 2, 1, 1 / 4]
    without_de, without_xx = (1 + 2 / 5) / 2, (1 + 2 / 3) / 2
    without_en = (1 / 2 + 2 / 5) / 2
    gap = (without_de + without_xx) / 2 - without_en
    assert value("removal_gap", ranks) == pytest.approx(gap)
    assert value("language_share_at_10", ranks) == [0.4, 0.3, 0.3]
    assert value("same_language_lift_at_10", ranks) == pytest.approx(0)
    dcg = 2 + 1 / math.log2(4) + 1 / math.log2(7)
    assert value("lang_ndcg_at_10", ranks) == pytest.approx(
        dcg / (2 + 1 / math.log2(3) + 1 / math.log2(4))
    )
    assert value("top1_relevant_same", ranks) == 1
    assert math.isnan(value("peer", ranks))


def test_the_worst_case():
    ranks = ranks_for(["en:a", "en:b", *["de:a"], "de:1", "en:1"], ["en:1", "de:1"])
    assert value("language_preference_rate", ranks) == 0
    assert value("max_rank_normalised", ranks) == 0
    assert value("top1_irrelevant_same", ranks) == 1
    assert value("complete_at_10", ranks) == 1
    far = ranks_for([*(f"en:{i}" for i in range(10)), "en:x", "de:x"], ["en:x", "de:x"])
    assert value("complete_at_10", far) == 0
    assert value("rank_distance_normalised", far) == 0, "side by side at the end"


@st.composite
def distinct(draw):
    """Problems of parallel answers without ties: up to three languages, a few passages each."""
    ids = [f"{language}:{i}" for language in LANGUAGES for i in range(draw(st.integers(1, 4)))]
    order = draw(st.permutations(ids))
    relevant = draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    return list(order), dict.fromkeys(relevant, 1)


def average_precision(ranking, relevant):
    run = {"q": {id_: -float(place) for place, id_ in enumerate(ranking)}}
    evaluator = pytrec_eval.RelevanceEvaluator({"q": dict.fromkeys(relevant, 1)}, {"map"})
    return evaluator.evaluate(run)["q"]["map"]


@given(distinct())
@settings(deadline=None)
def test_deletions_against_pytrec_eval_on_pools_without_them(problem):
    ranking, relevant = problem
    ranks = ranks_for(ranking, relevant)
    after = {}
    for language, one in zip(LANGUAGES, value("gold_language_map", ranks), strict=True):
        mine = [id_ for id_ in relevant if id_.startswith(language)]
        if mine:
            alone = [
                average_precision([id_ for id_ in ranking if id_ == d or id_ not in relevant], [d])
                for d in mine
            ]
            assert one == pytest.approx(np.mean(alone))
        else:
            assert math.isnan(one)
        if mine and len(relevant) > 1:
            without = [
                average_precision(
                    [id_ for id_ in ranking if id_ != d], [id_ for id_ in relevant if id_ != d]
                )
                for d in mine
            ]
            after[language] = np.mean(without)
    gap = value("removal_gap", ranks)
    if "en" in after and len(after) > 1:
        rest = [ap for language, ap in after.items() if language != "en"]
        assert gap == pytest.approx(np.mean(rest) - after["en"])
    else:
        assert math.isnan(gap)


def test_several_relevant_passages_in_a_language():
    """Two captions in de and xx, and one in en beside the query; at 1, 2, 4, 5 and 7 of 8."""
    ranking = ["de:1", "en:1", "en:a", "xx:1", "xx:2", "de:a", "de:2", "xx:a"]
    ranks = ranks_for(ranking, ["en:1", "de:1", "de:2", "xx:1", "xx:2"])
    assert value("rank_distance", ranks) == 6
    assert value("language_preference_rate", ranks) == 0, "the best of de is ahead of en:1"
    assert value("mean_rank", ranks) == [(1 + 7) / 2, 2, (4 + 5) / 2]
    # Alone they stand at 1 (en:1), at 1 and 3 (de), at 2 and 2 (xx).
    assert value("gold_language_map", ranks) == pytest.approx([(1 + 1 / 3) / 2, 1, 1 / 2])
    without_en = (1 + 2 / 3 + 3 / 4 + 4 / 6) / 4
    without_de = [(1 / 1 + 2 / 3 + 3 / 4 + 4 / 6) / 4, (1 + 1 + 3 / 4 + 4 / 5) / 4]
    without_xx = (1 + 1 + 3 / 4 + 4 / 6) / 4
    gap = (sum(without_de) / 2 + without_xx) / 2 - without_en
    assert value("removal_gap", ranks) == pytest.approx(gap)
    assert not math.isnan(value("peer", ranks))


def test_languages_are_alike_however_many_passages_they_have():
    """With one score for all, nothing prefers a language: the gap is 0, the lone ranks equal."""
    ids = ["en:1", "de:1", "de:2", "xx:1", "xx:2", "xx:3", "en:a", "de:a"]
    ranks = ranks_of_run(
        {"q": dict.fromkeys(ids, 1.0)}, {"q": dict.fromkeys(ids[:6], 1)}, pool_of(ids), "en"
    )
    assert value("removal_gap", ranks) == pytest.approx(0)
    assert np.ptp(value("gold_language_map", ranks)) == pytest.approx(0)


def test_concordance_compares_equal_numbers_of_ranks():
    def concordance(*relevant):
        run = {str(q): {id_: -float(i) for i, id_ in enumerate(TEN)} for q in range(len(relevant))}
        qrels = {str(q): dict.fromkeys(ids, 1) for q, ids in enumerate(relevant)}
        ranks = ranks_of_run(run, qrels, pool_of(TEN), "en")
        return float(BY_NAME["language_concordance"].values(ranks))

    pairs = ["en:1", "en:a", "de:1", "de:a", "xx:1", "xx:a"]
    assert concordance(pairs, pairs) == 1
    assert concordance(pairs, pairs, pairs[1:]) == 1, "the third query says nothing"
    assert math.isnan(concordance(pairs, pairs[1:]))
    assert math.isnan(concordance(pairs[1:], pairs[1:]))


@given(distinct())
@settings(deadline=None)
def test_lang_ndcg_against_pytrec_eval(problem):
    ranking, relevant = problem
    run = {"q": {id_: -float(place) for place, id_ in enumerate(ranking)}}
    graded = {"q": {id_: 2 if id_.startswith("en") else 1 for id_ in relevant}}
    theirs = pytrec_eval.RelevanceEvaluator(graded, {"ndcg_cut_10"}).evaluate(run)["q"]
    ours = value("lang_ndcg_at_10", ranks_for(ranking, relevant))
    assert ours == pytest.approx(theirs["ndcg_cut_10"])


@given(distinct(), st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_alpha_ndcg_against_the_best_of_all_orders(problem, k):
    from mteb_hybrid.measures.alpha_ndcg import alpha_ndcg

    ranking, relevant = problem
    assume(len(ranking) <= 6)

    def dcg(order):
        seen, total = dict.fromkeys(LANGUAGES, 0), 0.0
        for place, id_ in enumerate(order[:k]):
            if id_ in relevant:
                total += 0.5 ** seen[id_[:2]] / math.log2(place + 2)
                seen[id_[:2]] += 1
        return total

    expected = dcg(ranking) / max(map(dcg, permutations(ranking)))
    assert alpha_ndcg(ranks_for(ranking, relevant), k)[0] == pytest.approx(expected)


def test_alpha_ndcg_against_ndeval():
    ir_measures = pytest.importorskip("ir_measures")
    pytest.importorskip("pyndeval", reason="ir_measures computes alpha_nDCG with pyndeval")
    ranking = ["en:1", "en:2", "en:a", "de:1", "xx:1", "de:a", "en:3"]
    relevant = ["en:1", "en:2", "en:3", "de:1", "xx:1"]
    qrels = [ir_measures.Qrel("q", id_, 1, id_[:2]) for id_ in relevant]
    run = [ir_measures.ScoredDoc("q", id_, -float(i)) for i, id_ in enumerate(ranking)]
    theirs = ir_measures.calc_aggregate([ir_measures.alpha_nDCG @ 10], qrels, run)
    (expected,) = theirs.values()
    assert value("alpha_ndcg_at_10", ranks_for(ranking, relevant)) == pytest.approx(expected, 1e-4)


@given(distinct())
@settings(deadline=None)
def test_awrf_and_shares_against_scipy(problem):
    ranking, relevant = problem
    ranks = ranks_for(ranking, relevant)
    exposure = np.zeros(3)
    for place, id_ in enumerate(ranking[:20], start=1):
        exposure[LANGUAGES.index(id_[:2])] += 1 / math.log2(max(place, 2))
    shares = [sum(id_.startswith(x) for id_ in ranking) / len(ranking) for x in LANGUAGES]
    expected = 1 - jensenshannon(exposure, shares, base=2) ** 2
    assert value("awrf_at_20", ranks) == pytest.approx(expected)
    top = ranking[:10]
    assert value("language_share_at_10", ranks) == pytest.approx(
        [sum(id_.startswith(x) for id_ in top) / len(top) for x in LANGUAGES]
    )
    assert BY_NAME["pool_share"].values(ranks).tolist() == pytest.approx(shares)
    assert sum(value(f"top1_{a}_{b}", ranks) for a in ("relevant", "irrelevant")
               for b in ("same", "other")) == 1  # fmt: skip


def test_awrf_reaches_both_ends():
    pool = Pool(["a", "b"], ["de", "en"], ("de", "en"))
    assert value("awrf_at_20", ranks_for(["a", "b"], ["a"], pool=pool)) == 1
    pool = Pool([*"abc"], ["de", "en", "en"], ("de", "en", "xx"))
    from mteb_hybrid.measures.awrf import awrf

    ranks = ranks_for([*"abc"], ["a"], pool=pool)
    assert awrf(ranks, target=np.array([0, 0, 1.0]))[0] == pytest.approx(0)


def test_concordance_is_friedmans():
    random = np.random.default_rng(0)
    ids = [f"{language}:{i}" for language in LANGUAGES for i in range(30)]
    qrels = {f"q{i}": {f"{language}:{i}": 1 for language in LANGUAGES} for i in range(30)}
    scores = random.standard_normal((30, 90)).astype(np.float32)
    scores[:, 30:60] += 1  # English is ahead
    ranks, _ = counted(ids, scores, qrels)
    table = BY_NAME["mean_rank"].values(ranks)
    test = scipy.stats.friedmanchisquare(*table.T)
    scored = BY_NAME["language_concordance"].scores(ranks)
    assert scored == {"language_concordance": pytest.approx(test.statistic / (30 * 2))}
    p = BY_NAME["language_concordance_p"].scores(ranks)["language_concordance_p"]
    assert p == pytest.approx(test.pvalue)
    same = ranks_of_run(
        {q: {f"{x}:{q[1:]}": -float(i) for i, x in enumerate(LANGUAGES)} for q in qrels},
        qrels,
        pool_of(ids),
    )
    assert BY_NAME["language_concordance"].values(same) == 1, "always the same order"


def test_concordance_needs_complete_queries():
    ranks = ranks_for(TEN, ["en:1", "de:1"])
    assert math.isnan(BY_NAME["language_concordance"].scores(ranks)["language_concordance"])


@pytest.mark.parametrize(("languages", "constant"), [(11, 0.4405), (7, 0.4232), (2, 0.3173)])
def test_peer_is_nan_where_it_would_be_a_constant(languages, constant):
    ranks = np.random.default_rng(0).permutation(100)[:languages] + 1.0
    nowhere = np.zeros(languages)
    assert math.isnan(kruskal_wallis(ranks, nowhere, np.arange(languages)))
    # What the published definition gives there, whatever the ranks.
    between = ((ranks - ranks.mean()) ** 2).sum()
    h = (languages - 1) * between / between
    assert scipy.stats.chi2.sf(h, languages - 1) == pytest.approx(constant, abs=5e-5)


@given(st.lists(st.integers(0, 2), min_size=4, max_size=12), st.randoms())
@settings(deadline=None)
def test_peer_is_scipys_test_where_all_passages_are_judged(languages, random):
    assume(len(set(languages)) > 1 and len(set(languages)) < len(languages))
    ranks = np.arange(1.0, len(languages) + 1)
    random.shuffle(ranks)
    groups = [ranks[np.array(languages) == x] for x in set(languages)]
    ours = kruskal_wallis(ranks, np.zeros(len(ranks)), np.array(languages))
    assert ours == pytest.approx(scipy.stats.kruskal(*groups).pvalue)


def test_peer_by_hand():
    # English at 1 and 2, German at 5 and 6: mean ranks 1.5 and 5.5 around 3.5.
    ranking = ["en:1", "en:2", "xx:1", "xx:2", "de:1", "de:2"]
    ranks = ranks_for(ranking, ["en:1", "en:2", "de:1", "de:2"])
    between = 2 * (1.5 - 3.5) ** 2 + 2 * (5.5 - 3.5) ** 2
    total = 2.5**2 + 1.5**2 + 1.5**2 + 2.5**2
    expected = scipy.stats.chi2.sf(3 * between / total, 1)
    assert value("peer", ranks) == pytest.approx(expected)
    # A second level, of German passages only, counts 1.
    graded = {"en:1": 1, "en:2": 1, "de:1": 1, "de:2": 1, "xx:1": 2}
    assert value("peer", ranks_for(ranking, graded)) == pytest.approx((expected + 1) / 2)


def test_peer_of_what_was_not_returned_is_the_authors():
    # Level of 4 with 1 lost: its rank is (2 * 4 + 1 + 1) / 2 = 5.
    ranks, lost = np.array([1.0, 2.0, 4.0, 9.0]), np.array([0, 0, 0, 1])
    languages = np.array([0, 0, 1, 1])
    assert kruskal_wallis(ranks, lost, languages) == pytest.approx(
        kruskal_wallis(np.array([1.0, 2.0, 4.0, 5.0]), np.zeros(4), languages)
    )
    assert kruskal_wallis(ranks, np.ones(4), languages) == 1
    assert kruskal_wallis(ranks, np.zeros(4), np.zeros(4)) == 1


@given(distinct(), st.integers(1, 12))
@settings(deadline=None)
def test_peer_against_the_authors_program(problem, cut):
    # Its measure class needs an older ir_measures; its test statistic does not.
    authors = pytest.importorskip("peer_measure", reason="the authors' package is not installed")
    ranking, relevant = problem
    graded = {id_: 1 + place % 2 for place, id_ in enumerate(relevant)}
    returned = {id_: float(place) for place, id_ in enumerate(ranking[:cut], start=1)}
    theirs = []
    for level in set(graded.values()):
        ids = [id_ for id_ in graded if graded[id_] == level]
        groups = [[returned.get(i, math.nan) for i in ids if i[:2] == x] for x in LANGUAGES]
        if sum(map(bool, groups)) == len(ids) > 1:
            theirs.append(math.nan)  # one passage in each language: a constant, which we leave out
        else:
            theirs.append(authors.kruskal(*groups)[1])
    run = {"q": {id_: -place for id_, place in returned.items()}}
    if not returned.keys() & graded.keys():
        theirs = [math.nan]  # theirs is 1, that is, fair, for a query that found nothing
    ours = value("peer", ranks_of_run(run, {"q": graded}, pool_of(ranking), "en"))
    assert ours == pytest.approx(np.mean(theirs), abs=1e-12, nan_ok=True)


TIE_AWARE = [
    measure.name
    for measure in (*PARALLEL, *ANY_POOL)
    if measure.name not in ("complete_at_10", "alpha_ndcg_at_10")
]


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=9, max_size=9),
    st.permutations(range(9)),
)
@settings(deadline=None)
def test_ids_play_no_part_where_scores_tie(scores, order):
    """The same passages under other ids, which changes the order within ties."""
    languages = ["de", "en", "xx"] * 3
    relevant = [0, 1, 2, 4]
    results = []
    for names in (range(9), order):
        ids = [f"p{name}" for name in names]
        pool = Pool(ids, languages, LANGUAGES)
        qrels = {"q": {ids[i]: 1 for i in relevant}}
        run = {"q": dict(zip(ids, scores, strict=True))}
        results.append(ranks_of_run(run, qrels, pool, "en"))
    for name in TIE_AWARE:
        first, second = (np.asarray(BY_NAME[name].values(ranks)) for ranks in results)
        np.testing.assert_allclose(first, second, err_msg=name)


def test_all_scores_equal():
    ids = [f"{language}:{i}" for language in LANGUAGES for i in range(4)]
    ranks = ranks_of_run({"q": dict.fromkeys(ids, 1.0)}, {"q": dict.fromkeys(ids[::4], 1)},
                         pool_of(ids), "en")  # fmt: skip
    assert value("rank_distance", ranks) == (3 - 1) * (12 + 1) / (3 + 1), "as in a random order"
    assert math.isnan(value("peer", ranks))
    assert value("language_preference_rate", ranks) == 0.5
    assert value("removal_gap", ranks) == pytest.approx(0)
    assert value("language_share_at_10", ranks) == pytest.approx([1 / 3] * 3)
    assert value("awrf_at_20", ranks) == pytest.approx(1)
    assert value("top1_relevant_same", ranks) == pytest.approx(1 / 12)


def test_a_pool_of_one_language_and_a_query_of_none():
    pool = Pool(["a", "b", "c"], ["en"] * 3, ("en",))
    ranks = ranks_for(["a", "b", "c"], ["a", "c"], query_language=None, pool=pool)
    scored = {}
    for measure in MEASURES:
        scored |= measure.scores(ranks)
    for name in ("language_preference_rate", "removal_gap", "same_language_lift_at_10"):
        assert math.isnan(scored[name]), name
    assert math.isnan(scored["language_concordance"])
    assert scored["language_share_at_10_en"] == scored["pool_share_en"] == scored["peer"] == 1
    assert scored["rank_distance"] == 2


def test_negative_scores_and_nothing_returned():
    pool = pool_of(["en:1", "de:1", "xx:1"])
    qrels = {"q": {"en:1": 1, "de:1": 1}, "r": {"en:1": 1, "de:1": 1}}
    run = {"q": {"en:1": -5.0, "de:1": -7.0, "xx:1": -6.0}}
    ranks = ranks_of_run(run, qrels, pool, "en")
    assert MAP.values(ranks).tolist() == [(1 + 2 / 3) / 2, 0]
    for name in (
        *("awrf_at_20", "top1_relevant_same", "same_language_lift_at_10", "max_rank_normalised"),
        *("rank_distance", "rank_distance_normalised", "language_preference_rate", "removal_gap"),
    ):
        measure = BY_NAME[name]
        first, second = measure.values(ranks)
        assert not math.isnan(first) and math.isnan(second), name
        assert measure.measured_on(measure.values(ranks), ranks) == {name: 0.5}
    (first, second) = BY_NAME["mean_rank"].values(ranks)
    assert first.tolist()[:2] == [3, 1] and np.isnan(second).all()
    pool = pool_of(["xx:1", "en:1", "de:1", "de:2"])
    nothing = ranks_for(["xx:1"], ["en:1", "de:1", "de:2"], pool=pool)
    assert math.isnan(value("peer", nothing))


def test_every_measure_stays_in_its_range():
    random = np.random.default_rng(1)
    ids = [f"{language}:{i}" for language in LANGUAGES for i in range(20)]
    qrels = {f"q{i}": {f"{language}:{i}": 1 for language in LANGUAGES} for i in range(20)}
    for levels in (2, 5, 10**6):
        scores = random.integers(0, levels, (20, 60)).astype(np.float32)
        ranks, _ = counted(ids, scores, qrels)
        for measure in MEASURES:
            found = np.asarray(measure.values(ranks))
            found = found[~np.isnan(found)]
            assert (found >= measure.lowest - 1e-12).all(), measure.name
            assert (found <= measure.highest + 1e-12).all(), measure.name


def test_names_are_unique_and_explained():
    assert len(BY_NAME) == len(MEASURES)
    for measure in MEASURES:
        assert measure.formula and measure.citation and measure.lowest < measure.highest
