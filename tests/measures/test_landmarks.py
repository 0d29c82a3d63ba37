"""What a constant, a random and a perfect encoder get: as the measures say, on one small pool."""

import math

import numpy as np
import pytest

from mteb_hybrid.measures import MEASURES, landmarks
from mteb_hybrid.measures.ranking_consistency import CONSISTENCY
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter

LANGUAGES = ("de", "en", "xx")
IDS = [f"{language}:{i}" for i in range(7) for language in LANGUAGES]
POOL = Pool(IDS, [id_[:2] for id_ in IDS], LANGUAGES)
ANSWERS = [f"{language}:3" for language in LANGUAGES]
N, L, Q = len(IDS), len(LANGUAGES), 4000
D = np.cumsum(1 / np.log2(np.arange(2, 22)))


def harmonic(n):
    return sum(1 / i for i in range(1, n + 1))


DISTANCE = (L - 1) * (N + 1) / (L + 1)
LAST = 100 * math.log2(N * (L + 1) / (L * (N + 1))) / math.log2(N / L)
IDEAL = D[0] + D[L - 1]
CHANCE = {
    "map": (harmonic(N) + (L - 1) * (N - harmonic(N)) / (N - 1)) / N,
    "ndcg_at_20": L * D[19] / N / D[L - 1],
    "rank_distance": DISTANCE,
    "rank_distance_normalised": (L - 1) / (L + 1),
    "complete_at_10": math.comb(N - L, 10 - L) / math.comb(N, 10),
    "language_preference_rate": 1 / L,
    "lang_ndcg_at_10": (L + 1) * D[9] / N / IDEAL,
    "removal_gap": 0,
    "gold_language_map_en": harmonic(N - L + 1) / (N - L + 1),
    "language_concordance": 1 / Q,
    "mean_rank_en": (N + 1) / 2,
    "language_share_at_10_en": 1 / L,
    "same_language_lift_at_10": 0,
    "alpha_ndcg_at_10": L / N * D[9] / D[L - 1],
    "unjudged_at_10": (N - L) / N,
    "pool_share_en": 1 / L,
    "top1_relevant_same": 1 / N,
    "top1_relevant_other": (L - 1) / N,
    "top1_irrelevant_same": 1 / L - 1 / N,
    "top1_irrelevant_other": (L - 1) * (1 / L - 1 / N),
}
CONSTANT = {
    **{name: CHANCE[name] for name in CHANCE if name.startswith(("top1", "rank_distance"))},
    "max_rank_normalised": LAST,
    "language_preference_rate": 0.5,
    "lang_ndcg_at_10": CHANCE["lang_ndcg_at_10"],
    "removal_gap": 0,
    "gold_language_map_en": 2 / (N - L + 2),
    "language_concordance": math.nan,
    "language_concordance_p": math.nan,
    "mean_rank_en": (N + 1) / 2,
    "language_share_at_10_en": 1 / L,
    "same_language_lift_at_10": 0,
    "pool_share_en": 1 / L,
    "awrf_at_20": 1,
    "peer": math.nan,
}
PERFECT = {
    **dict.fromkeys(
        ("map", "ndcg_at_20", "complete_at_10", "gold_language_map_en", "alpha_ndcg_at_10"), 1
    ),
    "rank_distance": L - 1,
    "rank_distance_normalised": 0,
    "max_rank_normalised": 100,
    "removal_gap": 0,
    "top1_irrelevant_same": 0,
    "top1_irrelevant_other": 0,
    "unjudged_at_10": (10 - L) / 10,
}


def scored(table):
    counter = RankCounter(
        POOL, {f"q{i}": dict.fromkeys(ANSWERS, 1) for i in range(len(table))}, "en"
    )
    counter.add(table.astype(np.float32))
    ranks, _ = counter.result()
    return {name: value for m in MEASURES for name, value in m.scores(ranks).items()}


def test_constant():
    found = scored(np.zeros((2, N)))
    for name, expected in CONSTANT.items():
        assert found[name] == pytest.approx(expected, nan_ok=True, abs=1e-12), name


def test_random():
    random = np.random.default_rng(0).random((Q, N))
    found = scored(random)
    for name, expected in CHANCE.items():
        assert found[name] == pytest.approx(expected, rel=0.05, abs=0.03), name
    assert LAST < found["max_rank_normalised"] < LAST + 3
    assert found["awrf_at_20"] < 1
    assert found["language_concordance_p"] > 1e-4


def test_perfect():
    table = np.random.default_rng(1).random((Q, N))
    table[:, [IDS.index(id_) for id_ in ANSWERS]] += 2
    found = scored(table)
    for name, expected in PERFECT.items():
        assert found[name] == pytest.approx(expected, abs=1e-12), name
    assert found["mean_rank_en"] == pytest.approx((L + 1) / 2, abs=0.05)
    assert found["top1_relevant_same"] + found["top1_relevant_other"] == pytest.approx(1)
    assert found["language_concordance"] == pytest.approx(1 / Q, abs=1e-3)
    table[:, IDS.index("en:3")] = 4
    assert scored(table)["lang_ndcg_at_10"] == pytest.approx(1)


def test_peer_of_chance_is_one_half():
    """With two passages per language: with one it is undefined."""
    answers = [f"{language}:{i}" for language in LANGUAGES for i in range(5)]
    counter = RankCounter(POOL, {f"q{i}": dict.fromkeys(answers, 1) for i in range(1000)}, "en")
    counter.add(np.random.default_rng(2).random((1000, N)).astype(np.float32))
    (peer,) = (m for m in MEASURES if m.name == "peer")
    assert peer.scores(counter.result()[0])["peer"] == pytest.approx(0.5, abs=0.04)


def test_every_measure_has_them():
    names = [measure.name for measure in MEASURES]
    assert list(landmarks()) == [*names, *CONSISTENCY]
    for marks in landmarks().values():
        assert marks.constant and marks.chance and marks.ideal and marks.below_cut
