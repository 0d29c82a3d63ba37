"""The passages that may become hard negatives, in the languages that were named."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import polars as pl

from mteb_hybrid.languages.codes import find_language
from mteb_hybrid.languages.near import did_you_mean_language
from mteb_hybrid.training.precompute.model import TextModel
from mteb_hybrid.training.precompute.source import Source
from mteb_hybrid.training.precompute.work import Floats, PrecomputeError, Work, stacked

From = Literal["same", "other", "all"] | tuple[str, ...]
"""Languages of negatives, as seen from the passage that they stand beside."""


class Pool(NamedTuple):
    """Distinct passages, one language after another.

    Attributes:
        texts: P texts.
        vectors: Shape (P, D).
        languages: The language of each.
    """

    texts: list[str]
    vectors: Floats
    languages: list[str]


def checked_from(value: str, languages: Sequence[str]) -> From:
    """Read ``same``, ``other``, ``all`` or a list of languages such as ``en,de``.

    Raises:
        PrecomputeError: If there is no such language.
    """
    if value in ("same", "other", "all"):
        return value  # type: ignore[return-value]
    known = {code: code for code in languages}
    named = [find_language(code.strip(), known) for code in value.split(",")]
    if None in named:
        unknown = value.split(",")[named.index(None)].strip()
        raise PrecomputeError(
            f"--from {value}: expected same, other, all, or some of {','.join(languages)}"
            f"{did_you_mean_language(unknown, known)}"
        )
    return tuple(dict.fromkeys(code for code in named if code is not None))


def pool_languages(chosen: From, language: str, languages: Sequence[str]) -> tuple[str, ...]:
    """The languages of the negatives that stand beside a passage in a language."""
    if isinstance(chosen, tuple):
        return chosen
    return tuple(
        code for code in languages if chosen == "all" or (code == language) == (chosen == "same")
    )


def passage_texts(source: Source, language: str) -> list[str]:
    """The distinct passages of a language: those of the rows, then others of the collection."""
    _, texts = source.texts("passage", language)
    if source.collection is not None:
        others = source.collection.passages.filter(pl.col("language") == language)["text"]
        texts += others.to_list()
    return list(dict.fromkeys(texts))


def read_pool(source: Source, languages: Sequence[str], model: TextModel, work: Work) -> Pool:
    """The passages of some languages with their vectors, which are made if need be."""
    places: dict[str, tuple[str, int]] = {}
    vectors = []
    for language in languages:
        texts = passage_texts(source, language)
        new = [place for place, text in enumerate(texts) if text not in places]
        made = work.arrays(
            f"passages {language}", texts, lambda some: model.vectors(some, "document")
        )
        places |= {texts[place]: (language, place) for place in new}
        vectors.append(made[new])
    return Pool([*places], stacked(vectors), [language for language, _ in places.values()])
