"""A corpus in several languages, not parallel, with judgments across them.

Passages and queries are JSON lines: an id (``_id`` or ``id``), ``text``, for passages ``title``
if there is one (joined by a space and stripped, as BEIR does), and whatever else there is. The
language of a row is that of its file, or in a key of the row or of its ``metadata``, or was
detected before and stands in a file of its own. Judgments are TREC's, BEIR's or JSON, as
`mteb_hybrid.files.runs` reads them.

Queries with the same topic are translations of one question and share all judgments, whichever of
them was judged. The first column of judgments is a topic, or the id of a query. Every passage is a
group of its own.

A query without judgments is left out, and a judgment below 0 counts as 0, as in BEIR. A passage
without a word is left out with a warning, and may not be judged.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.formats.mixed import MixedFile, MixedSource
from mteb_hybrid.cards.known_faults import LeftOut
from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.lines import decoded, lines, shown
from mteb_hybrid.files.mixed_json import rows, value
from mteb_hybrid.files.runs import read_qrels
from mteb_hybrid.languages.codes import find_language, iso_entry
from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection
from mteb_hybrid.sources.locate import locate_file

logger = logging.getLogger(__name__)

BATCH = 65_536
ROWS = {"id": pl.String, "text": pl.String, "language": pl.String, "topic": pl.String}
LanguageOf = Callable[[str, str, dict[str, Any]], str]


def read(card: TaskCard) -> Collection:
    """Read a collection of several languages that is judged across them.

    Args:
        card: Its card.

    Returns:
        Passages with ids ``language:id``, each a group of its own; queries with ids
        ``language:id``, grouped by topic; and judgments over all languages.

    Raises:
        DataError: If a file is missing, altered or malformed, a row has no id, text or language, or
            one that the card lacks, an id repeats, a topic has two queries in a language or is
            judged in two ways, or a judgment names what is not there. The message gives the line
            where there is one.
    """
    source = card.source
    if not isinstance(source, MixedSource):
        raise TypeError(f"{card.file}: not a source of format 'mixed'")
    told = _detected(card, source)
    corpus = [(locate_file(card, entry), entry) for entry in source.corpus]
    asked = [(locate_file(card, entry), entry) for entry in source.queries]
    passages = _table(corpus, "passage", _language_of(card, source, "passage", told), None)
    _refuse_repeated(passages, corpus[0][0], ["id"], "the id {!r}", "an id of its own")
    queries = _table(asked, "query", _language_of(card, source, "query", told), source.topic)
    first = asked[0][0]
    _refuse_repeated(queries, first, ["language", "id"], "the id {!r}", "one in each language")
    _refuse_repeated(queries, first, ["language", "topic"], "the topic {!r}", "one query of it")
    _all_are_used(card, passages, queries)
    blank = passages.filter(pl.col("text") == "")
    if not blank.is_empty():
        logger.warning(
            "%s: %d passage(s) without title and text left out", corpus[0][0], len(blank)
        )
    left_out = LeftOut(card.title, source.known_faults)
    judged = _judged(card, source, passages, queries, left_out)
    left_out.log()
    named = pl.concat_str("language", pl.lit(":"), "id")
    known = judged.join(
        passages.select("id", passage_id=named), left_on="passage", right_on="id", how="left"
    )
    qrels = queries.select("topic", query_id=named).join(
        known.select("topic", "passage_id", "relevance"), on="topic", maintain_order="left_right"
    )
    judged_queries = queries.filter(pl.col("topic").is_in(judged["topic"].unique().implode()))
    try:
        return Collection(
            name=card.title,
            languages=tuple(card.languages),
            passages=passages.filter(pl.col("text") != "").select(
                id=named, text="text", language="language", group=named
            ),
            queries=judged_queries.select(
                id=named, text="text", language="language", group="topic"
            ).select(*TEXTS),
            qrels=qrels.select(*QRELS),
        )
    except ValueError as error:
        raise DataError(f"{first}: {error}") from None


def _table(
    files: Sequence[tuple[Path, MixedFile]],
    what: str,
    language_of: LanguageOf,
    topic: str | None,
) -> pl.DataFrame:
    """All rows, with the columns `ROWS`."""

    def found() -> Iterator[tuple[str, str, str, str]]:
        for file, entry in files:
            empty = True
            for where, id_, text, row in rows(file, what):
                language = entry.language or language_of(where, id_, row)
                empty = False
                yield id_, text, language, _topic(where, row, topic) if topic else id_
            if empty:
                raise DataError(f"{file}: is empty; expected JSON lines.")

    everything = found()
    parts = []
    while batch := list(islice(everything, BATCH)):
        parts.append(pl.DataFrame(batch, ROWS, orient="row"))
    return pl.concat(parts, rechunk=True)


def _topic(where: str, row: dict[str, Any], key: str) -> str:
    found = value(row, key)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if not isinstance(found, str) or not found.strip():
        raise DataError(
            f"{where}: key {key!r}, the topic, is {shown(found)}; expected a text that all "
            "translations of the query have. Add it."
        )
    return found


def _language_of(
    card: TaskCard, source: MixedSource, what: str, told: dict[tuple[str, str], str]
) -> LanguageOf:
    """Tells the language of a row as the card calls it."""
    codes = {short: language.code for short, language in card.languages.items()}
    known: dict[str, str | None] = {}

    def language_of(where: str, id_: str, row: dict[str, Any]) -> str:
        if source.detected:
            if (what, id_) not in told:
                raise DataError(
                    f"{where}: {source.detected.file} has no language of the {what} {id_!r}; "
                    "detect languages anew with `mteb-hybrid tasks new`"
                )
            written, place = told[what, id_], f"{source.detected.file} says"
        else:
            key = str(source.language)
            written, place = value(row, key), f"key {key!r} is"
            if not isinstance(written, str) or not written.strip():
                raise DataError(
                    f"{where}: {place} {shown(written)}; expected the language of the row, such as "
                    f"{next(iter(codes))!r}. Add it, or name the right key in source.language of "
                    f"{card.file.name}."
                )
        if written not in known:
            known[written] = find_language(written, codes)
        if (found := known[written]) is None:
            fault = "a language that the card lacks" if iso_entry(written) else "no language"
            raise DataError(
                f"{where}: {place} {shown(written)}, {fault}; the card has {', '.join(codes)}. "
                f"Add a [languages.XX] table to {card.file.name}, or correct the row."
            )
        return found

    return language_of


def _detected(card: TaskCard, source: MixedSource) -> dict[tuple[str, str], str]:
    """Detected languages by kind and id."""
    if source.detected is None:
        return {}
    if source.detected.doubtful:
        logger.warning("%s: %s", card.title, source.detected)
    found = {}
    for where, line in lines([locate_file(card, source.detected)]):
        row = decoded(where, line)
        keys = ("kind", "id", "language")
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in keys):
            raise DataError(f"{where}: expected an object with the texts {', '.join(keys)}")
        found[row["kind"], row["id"]] = row["language"]
    return found


def _refuse_repeated(
    table: pl.DataFrame, file: Path, key: list[str], words: str, expected: str
) -> None:
    again = table.filter(~pl.struct(key).is_first_distinct())
    if again.is_empty():
        return
    row = again.row(0, named=True)
    within = f" in {row['language']!r}" if "language" in key else ""
    raise DataError(
        f"{file}: {words.format(row[key[-1]])} is there twice{within} ({len(again)} such row(s) in "
        f"all its files); expected {expected}. Correct or remove one."
    )


def _all_are_used(card: TaskCard, passages: pl.DataFrame, queries: pl.DataFrame) -> None:
    found = {*passages["language"].unique(), *queries["language"].unique()}
    if idle := [language for language in card.languages if language not in found]:
        raise DataError(
            f"{card.file}: languages.{idle[0]}: no passage and no query is in {idle[0]!r}; remove "
            "that table, or add such texts"
        )


def _judged(
    card: TaskCard,
    source: MixedSource,
    passages: pl.DataFrame,
    queries: pl.DataFrame,
    left_out: LeftOut,
) -> pl.DataFrame:
    """Columns topic, passage and relevance: each topic and passage once."""
    topics = set(queries["topic"])
    of_id: dict[str, set[str]] = {}
    for id_, topic in queries.select("id", "topic").iter_rows():
        of_id.setdefault(id_, set()).add(topic)
    worded = dict(passages.select("id", pl.col("text") != "").iter_rows())
    found: dict[tuple[str, str], int] = {}
    for entry in source.qrels:
        file = locate_file(card, entry)
        for query, judged in read_qrels(file).items():
            meant = of_id.get(query, set())
            if query in topics and (others := meant - {query}):
                raise DataError(
                    f"{file}: {query!r} is a topic, and the id of a query of the topic "
                    f"{min(others)!r}; expected ids that tell them apart. Correct them."
                )
            if len(meant) > 1:
                raise DataError(
                    f"{file}: {query!r} is the id of queries of the topics "
                    f"{', '.join(sorted(meant))}; expected the topic that is judged, or an id that "
                    "tells it. Correct it."
                )
            topic = query if query in topics else next(iter(meant), None)
            for passage, relevance in judged.items():
                if topic is None or passage not in worded:
                    what, missing = ("query", query) if topic is None else ("passage", passage)
                    if left_out("judged_unknown", [f"{file}: {query} {passage}"]):
                        continue
                    raise DataError(
                        f"{file}: judges {query!r} on {passage!r}, and there is no {what} "
                        f"{missing!r}; expected texts that are there. Remove such lines, or add "
                        f"the texts.{left_out.more('judged_unknown')}"
                    )
                if not worded[passage]:
                    raise DataError(
                        f"{file}: judges the passage {passage!r}, which has neither title nor "
                        "text. Remove that line, or add the text."
                    )
                grade = max(relevance, 0)
                if found.setdefault((topic, passage), grade) != grade:
                    raise DataError(
                        f"{file}: judges the topic {topic!r} on {passage!r} with {grade}, and "
                        f"elsewhere, for a translation, with {found[topic, passage]}. Keep one."
                    )
    if not any(found.values()):
        raise DataError(
            f"{file}: no judgment above 0; expected relevant passages. Correct the judgments."
        )
    return pl.DataFrame(
        [(*pair, grade) for pair, grade in found.items()],
        {"topic": pl.String, "passage": pl.String, "relevance": QRELS["relevance"]},
        orient="row",
    )
