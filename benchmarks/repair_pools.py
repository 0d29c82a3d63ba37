"""Parts of a collection: some of its languages, or a pool that is not parallel."""

from dataclasses import replace

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mteb_hybrid.retrieval.collection import Collection

RATIO = 0.8


def in_languages(collection: Collection, languages: list[str]) -> Collection:
    """Queries, passages and judgments in these languages alone."""
    if unknown := set(languages) - set(collection.languages):
        raise SystemExit(f"{collection.name} has no language {', '.join(unknown)}")
    spoken = pl.col("language").is_in(languages)
    passages, queries = collection.passages.filter(spoken), collection.queries.filter(spoken)
    qrels = collection.qrels.join(passages, left_on="passage_id", right_on="id", how="semi").join(
        queries, left_on="query_id", right_on="id", how="semi"
    )
    kept = tuple(x for x in collection.languages if x in languages)
    return replace(collection, languages=kept, passages=passages, queries=queries, qrels=qrels)


def shares(languages: tuple[str, ...]) -> dict[str, float]:
    """English 1/2, the others 1/2 together, each 0.8 of the one before in the card's order."""
    others = [x for x in languages if x != "en"]
    weights = RATIO ** np.arange(len(others))
    return {"en": 0.5, **dict(zip(others, weights / weights.sum() / 2, strict=True))}


def skewed(collection: Collection, seed: int = 0) -> Collection:
    """A pool in which each answer is there in one language, and languages differ in size.

    The answers of a question in all languages, and all that answer a question with one of them, are
    one cluster. Of each cluster one language is drawn, by `shares` among those that it has; its
    passages in the others are taken out of the pool, so that no unjudged answer is left there.
    Passages that answer nothing are kept with a chance of the share of their language by that of
    English. Questions stay in all languages.
    """
    random = np.random.default_rng(seed)
    share = shares(collection.languages)
    judged = collection.qrels.filter(pl.col("relevance") > 0)
    nodes = {
        kind: {x: i for i, x in enumerate(judged[kind].unique(maintain_order=True))}
        for kind in ("query_id", "passage_id")
    }
    groups = dict(collection.queries.select("id", "group").iter_rows())
    of_group = {x: i for i, x in enumerate(dict.fromkeys(groups[q] for q in nodes["query_id"]))}
    rows = [of_group[groups[query]] for query in judged["query_id"]]
    columns = [len(of_group) + nodes["passage_id"][passage] for passage in judged["passage_id"]]
    size = len(of_group) + len(nodes["passage_id"])
    edges = coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    _, cluster = connected_components(edges, directed=False)

    spoken = dict(collection.passages.select("id", "language").iter_rows())
    members: dict[int, dict[str, list[str]]] = {}
    for passage, place in nodes["passage_id"].items():
        found = members.setdefault(cluster[len(of_group) + place], {})
        found.setdefault(spoken[passage], []).append(passage)
    kept: set[str] = set()
    for answers in members.values():
        names = list(answers)
        weights = np.array([share[x] for x in names])
        kept.update(answers[names[random.choice(len(names), p=weights / weights.sum())]])
    for passage, language in spoken.items():
        if passage not in nodes["passage_id"] and random.random() < share[language] / share["en"]:
            kept.add(passage)

    passages = collection.passages.filter(pl.col("id").is_in(kept))
    qrels = collection.qrels.join(passages, left_on="passage_id", right_on="id", how="semi")
    return replace(collection, passages=passages, qrels=qrels)


def counts(collection: Collection) -> dict[str, list[int]]:
    """By language: passages, and how many questions they answer."""
    answers = collection.qrels.filter(pl.col("relevance") > 0).join(
        collection.passages, left_on="passage_id", right_on="id"
    )
    questions = answers.join(
        collection.queries.select("id", question="group"), left_on="query_id", right_on="id"
    )
    return {
        x: [
            len(collection.passages.filter(language=x)),
            questions.filter(language=x)["question"].n_unique(),
        ]
        for x in collection.languages
    }
