"""The answers of questions, in formats that mark them in a passage."""

from collections.abc import Iterable, Mapping
from typing import Any

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.rewritten import RewrittenCard
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.sources.locate import locate


def read_answers(card: TaskCard, languages: Iterable[str]) -> Mapping[str, list[str]]:
    """The answers of the queries of a collection that `load_collection` has read.

    Args:
        card: Its card.
        languages: Short codes.

    Returns:
        Texts by query id; empty for formats that do not have them.

    Raises:
        DataError: If a file is missing or altered.
    """
    if isinstance(card, RewrittenCard):
        card = card.of
    if card.source.format != "lareqa":
        return {}
    return {
        f"{language}:{question['id']}": [answer["text"] for answer in question["answers"]]
        for language in languages
        for question in _questions(json_file(locate(card, language), dict))
    }


def _questions(content: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            yield from paragraph["qas"]
