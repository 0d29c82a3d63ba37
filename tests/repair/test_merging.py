"""Calibrated merging, against scipy and slow transcriptions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import zscore

from mteb_hybrid.repair.merge import merged_run, merging, one_run
from mteb_hybrid.repair.sample import RepairError

CODES = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])


def scores(seed=0, queries=5):
    return np.random.default_rng(seed).normal(size=(queries, len(CODES)))


def test_z_scores_are_scipys():
    merged = merging("z-score")(scores(), CODES)
    for language in range(3):
        expected = zscore(scores()[:, language == CODES], axis=1)
        np.testing.assert_allclose(merged[:, language == CODES], expected, atol=1e-12)


@pytest.mark.parametrize("score", [0.1, 0.3, 0.7])
def test_a_language_whose_scores_are_alike_stands_at_the_mean(score):
    alike = np.where(CODES == 2, score, scores()).astype(np.float32)
    merged = merging("z-score")(alike, CODES)
    assert (merged[:, CODES == 2] == 0).all() and (merged[:, CODES != 2] != 0).all()


def test_the_best_of_a_language_are_subtracted():
    merged = merging("best-2")(
        np.array([[0.9, 0.8, 0.1, 0.2, 0.5, 0.1]]), CODES[[0, 1, 2, 4, 5, 6]]
    )
    np.testing.assert_allclose(merged, [[0.05, -0.05, -0.75, -0.15, 0.15, -0.25]])
    everything = merging("best-99")(scores(), CODES)
    centred = scores()[:, :4] - scores()[:, :4].mean(1, keepdims=True)
    np.testing.assert_allclose(everything[:, :4], centred)


def test_csls_is_its_formula():
    s = scores()
    merged = merging("csls-2")(s, CODES)
    for q in range(5):
        for d in range(len(CODES)):
            row = sorted(s[q, CODES[d] == CODES])[-2:]
            column = sorted(s[:, d])[-2:]
            assert merged[q, d] == pytest.approx(2 * s[q, d] - np.mean(row) - np.mean(column))


def test_round_robin_takes_the_best_of_each_language_in_turn():
    s = np.array([[9, 8, 7, 6, 3, 2, 1, 5, 4, 3.5, 2.5, 0.0]])
    order = np.argsort(-merging("round-robin")(s, CODES)[0], kind="stable")
    assert order.tolist() == [0, 7, 4, 1, 8, 5, 2, 9, 6, 3, 10, 11]
    tied = merging("round-robin")(np.array([[1.0, 1, 0, 1]]), np.array([0, 0, 0, 1]))
    assert tied.tolist() == [[0, 0, -1, 0]]


@given(st.integers(0, 2**32 - 1), st.sampled_from(["best-1", "best-3", "z-score", "round-robin"]))
@settings(max_examples=40, deadline=None)
def test_the_order_within_a_language_stays_and_languages_are_named_freely(seed, name):
    s = scores(seed)
    merged = merging(name)(s, CODES)
    for language in range(3):
        own = language == CODES
        np.testing.assert_array_equal(np.argsort(s[:, own]), np.argsort(merged[:, own]))
    np.testing.assert_array_equal(merging(name)(s, np.array([7, 1, 4])[CODES]), merged)
    alone = merging(name)(s[2:3], CODES)  # the other queries have no part in it
    np.testing.assert_array_equal(alone, merged[2:3])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_bias_that_is_added_to_a_language_is_taken_away(seed):
    s = scores(seed)
    biased = s + np.array([0.0, 3.0, -1.0])[CODES]
    for name in ("best-2", "z-score"):
        np.testing.assert_allclose(merging(name)(s, CODES), merging(name)(biased, CODES), atol=1e-9)


@pytest.mark.parametrize("name", ["best-3", "z-score", "csls-3", "round-robin"])
def test_passages_that_are_not_there_have_no_part(name):
    s = scores()
    absent = np.column_stack([np.full(5, -np.inf), s])
    merged = merging(name)(absent, np.concatenate([[1], CODES]))
    assert np.isneginf(merged[:, 0]).all()
    without = merging(name)(s, CODES)
    if name == "round-robin":  # its values are places, of which only the order counts
        merged, without = (np.argsort(np.argsort(x)) for x in (merged[:, 1:], without))
        np.testing.assert_array_equal(merged, without)
    else:
        np.testing.assert_allclose(merged[:, 1:], without)


def test_a_language_whose_scores_are_all_alike():
    s = np.array([[1.0, 1.0, 2.0, 0.0]])
    assert merging("z-score")(s, np.array([0, 0, 1, 1])).tolist() == [[0, 0, 1, -1]]


def test_float32_stays():
    for name in ("best-3", "z-score", "csls-3", "round-robin"):
        assert merging(name)(scores().astype(np.float32), CODES).dtype == np.float32


@pytest.mark.parametrize("name", ["best", "best-0", "best-x", "mean-3", "z-score-2", ""])
def test_an_unknown_merging(name):
    with pytest.raises(RepairError, match=f"no merging {name!r}.* Expected best-M"):
        merging(name)


def test_scores_that_cannot_be_merged():
    with pytest.raises(RepairError, match="1 scores are NaN"):
        merging("z-score")(np.array([[1.0, np.nan]]), np.array([0, 1]))
    for name in ("best-1", "z-score", "round-robin"):
        with pytest.raises(RepairError, match=r"1 scores are NaN or \+infinity"):
            merging(name)(np.array([[1.0, np.inf, -np.inf]]), np.array([0, 1, 1]))
    with pytest.raises(RepairError, match=r"languages of shape \(3,\)"):
        merging("z-score")(np.ones((1, 2)), np.zeros(3, np.int64))


RUN = {"q": {"de1": 0.9, "de2": 0.8, "en1": 0.5, "en2": 0.3}, "r": {}}
LANGUAGES = {"de1": "de", "de2": "de", "en1": "en", "en2": "en"}


def test_a_run_is_merged_query_by_query():
    merged = merged_run(RUN, LANGUAGES, merging("best-1"))
    assert merged["q"] == pytest.approx({"de1": 0, "de2": -0.1, "en1": 0, "en2": -0.2})
    assert merged["r"] == {}


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"q": {"de1": 1.0, "fr1": 1.0}}, "query 'q': 1 of 2 documents have no language.*'fr1'"),
        ({"q": {"de1": float("nan")}}, "document 'de1': the score is nan"),
    ],
)
def test_runs_that_cannot_be_merged(run, message):
    with pytest.raises(RepairError, match=message):
        merged_run(run, LANGUAGES, merging("best-10"))
    with pytest.raises(RepairError, match="csls-10 needs the scores of all passages"):
        merged_run(RUN, LANGUAGES, merging("csls-10"))


def test_one_run_per_language():
    german, english = {"q": {"de1": 0.9}}, {"q": {"en1": 0.5}, "r": {"en2": 0.1}}
    run, languages = one_run({"de": german, "en": english})
    assert run == {"q": {"de1": 0.9, "en1": 0.5}, "r": {"en2": 0.1}}
    assert languages == {"de1": "de", "en1": "en", "en2": "en"}
    with pytest.raises(RepairError, match="'de1' is in the runs of de and of en"):
        one_run({"de": german, "en": german})
    with pytest.raises(RepairError, match=r"one run \(de\)"):
        one_run({"de": german})


def test_float32_scores_are_rounded_once():
    s = np.random.default_rng(0).uniform(0.8, 0.9, (20, 40)).astype(np.float32)
    codes = np.arange(40) % 2
    exact = merging("best-7")(s.astype(np.float64), codes)
    np.testing.assert_array_equal(merging("best-7")(s, codes), exact.astype(np.float32))


def test_one_language_under_two_spellings_is_one():
    spelt = {**LANGUAGES, "de2": "DE", "en1": "eng_Latn"}
    how = merging("best-1")
    assert merged_run(RUN, spelt, how) == merged_run(RUN, LANGUAGES, how)


def test_a_query_that_is_a_document_has_no_part_in_a_run_either():
    run = {"de1": RUN["q"]}
    merged = merged_run(run, LANGUAGES, merging("best-1"), ignore_identical_ids=True)
    assert merged == {"de1": pytest.approx({"de2": 0, "en1": 0, "en2": -0.2})}
    assert merged_run(run, LANGUAGES, merging("best-1"))["de1"]["de2"] == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("best10", "'best-10'"),
        ("Best_20", "'best-20'"),
        ("zscore", "'z-score'"),
        ("roundrobin", "'round-robin'"),
        ("csls", "'csls-10'"),
        ("best-" + "9" * 5000, ""),
    ],
)
def test_names_that_are_none(name, meant):
    with pytest.raises(RepairError, match=f"no merging.*{meant}.*Expected best-M"):
        merging(name)
