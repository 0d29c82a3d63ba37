"""Exact search of a large pool on disk: ranks and the top 1,000, beside what others take.

Passages are random unit vectors in files of 8,192, mapped as those of a store are. Every query has
three planted neighbours: one that stands first, one among the first hundreds, one among thousands.
Each side runs in a process of its own, on one thread; what it found is compared.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

WIDTH, TOP, PIECE = 384, 1000, 8192
NOISE = (2.0, 4.5, 8.0)
SIDES = ("bare", "ours", "faiss", "faiss_ranks", "mteb")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}


def build(folder: Path, passages: int, queries: int) -> None:
    """Write passages, in files, and queries."""
    import numpy as np

    random = np.random.default_rng(0)
    asked = _units(random, queries)
    np.save(folder / "queries.npy", asked)
    places = random.choice(passages, (queries, len(NOISE)), replace=False)
    np.save(folder / "relevant.npy", places)
    query_of = np.full(passages, -1)
    noise_of = np.zeros(passages, dtype=np.float32)
    query_of[places], noise_of[places] = np.arange(queries)[:, None], np.array(NOISE)
    for start in range(0, passages, PIECE):
        some = slice(start, min(start + PIECE, passages))
        rows = _units(random, some.stop - start)
        near = query_of[some] >= 0
        rows[near] = rows[near] * noise_of[some][near, None] + asked[query_of[some][near]]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        np.save(folder / f"passages-{start // PIECE:05}.npy", rows)


def _units(random: Any, count: int) -> Any:
    import numpy as np

    rows = random.standard_normal((count, WIDTH), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Problem:
    """What `build` wrote, or the first passages of it; a planted one beyond is no answer."""

    def __init__(self, folder: Path, passages: int) -> None:
        import numpy as np

        files = sorted(folder.glob("passages-*.npy"))
        self.pieces = [np.load(file, mmap_mode="r") for file in files]
        self.passages = passages
        self.queries = np.load(folder / "queries.npy")
        self.relevant = np.load(folder / "relevant.npy")

    def rows(self, start: int, end: int) -> Any:
        """Some passages, copied."""
        return self.parts(range(start, end)).take(slice(None))

    def parts(self, rows: Any) -> Any:
        """Some passages, as they lie in the files."""
        import numpy as np

        from mteb_hybrid.retrieval.parts import Parts

        return Parts(self.pieces, np.asarray(rows))


def dots(queries: Any, passages: Any) -> Any:
    """Dot products."""
    return queries @ passages.T


def bare(problem: Problem, found: Path) -> dict[str, float]:
    """The products alone, in blocks of the size that ours has; each passage is read once."""
    import numpy as np

    from mteb_hybrid.retrieval.tiles import Layout

    shape = Layout.of(len(problem.queries), np.arange(problem.passages), WIDTH)
    start = time.process_time()
    for first in range(0, problem.passages, shape.width):
        some = problem.rows(first, min(first + shape.width, problem.passages))
        for row in range(0, len(problem.queries), shape.height):
            dots(problem.queries[row : row + shape.height], some)
    return {"cpu_s": time.process_time() - start}


def ours(problem: Problem, found: Path, memory: int) -> dict[str, float]:
    """Ranks, ties and top of all queries, with no more memory than is allowed beside the files."""
    import numpy as np

    from mteb_hybrid.retrieval.pool import Pool
    from mteb_hybrid.retrieval.rank_counter import RankCounter
    from mteb_hybrid.retrieval.scoring import count_ranks

    # Private memory, libraries and ids included; mapped files that are only read do not count.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    count = problem.passages
    pool = Pool([f"p{i:08}" for i in range(count)], ["en"] * count, ("en",))
    qrels = {
        f"q{i}": {pool.ids[place]: 1 for place in places if place < count}
        for i, places in enumerate(problem.relevant.tolist())
    }
    counter = RankCounter(pool, qrels, "en", TOP, depth=TOP)
    start = time.process_time()
    passages = problem.parts(range(count))
    count_ranks(counter, problem.queries, passages, dots, memory=memory // 2)
    ranks, highest = counter.result()
    spent = time.process_time() - start
    np.savez(found, ranks=ranks.ranks, relevant=ranks.relevant, top=ranks.top, scores=highest)
    median = np.nanmedian(ranks.ranks)
    return {"cpu_s": spent, "median_rank": float(median), "peak_private_mb": _peak()}


def _peak() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    sizes = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    mapped = sum(int(sizes[key].split()[0]) for key in ("RssFile", "RssShmem"))
    return max(int(sizes["RssAnon"].split()[0]), int(sizes["VmHWM"].split()[0]) - mapped) / 1024


def faiss(problem: Problem, found: Path) -> dict[str, float]:
    """FAISS IndexFlatIP: the top alone. Its index is a copy in memory; adding is not counted."""
    import faiss as library
    import numpy as np

    library.omp_set_num_threads(1)
    index = library.IndexFlatIP(WIDTH)
    for first in range(0, problem.passages, PIECE):
        index.add(problem.rows(first, min(first + PIECE, problem.passages)))
    start = time.process_time()
    scores, places = index.search(problem.queries, TOP)
    spent = time.process_time() - start
    said = {"cpu_s": spent}
    if found.exists():
        with np.load(found) as mine:
            said["largest_difference"] = float(np.abs(mine["scores"] - scores).max())
            same = [
                len(np.intersect1d(*pair)) / TOP
                for pair in zip(mine["top"][:500], places[:500], strict=True)
            ]
            said["same_passages"] = float(np.mean(same))
    return said


def faiss_ranks(problem: Problem, found: Path) -> dict[str, float]:
    """FAISS finding what ours finds: the top, and ranks of what stands lower by a range search.

    FAISS takes one radius for all queries. So every passage gets one number more, 1, and a query
    the negative score of the passage that is asked for: what is above it has a product above 0.
    """
    import faiss as library
    import numpy as np

    library.omp_set_num_threads(1)
    top, wider = library.IndexFlatIP(WIDTH), library.IndexFlatIP(WIDTH + 1)
    for first in range(0, problem.passages, PIECE):
        rows = problem.rows(first, min(first + PIECE, problem.passages))
        top.add(rows)
        wider.add(np.pad(rows, ((0, 0), (0, 1)), constant_values=1))
    wanted = np.sort(np.where(problem.relevant < problem.passages, problem.relevant, -1))
    start = time.process_time()
    _, places = top.search(problem.queries, TOP)
    ranks = np.full(wanted.shape, np.nan)
    row, column = np.nonzero(wanted >= 0)
    for query, place in zip(row.tolist(), column.tolist(), strict=True):
        at = np.flatnonzero(places[query] == wanted[query, place])
        if at.size:
            ranks[query, place] = at[0] + 1
    row, column = np.nonzero(np.isnan(ranks) & (wanted >= 0))
    for first in range(0, len(row), PIECE):
        asking, place = row[first : first + PIECE], column[first : first + PIECE]
        mine = problem.queries[asking]
        scores = np.einsum("qd,qd->q", mine, problem.parts(wanted[asking, place]).take(slice(None)))
        limits, _, _ = wider.range_search(np.hstack([mine, -scores[:, None]]), 0.0)
        ranks[asking, place] = np.diff(limits.astype(np.int64)) + 1
    said = {"cpu_s": time.process_time() - start, "ranked_by_range": len(row)}
    if found.exists():
        with np.load(found) as mine:
            order = np.argsort(mine["relevant"], axis=1)
            off = np.abs(np.take_along_axis(mine["ranks"], order, axis=1) - ranks)
        said["most_places_off"] = float(np.nanmax(off))
    return said


def mteb(problem: Problem, found: Path) -> dict[str, float]:
    """MTEB's own search of 500 queries, with vectors looked up; extrapolated to all queries.

    Its reading of texts is left out, and so is the looking up.
    """
    import datasets
    import torch
    from mteb.models import search_wrappers

    from mteb_hybrid.evaluation.task import task_classes

    torch.set_num_threads(1)
    count, some = problem.passages, min(500, len(problem.queries))
    search_wrappers.create_dataloader = lambda corpus, **_: corpus
    looked_up, done = 0.0, 0

    def encode(corpus: Any, **_: Any) -> Any:
        nonlocal looked_up, done
        start = time.process_time()
        rows = problem.rows(done, done + len(corpus))
        done += len(rows)
        looked_up += time.process_time() - start
        return torch.from_numpy(rows)

    corpus = datasets.Dataset.from_dict({"id": [f"p{i:08}" for i in range(count)]})
    start = time.process_time()
    search_wrappers.chunked_full_corpus_search(
        task_corpus=corpus,
        corpus_chunk_size=50_000,
        query_idx_to_id={i: f"q{i}" for i in range(some)},
        query_embeddings=torch.from_numpy(problem.queries[:some]),
        task_metadata=task_classes()[0].metadata,
        **{"hf_subset": "en", "hf_split": "test", "top_k": TOP, "search_k_offset": 1},
        encode_kwargs={"show_progress_bar": False},
        encode_fn=encode,
        similarity_fn=dots,
    )
    spent = time.process_time() - start - looked_up
    return {"cpu_s": spent * len(problem.queries) / some, "extrapolated_from": some}


def check(problem: Problem, found: Path) -> float:
    """Share of 50 queries whose ranks are those of scores in float64, all in all."""
    import numpy as np

    with np.load(found) as mine:
        ranks, relevant = mine["ranks"][:50], mine["relevant"][:50]
    asked = problem.queries[:50].astype(np.float64)
    rows = problem.parts(relevant.ravel()).take(slice(None)).reshape(*relevant.shape, WIDTH)
    scores = np.einsum("qd,qrd->qr", asked, rows.astype(np.float64))
    above = np.zeros(scores.shape)
    for first in range(0, problem.passages, PIECE):
        tile = asked @ problem.rows(first, min(first + PIECE, problem.passages)).T
        above += (tile[:, None] > scores[:, :, None] + 1e-12).sum(axis=2)
    there = np.isfinite(ranks)
    return float(np.mean(np.abs(ranks - above - 1)[there] <= 1))


def main() -> None:
    """Build what is not there, run each side in a process, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--parts", type=float, nargs="+", default=[0.25, 0.5, 1.0])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--memory", type=float, default=4e9, help="bytes beside the files")
    parser.add_argument("--folder", type=Path, help="keep the data here, and use what is there")
    parser.add_argument("--output", type=Path, help="figures, as JSON; those there are kept")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        problem = Problem(options.folder, options.passages)
        found = options.folder / f"found-{options.passages}.npz"
        more = (int(options.memory),) if options.side == "ours" else ()
        said = globals()[options.side](problem, found, *more)
        if options.side == "ours":
            resource.setrlimit(resource.RLIMIT_DATA, (int(options.memory),) * 2)
            said["checked"] = check(problem, found)
        print(json.dumps(said))
        return
    with TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "queries.npy").exists():
            build(folder, options.passages, options.queries)
        rows = json.loads(options.output.read_bytes()) if _there(options.output) else []
        for part in options.parts:
            count = int(options.passages * part)
            for side in options.sides:
                if any((row["passages"], row["side"]) == (count, side) for row in rows):
                    continue
                if side in {"faiss", "faiss_ranks", "mteb"} and part < max(options.parts):
                    continue
                command = (sys.executable, __file__, "--side", side, "--folder", folder)
                more = ("--passages", str(count), "--memory", str(options.memory))
                environment = os.environ | ONE_THREAD
                done = subprocess.run(
                    (*command, *more), env=environment, check=True, capture_output=True, text=True
                )
                said = json.loads(done.stdout.splitlines()[-1])
                rows.append({"passages": count, "queries": options.queries, "side": side} | said)
                if options.output:
                    options.output.write_text(json.dumps(rows, indent=1), encoding="utf-8")
                _say(rows)


def _there(file: Path | None) -> bool:
    return file is not None and file.exists()


def _say(rows: list[dict[str, Any]]) -> None:
    row = rows[-1]
    base = [r for r in rows if (r["passages"], r["side"]) == (row["passages"], "bare")]
    ratio = f"{row['cpu_s'] / base[0]['cpu_s']:.2f}" if base else ""
    kept = {k: round(v, 6) for k, v in row.items() if k not in {"passages", "queries", "side"}}
    print(f"{row['passages']:>10,} x {row['queries']:,}  {row['side']:<6} {ratio:>6}  {kept}")


if __name__ == "__main__":
    main()
