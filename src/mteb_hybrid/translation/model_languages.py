"""Our language codes in the vocabularies of translation models.

| family | model | token of German |
| --- | --- | --- |
| NLLB-200 (arXiv:2207.04672) | ``facebook/nllb-200-distilled-600M`` | ``deu_Latn`` |
| M2M-100 (arXiv:2010.11125) | ``facebook/m2m100_418M`` | ``__de__`` |
| MADLAD-400 (arXiv:2309.04662) | ``google/madlad400-3b-mt`` | ``<2de>`` |

NLLB's names are ours but for the hyphen; the others use ISO 639-1 where a language has such a code.
Data sets write a macrolanguage (``ara``, ``fas``, ``swa``) where models write its standard member
(``arb``, ``pes``, ``swh``), or the other way round, so both are tried. The scripts of M2M-100 and
MADLAD-400 are mostly unnamed: what is asked for there is the language.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import Any

from mteb_hybrid.languages.codes import macrolanguage, standard_members

OTHER_NAMES = {"he": "iw", "jv": "jw", "nb": "no", "nso": "ns", "tl": "fil"}
"""What M2M-100 or MADLAD-400 may call a language instead of its ISO 639-1 or 639-3 code."""

OTHER_SCRIPTS = {"Kore": "Hang", "Hang": "Kore"}
"""Korean is Hangul with or without Han; data sets and models do not tell them apart."""


class TranslationError(ValueError):
    """What cannot be translated. The message says what was found, expected, and the remedy."""


class Family(StrEnum):
    """A family of translation models, told by the shape of its language tokens."""

    NLLB = "NLLB-200"
    M2M = "M2M-100"
    MADLAD = "MADLAD-400"

    @property
    def shape(self) -> re.Pattern[str]:
        """What its language tokens look like; group 1 is the name of the language."""
        return _SHAPES[self]


_SHAPES = {
    Family.NLLB: re.compile(r"([a-z]{3}_[A-Z][a-z]{3})"),
    Family.M2M: re.compile(r"__([a-z]{2,3})__"),
    Family.MADLAD: re.compile(r"<2([A-Za-z]+(?:_[A-Za-z]+)*)>"),
}
_OF_TYPE = {"m2m_100": (Family.NLLB, Family.M2M), "t5": (Family.MADLAD,)}


def language_names(model_type: str, tokens: Iterable[str]) -> tuple[Family, dict[str, str]]:
    """The family of a model and its languages.

    Args:
        model_type: As in its ``config.json``.
        tokens: The vocabulary of its tokenizer.

    Returns:
        The family, and its token of every language by the model's own name of it.

    Raises:
        TranslationError: If it is no translation model of a known family.
    """
    vocabulary = list(tokens)
    for family in _OF_TYPE.get(model_type, ()):
        matches = [match for token in vocabulary if (match := family.shape.fullmatch(token))]
        if matches:
            return family, {match[1]: match[0] for match in matches}
    raise TranslationError(
        f"model_type {model_type!r} without language tokens that are known here; expected a model "
        f"of {', '.join(Family)}, such as facebook/nllb-200-distilled-600M"
    )


def model_language(code: str, family: Family, names: Collection[str]) -> str:
    """A model's own name of a language.

    Args:
        code: ISO 639-3 and ISO 15924, such as ``deu-Latn``.
        family: As `language_names` gives it.
        names: Likewise.

    Raises:
        TranslationError: If the model does not know the language; the message lists what it knows.
    """
    for name in _candidates(code, family):
        if name in names:
            return name
    raise TranslationError(
        f"{code}: not a language of this {family} model, which knows {', '.join(sorted(names))}. "
        "Leave the language out, or choose another --model."
    )


def _candidates(code: str, family: Family) -> Iterator[str]:
    """Names that the language may have, the most precise first."""
    language, _, script = code.partition("-")
    macro = macrolanguage(language)
    languages = dict.fromkeys((language, macro, *standard_members(macro)))
    if family is Family.NLLB:
        scripts = (script, OTHER_SCRIPTS.get(script, script))
        yield from (f"{each}_{written}" for written in scripts for each in languages)
        return
    short = [_short(each) for each in languages]
    if family is Family.MADLAD:
        yield from (f"{each}_{script}" for each in short)
    yield from short
    yield from (OTHER_NAMES[each] for each in short if each in OTHER_NAMES)


def _short(language: str) -> str:
    import pycountry

    known: Any = pycountry.languages.get(alpha_3=language)
    return str(getattr(known, "alpha_2", language))
