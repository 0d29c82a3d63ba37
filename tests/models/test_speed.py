"""How a probe takes its time."""

import pytest

from mteb_hybrid.models import speed
from mteb_hybrid.models.speed import TEXTS, WARM_UP, duration, time_encoding, times_slower


@pytest.fixture
def encode(monkeypatch):
    """Encodes so many texts a second, by its own clock; all that it was given."""
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])

    def of(rate):
        given = []

        def encode(texts):
            given.append(texts)
            now[0] += len(texts) / rate

        return encode, given

    return of


@pytest.mark.parametrize(("rate", "texts"), [(10, 48), (47, 48), (100, 192), (1e6, 1000)])
def test_texts_are_doubled_until_a_second_has_passed(encode, rate, texts):
    function, given = encode(rate)
    known = [str(number) for number in range(1000)]
    timed = time_encoding(function, known)
    assert timed.texts == texts
    assert timed.seconds == pytest.approx(texts / rate), "the first texts do not count"
    assert given[0] == known[:WARM_UP] and given[1] == known[:TEXTS] and given[-1] == known[:texts]


def test_few_texts_are_enough(encode):
    assert time_encoding(encode(100)[0], ["one"]) == (1, pytest.approx(0.01))


def test_other_models_are_slower_by_their_size():
    assert times_slower("intfloat/multilingual-e5-small") == 1
    # Of 24 layers, 1024 wide, against 12 layers, 384 wide: 12 * width ** 2 parameters in each.
    by_layers = 24 * 1024**2 / (12 * 384**2)
    assert times_slower("intfloat/multilingual-e5-large") == pytest.approx(by_layers, rel=0.05)
    assert times_slower("no/model") is None


def test_seconds_in_words():
    words = {5.4: "5 s", 100: "2 min", 7500: "2 h 05 min", 3.6e7: "10,000 h"}
    assert {seconds: duration(seconds) for seconds in words} == words
