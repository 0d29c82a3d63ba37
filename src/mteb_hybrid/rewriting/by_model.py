"""Has a language model rewrite the queries of a collection, and keeps what came of it.

Every answer is kept in the user's cache as it comes, by model, options, prompt, seed and question:
an interrupted run goes on from there, and nothing is asked twice. One that is no rewrite (see
`mteb_hybrid.rewriting.checks`) is asked for again, with the next seed; after some attempts the
query is left out, and the reason is counted in the provenance. So is a question that the server
refuses where it answers others; if it refuses the first ones, nothing is asked any more.
"""

import hashlib
import importlib.metadata
import json
import sys
from collections import Counter
from collections.abc import Collection as AnyOf
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeAlias

import polars as pl
from tqdm import tqdm

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.rewritten import RewriteProvenance
from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.places import cache_folder
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.rewriting.checks import Asked, fault, tidy
from mteb_hybrid.rewriting.endpoint import QuestionRefusedError
from mteb_hybrid.rewriting.language import LanguageCheck
from mteb_hybrid.rewriting.overlay import Made, keep
from mteb_hybrid.rewriting.prompt import Prompt
from mteb_hybrid.sources import load_collection
from mteb_hybrid.sources.answers import read_answers
from mteb_hybrid.translation.cache import Translated, TranslationCache

REFUSED = 5
"""Questions refused before any is answered that tell of a wrong request, and not of themselves."""

_Answer: TypeAlias = Translated | QuestionRefusedError


class Model(Protocol):
    """A language model: an `Endpoint` or a `LocalModel`."""

    by: str
    options: dict[str, str | int | float]
    at_once: int

    def ask(self, prompt: str, seed: int) -> Translated:
        """What it answers, and whether that was cut."""

    def stop(self) -> None:
        """Have those that wait to ask again give up."""


def rewrite(
    card: TaskCard,
    kind: str,
    model: Model,
    prompt: Prompt,
    languages: Iterable[str] = (),
    only: AnyOf[str] | None = None,
    seed: int = 0,
    attempts: int = 3,
) -> RewriteProvenance:
    """Rewrite the queries of a collection, and keep them.

    Args:
        card: The collection's card.
        kind: Name of the kind.
        model: What rewrites.
        prompt: What it is asked.
        languages: Short codes; by default all of the collection.
        only: Ids of the queries, with their language; by default all.
        seed: Seed of the first attempt; each further one has the next.
        attempts: How often a question is asked at most.

    Returns:
        What is said of all rewrites now.

    Raises:
        RewriteError: If the model does not answer, or no rewrite is left.
        DataError: If what is there is malformed.
    """
    collection = load_collection(card)
    codes = {short: language.code for short, language in card.languages.items()}
    asked = list(_asked(card, collection, list(languages) or list(codes), only))
    about: dict[str, str | int | float] = {
        "prompt": prompt.name,
        "prompt_sha256": prompt.sha256,
        "seed": seed,
        "attempts": attempts,
        "mteb_hybrid": importlib.metadata.version("mteb-hybrid"),
    }
    check = LanguageCheck(collection, codes).fault
    texts: dict[str, dict[str, str]] = {one.language: {} for one in asked}
    faults: dict[str, str] = {}
    open_ = asked
    for attempt in range(attempts):
        answers = _answers(model, prompt, codes, open_, seed + attempt, answered=attempt > 0)
        for one in open_:
            answer = answers[one.id]
            if isinstance(answer, QuestionRefusedError):
                faults[one.id] = answer.reason
                continue
            text = tidy(answer.text)
            found = (
                "cut short, as by the limit of tokens"
                if answer.cut
                else fault(text, one, prompt.own_words(), check)
            )
            if found:
                faults[one.id] = found
            else:
                faults.pop(one.id, None)
                texts[one.language][one.id.removeprefix(f"{one.language}:")] = text
        open_ = [one for one in open_ if one.id in faults]
    rejected = {
        language: Counter(faults[one.id] for one in open_ if one.language == language)
        for language in texts
    }
    return keep(card, Made(kind, model.by, model.options | about, texts, rejected))


def _asked(
    card: TaskCard, collection: Collection, languages: Sequence[str], only: AnyOf[str] | None
) -> Iterator[Asked]:
    answers = read_answers(card, languages)
    for language in languages:
        of = pl.col("language") == language
        queries, passages = collection.queries.filter(of), collection.passages.filter(of)
        judged = collection.judged(queries, passages).filter(pl.col("relevance") > 0)
        texts = dict(passages.select("id", "text").iter_rows())
        relevant: dict[str, str] = {}
        for query, passage in judged.select("query_id", "passage_id").iter_rows():
            relevant.setdefault(query, texts[passage])
        for id_, text in queries.select("id", "text").iter_rows():
            if only is None or id_ in only:
                known = tuple(answers.get(id_, ()))
                yield Asked(id_, language, text, relevant.get(id_, ""), known)


def _answers(
    model: Model,
    prompt: Prompt,
    codes: dict[str, str],
    asked: Sequence[Asked],
    seed: int,
    *,
    answered: bool,
) -> dict[str, _Answer]:
    """Answers by the id of the query: those that are kept, and those that are asked for now."""
    filled = {one.id: prompt.fill(one.text, codes[one.language], one.passage) for one in asked}
    identity = (model.by, model.options, seed)
    job = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    with lock(cache_folder() / f"rewrites-{job}"):  # another process would ask the same again
        cache = TranslationCache(cache_folder() / "rewrites.sqlite", *identity)
        try:
            found: dict[str, _Answer] = dict(cache.get(list(set(filled.values()))))
            answered = answered or bool(found)
            missing = [text for text in dict.fromkeys(filled.values()) if text not in found]
            with tqdm(total=len(missing), unit="query", disable=not sys.stderr.isatty()) as bar:
                for text, answer in _as_they_come(model, missing, seed, answered):
                    if isinstance(answer, Translated):
                        cache.put({text: answer})
                    found[text] = answer
                    bar.update()
        finally:
            cache.close()
    return {id_: found[text] for id_, text in filled.items()}


def _as_they_come(
    model: Model, prompts: Sequence[str], seed: int, answered: bool
) -> Iterator[tuple[str, _Answer]]:
    """Prompts and their answers, or that they are refused where any other was answered.

    The next is asked when an answer was taken, so whoever keeps it first loses no more than what is
    under way. Once one fails no more are asked, but what is under way comes.
    """
    waiting = list(reversed(prompts))
    refused: list[tuple[str, QuestionRefusedError]] = []
    failed: BaseException | None = None
    with ThreadPoolExecutor(model.at_once) as pool:
        asked: dict[Future[Translated], str] = {}
        try:
            while asked or (waiting and not failed):
                while waiting and not failed and len(asked) < model.at_once:
                    prompt = waiting.pop()
                    asked[pool.submit(model.ask, prompt, seed)] = prompt
                done, _ = wait(asked, return_when=FIRST_COMPLETED)
                for future in done:
                    prompt, error = asked.pop(future), future.exception()
                    if error is None:
                        answered = True
                        yield prompt, future.result()
                    elif isinstance(error, QuestionRefusedError) and len(refused) < REFUSED:
                        refused.append((prompt, error))
                    elif failed is None:
                        failed = error
                        model.stop()
                    if answered:
                        yield from refused
                        refused.clear()
        except BaseException:
            model.stop()
            raise
    if failed or refused:
        raise failed or refused[0][1]
