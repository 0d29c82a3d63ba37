"""Near misses of names."""

import pytest

from mteb_hybrid.languages.near import did_you_mean, near, near_languages

KNOWN = {"en": "eng-Latn", "zh": "zho-Hans", "de": "deu-Latn", "el": "ell-Grek", "ka": "kat-Geor"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("english", ["en"]),
        ("Englsh", ["en"]),
        ("zh_CN", ["zh"]),
        ("chinese", ["zh"]),
        ("cmn", ["zh"]),
        ("german", ["de"]),  # and not Georgian
        ("greek", ["el"]),  # Modern Greek
        ("qq", []),
        ("", []),
        ("swahili", []),
    ],
)
def test_languages(text, expected):
    assert near_languages(text, KNOWN) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("XQuAD_R", ["xquad-r"]),
        ("xquad", ["xquad-r", "xquad-r-context"]),
        ("multilingual-e5-small", ["org/multilingual-e5-small"]),
        ("org/multilingal-e5-smal", ["org/multilingual-e5-small"]),
        ("something else", []),
        ("?", []),
    ],
)
def test_names(name, expected):
    known = ["xquad-r", "xquad-r-context", "mlqa-r", "org/multilingual-e5-small"]
    assert near(name, known) == expected


def test_it_ends_a_sentence():
    assert did_you_mean("sampel", ["sample"]) == "; did you mean 'sample'?"
    assert did_you_mean("x", ["sample"]) == "."
