"""The languages of texts that nothing else tells, by lingua, which needs no network.

Detection is asked once, when a card is written: what it says is kept in a file beside the card,
with its certainty, so that results do not depend on the version of a program.
"""

import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any

from mteb_hybrid.languages.codes import iso_language

PACKAGE = "lingua-language-detector"
_CHARACTERS = 1000
Detect = Callable[[Sequence[str]], list[tuple[str | None, float]]]


def detector(among: Sequence[str]) -> tuple[str, Detect]:
    """A detector of some languages.

    Args:
        among: Short codes of all languages that texts may be in, two or more. Of fewer languages
            it is more certain, and right more often.

    Returns:
        The name of the program with its version; and a function from texts, of which the first
        1,000 characters count, to language and certainty, 0 to 1; None and 0 for a text that tells
        nothing, such as a number.

    Raises:
        ImportError: If lingua is not installed.
        ValueError: If it does not know a language, or there are fewer than two.
    """
    try:
        from lingua import Language, LanguageDetectorBuilder
    except ImportError:
        raise ImportError(
            'to detect languages needs an extra: pip install "mteb-hybrid[detect]"'
        ) from None
    every: dict[str, Any] = {one.iso_code_639_3.name.lower(): one for one in Language.all()}
    if len(set(among)) < 2:
        raise ValueError(f"--detect {','.join(among)}: expected two languages or more")
    chosen = {}
    for short in among:
        code = iso_language(short).alpha_3
        if code not in every:
            raise ValueError(
                f"--detect {short}: {PACKAGE} does not know this language; it knows "
                f"{', '.join(sorted(every))}"
            )
        chosen[every[code]] = short
    if len(chosen) < len(set(among)):
        raise ValueError(f"--detect {','.join(among)}: nothing can tell two forms of a language")
    built = LanguageDetectorBuilder.from_languages(*chosen).build()

    def detect(texts: Sequence[str]) -> list[tuple[str | None, float]]:
        found = built.compute_language_confidence_values_in_parallel(
            [text[:_CHARACTERS] for text in texts]
        )
        best = [max(values, key=lambda one: one.value) for values in found]
        return [(chosen[one.language], one.value) if one.value else (None, 0.0) for one in best]

    return f"{PACKAGE} {importlib.metadata.version(PACKAGE)}", detect
