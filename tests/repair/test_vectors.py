"""Repairs of vectors, against numpy, scipy and plain transcriptions, on random matrices."""

import numpy as np
import pytest
import torch
from concept_erasure import LeaceFitter
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space, orth, subspace_angles
from scipy.optimize import minimize

from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.sample import RepairError, alike, mistaken

LANGUAGES = ("de", "en", "hi", "zh")


def sample(seed=0, texts=30, width=12, languages=LANGUAGES):
    """Vectors with a mean of their own in each language."""
    random = np.random.default_rng(seed)
    return {
        language: random.standard_normal((texts, width)) + 2 * random.standard_normal(width)
        for language in languages
    }


def means(vectors):
    return np.stack([rows.mean(0) for rows in vectors.values()])


@pytest.mark.parametrize("name", VECTOR_REPAIRS)
def test_each_repair_says_what_it_is(name):
    repair = VECTOR_REPAIRS[name]
    assert repair.name == name
    assert repair.formula
    assert repair.citation
    needs_none = set(repair.fit(sample()).maps) == {None}
    assert needs_none == (repair.needs == "nothing")


def test_projection_is_what_numpy_leaves_of_a_vector_after_least_squares():
    vectors = sample()
    x = np.random.default_rng(1).standard_normal((5, 12))
    centred = means(vectors) - means(vectors).mean(0)
    coefficients, *_ = np.linalg.lstsq(centred.T, x.T, rcond=None)
    left = x - (centred.T @ coefficients).T
    np.testing.assert_allclose(VECTOR_REPAIRS["projection"].fit(vectors)(x), left, atol=1e-12)


@pytest.mark.parametrize("directions", [1, 2, 3])
def test_projection_removes_the_main_directions_by_numpys_svd(directions):
    vectors = sample()
    fitted = VECTOR_REPAIRS["projection"].fit(vectors, directions)
    u, _, _ = np.linalg.svd((means(vectors) - means(vectors).mean(0)).T)
    expected = np.eye(12) - u[:, :directions] @ u[:, :directions].T
    np.testing.assert_allclose(fitted.maps[None].matrix, expected, atol=1e-12)
    assert fitted.maps[None].is_linear


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
@settings(max_examples=20, deadline=None)
def test_after_the_full_projection_all_languages_have_one_mean(seed, count):
    vectors = sample(seed, languages=LANGUAGES[:2] + tuple(f"x{i}" for i in range(count - 2)))
    for name in ("projection", "lsar", "leace"):
        fitted = VECTOR_REPAIRS[name].fit(vectors)
        repaired = means({language: fitted(rows) for language, rows in vectors.items()})
        np.testing.assert_allclose(
            repaired, np.broadcast_to(repaired[0], repaired.shape), atol=1e-8
        )


def test_a_second_repair_changes_nothing():
    vectors = sample()
    for name in ("projection", "lsar", "leace", "lir"):
        fitted = VECTOR_REPAIRS[name].fit(vectors)
        once = fitted(vectors["hi"], ["hi"] * 30)
        np.testing.assert_allclose(fitted(once, ["hi"] * 30), once, atol=1e-9)


def test_leace_is_that_of_concept_erasure():
    vectors = sample(texts=40)
    x = torch.tensor(np.concatenate(list(vectors.values())))
    z = torch.nn.functional.one_hot(torch.arange(4).repeat_interleave(40)).double()
    eraser = LeaceFitter.fit(x, z, shrinkage=False, svd_tol=1e-6).eraser
    fitted = VECTOR_REPAIRS["leace"].fit(vectors)
    for language, rows in vectors.items():
        expected = eraser(torch.tensor(rows)).numpy()
        np.testing.assert_allclose(fitted(rows), expected, atol=1e-8, err_msg=language)


def test_leace_of_fewer_texts_than_dimensions():
    vectors = sample(texts=5, width=40)
    fitted = VECTOR_REPAIRS["leace"].fit(vectors)
    repaired = means({language: fitted(rows) for language, rows in vectors.items()})
    np.testing.assert_allclose(repaired - repaired[0], 0, atol=1e-8)


def test_lir_is_a_transcription_of_its_formula():
    vectors = sample()
    for directions in (1, 2):
        fitted = VECTOR_REPAIRS["lir"].fit(vectors, directions)
        for language, rows in vectors.items():
            _, eigenvectors = np.linalg.eigh(rows.T @ rows)
            u = eigenvectors[:, -directions:]
            x = np.random.default_rng(2).standard_normal(12)
            expected = x - u @ (u.T @ x)
            np.testing.assert_allclose(fitted(x[None], [language])[0], expected, atol=1e-10)


@pytest.mark.parametrize("directions", [1, 2])
def test_lsar_solves_its_problem(directions):
    """Its subspace is orthogonal to the common vector, and no better one is found by descent."""
    m = means(sample(3, width=6)).T

    def residual(basis):
        """What c in the complement of the basis and any coordinates leave of M."""
        rest = m - basis @ (basis.T @ m)
        return np.linalg.norm(rest - rest.mean(1, keepdims=True))

    matrix = VECTOR_REPAIRS["lsar"].fit(sample(3, width=6), directions).maps[None].matrix
    ours = orth(np.eye(6) - matrix)
    assert ours.shape[1] == directions
    found = min(
        minimize(
            lambda flat: residual(np.linalg.qr(flat.reshape(6, directions))[0]),
            np.random.default_rng(start).standard_normal(6 * directions),
        ).fun
        for start in range(3)
    )
    assert residual(ours) == pytest.approx(found, abs=1e-4)


def test_lsar_and_the_projection_agree_where_all_directions_go():
    vectors = sample()
    for name in ("projection", "lsar"):
        removed = np.eye(12) - VECTOR_REPAIRS[name].fit(vectors).maps[None].matrix
        expected = null_space(null_space(means(vectors) - means(vectors).mean(0)).T)
        assert subspace_angles(orth(removed), expected).max() < 1e-7


def test_centring_and_shift():
    vectors = sample()
    x = np.ones((2, 12))
    centred = VECTOR_REPAIRS["centring"].fit(vectors)(x, ["de", "zh"])
    np.testing.assert_allclose(centred, x - means(vectors)[[0, 3]])
    shift = VECTOR_REPAIRS["shift"].fit(vectors)
    moved = shift(x, ["de", "en"])
    np.testing.assert_allclose(moved[1], x[1])
    np.testing.assert_allclose(moved[0], x[0] - (vectors["de"] - vectors["en"]).mean(0))
    with pytest.raises(RepairError, match="needs translations"):
        VECTOR_REPAIRS["shift"].fit(vectors | {"de": vectors["de"][:9]})


def test_the_type_of_the_vectors_stays():
    fitted = VECTOR_REPAIRS["projection"].fit(sample())
    assert fitted(np.ones((1, 12), np.float32)).dtype == np.float32
    assert fitted(np.ones((1, 12), np.float16)).dtype == np.float16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: {"de": x["de"]}, r"texts in 1 language\(s\) \(de\)"),
        (lambda x: x | {"de": x["de"][:, :9]}, "changing width: 9 in de, 12 in en"),
        (lambda x: x | {"en": np.ones((30, 12))}, "en: all 30 texts have the same vector"),
        (lambda x: x | {"hi": x["hi"][:2]}, "hi: 2 texts, fewer than the 3 directions"),
        (lambda x: x | {"hi": x["hi"][:1]}, r"hi: 1 text\(s\) to fit on; expected at least two"),
        (lambda x: x | {"hi": x["hi"][0]}, r"hi: vectors of shape \(12,\); expected rows"),
        (lambda x: x | {"zh": np.where(np.eye(30, 12), np.nan, x["zh"])}, "zh: 12 of 30 vectors"),
    ],
)
def test_vectors_that_nothing_can_be_fitted_on(change, message):
    with pytest.raises(RepairError, match=message):
        VECTOR_REPAIRS["projection"].fit(change(sample()))


def test_directions_out_of_range():
    with pytest.raises(RepairError, match="4 directions; expected 1 to 3 for projection of 4"):
        VECTOR_REPAIRS["projection"].fit(sample(), 4)
    with pytest.raises(RepairError, match="centring has no choice of directions"):
        VECTOR_REPAIRS["centring"].fit(sample(), 1)


def test_vectors_that_cannot_be_repaired():
    fitted = VECTOR_REPAIRS["centring"].fit(sample())
    with pytest.raises(RepairError, match=r"shape \(2, 5\); expected \(N, 12\)"):
        fitted(np.ones((2, 5)), ["de", "de"])
    with pytest.raises(RepairError, match="needs the language of each of the 2 vectors; got none"):
        fitted(np.ones((2, 12)))
    with pytest.raises(RepairError, match="not fitted on the language 'fr'"):
        fitted(np.ones((2, 12)), ["de", "fr"])
    with pytest.raises(RepairError, match="1 vectors have NaN or infinity; the first is row 1"):
        fitted(np.array([[1.0] * 12, [np.inf] * 12]), ["de", "de"])


def test_texts_of_one_language_under_two_names_are_noticed():
    vectors = sample(texts=200)
    assert alike(vectors) == []
    half = {"en": vectors["en"][:100], "fr": vectors["en"][100:]}
    assert alike(vectors | half) == [("en", "fr")]
    mixed = vectors | {"de": np.concatenate([vectors["de"][:140], vectors["en"][:60] + 1e-3])}
    assert mistaken(mixed)["de"] == ("en", pytest.approx(0.3))
    assert max(share for _, share in mistaken(vectors).values()) < 0.01
