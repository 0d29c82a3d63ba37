"""LAReQA: SQuAD-style JSON with sentences, one file per language (arXiv:2004.05484).

Format: github.com/google-research-datasets/lareqa. Each paragraph has a ``context``, its
``sentences``, their ``sentence_breaks`` (half-open character intervals of the context), and
``qas`` whose answers have an ``answer_start`` in the context.

Every sentence is a candidate, also where its text repeats elsewhere in the language: that is how
the published counts come about. Such candidates get equal scores, and the tie rule orders them.
The relevant sentence of a question is the one that holds ``answer_start``; sentences of the same
paragraph with the same text are relevant too, because nothing tells them apart. Questions are
identified by their id, which is the same in every language: a question text may carry several.
"""

from pathlib import Path

import polars as pl
from pydantic import BaseModel, Field, ValidationError

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.files.errors import DataError, in_words
from mteb_hybrid.files.lines import json_file
from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection
from mteb_hybrid.sources.locate import locate
from mteb_hybrid.sources.same_content import passage_groups


class _Answer(BaseModel):
    answer_start: int
    text: str


class _Question(BaseModel):
    id: str
    question: str
    answers: list[_Answer] = Field(min_length=1)


class _Paragraph(BaseModel):
    context: str
    sentences: list[str]
    sentence_breaks: list[tuple[int, int]]
    qas: list[_Question]


class _Article(BaseModel):
    paragraphs: list[_Paragraph]


class _File(BaseModel):
    data: list[_Article] = Field(min_length=1)


def read(card: TaskCard) -> Collection:
    """Read all languages of a collection in LAReQA's format.

    Args:
        card: Its card.

    Returns:
        Passages with ids ``language:article.paragraph.sentence`` (counted from 0), queries with
        ids ``language:question id``. Queries are grouped by question id, passages by the
        questions they answer.

    Raises:
        DataError: If a file is missing, altered or not SQuAD-style JSON with sentences, or if an
            answer lies outside every sentence.
    """
    passages: list[tuple[str, str, str]] = []
    queries: list[tuple[str, str, str, str]] = []
    relevant: dict[str, list[str]] = {}
    for language in card.languages:
        file = locate(card, language)
        for a, article in enumerate(_parse(file).data):
            for p, paragraph in enumerate(article.paragraphs):
                where = f"{file}: data[{a}].paragraphs[{p}]"
                ids = [f"{language}:{a}.{p}.{s}" for s in range(len(paragraph.sentences))]
                for id_, sentence in zip(ids, paragraph.sentences, strict=True):
                    if card.source.candidates == "sentence-with-context":
                        sentence = f"{sentence}\n{paragraph.context}"
                    passages.append((id_, sentence, language))
                for question in paragraph.qas:
                    queries.append(
                        (f"{language}:{question.id}", question.question, language, question.id)
                    )
                    answering = {
                        paragraph.sentences[index]
                        for index in _answering(paragraph, question, where)
                    }
                    relevant.setdefault(question.id, []).extend(
                        id_
                        for id_, sentence in zip(ids, paragraph.sentences, strict=True)
                        if sentence in answering
                    )
    groups = passage_groups(relevant)
    try:
        return Collection(
            name=card.title,
            languages=tuple(card.languages),
            passages=pl.DataFrame(
                [(*row, groups.get(row[0], row[0])) for row in passages], TEXTS, orient="row"
            ),
            queries=pl.DataFrame(queries, TEXTS, orient="row"),
            qrels=pl.DataFrame(
                [
                    (query, passage, 1)
                    for query, _, _, question in queries
                    for passage in relevant[question]
                ],
                QRELS,
                orient="row",
            ),
        )
    except ValueError as error:
        raise DataError(f"{locate(card, next(iter(card.languages))).parent}: {error}") from None


def _parse(file: Path) -> _File:
    try:
        return _File.model_validate(json_file(file))
    except ValidationError as error:
        raise DataError(
            f"{file}: not LAReQA's JSON: {in_words(error.errors()[0])}. Expected SQuAD-style JSON "
            "in which every paragraph has 'context', 'sentences', 'sentence_breaks' and 'qas'."
        ) from None


def _answering(paragraph: _Paragraph, question: _Question, where: str) -> list[int]:
    """Indexes of the sentences that hold the start of an answer."""
    if len(paragraph.sentences) != len(paragraph.sentence_breaks):
        raise DataError(
            f"{where}: {len(paragraph.sentences)} sentences but {len(paragraph.sentence_breaks)} "
            "sentence_breaks; expected one interval per sentence."
        )
    found = []
    for answer in question.answers:
        holding = [
            index
            for index, (begin, end) in enumerate(paragraph.sentence_breaks)
            if begin <= answer.answer_start < end
        ]
        if not holding:
            raise DataError(
                f"{where}: question {question.id!r}: answer_start {answer.answer_start} lies "
                "outside every sentence; expected it inside one of the sentence_breaks. Correct "
                "the offset or the breaks."
            )
        found += holding
    return found
