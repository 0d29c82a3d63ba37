"""Where the bias sits, against scikit-learn, scipy and what is known of eta squared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f_oneway
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.where import SHRINKAGE, chance, discriminant, probe, variance, where


def halves(texts):
    return slice(texts), slice(texts, None)


def made(languages, texts, width, bias, seed=0):
    random = np.random.default_rng(seed)
    shifts = bias * random.standard_normal((languages, width))
    return {
        f"l{i}": shift + random.standard_normal((texts, width)) for i, shift in enumerate(shifts)
    }


@given(st.integers(2, 6), st.integers(1, 12), st.integers(1, 30), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_the_probe_is_the_discriminant_of_scikit_learn(languages, texts, width, seed):
    """Also where there are fewer texts than numbers, and where languages have one text each."""
    sample = made(languages, 2 * texts, width, 0.5, seed)
    rows = list(sample.values())
    train, test = (
        np.concatenate(part) for part in ([x[:texts] for x in rows], [x[texts:] for x in rows])
    )
    labels = np.repeat(np.arange(languages), texts)
    weights, offsets = discriminant([x[:texts] for x in rows])
    if texts == 1:  # no variance within: nearest mean, which scikit-learn does not do
        distances = np.square(test[:, None] - train).sum(-1)
        expected = (distances.argmin(1) == labels).mean()
    else:
        theirs = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage=SHRINKAGE, priors=np.full(languages, 1 / languages)
        ).fit(train, labels)
        scores = test @ weights.T + offsets + np.log(1 / languages)
        found = theirs.decision_function(test)
        if languages == 2:
            scores = scores[:, 1] - scores[:, 0]
        np.testing.assert_allclose(scores, found, rtol=1e-6, atol=1e-6)
        expected = theirs.score(test, labels)
    assert probe(sample) == pytest.approx(expected)


def test_languages_weigh_the_same_whatever_their_sizes():
    classes = [x[:n] for n, x in zip((5, 9, 30), made(3, 30, 6, 1.0).values(), strict=True)]
    weights, offsets = discriminant(classes)
    theirs = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=SHRINKAGE, priors=np.full(3, 1 / 3)
    ).fit(np.concatenate(classes), np.repeat([0, 1, 2], [5, 9, 30]))
    np.testing.assert_allclose(weights, theirs.coef_, rtol=1e-6)
    np.testing.assert_allclose(offsets + np.log(1 / 3), theirs.intercept_, rtol=1e-6)
    sample = dict(zip("abc", classes, strict=True))
    read = [x[len(x) // 2 :] for x in classes]
    weights, offsets = discriminant([x[: len(x) // 2] for x in classes])
    right = [((x @ weights.T + offsets).argmax(1) == i).sum() / len(x) for i, x in enumerate(read)]
    assert probe(sample) == pytest.approx(sum(right) / 3)


def test_the_share_between_languages_is_that_of_an_analysis_of_variance():
    sample = made(4, 15, 1, 0.7)
    between, (share, *rest) = variance(sample)
    f = f_oneway(*(rows[:, 0] for rows in sample.values())).statistic
    free = 4 - 1, 60 - 4
    assert between == pytest.approx(f * free[0] / (f * free[0] + free[1]))
    assert share == 1 and rest == []


def test_the_spectrum_is_that_of_the_means():
    sample = made(5, 20, 8, 1.0)
    means = np.stack([rows.mean(0) for rows in sample.values()])
    expected = PCA().fit(means).explained_variance_ratio_[:4]
    np.testing.assert_allclose(variance(sample)[1], expected)


def test_chance_is_what_vectors_without_a_language_give():
    many = [where(made(4, 10, 6, 0.0, seed)) for seed in range(400)]
    between, read = chance([10] * 4)
    assert between == pytest.approx((4 - 1) / (40 - 1))
    assert np.mean([found.between for found in many]) == pytest.approx(between, abs=0.003)
    assert np.mean([found.probe for found in many]) == pytest.approx(read, abs=0.02)


def test_chance_of_languages_with_different_numbers_of_texts():
    sizes = (5, 40, 40)

    def shortened(seed):
        rows = made(3, 40, 60, 0.0, seed).items()
        return {x: v[:size] for (x, v), size in zip(rows, sizes, strict=True)}

    many = [variance(shortened(seed))[0] for seed in range(300)]
    assert np.mean(many) == pytest.approx(chance(sizes)[0], rel=0.02)


def test_a_repair_takes_it_away():
    sample = made(4, 200, 12, 2.0)
    fit, held = ({x: v[part] for x, v in sample.items()} for part in halves(100))
    fitted = VECTOR_REPAIRS["projection"].fit(fit)
    before, after = where(held), where({x: fitted(v) for x, v in held.items()})
    assert before.probe > 0.95 and before.between > 0.5
    assert after.probe < 0.4 and after.between < 0.02


def test_nothing_varies():
    same = {language: np.ones((4, 3)) for language in ("de", "en")}
    found = where(same)
    assert (found.between, found.spectrum, found.probe) == (0, [0], 0.5)
