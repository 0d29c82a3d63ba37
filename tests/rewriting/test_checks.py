"""What is no rewrite, in several scripts; and that real rewrites pass."""

import json

import pytest

from conftest import DATA
from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.rewriting.checks import Asked, fault, tidy
from mteb_hybrid.rewriting.language import LanguageCheck
from mteb_hybrid.rewriting.prompt import prompt_kinds, read_prompt
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.answers import read_answers

OVERLAY = DATA.parent / "overlays" / "adversarial-queries" / "mlqa-r"


def found(text, question, passage="", answers=(), language="de"):
    asked = Asked(f"{language}:1", language, question, passage, tuple(answers))
    return fault(tidy(text), asked, "Write one question on one line only", lambda *_: None)


@pytest.mark.parametrize(
    ("text", "question", "answers", "said"),
    [
        ("Seit 1916?", "Seit wann?", ["1916"], "the answer occurs"),
        ("Seit 19165?", "Seit wann?", ["1916"], None),
        ("Seit wann, 1916?", "War es 1916?", ["1916"], None),
        ("是1916年吗？", "什么时候？", ["1916年"], "the answer occurs"),
        ("是1916年吗？", "什么时候？", ["1916"], "the answer occurs"),
        ("NATO是1916年的吗？", "什么时候？", ["1916"], "the answer occurs"),
        ("ปี1916ใช่ไหม", "เมื่อไร", ["1916"], "the answer occurs"),
        ("是1916年吗？", "什么时候？", ["16"], None),
        ("Ist es Gro\u0308ße?", "Was ist es?", ["Größe"], "the answer occurs"),
        ("Ist es Größe?", "Was ist es?", ["Gro\u0308ße"], "the answer occurs"),
        ("Größe?", "Gro\u0308ße", [], "equal to the original"),
        ("在北京发生的吗？", "在哪里发生？", ["北京"], "the answer occurs"),
        ("Ist es GRÖSSE?", "Was ist es?", ["Größe"], "the answer occurs"),
        ("क्या यह दिल्ली है?", "यह कहाँ है?", ["दिल्ली"], "the answer occurs"),
        ("«¿Cuándo?»", "cuando", [], None),
        ("«¿Cuándo?»", "Cuándo?!", [], "equal to the original"),
        ("Here is the question: wann?", "Seit wann?", [], "repeats the prompt, or talks about"),
        ("Of course, wann denn?", "Seit wann?", [], "repeats the prompt, or talks about"),
        ("Here is where who lived?", "Who lived here?", [], None),
        ("Question time is when?", "When?", [], None),
        ("Passage of the bill, which year?", "Which year?", [], None),
        ("Question 1: wann?", "Seit wann?", [], "repeats the prompt, or talks about"),
        ("Rewritten question in German: wann?", "Seit wann?", [], "repeats the prompt, or"),
        ("Bitte: write one question on one line only", "Wann?", [], "repeats the prompt, or"),
    ],
)
def test_answers_equals_and_prefaces(text, question, answers, said):
    reason = found(text, question, answers=answers)
    assert reason == said if said is None else str(reason).startswith(said)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ('"Seit wann?"', "Seit wann?"),
        ("“Who is “the” mason?", "“Who is “the” mason?"),
        ('"Heroes" or "Villains"', '"Heroes" or "Villains"'),
        ("„Helden“ oder „Schurken“", "„Helden“ oder „Schurken“"),
        ("“Heroes” or “Villains”", "“Heroes” or “Villains”"),
        ("「英雄」或「反派」", "「英雄」或「反派」"),
        ("'英雄'或'反派'", "'英雄'或'反派'"),
        ("'Heroes' or 'Villains'", "'Heroes' or 'Villains'"),
        ("'What's the Villains' name?'", "'What's the Villains' name?'"),
        ("'Qual è l'età?'", "Qual è l'età?"),
        ("“Who played in ‘Heroes’?”", "Who played in ‘Heroes’?"),
    ],
)
def test_quotation_marks_are_taken_off_where_they_are_around_all(answer, text):
    assert tidy(answer) == text


def test_long_runs_of_the_passage():
    passage = "The mason Idra Bellin directed the work for eleven years before she died"
    copied = "Is it true that Idra Bellin directed the work for eleven years?"
    assert found(copied, "Who led it?", passage) == "copies the passage"
    assert found(copied, "Who, if Idra Bellin directed the work for eleven years?", passage) is None
    chinese = "石匠伊德拉贝林在去世之前指导了这项工作十一年之久"
    assert found("谁在去世之前指导了这项工作十一年？", "谁？", chinese) == "copies the passage"
    assert found("谁指导了这项工作？", "谁？", chinese) is None


def test_languages_of_a_collection_are_told_apart(sample_card):
    """Each question of a language with a script of its own, or of four in Latin script."""
    collection = load_collection(sample_card)
    codes = {short: language.code for short, language in sample_card.languages.items()}
    check = LanguageCheck(collection, codes)
    wrong = missed = count = 0
    for language, text in collection.queries.select("language", "text").iter_rows():
        wrong += check.fault(text, language) is not None
        for other in ("de", "el", "ru", "zh"):
            if other != language:
                missed += check.fault(text, other) is None
                count += 1
    assert wrong == 0 and missed <= count / 50
    assert check.fault("1916?", "de") is None, "nothing tells its language"


@pytest.mark.skipif(not OVERLAY.is_dir(), reason="needs the overlay of MLQA-R")
def test_rewrites_by_a_large_model_pass(real_data):
    """Of 600 one is refused: it has a name right that the question has wrong."""
    card = collection_card("mlqa-r")
    collection = load_collection(card)
    codes = {short: language.code for short, language in card.languages.items()}
    check, answers = LanguageCheck(collection, codes).fault, read_answers(card, codes)
    texts = dict(collection.queries.select("id", "text").iter_rows())
    passages = dict(collection.passages.select("id", "text").iter_rows())
    relevant = {}
    for query, passage in collection.qrels.select("query_id", "passage_id").iter_rows():
        if query[:2] == passage[:2]:
            relevant.setdefault(query, passages[passage])
    reasons = []
    for language in codes:
        for line in (OVERLAY / f"{language}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            id_ = f"{language}:{row['id']}"
            asked = Asked(id_, language, texts[id_], relevant[id_], tuple(answers[id_]))
            for kind in prompt_kinds():
                words = read_prompt(kind).own_words()
                reasons.append(fault(tidy(row[kind]), asked, words, check))
    assert len(reasons) == 600
    assert [reason for reason in reasons if reason] == ["copies the passage"]
