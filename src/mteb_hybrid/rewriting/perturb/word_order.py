"""Words in another order: ``Who wrote Faust?`` becomes ``Faust wrote Who?``.

What a bag of words knows of a question stays, so a model that loses much reads more than words.
Punctuation at the beginning and the end stays there. Languages that put no space between words are
left out, as words would have to be guessed.
"""

import unicodedata
from random import Random

from mteb_hybrid.rewriting.perturb.perturbation import (
    WITHOUT_SPACES,
    Perturbation,
    Query,
    language_and_script,
)


def _refusal(code: str) -> str | None:
    _, script = language_and_script(code)
    return f"{code} puts no space between words" if script in WITHOUT_SPACES else None


def _change(query: Query, random: Random) -> str:
    first, last = _edges(query.text)
    words = query.text[first:last].split()
    if len(set(words)) < 2:
        return query.text
    shuffled = list(words)
    while shuffled == words:
        random.shuffle(shuffled)
    return f"{query.text[:first]}{' '.join(shuffled)}{query.text[last:]}"


def _edges(text: str) -> tuple[int, int]:
    """Where the words of a text begin and end; vowel signs and other marks are part of them."""
    inside = [n for n, letter in enumerate(text) if unicodedata.category(letter)[0] in "LMN"]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)


WORD_ORDER = Perturbation(
    kind="word-order",
    does="the words in a random order, punctuation at both ends kept",
    version=1,
    refusal=_refusal,
    change=_change,
)
