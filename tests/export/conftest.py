"""An encoder that finds something, and a small collection with awkward texts."""

import polars as pl
import pytest

from conftest import HashEncoder
from export.proposals import export_card
from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection
from mteb_hybrid.retrieval.views import View, view_passages, view_queries
from mteb_hybrid.sources import load_collection


class GuidedEncoder(HashEncoder):
    """A `HashEncoder` that draws each question towards one of its answers.

    A random ranking has scores near zero, where an error would hardly show.
    """

    def __init__(self, collection, view):
        super().__init__(name=f"test/guided {collection.name} {view.name}")
        queries, qrels = view_queries(collection, view)
        texts = dict(view_passages(collection, view).select("id", "text").iter_rows())
        self.answers = {
            text: texts[next(iter(qrels[id_]))].strip()
            for id_, text in queries.select("id", "text").iter_rows()
        }

    def vector(self, text, hf_subset, task_metadata):
        own = super().vector(text, hf_subset, task_metadata)
        answer = self.answers.get(text)
        if answer is None:
            return own
        return own + super().vector(answer, hf_subset, task_metadata)


@pytest.fixture(scope="session")
def sample(sample_card):
    return load_collection(sample_card)


@pytest.fixture
def awkward():
    """Two languages; tabs, line breaks and quotation marks in texts."""
    passages = [
        ("en:1", 'A "tab"\there', "en", "g"),
        ("en:2", "Two\nlines\r\nand\u2028more", "en", "h"),
        ("de:1", "Ein Tab", "de", "g"),
    ]
    queries = [("q:1", "Where\tis\r\nthe tab?", "en", "1"), ("q:2", "And\x85this?", "en", "2")]
    return Collection(
        name="awkward",
        languages=("en", "de"),
        passages=pl.DataFrame(passages, TEXTS, orient="row"),
        queries=pl.DataFrame(queries, TEXTS, orient="row"),
        qrels=pl.DataFrame(
            [("q:1", "en:1", 2), ("q:1", "de:1", 1), ("q:2", "en:2", 1)], QRELS, orient="row"
        ),
    )


@pytest.fixture
def with_id(awkward):
    """The awkward collection with another id for its first passage."""

    def make(id_):
        def renamed(column):
            return pl.col(column).replace("en:1", id_)

        return Collection(
            name="renamed",
            languages=awkward.languages,
            passages=awkward.passages.with_columns(renamed("id")),
            queries=awkward.queries,
            qrels=awkward.qrels.with_columns(renamed("passage_id")),
        )

    return make


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Proposals to MTEB of all cards with statistics, below a folder; and their modules."""
    folder = tmp_path_factory.mktemp("published")
    tasks = {stem: task_classes({card.name: card}) for stem, card in collections().items()}
    cards = {
        stem: card
        for stem, card in collections().items()
        if tasks[stem] and all(made.metadata.descriptive_stats for made in tasks[stem])
    }
    return folder, {stem: export_card(card, folder / stem) for stem, card in cards.items()}


def files(folder):
    """The content of all files below a folder, by their path in it."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


ENGLISH = View("en", ("en",))
ALL = View("en", ("en", "de"))
