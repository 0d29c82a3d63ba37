"""CPU seconds of making the results of a task of many subsets: as MTEB does it, and as we do."""

import argparse
import datetime
import time

import mteb
from mteb.results import TaskResult

from mteb_hybrid.plugin import register


def main() -> None:
    """Print the seconds of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="TICO19First300CrosslingualRetrieval")
    parser.add_argument("--subsets", type=int, default=1260)
    parser.add_argument("--measures", type=int, default=150, help="scores of a subset")
    options = parser.parse_args()
    register()
    task = mteb.get_task(options.task)
    names = task.hf_subsets[: options.subsets]
    made = TaskResult.from_task_results
    took = {}
    for name, make in (("MTEB", made.__func__.__wrapped__), ("ours", made)):
        scores = {}
        began = time.process_time()
        for subset in names:
            measures = {f"measure_{n}": n / options.measures for n in range(options.measures)}
            scores[subset] = {"main_score": 0.5, **measures}
            make(
                task,
                {task.eval_splits[0]: scores},
                evaluation_time=1.0,
                kg_co2_emissions=None,
                date=datetime.datetime.now(tz=datetime.UTC),
            )
        took[name] = time.process_time() - began
    print(f"{len(names)} subsets: " + ", ".join(f"{x} {s:.1f} s" for x, s in took.items()))
    print(f"ratio {took['ours'] / took['MTEB']:.3f}")


if __name__ == "__main__":
    main()
