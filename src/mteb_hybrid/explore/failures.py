"""What went wrong with a query, in three kinds; docs/explore.md has them in words."""

from collections.abc import Sequence
from enum import StrEnum

DEEP = 100
"""Where the first answer in some language is below this rank, it is lost."""


class Failure(StrEnum):
    """The kinds; a query can have several, or none."""

    OWN_AHEAD = "own language ahead"
    WRONG_PASSAGE = "right language, wrong passage"
    LOST = f"answer lost below {DEEP}"


def too_high(
    query_language: str,
    top_languages: Sequence[str],
    top_relevant: Sequence[bool],
    answer_languages: Sequence[str],
    answer_ranks: Sequence[int | None],
) -> list[int]:
    """Wrong passages in the query's language that stand above a right one in another language.

    Args:
        query_language: Language of the query.
        top_languages: Languages of the first passages of its ranking.
        top_relevant: Whether each of them is relevant.
        answer_languages: Languages that have a relevant passage.
        answer_ranks: The rank of the first one of each, from 1; None if it was not returned.

    Returns:
        Their ranks, from 1, among the first passages.
    """
    others = [
        rank
        for language, rank in zip(answer_languages, answer_ranks, strict=True)
        if language != query_language
    ]
    return [
        place
        for place, (language, right) in enumerate(zip(top_languages, top_relevant, strict=True), 1)
        if language == query_language
        and not right
        and any(rank is None or rank > place for rank in others)
    ]


def failures(
    query_language: str,
    top_languages: Sequence[str],
    top_relevant: Sequence[bool],
    answer_languages: Sequence[str],
    answer_ranks: Sequence[int | None],
) -> list[Failure]:
    """The kinds of failure of one query; arguments as of `too_high`."""
    first = (top_languages[0], top_relevant[0]) if top_languages else None
    there = {
        Failure.OWN_AHEAD: bool(
            too_high(query_language, top_languages, top_relevant, answer_languages, answer_ranks)
        ),
        Failure.WRONG_PASSAGE: first == (query_language, False),
        Failure.LOST: any(rank is None or rank > DEEP for rank in answer_ranks),
    }
    return [kind for kind, found in there.items() if found]
