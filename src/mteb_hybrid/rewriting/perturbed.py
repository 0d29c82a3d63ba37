"""Perturbs the queries of a collection, and keeps what came of it."""

from collections import Counter
from collections.abc import Collection as AnyOf
from collections.abc import Iterable
from random import Random

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.rewritten import RewriteProvenance
from mteb_hybrid.rewriting.overlay import Made, RewriteError, keep
from mteb_hybrid.rewriting.perturb.distractor_name import KIND, distractor_name
from mteb_hybrid.rewriting.perturb.no_diacritics import NO_DIACRITICS
from mteb_hybrid.rewriting.perturb.perturbation import Perturbation, Query
from mteb_hybrid.rewriting.perturb.typos import TYPOS
from mteb_hybrid.rewriting.perturb.word_order import WORD_ORDER
from mteb_hybrid.sources import load_collection

_ALWAYS = {found.kind: found for found in (TYPOS, NO_DIACRITICS, WORD_ORDER)}
PERTURBATIONS = (*_ALWAYS, KIND)
"""The kinds of rewrites that need no model."""

UNCHANGED = "nothing to change"


def perturb(
    card: TaskCard,
    kind: str,
    languages: Iterable[str] = (),
    only: AnyOf[str] | None = None,
    seed: int = 0,
) -> RewriteProvenance:
    """Perturb the queries of a collection, and keep them.

    Every text depends on seed, language, id and kind only, so the same call gives the same bytes,
    whichever other queries there are.

    Args:
        card: The collection's card.
        kind: One of `PERTURBATIONS`.
        languages: Short codes; by default all of the collection that the perturbation does not
            leave out.
        only: Ids of the queries, with their language; by default all.
        seed: Seed of all chance.

    Returns:
        What is said of all rewrites now.

    Raises:
        RewriteError: If a language that is named is left out, or nothing is left.
        ValueError: If the perturbation does not suit the collection.
        DataError: If what is there is malformed.
    """
    perturbation = _perturbation(kind, card)
    named = list(languages)
    texts: dict[str, dict[str, str]] = {}
    rejected: dict[str, Counter[str]] = {}
    queries = load_collection(card).queries
    for language in named or card.languages:
        code = card.languages[language].code
        refusal = perturbation.refusal(code)
        if refusal and named:
            raise RewriteError(f"--language {language}, --kind {kind}: {refusal}")
        own = queries.filter(language=language)
        rejected[language], texts[language] = Counter(), {}
        for id_, text in own.select("id", "text").iter_rows():
            if only is not None and id_ not in only:
                continue
            bare = id_.removeprefix(f"{language}:")
            random = Random(f"{seed}|{language}|{bare}|{kind}")  # noqa: S311 - no secret
            changed = text if refusal else perturbation.change(Query(id_, text, code), random)
            if changed == text or not changed.strip():
                rejected[language][refusal or UNCHANGED] += 1
            else:
                texts[language][bare] = changed
    options: dict[str, str | int | float] = {
        "does": perturbation.does,
        "version": perturbation.version,
        "seed": seed,
    }
    return keep(card, Made(kind, "mteb-hybrid", options, texts, rejected))


def _perturbation(kind: str, card: TaskCard) -> Perturbation:
    if kind == KIND:
        return distractor_name(load_collection(card), card)
    return _ALWAYS[kind]
