"""Means over languages: numpy's over those that have a value, and which these are."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.measures.language_mean import language_mean

VALUES = st.one_of(st.just(math.nan), st.floats(-1e6, 1e6))


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=8))
def test_the_mean_of_what_is_there(values):
    found = language_mean(values)
    there = [language for language in values if not math.isnan(values[language])]
    assert found.languages == tuple(there) and found.of == len(values)
    assert {*found.languages, *found.without} == values.keys()
    if there:
        expected = np.nanmean(list(values.values()))
        assert found.value == pytest.approx(expected, rel=1e-9, abs=1e-6)
    else:
        assert math.isnan(found.value)


def test_by_hand():
    found = language_mean({"de": 0.25, "en": math.nan, "fr": 0.75})
    assert (found.value, found.languages, found.without) == (0.5, ("de", "fr"), ("en",))
