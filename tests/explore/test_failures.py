"""Kinds of failure, against their definition on whole rankings."""

from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.explore.failures import Failure, failures, too_high


@st.composite
def rankings(draw):
    """A whole ranking of (language, relevant), with where it was cut: more than 100 places."""
    languages = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=130))
    right = draw(st.sets(st.integers(0, len(languages) - 1), min_size=1, max_size=6))
    cut = draw(st.sampled_from([len(languages), 3, 101, 110]))
    return [(language, i in right) for i, language in enumerate(languages)], cut


@given(rankings(), st.sampled_from("abcd"))
def test_kinds_are_as_defined(given_ranking, own):
    ranking, cut = given_ranking
    first = {}
    for place, (language, right) in enumerate(ranking, 1):
        if right and language not in first:
            first[language] = place if place <= cut else None
    returned = ranking[:cut]
    top = returned[:10]
    arguments = (own, [x for x, _ in top], [r for _, r in top], list(first), list(first.values()))

    pointed = []
    for place, (language, right) in enumerate(top, 1):
        below = {x for x, r in ranking[place:] if r} - {x for x, r in returned[:place] if r}
        if language == own and not right and below - {own}:
            pointed.append(place)
    assert too_high(*arguments) == pointed

    expected = []
    if pointed:
        expected.append(Failure.OWN_AHEAD)
    if top and top[0] == (own, False):
        expected.append(Failure.WRONG_PASSAGE)
    early = {x for x, r in returned[:100] if r}
    if {x for x, r in ranking if r} - early:
        expected.append(Failure.LOST)
    assert failures(*arguments) == expected


def test_the_hundredth_is_not_lost_and_one_that_was_not_returned_is():
    assert failures("a", ["b"], [False], ["b", "c"], [100, 2]) == []
    assert failures("a", ["b"], [False], ["b", "c"], [101, 2]) == [Failure.LOST]
    assert failures("a", ["b"], [True], ["b", "c"], [1, None]) == [Failure.LOST]
    assert failures("a", [], [], ["b"], [None]) == [Failure.LOST]
