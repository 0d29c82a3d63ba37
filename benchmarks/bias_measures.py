"""Measure what the language-bias measures add to scoring the 132 subsets of XQuAD-R.

Scoring is what an evaluation does once it has vectors: similarities, ranks and MTEB's standard
scores. The vectors are random. benchmarks/README.md has the latest figures.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.cards.tasks import task_name
from mteb_hybrid.evaluation.scores import mteb_scores
from mteb_hybrid.measures.view import measure_view, top_groups
from mteb_hybrid.results.per_query import write_per_query, write_rankings
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.scoring import count_ranks
from mteb_hybrid.retrieval.views import Setting, view_passages, view_queries, views
from mteb_hybrid.sources import load_collection

K_VALUES = (1, 3, 5, 10, 20, 100, 1000)


def main() -> None:
    """Score all subsets, and print CPU seconds by what they went into."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if not os.environ.get("MTEB_HYBRID_DATA"):
        print("Skipped: set MTEB_HYBRID_DATA to the folder that holds lareqa/xquad-r.")
        return
    card = task_cards()["XQuADR"]
    collection = load_collection(card)
    random = np.random.default_rng(0)
    vector = {
        id_: row
        for table in (collection.queries, collection.passages)
        for id_, row in zip(
            table["id"], random.standard_normal((len(table), 384), dtype=np.float32), strict=True
        )
    }
    group = dict(collection.queries.select("id", "group").iter_rows())
    passage_group = dict(collection.passages.select("id", "group").iter_rows())
    seconds: dict[tuple[Setting, str], float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for setting in Setting:
            for name, view in views(setting, collection.languages).items():
                passages = view_passages(collection, view)
                queries, judged = view_queries(collection, view)
                qrels = {id_: judged[id_] for id_ in queries["id"]}
                asked = np.stack([vector[id_] for id_ in queries["id"]])
                stored = np.stack([vector[id_] for id_ in passages["id"]])
                pool = Pool(
                    passages["id"].to_list(), passages["language"].to_list(), view.passage_languages
                )
                groups = {id_: group[id_] for id_ in qrels}

                clock = time.process_time()
                counter = RankCounter(pool, qrels, view.query_language, 1000)
                count_ranks(counter, asked, stored, lambda one, other: one @ other.T)
                ranks, highest = counter.result()
                mteb_scores(ranks, highest, K_VALUES, {})
                seconds[setting, "scoring"] += time.process_time() - clock

                clock = time.process_time()
                _, rows = measure_view(ranks, setting, groups, name)
                seconds[setting, "measures"] += time.process_time() - clock

                clock = time.process_time()
                write_per_query(rows, folder, task_name(card, setting))
                if setting is Setting.MULTILINGUAL:
                    tops = top_groups(ranks, groups, passage_group)
                    write_rankings(tops, folder, task_name(card, setting), name)
                seconds[setting, "keeping"] += time.process_time() - clock
            print(f"{setting} done", file=sys.stderr)
        size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    print(f"{'CPU seconds':14}{'scoring':>10}{'measures':>10}{'keeping':>10}")
    for setting in Setting:
        cells = [seconds[setting, part] for part in ("scoring", "measures", "keeping")]
        print(f"{setting:14}" + "".join(f"{cell:10.2f}" for cell in cells))
    scoring, measures, keeping = (
        sum(seconds[setting, part] for setting in Setting)
        for part in ("scoring", "measures", "keeping")
    )
    print(f"{'all':14}{scoring:10.2f}{measures:10.2f}{keeping:10.2f}")
    print(f"measures / scoring: {measures / scoring:.3f}; with keeping per-query values: "
          f"{(measures + keeping) / scoring:.3f}; their size: {size / 1e6:.1f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
