"""Every measure against a slow reference, on whole, short, cut, tied, empty and lopsided rankings.

``MTEB_HYBRID_SOAK`` multiplies the number of problems: 20 makes about a million comparisons.
"""

import json
import math
import os
import warnings

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures import reference
from mteb_hybrid.files.runs import read_qrels, read_run
from mteb_hybrid.ir import bias_measures
from mteb_hybrid.measures import MEASURES
from mteb_hybrid.measures.bias_of_run import bias_of_run
from mteb_hybrid.retrieval.pool import Pool
from mteb_hybrid.retrieval.rank_counter import RankCounter
from mteb_hybrid.retrieval.ranks import ranks_of_run
from mteb_hybrid.retrieval.ties import TieWarning

PARTS = 8
PROBLEMS = 10 * int(os.environ.get("MTEB_HYBRID_SOAK", "1"))
LANGUAGES = ("ar", "de", "en", "zh")
"""One of them may have no passage in a pool, or all."""


def problem(seed):
    """A pool, runs and judgments: most small, so that anything can meet anything."""
    draw = np.random.default_rng(seed)
    size = int(draw.choice([2, 5, 12, 30, 130], p=[0.1, 0.2, 0.3, 0.35, 0.05]))
    spoken = draw.choice(LANGUAGES, int(draw.integers(1, 5)), replace=False)
    languages = {f"{x}:{i}": str(x) for i, x in enumerate(draw.choice(spoken, size))}
    ids = list(languages)
    levels = int(draw.choice([1, 2, 4, 1000]))
    queries = [f"q{i}" for i in range(int(draw.integers(1, 5)))]
    run, qrels, groups = {}, {}, {}
    cut = int(draw.integers(0, size + 1))
    # Parallel answers, one for each language, for `language_concordance`; else at random.
    parallel = bool(draw.integers(2))
    for query in queries:
        scores = dict(zip(ids, draw.integers(0, levels, size) / 4, strict=True))
        kept = reference.Query(scores, {}, languages, None, size).order
        shape = draw.choice(["whole", "cut", "short", "empty"], p=[0.4, 0.3, 0.2, 0.1])
        kept = {"whole": kept, "cut": kept[:cut], "empty": []}.get(
            str(shape), [d for d in kept if draw.integers(2)]
        )
        run[query] = {d: float(scores[d]) for d in draw.permutation(kept).tolist()}
        chosen = [next(d for d in ids if languages[d] == x) for x in set(languages.values())]
        if not parallel:
            chosen = draw.choice(ids, int(draw.integers(1, min(size, 8) + 1)), replace=False)
        qrels[query] = {str(d): int(draw.choice([0, 1, 1, 2])) for d in chosen}
        qrels[query][str(chosen[0])] = 1
        groups |= {d: f"group {i // 3}" for i, d in enumerate(ids)}
    if bool(draw.integers(2)):
        run.pop(queries[0])
    return languages, run, qrels, groups


def queries_of(languages, run, qrels, own, k=None):
    longest = max(map(len, run.values()), default=0) if k is None else k
    return [
        reference.Query(run.get(query, {}), judged, languages, own, longest)
        for query, judged in qrels.items()
    ]


def same(found, expected, where):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=str(where))
    return np.size(found)


def compared_with_ranks(ranks, queries, where):
    expected, shares = reference.measured(queries, ranks.pool.languages)
    compared = 0
    for measure in MEASURES:
        values = measure.values(ranks)
        means = measure.means(values, ranks)
        table = np.atleast_1d(values).T if measure.by_language else [values]
        for name, mine in zip(means, table, strict=True):
            compared += same(mine, expected.pop(name), (where, name))
        for name, share in measure.measured_on(values, ranks).items():
            compared += same(share, shares.pop(name), (where, name))
    assert not expected and not shares
    return compared


def pool_of(languages):
    return Pool(list(languages), list(languages.values()), tuple(sorted(set(languages.values()))))


def owns(languages):
    """Languages of queries: each of the pool, one that it lacks, and none."""
    return [*sorted(set(languages.values())), "xx", None]


@pytest.mark.parametrize("part", range(PARTS))
def test_runs(part):
    compared = 0
    for seed in range(part, PARTS * PROBLEMS, PARTS):
        languages, run, qrels, _ = problem(seed)
        own = owns(languages)[seed % len(owns(languages))]
        depth = (None, 20)[seed % 2]
        ranks = ranks_of_run(run, qrels, pool_of(languages), own, depth=depth)
        compared += compared_with_ranks(ranks, queries_of(languages, run, qrels, own), seed)
        cut = any(len(run.get(query, {})) < len(languages) for query in qrels)
        assert ranks.cutoff == (max(map(len, run.values()), default=0) if cut else None)
    assert compared > 70 * PROBLEMS


@pytest.mark.parametrize("part", range(PARTS))
def test_whole_rankings(part):
    compared = 0
    for seed in range(part, PARTS * PROBLEMS, PARTS):
        languages, _, qrels, _ = problem(seed)
        draw = np.random.default_rng(seed)
        own = owns(languages)[seed % len(owns(languages))]
        levels = int(draw.choice([1, 2, 5, 1000]))
        table = draw.integers(0, levels, (len(qrels), len(languages))).astype(np.float32)
        counter = RankCounter(pool_of(languages), qrels, own, depth=(None, 20)[seed % 2])
        for row in range(0, len(qrels), 2):
            counter.add(table[row : row + 2])
        run = {
            q: dict(zip(languages, row, strict=True))
            for q, row in zip(qrels, table.tolist(), strict=True)
        }
        queries = queries_of(languages, run, qrels, own)
        compared += compared_with_ranks(counter.result()[0], queries, seed)
    assert compared > 70 * PROBLEMS


def with_translations(judged, groups, languages):
    graded, there = {}, set()
    for d, grade in judged.items():
        if grade > 0:
            graded[groups[d]] = max(grade, graded.get(groups[d], 0))
            there.add((groups[d], languages[d]))
    added = {
        d: graded[g] for d, g in groups.items() if g in graded and (g, languages[d]) not in there
    }
    return added | judged


def written(run, qrels, kind, folder):
    """As files of other programs."""
    files = folder / "run", folder / "qrels"
    if kind == "trec":
        lines = [f"{q} Q0 {d} 1 {s!r} t" for q, rows in run.items() for d, s in rows.items()]
        judged = [f"{q} 0 {d} {g}" for q, rows in qrels.items() for d, g in rows.items()]
        texts = "\n".join(lines), "\n".join(judged)
    elif kind == "beir":
        judged = [f"{q}\t{d}\t{g}" for q, rows in qrels.items() for d, g in rows.items()]
        texts = json.dumps(run), "\n".join(["query-id\tcorpus-id\tscore", *judged])
    else:
        texts = json.dumps({"mteb_model_meta": {}, "a": {"test": run}}), json.dumps(qrels)
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    return read_run(files[0]), read_qrels(files[1])


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore::mteb_hybrid.retrieval.ties.TieWarning")
def test_bias(part, tmp_path):
    compared = 0
    for seed in range(part, PARTS * PROBLEMS, PARTS):
        languages, run, qrels, groups = problem(seed)
        groups = groups if seed % 3 else None
        if not any(run.get(q) for q in qrels):
            continue
        spoken = {q: owns(languages)[i % 2] for i, q in enumerate(qrels)}
        kind = ("trec", "beir", "mteb")[seed // PARTS % 3]
        table = bias_of_run(*written(run, qrels, kind, tmp_path), languages, spoken, groups)
        found = {(r["query_language"], r["measure"]): r for r in table.iter_rows(named=True)}
        longest = max(map(len, run.values()))
        parts = {}
        for own in sorted(set(spoken.values())):
            mine = {q: judged for q, judged in qrels.items() if spoken[q] == own}
            if groups:
                mine = {
                    q: with_translations(judged, groups, languages) for q, judged in mine.items()
                }
            queries = queries_of(languages, run, mine, own, longest)
            values, shares = reference.measured(queries, sorted(set(languages.values())))
            cut = any(len(run.get(q, {})) < len(languages) for q in mine)
            for name, value in values.items():
                row = found.pop((own, name), None)
                if row is None:
                    assert not groups, name
                    continue
                here = reference.mean(value)
                parts.setdefault(name, []).append((here, shares[name], len(mine), cut))
                compared += same(row["value"], here, (seed, own, name))
                compared += same(row["measured_on"], shares[name], (seed, own, name))
                assert row["queries"] == len(mine)
                assert row["truncated_at"] == (longest if cut else None)
        for name, rows in parts.items():
            row = found.pop(("all", name))
            value = reference.mean([value for value, *_ in rows])
            compared += same(row["value"], value, (seed, name))
            share = sum(share * n for _, share, n, _ in rows) / sum(n for *_, n, _ in rows)
            compared += same(row["measured_on"], share, (seed, name))
            assert row["languages"] == sum(not math.isnan(value) for value, *_ in rows)
            assert row["queries"] == sum(n for _, _, n, _ in rows) == len(qrels)
            assert row["truncated_at"] == (longest if any(cut for *_, cut in rows) else None)
        assert not found
    assert compared > 50 * PROBLEMS


@pytest.mark.parametrize("part", range(PARTS))
def test_ir_measures(part):
    compared = 0
    for seed in range(part, PARTS * PROBLEMS, PARTS * 3):
        languages, run, qrels, _ = problem(seed)
        spoken = {q: owns(languages)[i % 2] for i, q in enumerate(qrels)}
        m = bias_measures(languages, spoken)
        qrels["unanswered"] = dict.fromkeys(list(languages)[:2], 0)
        run["unanswered"] = run[next(iter(run))] if run else {}
        run = {q: rows for q, rows in run.items() if rows}  # what ir_measures sees
        names = ("PEER", "RankDistance", "RankDistanceNormalised", "MaxRankNormalised")
        for k in (None, 1, 4, 20, 200):
            wanted = [one if k is None else one @ k for one in m]
            results = {
                (value.query_id, value.measure.NAME): value.value
                for value in ir_measures.iter_calc(wanted, qrels, run)
            }
            cut = {
                q: {d: rows[d] for d in reference.Query(rows, {}, languages, None, 0).order[:k]}
                for q, rows in run.items()
            }
            longest = max(map(len, cut.values()), default=0)
            for query, judged in qrels.items():
                if query not in run:
                    assert all(math.isnan(results[query, one.NAME]) for one in m)
                    continue
                own, places = spoken.get(query), k or len(run[query])
                whole = reference.Query(run[query], judged, languages, own, longest)
                top = reference.Query(cut[query], judged, languages, own, longest)
                functions = (
                    *(top.peer, top.rank_distance, top.rank_distance_normalised),
                    top.max_rank_normalised,
                )
                for name, function in zip(names, functions, strict=True):
                    compared += same(results[query, name], function(), (seed, k, query, name))
                found = results[query, "AWRF"], results[query, "SameLanguageLift"]
                expected = whole.awrf_at_20(places), whole.same_language_lift_at_10(places)
                compared += same(found, expected, (seed, k, query))
    assert compared > 10 * PROBLEMS


@given(st.lists(st.integers(0, 2), min_size=2, max_size=6), st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_distance_is_the_mean_over_all_orders_of_ties(scores, relevant):
    from itertools import permutations

    ids = [str(i) for i in range(len(scores))]
    judged = dict.fromkeys(ids[:relevant], 1)
    run = {"q": dict(zip(ids, map(float, scores), strict=True))}
    orders = [
        [int(i) for i in order]
        for order in permutations(ids)
        if [scores[int(i)] for i in order] == sorted(scores, reverse=True)
    ]
    places = [[order.index(int(d)) for d in judged] for order in orders]
    expected = np.mean([max(place) - min(place) for place in places])
    query = reference.Query(run["q"], judged, dict.fromkeys(ids, "en"), "en", len(ids))
    found = query.rank_distance()
    assert math.isnan(found) if len(judged) < 2 else found == pytest.approx(expected)
    assert math.isnan(found) or found >= len(judged) - 1 - 1e-12


def test_a_warning_where_all_scores_tie():
    languages = {f"{x}:{i}": x for x in LANGUAGES for i in range(30)}
    qrels = {"q": {"ar:0": 1, "de:0": 1}}
    distinct = {"q": {d: float(i) for i, d in enumerate(languages)}}
    with warnings.catch_warnings():
        warnings.simplefilter("error", TieWarning)
        bias_of_run(distinct, qrels, languages)
    with pytest.warns(TieWarning, match="100% of scores"):
        bias_of_run({"q": dict.fromkeys(languages, 0.5)}, qrels, languages)
