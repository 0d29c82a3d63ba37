import importlib.resources
import json
from collections import Counter

import pytest

from mteb_hybrid.languages.codes import (
    check_language_code,
    language_name,
    language_table,
    macrolanguage,
    standard_members,
)
from mteb_hybrid.languages.traits import Traits, _traits, language_traits


@pytest.mark.parametrize("code", ["eng-Latn", "zho-Hans", "zho-Hant", "ara-Arab", "swa-Latn"])
def test_known_codes(code):
    assert check_language_code(code) == code


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("english-Latn", "unknown language 'english'"),
        ("en-Latn", "unknown language 'en'"),
        ("xxx-Latn", "unknown language 'xxx'"),
        ("eng", "unknown script ''"),
        ("eng-latn", "unknown script 'latn'"),
        ("eng-Xxxx", "unknown script 'Xxxx'"),
    ],
)
def test_unknown_codes(code, said):
    with pytest.raises(ValueError, match=said):
        check_language_code(code)


def test_names():
    assert language_name("deu-Latn") == "German"
    assert language_name("ell-Grek") == "Modern Greek"


@pytest.mark.parametrize(
    ("code", "family", "resource_class"),
    [
        ("deu-Latn", "Indo-European", "5"),
        ("zho-Hans", "Sino-Tibetan", "5"),
        ("cmn-Hant", "Sino-Tibetan", "5"),
        ("tha-Thai", "Tai-Kadai", "3"),
        ("swh-Latn", "Atlantic-Congo", "2"),
        ("tel", "Dravidian", "1"),
        ("tlh-Latn", "unknown", "unknown"),
    ],
)
def test_traits(code, family, resource_class):
    assert language_traits(code) == Traits(family, resource_class)


def test_the_table_knows_the_languages_of_the_collections():
    xquad = "ara deu ell eng hin rus spa tha tur vie zho"
    miracl = "ara ben deu eng spa fas fin fra hin ind jpn kor rus swa tel tha yor zho"
    xtd = "deu eng fra ita jpn kor pol rus spa tur zho"
    assert not [code for code in f"{xquad} {miracl} {xtd}".split() if code not in _traits()]


def test_macrolanguages_and_their_standard_members():
    assert macrolanguage("cmn-Hans") == "zho" and macrolanguage("deu") == "deu"
    assert standard_members("zho") == ["cmn"] and standard_members("deu") == []
    for macro in language_table()["macrolanguages"].values():
        assert [macrolanguage(code) for code in standard_members(macro)] == [macro]


def test_families_are_glottologs():
    """MTEB ships Glottolog's tree; it lacks some macrolanguages, whose members it has."""
    languages = importlib.resources.files("mteb.languages")
    tree = json.loads((languages / "language_family.json").read_text(encoding="utf-8"))
    member = {macro: code for code, macro in language_table()["macrolanguages"].items()}
    unlisted = {"eus", "kok", "nno", "nob"}
    for code, traits in _traits().items():
        if code not in unlisted:
            levels = tree.get(code) or tree[member[code]]
            assert traits.family == levels["level0"], code


def test_resource_classes_have_their_published_sizes():
    """Joshi et al. 2020, table 1, for the classes that the table has all languages of."""
    sizes = Counter(traits.resource_class for traits in _traits().values())
    assert (sizes["5"], sizes["4"]) == (7, 18)
    assert sizes["3"] <= 28 and sizes["2"] <= 19


def test_every_language_is_known_and_stands_once():
    codes = [
        code
        for classes in language_table()["families"].values()
        for languages in classes.values()
        for code in languages.split()
    ]
    assert len(codes) == len(set(codes))
    for code in [*codes, *language_table()["macrolanguages"]]:
        assert language_name(code)
    assert set(language_table()["macrolanguages"].values()) <= set(codes)
