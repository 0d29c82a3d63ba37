"""Measure what an evaluation of XQuAD-R costs beside the encoder.

Part A evaluates all 132 subsets with an encoder that looks its vectors up, by our path and by
stock MTEB's, so that what is left is the work around an encoder. Part B evaluates them with a
real encoder, and compares that with encoding the distinct texts alone. Every side runs in its own
process, so that its peak memory is its own. benchmarks/README.md says what the figures mean.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Nothing heavy is imported up here: on Linux a child's peak memory starts at its parent's.
Figures = dict[str, Any]
OPTIONS = {"batch_size": 32, "show_progress_bar": False}
PARTS = {
    "encoder": "in the encoder",
    "loading": "loading the data",
    "rest": "ranks, scores, all else",
    "saving": "MTEB's saving",
}


def say(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


class Clock:
    """CPU seconds of all threads, and wall seconds, by what they went into."""

    def __init__(self) -> None:
        self.seconds = {"cpu": defaultdict[str, float](float), "wall": defaultdict(float)}

    @contextmanager  # whose results are decorators, too
    def __call__(self, part: str) -> Iterator[None]:
        """Count the body's time as that of a part."""
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.seconds["cpu"][part] += time.process_time() - cpu
            self.seconds["wall"][part] += time.perf_counter() - wall


def xquadr(languages: int | None) -> tuple[Any, list[str], list[str]]:
    """XQuAD-R's card with its first languages, its distinct queries, its distinct passages."""
    from mteb_hybrid.cards.catalogue import task_cards
    from mteb_hybrid.sources import READERS

    card = task_cards()["XQuADR"]
    kept = dict(list(card.languages.items())[:languages])
    card = card.model_copy(update={"languages": kept})
    collection = READERS[card.source.format](card)  # not cached, so that the sides read it again
    texts = [list(dict.fromkeys(t["text"])) for t in (collection.queries, collection.passages)]
    return card, *texts


def encoder_side(args: argparse.Namespace) -> Figures:
    """Encode the distinct texts without MTEB, keep the vectors, then evaluate the same encoder."""
    import numpy as np

    from mteb_hybrid.models.load import load_model
    from mteb_hybrid.models.offline import MODEL_NAME

    card, queries, passages = xquadr(args.languages)
    model, clock = load_model(MODEL_NAME), Clock()
    bare = model.model
    bare.encode_query(queries[:64], **OPTIONS)  # warm up
    say(f"encoder: {len(queries)} queries and {len(passages)} passages without MTEB")
    with clock("encoder"):
        vectors = [bare.encode_query(queries, **OPTIONS), bare.encode_document(passages, **OPTIONS)]
    say(f"  {clock.seconds['wall']['encoder']:.0f} s")
    if args.folder:
        np.save(args.folder / "vectors.npy", np.concatenate(vectors))
    texts = len(queries) + len(passages)
    return {"bare": {"texts": texts, **clock.seconds}, **evaluate(model, card, args)}


def look_up_side(args: argparse.Namespace) -> Figures:
    """Evaluate an encoder that looks its vectors up, by our path or by stock MTEB's."""
    import numpy as np
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ScoringFunction

    card, queries, passages = xquadr(args.languages)
    if args.random:
        vectors = np.random.default_rng(0).standard_normal((len(queries) + len(passages), 384))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    else:
        vectors = np.load(args.folder / "vectors.npy")
    rows = {
        "query": {text: row for row, text in enumerate(queries)},
        # MTEB strips passages.
        "document": {text.strip(): row for row, text in enumerate(passages, len(queries))},
    }
    meta = {"name": "benchmark/look-up", "similarity_fn_name": ScoringFunction.COSINE}

    class LookUp(AbsEncoder):
        mteb_model_meta = ModelMeta.create_empty(meta)

        def __init__(self) -> None:
            pass

        def encode(self, inputs: Any, *, prompt_type: Any, **kwargs: Any) -> Any:
            known = rows[prompt_type.value]
            return vectors[[known[text] for batch in inputs for text in batch["text"]]]

    return evaluate(LookUp(), card, args)


def evaluate(model: Any, card: Any, args: argparse.Namespace) -> Figures:
    """Evaluate a model on all subsets with mteb.evaluate, and measure it."""
    import datasets
    import mteb
    import sentence_transformers  # noqa: F401  mteb.evaluate imports it; that should not count
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.cache import ResultCache
    from mteb.results import TaskResult

    from mteb_hybrid.evaluation.task import CardTask, task_classes

    datasets.disable_progress_bars()
    path = AbsTaskRetrieval if args.side == "stock" else CardTask
    clock, encode, texts, done = Clock(), model.encode, 0, 0

    class Measured(CardTask):
        load_data = clock("loading")(CardTask.load_data)

        def _evaluate_subset(self, *given: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            if done % 10 == 1:
                say(f"  subset {done} of {len(sample)}, {self.metadata.name}")
            return path._evaluate_subset(self, *given, **kwargs)

        def task_specific_scores(self, *given: Any, **kwargs: Any) -> dict[str, float]:
            # Stock MTEB does not know our measures, and is not charged for them.
            return {"map": 0.0}

    def counted(inputs: Any, **kwargs: Any) -> Any:
        nonlocal texts
        texts += len(inputs.dataset)
        return encode(inputs, **kwargs)

    model.encode = clock("encoder")(counted)
    ResultCache.save_to_cache = clock("saving")(ResultCache.save_to_cache)
    TaskResult.from_task_results = clock("saving")(TaskResult.from_task_results)

    tasks = [type(t.__name__, (Measured, t), {})() for t in task_classes({card.name: card})]
    subsets = [(task, subset) for task in tasks for subset in task.hf_subsets]
    count = min((args.side == "stock" and args.stock_subsets) or len(subsets), len(subsets))
    sample = [subsets[i * len(subsets) // count] for i in range(count)]
    for task in tasks:
        task.hf_subsets = [subset for owner, subset in sample if owner is task]
    say(f"{args.side}: {count} of {len(subsets)} subsets")
    with TemporaryDirectory() as folder, clock("rest"):
        result = mteb.evaluate(
            model,
            [task for task in tasks if task.hf_subsets],
            co2_tracker=False,
            encode_kwargs=OPTIONS,
            cache=ResultCache(folder),
            show_progress_bar=False,
        )
    for seconds in clock.seconds.values():
        seconds["rest"] -= seconds["encoder"] + seconds["loading"] + seconds["saving"]
        say(f"  {sum(seconds.values()):.0f} s")
    if args.folder:
        scores = {r.task_name: {s["hf_subset"]: s for s in r.scores[card.split]} for r in result}
        (args.folder / f"scores-{args.side}.json").write_text(json.dumps(scores))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mib = peak / 2 ** (20 if sys.platform == "darwin" else 10)
    sizes = {"subsets": count, "of": len(subsets), "texts": texts, "peak_mib": peak_mib}
    return {**sizes, **clock.seconds}


def extrapolated(side: Figures) -> Figures:
    """Scale a sample of the subsets to all; not the loading of data, which is done once."""
    scale = side["of"] / side["subsets"]
    scaled = {**side, "texts": side["texts"] * scale}
    for kind in ("cpu", "wall"):
        scaled[kind] = {k: v if k == "loading" else v * scale for k, v in side[kind].items()}
    return scaled


def agreement(folder: Path) -> str:
    """Say how far the standard scores of both sides agree."""
    ours, stock = (json.loads((folder / f"scores-{s}.json").read_text()) for s in ("ours", "stock"))
    pairs = [
        (ours[task][subset][name], score)
        for task, subsets in stock.items()
        for subset, scores in subsets.items()
        for name, score in scores.items()
        if isinstance(score, float) and name not in ("map", "main_score")
    ]
    gaps = [abs(one - two) for one, two in pairs if one != two and (one == one or two == two)]
    worst = f", by at most {max(gaps):.0e}" if gaps else ""
    return f"{len(pairs)} standard scores compared, {len(gaps)} differ{worst}"


def row(name: str, first: float | None, second: float, ratio: bool = False) -> str:
    """One line of a table."""
    cells = ["" if x is None else f"{x:,.1f}" if x < 1000 else f"{x:,.0f}" for x in (first, second)]
    return f"{name:40}{cells[0]:>12}{cells[1]:>12}" + (f"{second / first:10.2f}" if ratio else "")


def report(figures: dict[str, Any]) -> str:
    """Lay out the figures as tables."""
    ours, stock, name = figures["ours"], figures["stock"], "stock"
    title = f"A. {ours['of']} subsets, {figures['vectors']} vectors looked up"
    if stock["subsets"] < stock["of"]:
        title += f"; (*) EXTRAPOLATED from {stock['subsets']} subsets"
        stock, name = extrapolated(stock), "stock (*)"
    lines = [title, f"{'':40}{'ours':>12}{name:>12}{'ratio':>10}"]
    lines.append(row("texts encoded", ours["texts"], stock["texts"], True))
    for kind in ("cpu", "wall"):
        around = [side[kind]["loading"] + side[kind]["rest"] for side in (ours, stock)]
        lines.append(row(f"{kind} s outside encoder and saving", *around, True))
        lines += [row(f"  {what}", ours[kind][p], stock[kind][p]) for p, what in PARTS.items()]
    lines.append(row("peak memory, MiB", ours["peak_mib"], stock["peak_mib"], True))
    lines.append(figures["agreement"])
    if whole := figures.get("encoder"):
        bare = whole["bare"]
        lines += ["", f"B. {whole['of']} subsets with the e5 encoder"]
        lines.append(f"{'':40}{'bare':>12}{'evaluation':>12}{'ratio':>10}")
        lines.append(row("texts encoded", bare["texts"], whole["texts"], True))
        for kind in ("wall", "cpu"):
            total = sum(whole[kind].values())
            lines.append(row(f"{kind} s", bare[kind]["encoder"], total, True))
            lines += [row(f"  {what}", None, whole[kind][p]) for p, what in PARTS.items()]
            own = whole[kind]["encoder"]  # the same minutes, so that other programs' load cancels
            lines.append(row(f"{kind} s, against its own encoder's", own, total, True))
    return "\n".join([*lines, "", ", ".join(f"{k} {v}" for k, v in figures["where"].items())])


def main() -> None:
    """Run the sides one after the other, or the one that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="In a hurry: --random --stock-subsets 12. To see where our own time goes:\n"
        "python -m cProfile -s tottime benchmarks/xquadr_grid.py --side ours --random",
    )
    add = parser.add_argument
    add("--side", choices=("encoder", "ours", "stock"), help="measure one side, print its JSON")
    add("--random", action="store_true", help="part A alone, with random vectors (384 numbers)")
    add("--stock-subsets", type=int, metavar="N", help="stock MTEB: N evenly spaced subsets only")
    add("--languages", type=int, metavar="N", help="the first N languages only, 2 to 11")
    kept = "keep vectors and scores; with --side encoder writes what ours and stock read"
    add("--folder", type=Path, help=kept)
    add("--output", type=Path, metavar="FILE", help="write the figures there too, as JSON")
    args = parser.parse_args()
    if not os.environ.get("MTEB_HYBRID_DATA"):
        say("Skipped: set MTEB_HYBRID_DATA to the folder that holds lareqa/xquad-r.")
        return
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if args.folder:
        args.folder.mkdir(parents=True, exist_ok=True)
    if args.side:
        if args.side != "encoder" and not (args.random or args.folder):
            parser.error(f"--side {args.side} needs --random, or the --folder of --side encoder")
        print(json.dumps((encoder_side if args.side == "encoder" else look_up_side)(args)))
        return
    packages = ("mteb", "sentence-transformers", "torch", "numpy", "datasets")
    where = {"cores": os.cpu_count(), "python": platform.python_version()}
    figures: dict[str, Any] = {"vectors": "random" if args.random else "e5"}
    figures["where"] = where | {name: version(name) for name in packages}
    with TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        for side in ("ours", "stock") if args.random else ("encoder", "ours", "stock"):
            command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
            command += ["--folder", str(folder)]
            child = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            figures[side] = json.loads(child.stdout.splitlines()[-1])
        figures["agreement"] = agreement(folder)
    print(report(figures))
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
