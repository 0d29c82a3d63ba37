"""Held-out figures against a slow reference, and the choice that is made of them."""

import numpy as np
import pytest

from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.held_out import HeldOut, figures, halves
from mteb_hybrid.repair.merge import merging
from mteb_hybrid.repair.outcome import Outcome, _of_figures
from mteb_hybrid.repair.strength import Choice, choose
from mteb_hybrid.repair.texts import Corpus
from mteb_hybrid.repair.where import Where

LANGUAGES = ("de", "en", "hi")
SEAT = Where(between=0.1, spectrum=[1.0, 0.0], probe=0.5)


def made(bias, seed=0, texts=12, width=24, parallel=True):
    """Texts to fit on, and held-out ones: a content each, a language's direction, and noise."""
    random = np.random.default_rng(seed)
    directions = {language: random.standard_normal(width) for language in LANGUAGES}

    def vectors(contents, noise):
        return {
            language: contents
            + bias * directions[language]
            + noise * random.standard_normal(contents.shape)
            for language in LANGUAGES
        }

    sample = vectors(random.standard_normal((40, width)), 0.5)
    contents = random.standard_normal((texts, width))
    parts = {"beginnings": vectors(contents, 0.7), "endings": vectors(contents, 0.7)}
    if parallel:
        parts |= {"queries": vectors(contents, 0.5), "passages": vectors(contents, 0.5)}
    return sample, HeldOut(**parts)


def slow(held_out, how=None):
    """map and rank distance of translations, one query after another."""
    maps, distances = [], []
    for language in LANGUAGES:
        for row, query in enumerate(held_out.queries[language]):
            ids, scores, codes = [], [], []
            for code, other in enumerate(LANGUAGES):
                for place, passage in enumerate(held_out.passages[other]):
                    if (other, place) == (language, row):
                        continue
                    cosine = query @ passage / np.linalg.norm(query) / np.linalg.norm(passage)
                    ids.append((other, place))
                    scores.append(cosine)
                    codes.append(code)
            values = np.array([scores])
            if how is not None:
                values = how(values, np.array(codes))
            order = np.argsort(-values[0])
            ranks = [1 + i for i, at in enumerate(order) if ids[at][1] == row]
            maps.append(np.mean([(i + 1) / rank for i, rank in enumerate(ranks)]))
            distances.append(ranks[-1] - ranks[0])
    return np.mean(maps), np.mean(distances)


@pytest.mark.parametrize("name", [None, "best-2", "z-score"])
def test_figures_are_those_of_a_slow_reference(name):
    _, held_out = made(2.0)
    how = merging(name) if name else None
    found = figures(held_out, None, how)
    expected = slow(held_out, how)
    assert (found.pool, found.rank_distance) == pytest.approx(expected)
    reciprocal = []
    for language in LANGUAGES:
        endings = held_out.endings[language]
        endings = endings / np.linalg.norm(endings, axis=1, keepdims=True)
        for row, query in enumerate(held_out.beginnings[language]):
            order = np.argsort(-(endings @ query))
            reciprocal.append(1 / (1 + list(order).index(row)))
    assert found.monolingual == pytest.approx(np.mean(reciprocal))


def test_a_bias_is_found_and_removed():
    sample, held_out = made(4.0)
    choice = choose(VECTOR_REPAIRS["projection"], sample, held_out)
    assert choice.fitted is not None
    assert choice.fitted.directions == 2
    before, *_, after = choice.curve
    assert after.pool > before.pool + 0.1
    assert after.rank_distance < before.rank_distance / 2
    assert [row.repair for row in choice.curve] == ["none", "projection 1", "projection 2"]
    assert [row.directions for row in choice.curve] == [0, 1, 2]
    assert {row.repair for row in choice.mergings} == {"none", "projection 2"}


def test_no_repair_needed_is_an_answer():
    sample, held_out = made(0.0)
    choice = choose(VECTOR_REPAIRS["projection"], sample, held_out)
    assert choice.fitted is None
    assert choice.place == 0
    assert {row.repair for row in choice.mergings} == {"none"}
    forced = choose(VECTOR_REPAIRS["projection"], sample, held_out, directions=2)
    assert forced.fitted.directions == 2
    assert forced.curve[forced.place].repair == "projection 2"


def test_texts_that_are_not_parallel_choose_nothing():
    sample, held_out = made(4.0, parallel=False)
    choice = choose(VECTOR_REPAIRS["projection"], sample, held_out)
    assert choice.fitted.directions == 2
    assert choice.mergings == ()
    assert np.isnan(choice.curve[0].pool)
    assert choice.curve[0].monolingual > 0


def test_shift_leaves_queries_as_they_are():
    sample, held_out = made(4.0)
    fitted = VECTOR_REPAIRS["shift"].fit(sample)
    new = held_out.repaired(fitted)
    for part in ("queries", "beginnings"):
        x = getattr(held_out, part)["de"]
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        np.testing.assert_allclose(getattr(new, part)["de"], x)
    assert not np.allclose(new.passages["de"], held_out.repaired(None).passages["de"])


def test_a_loss_within_languages_is_said_loudly():
    sample, held_out = made(4.0)
    choice = choose(VECTOR_REPAIRS["projection"], sample, held_out, directions=1)
    worse = [choice.curve[0], *choice.curve[1:]]
    worse[choice.place] = type(worse[0])(
        "projection 1", "none", choice.curve[0].monolingual - 0.02, 1, 1
    )
    texts = {language: ["a", "b"] for language in LANGUAGES}
    corpus = Corpus("made", texts, texts, True, None)
    changed = Choice(choice.fitted, tuple(worse), choice.place, ())
    (warning,) = _of_figures(Outcome(corpus, changed, SEAT, SEAT, 6, 0, 0, ()))
    assert "COSTS 0.020 OF MONOLINGUAL MAP" in warning


def test_ties_are_not_in_the_answers_favour():
    same = {language: np.ones((3, 4)) for language in LANGUAGES}
    assert figures(HeldOut(same, same)).monolingual == pytest.approx(1 / 2)  # of ranks 1, 2, 3


def test_the_curve_has_no_more_steps_than_are_possible():
    sample, held_out = made(4.0, width=2)  # two numbers hold one direction between means
    choice = choose(VECTOR_REPAIRS["projection"], sample, held_out, directions=1)
    assert [row.repair for row in choice.curve] == ["none", "projection 1"]
    more = sample | {"zh": sample["hi"] + 1}
    few = {x: np.repeat(rows[:2], 3, axis=1) for x, rows in more.items()}
    wide = HeldOut(*({x: np.repeat(v, 3, axis=1) for x, v in held_out.endings.items()},) * 2)
    choice = choose(VECTOR_REPAIRS["projection"], few, wide, directions=1)
    assert [row.repair for row in choice.curve] == ["none", "projection 1", "projection 2"]


def test_halves():
    assert halves(["one two three four", "一二三四", "a"]) == (
        ["one two", "一二", ""],
        ["three four", "三四", "a"],
    )
