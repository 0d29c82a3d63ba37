"""Evaluate MIRACL's three settings on a pool of 200,000 passages in 18 languages, and measure it.

Topics, judgments and ids of judged passages are MIRACL's, and so are the files and their layout.
The text of a passage is put together from NTREX-128's news segments of its language, and further
passages are added until the pool is full; what stands for translated queries is not translated. So
sizes are real and scores say nothing. Vectors are random, one for each text.
"""

import argparse
import gzip
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xquadr_grid import Clock, say

DIMENSIONS = 384
SEGMENTS = 4  # of NTREX-128 in a passage: about 500 characters


def build(folder: Path, languages: list[str], passages: int) -> None:
    """Write MIRACL's files for some languages, and files of translated queries."""
    import numpy as np

    from mteb_hybrid.cards.catalogue import task_cards
    from mteb_hybrid.sources import load_collection

    card, ntrex = task_cards()["MIRACL"], load_collection(task_cards()["NTREX128"])
    random = np.random.default_rng(0)
    source = Path(os.environ["MTEB_HYBRID_DATA"]) / card.source.path
    target = folder / card.source.path
    judged = {}
    for language in languages:
        name = f"miracl-v1.0-{language}-dev.tsv"
        for kind in ("topics", "qrels"):
            (target / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(source / kind / f"{kind}.{name}", target / kind)
        lines = (target / "qrels" / f"qrels.{name}").read_text(encoding="utf-8").splitlines()
        judged[language] = list(dict.fromkeys(line.split("\t")[2] for line in lines))
    scale = passages / sum(map(len, judged.values()))
    for language, ids in judged.items():
        known = set(ids)
        further = (f"{article}#0" for article in range(10**9))
        wanted = max(len(ids), round(scale * len(ids)))
        ids += [next(id_ for id_ in further if id_ not in known) for _ in range(wanted - len(ids))]
        random.shuffle(ids)
        segments = ntrex.passages.filter(language=language)["text"].to_list()
        drawn = random.integers(0, len(segments), (len(ids), SEGMENTS))
        texts = [" ".join(segments[row] for row in rows) for rows in drawn.tolist()]
        rows = [
            {"docid": id_, "title": text[:16].strip(), "text": text}
            for id_, text in zip(ids, texts, strict=True)
        ]
        files = target / f"miracl-corpus-v1.0-{language}"
        files.mkdir()
        count = card.source.passages.files[language]
        for number in range(count):
            part = "".join(f"{json.dumps(row)}\n" for row in rows[number::count])
            file = files / f"docs-{number}.jsonl.gz"
            file.write_bytes(gzip.compress(part.encode(), 1, mtime=0))
    write_translations(folder, card, languages)


def write_translations(folder: Path, card: Any, languages: list[str]) -> None:
    """Write "translations" of the queries of each language into the next one."""
    overlay = folder / "translated-queries" / card.file.stem
    overlay.mkdir(parents=True)
    entries = []
    for of, into in zip(languages, [*languages[1:], languages[0]], strict=True):
        topics = folder / card.source.path / "topics" / f"topics.miracl-v1.0-{of}-dev.tsv"
        rows = [line.split("\t") for line in topics.read_text(encoding="utf-8").splitlines()]
        lines = [json.dumps({"id": id_, "text": f"({into}) {text}"}) for id_, text in rows]
        content = "".join(f"{line}\n" for line in lines).encode()
        file = overlay / f"{into}-{of}.jsonl"
        file.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append({"into": into, "of": of, "file": file.name, "sha256": digest})
    about = {"system": "none", "revision": "1", "date": "2026-01-01", "languages": {}}
    text = json.dumps(about | {"translations": entries})
    (overlay / "provenance.json").write_text(text, encoding="utf-8")


def evaluate(folder: Path, card: Any, settings: list[str]) -> dict[str, Any]:
    """Evaluate an encoder of random vectors through mteb.evaluate, and measure it."""
    import datasets
    import mteb
    import numpy as np
    import sentence_transformers  # noqa: F401  mteb.evaluate imports it; that should not count
    from mteb.cache import ResultCache
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ScoringFunction

    from mteb_hybrid.evaluation.task import CardTask, task_classes

    os.environ["MTEB_HYBRID_DATA"] = str(folder)
    os.environ["MTEB_HYBRID_PER_QUERY"] = str(folder / "results")
    datasets.disable_progress_bars()
    clock = Clock()
    CardTask.load_data = clock("loading")(CardTask.load_data)
    ResultCache.save_to_cache = clock("saving")(ResultCache.save_to_cache)
    texts = 0

    class Hashed(AbsEncoder):
        mteb_model_meta = ModelMeta.create_empty(
            {"name": "benchmark/hash", "similarity_fn_name": ScoringFunction.COSINE}
        )

        def __init__(self) -> None:
            pass

        @clock("encoder")
        def encode(self, inputs: Any, **kwargs: Any) -> Any:
            nonlocal texts
            texts += len(inputs.dataset)
            vectors = np.empty((len(inputs.dataset), DIMENSIONS), dtype=np.float32)
            row = 0
            for batch in inputs:
                for text in batch["text"]:
                    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
                    random = np.random.default_rng(int.from_bytes(digest, "little"))
                    vectors[row] = random.standard_normal(DIMENSIONS, dtype=np.float32)
                    row += 1
            return vectors

    tasks = [made() for made in task_classes({card.name: card}) if made.setting in settings]
    found: dict[str, Any] = {"subsets": {}, "wall": {}, "cpu": {}}
    for task in tasks:
        before = {kind: dict(parts) for kind, parts in clock.seconds.items()}
        with clock("all"):
            result = mteb.evaluate(
                Hashed(),
                task,
                co2_tracker=False,
                encode_kwargs={"batch_size": 512, "show_progress_bar": False},
                cache=ResultCache(folder),
                overwrite_strategy="always",
                show_progress_bar=False,
            )
        found["subsets"][task.setting] = len(result.task_results[0].scores[card.split])
        for kind, parts in clock.seconds.items():
            found[kind][task.setting] = {
                part: value - before[kind].get(part, 0) for part, value in parts.items()
            }
        say(f"{task.setting}: {found['wall'][task.setting]['all']:.0f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mib = peak / 2 ** (20 if sys.platform == "darwin" else 10)
    return found | {"texts": texts, "peak_mib": peak_mib}


def report(found: dict[str, Any]) -> str:
    """Lay out the figures as a table."""
    parts = ("all", "loading", "encoder", "saving")
    lines = [f"{'':14}{'subsets':>8}" + "".join(f"{part:>10}" for part in (*parts, "cpu all"))]
    for setting, wall in found["wall"].items():
        cells = [*(wall.get(part, 0) for part in parts), found["cpu"][setting]["all"]]
        subsets = found["subsets"][setting]
        lines.append(f"{setting:14}{subsets:8}" + "".join(f"{cell:10.1f}" for cell in cells))
    lines.append(f"texts encoded: {found['texts']:,}; peak memory: {found['peak_mib']:,.0f} MiB")
    return "\n".join(lines)


def main() -> None:
    """Build the pool in a process of its own, then evaluate it here."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--passages", type=int, default=200_000, help="in the pool; at least the judged ones")
    add("--languages", nargs="+", metavar="XX", help="only these; by default all 18")
    add("--settings", nargs="+", default=["monolingual", "crosslingual", "multilingual"])
    add("--folder", type=Path, help="keep the pool there, or evaluate the one that is there")
    add("--build", action="store_true", help="only write the pool, to --folder")
    args = parser.parse_args()
    if not os.environ.get("MTEB_HYBRID_DATA"):
        say("Skipped: set MTEB_HYBRID_DATA to the folder that holds miracl/ and ntrex-128/.")
        return
    from mteb_hybrid.cards.catalogue import task_cards

    card = task_cards()["MIRACL"]
    languages = args.languages or list(card.languages)
    if args.build:
        build(args.folder, languages, args.passages)
        return
    with TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        if not (folder / card.source.path).is_dir():
            command = [sys.executable, __file__, *sys.argv[1:], "--build", "--folder", str(folder)]
            subprocess.run(command, check=True)
            size = sum(file.stat().st_size for file in folder.rglob("*.gz"))
            say(f"pool written: {size / 1e6:.0f} MB")
        kept = {language: card.languages[language] for language in languages}
        chosen = card.model_copy(update={"languages": kept})
        print(report(evaluate(folder, chosen, args.settings)))


if __name__ == "__main__":
    main()
