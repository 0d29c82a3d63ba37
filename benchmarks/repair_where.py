"""Where the bias sits: variance between languages, its spectrum, and what a linear probe reads."""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.held_out import normalised
from mteb_hybrid.repair.where import variance


def probe(sample, fit, read):
    """Accuracy of a logistic regression on texts that it was not fitted on."""
    train, test = ({x: v[part] for x, v in sample.items()} for part in (fit, read))
    labels = [np.repeat(list(part), [len(v) for v in part.values()]) for part in (train, test)]
    stacked = [np.concatenate(list(part.values())) for part in (train, test)]
    scale = stacked[0].std()
    model = LogisticRegression(max_iter=3000, C=1).fit(stacked[0] / scale, labels[0])
    return model.score(stacked[1] / scale, labels[1])


def main() -> None:
    """Print the figures of each repair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path, help="repair.py's --cache")
    parser.add_argument(
        "--languages", nargs="+", help="names of NTREX-128's files; all if left out"
    )
    options = parser.parse_args()
    files = sorted((options.cache / "ntrex-fit" / "document").glob("*.npy"))
    chosen = [f for f in files if not options.languages or f.stem in options.languages]
    sample = {file.stem: np.load(file).astype(np.float64) for file in chosen}
    first, second, third = slice(100), slice(100, 150), slice(150, 200)
    between, spectrum = variance(sample)
    shares = ", ".join(f"{share:.3f}" for share in spectrum)
    print(f"{len(sample)} languages; variance between them {between:.4f}; of it {shares}")
    # A probe that is fitted on the texts of the repair finds their means equal, and learns nothing.
    print(
        "| repair, fitted on 100 texts a language | probe, fitted on 50 others, reads 50 others |"
    )
    print("| --- | ---: |")
    print(f"| none | {probe(sample, second, third):.3f} |")
    for name, repair in VECTOR_REPAIRS.items():
        if repair.needs == "nothing":
            fitted = repair.fit({x: v[first] for x, v in sample.items()})
            new = {x: normalised(fitted(v)) for x, v in sample.items()}
            print(f"| {name} | {probe(new, second, third):.3f} |")


if __name__ == "__main__":
    main()
