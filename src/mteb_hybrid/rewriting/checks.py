"""Why an answer of a language model is no rewrite of a question."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import NamedTuple

_PREFACES = re.compile(
    r"^\W*(?:(?:sure|certainly|of course|okay|here(?: is|'s| are)|as an ai|i can(?:no|')t"
    r"|i'm sorry)\b[^?]{0,60}?[:!,.]"
    # A question may be about the passage of a bill, and have a comma; a label has a colon.
    r"|(?:rewritten|question|passage|answer|paraphrase)\b[^?:.,]{0,40}:)",
    re.IGNORECASE,
)
_THOUGHTS = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "「": "」", "'": "'", "`": "`"}
_APOSTROPHE = re.compile(r"(?<=[A-Za-zÀ-ӿ])'(?=[A-Za-zÀ-ӿ])")
"""Of scripts with spaces between words: elsewhere a quotation may end before a letter."""

COPIED = 6
"""Consecutive words of the passage that are too many, unless the question has them."""

COPIED_CHARACTERS = 12
"""The same where words are not told apart by spaces."""


class Asked(NamedTuple):
    """A question that a model was to rewrite.

    Attributes:
        id: Its id, with its language.
        language: Its short code.
        text: It.
        passage: A relevant passage in its language; empty if there is none.
        answers: What its answer is, in words, where that is known.
    """

    id: str
    language: str
    text: str
    passage: str
    answers: tuple[str, ...]


def tidy(answer: str) -> str:
    """What a model said, without its thoughts, and without quotation marks around all of it."""
    text = _THOUGHTS.sub("", answer).strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        inside = text[1:-1]
        if not {text[0], text[-1]} & set(_APOSTROPHE.sub("", inside)):  # else of two quotations
            text = inside.strip()
    return unicodedata.normalize("NFC", text)


def fault(
    text: str, asked: Asked, prompt: str, language_fault: Callable[[str, str], str | None]
) -> str | None:
    """Why a text is no rewrite, in a few words that are counted; None if it is one.

    Args:
        text: As `tidy` returns it.
        asked: The question.
        prompt: The words of the prompt.
        language_fault: Says what is wrong with the language of a text, by its short code.
    """
    if not any(letter.isalnum() for letter in text):
        return "empty"
    if len(text.splitlines()) > 1:
        return "several lines"
    if "<think" in text or _PREFACES.match(text) or _shares(text, prompt, asked.text):
        return "repeats the prompt, or talks about the task"
    if _plain(text) == _plain(asked.text):
        return "equal to the original"
    if len(text) > 4 * len(asked.text) + 100:
        return "far longer than the original"
    if any(_occurs(answer, text) and not _occurs(answer, asked.text) for answer in asked.answers):
        return "the answer occurs"
    if _shares(text, asked.passage, asked.text):
        return "copies the passage"
    return language_fault(text, asked.language)


def _plain(text: str) -> str:
    """The words of a text in small letters, with one space between them."""
    text = unicodedata.normalize("NFC", text.casefold())
    kept = (x if unicodedata.category(x)[0] in "LMN" else " " for x in text)
    return " ".join("".join(kept).split())


def _occurs(answer: str, text: str) -> bool:
    """Whether an answer stands in a text: as words, or anywhere where words are not spaced."""
    words, inside = _plain(answer), _plain(text)
    if not words:
        return False
    if not any(map(_unspaced, words + inside)):
        return f" {words} " in f" {inside} "
    # Figures and Latin letters among them are still words: 16 is not in 1916.
    start = r"(?<![0-9a-z])" if words[0].isascii() else ""
    end = r"(?![0-9a-z])" if words[-1].isascii() else ""
    return bool(re.search(start + re.escape(words) + end, inside))


def _unspaced(text: str) -> bool:
    """Whether a script puts no space between words, as told by its first letter."""
    names = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
    letter = next((x for x in text if x.isalpha()), "")
    return bool(letter) and unicodedata.name(letter, "").startswith(names)


def _shares(text: str, other: str, but: str) -> bool:
    """Whether a text has a long run of another, that the question has not."""
    return bool(_runs(text) & _runs(other) - _runs(but))


def _runs(text: str) -> set[str]:
    plain = _plain(text)
    units: Iterable[str] = plain.split()
    length = COPIED
    if _unspaced(plain):
        units, length = plain.replace(" ", ""), COPIED_CHARACTERS
    listed = list(units)
    return {" ".join(listed[n : n + length]) for n in range(len(listed) - length + 1)}
