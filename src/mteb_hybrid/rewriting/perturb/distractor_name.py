"""A name from the paragraph of the answer, put behind the query: ``Who barks? (Purring)``.

The name is from the sentences around the relevant one, and stands neither in it nor in the query:
a model that matches names is drawn to those sentences. The frame is two brackets, so it needs no
words of any language. In scripts with capital letters a name is one or more capitalised words that
do not begin the sentence; in others, and first of all, it is what is rare: of all candidates those
that the fewest passages of the language have.

Only where ids of passages tell their paragraph: collections in LAReQA's format.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from random import Random

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.rewriting.perturb.perturbation import (
    WITHOUT_SPACES,
    Perturbation,
    Query,
    language_and_script,
)

KIND = "distractor-name"
_CASED = ("Latn", "Cyrl", "Grek", "Armn")
_SHORTEST = 3


def distractor_name(collection: Collection, card: TaskCard) -> Perturbation:
    """The perturbation, for the queries of one collection.

    Args:
        collection: The collection.
        card: Its card.

    Raises:
        ValueError: If its passages do not tell their paragraph.
    """
    if card.source.format != "lareqa":
        raise ValueError(
            f"--kind {KIND}: {card.title} does not say which passages share a paragraph; only "
            "collections in LAReQA's format do"
        )
    texts = dict(collection.passages.select("id", "text").iter_rows())
    paragraphs: defaultdict[str, list[str]] = defaultdict(list)
    for id_ in texts:
        paragraphs[_paragraph(id_)].append(id_)

    @cache
    def relevant(language: str) -> dict[str, list[str]]:
        of = pl.col("language") == language
        queries, passages = collection.queries.filter(of), collection.passages.filter(of)
        found: defaultdict[str, list[str]] = defaultdict(list)
        for query, passage, relevance in collection.judged(queries, passages).iter_rows():
            if relevance > 0:
                found[query].append(passage)
        return found

    @cache
    def passages_with(language: str, script: str) -> Counter[str]:
        of = collection.passages.filter(language=language)["text"]
        return Counter(name for text in of for name in set(_names(text, script)))

    def change(query: Query, random: Random) -> str:
        language = query.id.partition(":")[0]
        _, script = language_and_script(query.code)
        right = relevant(language).get(query.id, [])
        around = [x for id_ in right for x in paragraphs[_paragraph(id_)] if x not in right]
        known = " ".join([query.text, *(texts[id_] for id_ in right)]).casefold()
        names = {
            name
            for id_ in around
            for name in _names(texts[id_], script)
            if name.casefold() not in known
        }
        if not names:
            return query.text
        counts = passages_with(language, script)
        rarest = min(counts[name] for name in names)
        name = random.choice(sorted(name for name in names if counts[name] == rarest))
        return f"{query.text.rstrip()} ({name})"

    return Perturbation(
        kind=KIND,
        does="a name from a sentence around the relevant one, in brackets behind the query",
        version=1,
        refusal=_refusal,
        change=change,
    )


def _refusal(code: str) -> str | None:
    _, script = language_and_script(code)
    return f"{code} puts no space between words" if script in WITHOUT_SPACES else None


def _paragraph(passage: str) -> str:
    return passage.rpartition(".")[0]


def _names(text: str, script: str) -> Iterator[str]:
    """Runs of capitalised words, but for the first of the text; all words where none has case."""
    name: list[str] = []
    for number, part in enumerate(text.split()):
        word = _bare(part)
        if script not in _CASED:
            if len(word) >= _SHORTEST and _is_word(word):
                yield word
            continue
        if number and word[:1].isupper() and len(word) >= _SHORTEST:
            name.append(word)
        if name and not (part.endswith(word) and word == name[-1]):  # the name ends here
            yield " ".join(name)
            name = []
    if name:
        yield " ".join(name)


def _bare(part: str) -> str:
    """A word without the punctuation around it."""
    inside = [n for n, letter in enumerate(part) if unicodedata.category(letter)[0] in "LMN"]
    return part[inside[0] : inside[-1] + 1] if inside else ""


def _is_word(word: str) -> bool:
    return all(unicodedata.category(letter)[0] in "LM" for letter in word)
