"""Repairs of language bias on whole collections: every repair of vectors and every merging.

Vectors are encoded once and kept in --cache; each row of the results is written when it is there,
and rows that are there already are skipped, so that the command can be stopped and given again.
`repair_table.py` makes docs/results/repair.md's tables of them.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import polars as pl

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.measures.average_precision import average_precision
from mteb_hybrid.measures.rank_distance import rank_distance
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.offline import MODEL_NAME
from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.held_out import normalised
from mteb_hybrid.repair.merge import merging
from mteb_hybrid.repair.merging import calibration
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.views import Setting, view_passages, view_queries, views
from mteb_hybrid.sources import load_collection

DATA = Path(os.environ.get("MTEB_HYBRID_DATA", "."))
SAME = {"zho-CN": "zho", "es-LA": "es", "pt-BR": "pt"}


def rows(languages: tuple[str, ...]) -> Iterator[tuple[str, str, int | None, str]]:
    """What is evaluated: repair, text it is fitted on, directions, merging."""
    yield "none", "", None, "none"
    yield "projection", "ntrex-own", None, "none"
    for name in ("best-10", "round-robin", "best-5"):
        yield "projection", "ntrex-own", None, name
        yield "none", "", None, name
    for repair in ("centring", "lir", "leace", "shift"):
        yield repair, "ntrex-own", None, "none"
    for directions in (1, 2, 4, 7):
        if directions < len(languages) - 1:
            yield "projection", "ntrex-own", directions, "none"
    yield "projection", "ntrex-all", None, "none"
    yield "projection", "tico-all", None, "none"
    for name in ("z-score", "csls-10", "best-2", "best-20"):
        yield "projection", "ntrex-own", None, name
        yield "none", "", None, name
    yield "lir", "ntrex-own", 2, "none"
    yield "lsar", "ntrex-own", len(languages) // 2, "none"
    yield "projection", "tico-all", None, "best-10"
    yield "centring", "ntrex-own", None, "best-10"


class Vectors:
    """Vectors of texts, encoded once per collection, role and language."""

    def __init__(self, name: str, cache: Path) -> None:
        self.name, self.cache, self.model = name, cache, None

    def get(self, where: str, role: str, language: str, texts: list[str]) -> np.ndarray:
        """Shape (texts, D)."""
        file = self.cache / where / role / f"{language}.npy"
        if not file.exists():
            if self.model is None:
                self.model = load_model(self.name).model
            encode = self.model.encode_query if role == "query" else self.model.encode_document
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part.npy")
            np.save(part, encode(texts, show_progress_bar=False))
            part.replace(file)
        found = np.load(file)
        if len(found) != len(texts):
            raise ValueError(f"{file}: {len(found)} vectors for {len(texts)} texts; remove it")
        return found


def fit_texts(vectors: Vectors, kind: str, languages: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Vectors of the first 200 segments of NTREX-128 or TICO-19, by their files' names."""
    folder = "ntrex-128" if kind.startswith("ntrex") else "tico-19"
    where = "ntrex-fit" if kind.startswith("ntrex") else "tico-fit"
    card = collections()["ntrex"]
    codes = {Path(entry.file).stem: code for code, entry in card.languages.items()}
    found = {}
    for file in sorted((DATA / folder).glob("*.txt")):
        code = codes.get(file.stem, SAME.get(file.stem, file.stem))
        if kind == "ntrex-own" and code not in languages:
            continue
        texts = file.read_text("utf-8").splitlines()[:200]
        found[code] = vectors.get(where, "document", file.stem, texts)
    return found


class Evaluation:
    """A collection, in all settings that it has, from vectors at hand."""

    def __init__(self, name: str, vectors: Vectors) -> None:
        self.card = collections()[name]
        self.collection = load_collection(self.card)
        self.languages = self.collection.languages
        self.own = self.card.source.queries_are_passages
        self.settings = [s for s in Setting if s in self.card.source.settings]
        self.queries, self.passages = {}, {}
        for language in self.languages:
            for role, table, kept in (
                ("query", self.collection.queries, self.queries),
                ("document", self.collection.passages, self.passages),
            ):
                texts = table.filter(language=language)["text"].to_list()
                kept[language] = vectors.get(name, role, language, texts)
        self.problems = {}
        for setting in self.settings:
            for view in views(setting, self.languages).values():
                table = view_passages(self.collection, view)
                pool = Pool(
                    table["id"].to_list(), table["language"].to_list(), view.passage_languages
                )
                queries, qrels = view_queries(self.collection, view)
                whole = self.collection.queries.filter(language=view.query_language)
                at = dict(zip(whole["id"], range(len(whole)), strict=True))
                picked = np.array([at[query] for query in queries["id"]])
                order = [
                    np.flatnonzero(np.array(pool.passage_languages) == language)
                    for language in view.passage_languages
                ]
                # Rows of the collection, language by language, as the vectors are.
                assert (np.concatenate(order) == np.arange(len(pool.ids))).all()
                groups = queries["group"].to_list()
                self.problems[setting, view] = (pool, qrels, picked, groups)

    def run(self, change_query, change_passage, how) -> tuple[dict[str, float], pl.DataFrame]:
        """Means over views, and the values of every query."""
        query = {x: normalised(change_query(v, x)) for x, v in self.queries.items()}
        passage = {x: normalised(change_passage(v, x)) for x, v in self.passages.items()}
        query, passage = (
            {x: v.astype(np.float32) for x, v in part.items()} for part in (query, passage)
        )
        means: dict[str, list[float]] = {}
        values = []
        for (setting, view), (pool, qrels, picked, groups) in self.problems.items():
            if how is not None and setting is not Setting.MULTILINGUAL:
                continue
            pooled = np.concatenate([passage[x] for x in view.passage_languages])
            counter = RankCounter(pool, qrels, view.query_language, 10, self.own)
            scores = query[view.query_language][picked] @ pooled.T
            calibrate = calibration(how, pool, list(qrels) if self.own else None)
            counter.add(scores if calibrate is None else calibrate(scores, 0))
            ranks, _ = counter.result()
            precision = average_precision(ranks)
            means.setdefault(f"{setting}_map", []).append(float(precision.mean()))
            if setting is Setting.MULTILINGUAL:
                distance = rank_distance(ranks)
                means.setdefault("rank_distance", []).append(float(np.nanmean(distance)))
            values.append(
                pl.DataFrame({"group": groups, "map": precision.astype(np.float32)}).with_columns(
                    setting=pl.lit(str(setting)), view=pl.lit(view.name)
                )
            )
        return {key: float(np.mean(x)) for key, x in means.items()}, pl.concat(values)


def main() -> None:
    """Evaluate what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=MODEL_NAME)
    parser.add_argument("--collections", nargs="+", default=["xquad-r", "mlqa-r"])
    parser.add_argument("--cache", type=Path, required=True, help="folder for the vectors")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    options = parser.parse_args()
    vectors = Vectors(options.model, options.cache)
    for name in options.collections:
        evaluation = None
        for repair, fit, directions, how in rows(tuple(collections()[name].languages)):
            label = "_".join(map(str, filter(None, (name, repair, fit, directions, how))))
            file = options.output / f"{label}.json"
            if file.exists():
                continue
            evaluation = evaluation or Evaluation(name, vectors)
            fitted, label_of = None, repair
            if repair != "none":
                sample = fit_texts(vectors, fit, evaluation.languages)
                fitted = VECTOR_REPAIRS[repair].fit(sample, directions)
                label_of = fitted.label

            def change(rows, language, fitted=fitted):
                return rows if fitted is None else fitted(rows, [language] * len(rows))

            stays = fitted is not None and fitted.repair.needs == "passage language"
            figures, values = evaluation.run(
                (lambda rows, _: rows) if stays else change,
                change,
                None if how == "none" else merging(how),
            )
            options.output.mkdir(parents=True, exist_ok=True)
            values.write_parquet(file.with_suffix(".parquet"))
            row = {"collection": name, "repair": label_of, "fit": fit, "merging": how, **figures}
            part = file.with_suffix(".part")
            part.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
            part.replace(file)
            print(row, flush=True)


if __name__ == "__main__":
    main()
