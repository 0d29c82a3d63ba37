"""Our codes in the published lists of the models' languages."""

import re

import pytest
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M_CODES
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB_CODES

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.translation.model_languages import (
    Family,
    TranslationError,
    language_names,
    model_language,
)

# The beginning of the list in the model card of google/madlad400-3b-mt.
MADLAD_CODES = re.findall(
    r"\w+",
    """
    en ru es fr de it pt pl nl vi tr sv id ro cs zh hu ja th fi fa uk da el no bg sk ko ar lt ca sl
    he et lv hi sq ms az sr ta hr kk is ml mr te af gl fil be mk eu bn ka mn bs uz ur sw yue ne kn
    kaa gu si cy eo la hy ky tg ga mt my km tt so ku ps pa rw lo ha dv fy lb ckb mg gd am ug ht grc
    hmn sd jv mi tk ceb yi ba fo or xh su kl ny sm sn co zu ig yo
    """,
)

NAMES = {
    Family.NLLB: {code: code for code in NLLB_CODES},
    Family.M2M: {code: f"__{code}__" for code in M2M_CODES["m2m100"]},
    Family.MADLAD: {code: f"<2{code}>" for code in MADLAD_CODES},
}

# The 22 languages of NTREX-128, among which are the 18 of MIRACL: NLLB's names, worked out by hand.
NTREX = {
    "ar": "arb_Arab",
    "bn": "ben_Beng",
    "de": "deu_Latn",
    "el": "ell_Grek",
    "en": "eng_Latn",
    "es": "spa_Latn",
    "fa": "pes_Arab",
    "fi": "fin_Latn",
    "fr": "fra_Latn",
    "hi": "hin_Deva",
    "id": "ind_Latn",
    "ja": "jpn_Jpan",
    "ko": "kor_Hang",
    "ro": "ron_Latn",
    "ru": "rus_Cyrl",
    "sw": "swh_Latn",
    "te": "tel_Telu",
    "th": "tha_Thai",
    "tr": "tur_Latn",
    "vi": "vie_Latn",
    "yo": "yor_Latn",
    "zh": "zho_Hans",
}


def test_the_languages_of_ntrex_and_miracl():
    languages = task_cards()["NTREX128"].languages
    assert set(languages) == set(NTREX)
    for short, language in [*languages.items(), *task_cards()["MIRACL"].languages.items()]:
        code = language.code
        assert model_language(code, Family.NLLB, NAMES[Family.NLLB]) == NTREX[short]
        assert model_language(code, Family.MADLAD, NAMES[Family.MADLAD]) == short
        if short != "te":
            assert model_language(code, Family.M2M, NAMES[Family.M2M]) == short


@pytest.mark.parametrize("card", ["XQuADR", "MLQAR", "XTD10"])
def test_the_languages_of_other_cards(card):
    for short, language in task_cards()[card].languages.items():
        assert model_language(language.code, Family.NLLB, NAMES[Family.NLLB])
        for family in (Family.M2M, Family.MADLAD):
            assert model_language(language.code, family, NAMES[family]) == short


def test_a_language_that_a_model_does_not_know():
    with pytest.raises(TranslationError, match=r"tel-Telu: .* M2M-100 model, which knows af, am"):
        model_language("tel-Telu", Family.M2M, NAMES[Family.M2M])
    with pytest.raises(TranslationError, match=r"deu-Cyrl: not a language of this NLLB-200 model"):
        model_language("deu-Cyrl", Family.NLLB, NAMES[Family.NLLB])


@pytest.mark.parametrize(
    ("code", "nllb", "m2m", "madlad"),
    [
        ("ara-Arab", "arb_Arab", "ar", "ar"),
        ("arb-Arab", "arb_Arab", "ar", "ar"),
        ("cmn-Hans", "zho_Hans", "zh", "zh"),
        ("zho-Hant", "zho_Hant", "zh", "zh"),
        ("swh-Latn", "swh_Latn", "sw", "sw"),
        ("ekk-Latn", "est_Latn", "et", "et"),
        ("heb-Hebr", "heb_Hebr", "he", "he"),
        ("nob-Latn", "nob_Latn", "no", "no"),
        ("tgl-Latn", "tgl_Latn", "tl", "fil"),
        ("nso-Latn", "nso_Latn", "ns", None),
        ("ceb-Latn", "ceb_Latn", "ceb", "ceb"),
        ("kor-Kore", "kor_Hang", "ko", "ko"),
    ],
)
def test_names_that_differ(code, nllb, m2m, madlad):
    for family, expected in ((Family.NLLB, nllb), (Family.M2M, m2m), (Family.MADLAD, madlad)):
        if expected:
            assert model_language(code, family, NAMES[family]) == expected


def test_a_script_of_its_own_comes_first():
    names = {"zh": "<2zh>", "zh_Latn": "<2zh_Latn>", "iw": "<2iw>"}
    assert model_language("zho-Latn", Family.MADLAD, names) == "zh_Latn"
    assert model_language("zho-Hans", Family.MADLAD, names) == "zh"
    assert model_language("heb-Hebr", Family.MADLAD, names) == "iw"


def test_the_family_is_told_by_its_tokens():
    words = ["</s>", "▁the", "▁en", "__", "<extra_id_0>", "deu_Latn_"]
    assert language_names("m2m_100", [*words, "deu_Latn"]) == (
        Family.NLLB,
        {"deu_Latn": "deu_Latn"},
    )
    assert language_names("m2m_100", [*words, "__ast__"]) == (Family.M2M, {"ast": "__ast__"})
    assert language_names("t5", [*words, "<2zh_Latn>", "<2de>"]) == (
        Family.MADLAD,
        {"zh_Latn": "<2zh_Latn>", "de": "<2de>"},
    )
    for model_type, tokens in (("m2m_100", words), ("t5", words), ("bart", ["__de__"])):
        with pytest.raises(TranslationError, match=rf"model_type '{model_type}' without language"):
            language_names(model_type, tokens)
