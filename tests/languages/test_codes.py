import importlib.resources
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.languages.codes import (
    check_language_code,
    find_language,
    iso_entry,
    language_name,
    language_table,
    language_tag,
    macrolanguage,
    one_name_each,
    short_code,
    standard_members,
)
from mteb_hybrid.languages.traits import Traits, _traits, language_traits


@pytest.mark.parametrize("code", ["eng-Latn", "zho-Hans", "zho-Hant", "ara-Arab", "swa-Latn"])
def test_known_codes(code):
    assert check_language_code(code) == code


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("english-Latn", "^unknown language 'english' in 'english-Latn'; .* 'en-Latn'\\?$"),
        ("english", r"^unknown language 'english'; did you mean 'en'\?$"),
        ("Ancient Greek (to 1453)", r"^unknown language 'Ancient Greek \(.*'grc'\?$"),
        ("bangla", r"^unknown language 'bangla'; did you mean 'bn'\?$"),
        ("xxx-Latn", "^unknown language 'xxx' in 'xxx-Latn'; expected an ISO 639-3 code"),
        ("i-klingon", "^unknown language 'i' in 'i-klingon'; expected an ISO 639-3 code"),
        ("xx", "^unknown language 'xx'; expected an ISO 639-3 code"),
        ("eng-foo", "unknown script 'foo'"),
        ("zh", "'zh' does not say its script, .* several, .*as in 'zho-Hans'"),
        ("sr_RS.UTF-8", "unknown script"),
        ("", "unknown language ''"),
        ("eng-Xxxx", "unknown script 'Xxxx'"),
    ],
)
def test_unknown_codes(code, said):
    with pytest.raises(ValueError, match=said):
        check_language_code(code)


READ = [
    ("zh_TW", "zho-Hant", "zh-TW"),
    ("zh-Hant-TW", "zho-Hant", "zh-TW"),
    ("zho-Hans-CN", "zho-Hans", "zh-CN"),
    ("es-419", "spa-Latn", "es-419"),
    ("eng_Latn", "eng-Latn", "en"),
    ("ENG", "eng-Latn", "en"),
    ("EN", "eng-Latn", "en"),
    ("iw", "heb-Hebr", "iw"),
    ("in", "ind-Latn", "in"),
    ("pt-br", "por-Latn", "pt-br"),
    ("sr_ME", "srp-Latn", "sr-ME"),
    ("yo-Latn", "yor-Latn", "yo-Latn"),
    (" en ", "eng-Latn", "en"),
]


@pytest.mark.parametrize(("written", "code", "short"), READ)
def test_codes_as_people_have_them(written, code, short):
    assert check_language_code(written) == code
    assert short_code(written) == short
    assert language_tag(written) == language_tag(short)
    assert iso_entry(written).alpha_3 == code[:3]


def test_what_was_understood_is_said_once(caplog):
    for _ in range(2):
        check_language_code("pt_AO")
        check_language_code("por-Latn")
    assert caplog.messages == ["language 'pt_AO' is read as 'por-Latn'"]


def test_codes_of_cards_stay_as_they_are():
    for card in task_cards().values():
        for short, language in card.languages.items():
            assert short_code(short) == short
            assert check_language_code(language.code) == language.code
            codes = {key: other.code for key, other in card.languages.items()}
            assert find_language(short.upper(), codes) == short or "-" in short or short == "tl"
            assert find_language(language.code.replace("-", "_").upper(), codes) == short


def test_finding_a_language():
    known = {"zh": "zho-Hans", "pt-br": "por-Latn", "he": "heb-Hebr", "zh-Hant": "zho-Hant"}
    for written, short in {
        "ZH": "zh", "zh-hans": "zh", "zho_Hant": "zh-Hant", "PT_BR": "pt-br", "iw": "he"
    }.items():  # fmt: skip
        assert find_language(written, known) == short
    variants = {"pt": "por-Latn", "pt-BR": "por-Latn"}
    for written, short in {"POR": "pt", "por_Latn": "pt", "pt_br": "pt-BR"}.items():
        assert find_language(written, variants) == short, "by the short code, if that tells"
    assert find_language("por", {"pt-PT": "por-Latn", "pt-BR": "por-Latn"}) is None
    for other in ("zh_TW", "en", "xx", "", "Hebrew", "pt-PT"):
        assert find_language(other, known) is None


def test_one_name_for_what_is_written_in_several_ways():
    assert one_name_each(["EN", "en", "eng_Latn", "de", "zh", "zh-Hans", "unknown", "C++"]) == {
        **dict.fromkeys(["EN", "en", "eng_Latn"], "en"),
        **{name: name for name in ("de", "zh", "zh-Hans", "unknown", "C++")},
    }
    assert one_name_each(["eng", "iw"]) == {"eng": "eng", "iw": "iw"}
    assert one_name_each(["iw", "he"]) == {"iw": "he", "he": "he"}


PARTS = ["en", "EN", "zh", "sr", "eng", "Latn", "latn", "TW", "419", "x", "i", "-", "é", "\0"]
PART = st.one_of(st.sampled_from(PARTS), st.text(max_size=4))


@given(st.lists(PART, max_size=4), st.sampled_from("-_ "))
@settings(deadline=None)
def test_any_text_is_read_or_refused_with_an_error(parts, between):
    text = between.join(parts)
    one_name_each([text, "en"])
    find_language(text, {"en": "eng-Latn"})
    for read in (check_language_code, short_code):
        try:
            assert read(read(text)) == read(text)
        except ValueError as error:
            assert repr(text) in str(error)


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
    member |= {"din": "dik", "ful": "fuv", "kau": "knc"}  # which have no standard one
    unlisted = {"eus", "kok", "nno", "nob"}
    for code, traits in _traits().items():
        if code not in unlisted:
            levels = tree.get(code) or tree[member[code]]
            assert traits.family == levels["level0"], code


TATOEBA = (
    "afr ara bul ben deu ell spa est eus pes fin fra heb hin hun ind ita jpn jav kat kaz kor mal "
    "mar nld por rus swh tam tel tha tgl tur urd vie cmn"
)
"""The languages of XTREME's Tatoeba (arXiv:2003.11080), in which English is the other side."""
TICO = (
    "ara ben ckb din eng spa fas fra fuv hau hin ind khm kau kmr lug lin mar msa mya nep nus orm "
    "prs pus por rus kin som swa tam tir tgl urd zho zul"
)
"""Those of TICO-19 (arXiv:2007.01788) that its test set has, with Kurmanji for its Kurdish."""


@pytest.mark.parametrize(("languages", "unknown"), [(TATOEBA, set()), (TICO, {"kau"})])
def test_families_and_classes_of_low_resource_benchmarks(languages, unknown):
    traits = {code: language_traits(code) for code in languages.split()}
    assert len(traits) == 36
    assert all(found.family != "unknown" for found in traits.values())
    assert {code for code, x in traits.items() if x.resource_class == "unknown"} == unknown


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
