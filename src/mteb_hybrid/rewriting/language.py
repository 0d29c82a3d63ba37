"""Whether a text is in the language that it should be in: by its script, and by its trigrams.

The languages of a collection are told apart by their own texts: of each, how often three letters
follow one another (Cavnar & Trenkle 1994; here a likelihood). A language that the collection does
not have is only noticed by its script.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping

from mteb_hybrid.languages.guess import UnknownLanguageError, full_code
from mteb_hybrid.retrieval.collection import Collection

_TEXTS = 2_000
"""Texts of a language that are counted."""

_ALIKE = ({"Hans", "Hant"}, {"Kore", "Hang"})
"""Scripts that a short text does not tell apart."""

MARGIN = 0.3
"""How much likelier another language must be, in nats per trigram."""


class LanguageCheck:
    """Tells texts that are in another language than they should be.

    Args:
        collection: Its texts are what the languages are known by.
        codes: Codes such as ``deu-Latn`` by short code.
    """

    def __init__(self, collection: Collection, codes: Mapping[str, str]) -> None:
        self._codes = dict(codes)
        self._counts = {}
        for language in codes:
            own = (
                table.filter(language=language)
                for table in (collection.queries, collection.passages)
            )
            texts = [text for table in own for text in table["text"].head(_TEXTS)]
            self._counts[language] = Counter(x for text in texts for x in _trigrams(text))
        self._kinds = len(set().union(*self._counts.values()))

    def fault(self, text: str, language: str) -> str | None:
        """What is wrong with the language of a text; None if nothing is.

        Args:
            text: The text.
            language: Short code of the language that it should be in.
        """
        code = self._codes[language]
        try:
            script = full_code(language.partition("-")[0], [text]).partition("-")[2]
        except UnknownLanguageError:
            script = ""  # no letters, or Chinese that is both
        expected = code.partition("-")[2]
        if script and script != expected and {script, expected} not in _ALIKE:
            return "another script"
        likely = {other: self._likelihood(text, other) for other in self._counts}
        best = max(likely, key=lambda other: likely[other])
        return "another language" if likely[best] - likely[language] > MARGIN else None

    def _likelihood(self, text: str, language: str) -> float:
        """Mean log-likelihood of the trigrams of a text, in nats."""
        counts = self._counts[language]
        total = counts.total() + self._kinds
        found = _trigrams(text)
        return sum(math.log((counts[x] + 1) / total) for x in found) / max(len(found), 1)


def _trigrams(text: str) -> list[str]:
    letters = "".join(x if unicodedata.category(x)[0] in "LM" else " " for x in text.casefold())
    padded = f" {' '.join(letters.split())} "
    return [padded[n : n + 3] for n in range(len(padded) - 2)]
