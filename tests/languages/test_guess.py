"""Codes of languages from short codes and texts."""

import pytest

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.languages.codes import check_language_code
from mteb_hybrid.languages.guess import UnknownLanguageError, full_code
from mteb_hybrid.sources import load_collection


@pytest.mark.parametrize(
    ("short", "text", "code"),
    [
        ("de", "Grüße, 3 €", "deu-Latn"),
        ("sr", "Добар дан", "srp-Cyrl"),
        ("sr", "Dobar dan", "srp-Latn"),
        ("pt-br", "Olá", "por-Latn"),
        ("quz", "Allin p'unchay", "quz-Latn"),
        ("zh", "图书馆的开放时间", "zho-Hans"),
        ("zh", "圖書館的開放時間", "zho-Hant"),
        ("zh-tw", "圖書館", "zho-Hant"),
        ("zh-Hant", "中文", "zho-Hant"),
        ("sr-latn", "", "srp-Latn"),
        ("ja", "図書館", "jpn-Jpan"),
        ("ja", "コーヒー", "jpn-Jpan"),
        ("ko", "도서관 (圖書館)", "kor-Hang"),
        ("hi", "पुस्तकालय कब खुलता है?", "hin-Deva"),
        ("bn", "গ্রন্থাগার", "ben-Beng"),
        ("am", "ቤተ መጻሕፍት", "amh-Ethi"),
        ("ka", "ბიბლიოთეკა", "kat-Geor"),
        ("el", "50 μg: Βιβλιοθήκη", "ell-Grek"),
        ("ru", "Wi-Fi: сеть открыта", "rus-Cyrl"),
    ],
)
def test_full_codes(short, text, code):
    assert full_code(short, [text]) == check_language_code(code) == code


@pytest.mark.parametrize(
    ("short", "text", "said"),
    [
        ("xx", "text", r"'xx': not a language of ISO 639\. Give its code, as in --code xx="),
        ("eng-lish", "1, 2", r"'eng-lish': its texts do not show their script\. Give its code"),
        ("zh", "一二三", "'zh': its texts do not show their script"),
        ("de", "", "'de': its texts do not show"),
    ],
)
def test_what_is_not_recognised(short, text, said):
    with pytest.raises(UnknownLanguageError, match=said):
        full_code(short, [text])


def test_the_languages_of_the_sample():
    card = task_cards()["HybridSample"]
    collection = load_collection(card)
    for short, language in card.languages.items():
        texts = collection.passages.filter(language=short)["text"]
        assert full_code(short, texts) == language.code
