"""What workers of Ray gain and cost: the same calls of texts in this process, on one, and on two.

All take turns, call for call, so that what else the machine does touches them alike.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import mteb
import numpy as np
from datasets import Dataset, disable_progress_bars
from mteb._create_dataloaders import create_dataloader
from mteb.types import PromptType

from mteb_hybrid import plugin
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.offline import MODEL_NAME
from mteb_hybrid.retrieval.embeddings import TextVectors
from mteb_hybrid.scale.ray_cluster import ray_module
from mteb_hybrid.scale.ray_encoder import RayEncoder
from mteb_hybrid.sources import load_collection

LANGUAGES = 8


def main() -> None:
    """Print seconds of each round, and ratios of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=1024, help="in all; a multiple of 8")
    arguments = parser.parse_args()
    plugin.register()
    disable_progress_bars()
    task = mteb.get_task("HybridSampleMultilingualRetrieval").metadata
    passages = load_collection("sample").passages["text"].to_list()
    # Each call has the same lengths, and texts of its own.
    size = arguments.texts // LANGUAGES
    units = [
        tuple(f"{passages[place % len(passages)]} {call}" for place in range(size))
        for call in range(LANGUAGES)
    ]
    plain = load_model(MODEL_NAME, None, "cpu")
    # Idle ones take nothing, so that all are up at once.
    ray_module().init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    seconds: dict[str, list[float]] = {}
    busy: dict[str, list[list[float]]] = {}
    with RayEncoder(MODEL_NAME, workers=1) as one, RayEncoder(MODEL_NAME, workers=2) as two:
        models = {"process": plain, "one worker": one, "two workers": two}
        for turn in range(arguments.rounds + 1):
            found = []
            for name, model in models.items():
                start, before = time.perf_counter(), cpu()
                found.append(vectors(model, units, task))
                if turn:  # the first loads and warms up
                    seconds.setdefault(name, []).append(time.perf_counter() - start)
                    spent = [after - before.get(process, 0) for process, after in cpu().items()]
                    busy.setdefault(name, []).append(sorted(s for s in spent if s > 0.3))
            assert all(np.array_equal(other, found[0]) for other in found[1:])
    print(f"{LANGUAGES} calls of {size} texts, seconds:")
    for name, times in seconds.items():
        print(f"{name:12} {[round(t, 2) for t in times]}, CPU of each process {busy[name]}")
    # Of each round by itself, since the machine changes between them.
    rounds = list(zip(*seconds.values(), *busy.values(), strict=True))
    for name, ratio in {
        "one worker / process, seconds": lambda r: r[1] / r[0],
        "one worker / process, CPU": lambda r: max(r[4]) / max(r[3]),
        "one worker / two workers, seconds": lambda r: r[1] / r[2],
        "one worker / the busier of two, CPU": lambda r: max(r[4]) / max(r[5]),
    }.items():
        print(f"{name:36} {statistics.median(map(ratio, rounds)):.2f}")


def cpu():
    """CPU seconds of this process and of workers of Ray, so far."""
    ours = [os.getpid()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().startswith(b"ray::Worker"):
                ours.append(int(process.name))
        except OSError:
            continue
    fields = {p: Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split() for p in ours}
    ticks = os.sysconf("SC_CLK_TCK")
    return {p: round((int(f[11]) + int(f[12])) / ticks, 2) for p, f in fields.items()}


def vectors(model, units, task):
    """The vectors of all units, encoded as tasks have it done."""

    def encode(texts):
        rows = Dataset.from_dict({"id": [str(i) for i in range(len(texts))], "text": texts})
        how = {"task_metadata": task, "prompt_type": PromptType.document}
        loader = create_dataloader(rows, **how, batch_size=32)
        return model.encode(
            loader, **how, hf_split="test", hf_subset="en", batch_size=32, show_progress_bar=False
        )

    texts = [text for unit in units for text in unit]
    return TextVectors(executor=getattr(model, "executor", None)).get(texts, units, encode)


if __name__ == "__main__":
    main()
