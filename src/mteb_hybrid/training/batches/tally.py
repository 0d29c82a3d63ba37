"""What a training run has consisted of so far."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mteb_hybrid.training.dataset import Example


@dataclass
class Tally:
    """Counts of what was trained on, over all processes.

    Attributes:
        examples: Examples of each data set, by its name; the name is empty if there is but one.
        pairs: Of each parallel data set, examples of each language pair, query language first.
        batches: Hybrid batches (groups of them, one for each process).
        monolingual: How many of these were monolingual.
    """

    examples: Counter[str] = field(default_factory=Counter)
    pairs: dict[str, Counter[str]] = field(default_factory=dict)
    batches: int = 0
    monolingual: int = 0

    @classmethod
    def restored(cls, plain: Mapping[str, Any]) -> "Tally":
        """The inverse of `plain`."""
        pairs = {name: Counter(counts) for name, counts in plain["pairs"].items()}
        return cls(Counter(plain["examples"]), pairs, plain["batches"], plain["monolingual"])

    def plain(self) -> dict[str, Any]:
        """The counts as plain values, as they stand in a checkpoint."""
        return {
            "examples": dict(self.examples),
            "pairs": {name: dict(counts) for name, counts in self.pairs.items()},
            "batches": self.batches,
            "monolingual": self.monolingual,
        }

    def count(self, name: str, examples: Sequence[Example], codes: Sequence[str]) -> None:
        """Count a group of hybrid batches."""
        pairs = Counter((codes[x], codes[y]) for _, x, y in examples)
        own = self.pairs.setdefault(name, Counter())
        own.update({f"{x}-{y}": count for (x, y), count in pairs.items()})
        self.batches += 1
        self.monolingual += all(x == y for x, y in pairs)

    @property
    def monolingual_share(self) -> float:
        """Share of monolingual batches among the hybrid ones."""
        return self.monolingual / max(1, self.batches)

    @property
    def all_pairs(self) -> Counter[str]:
        """Examples of each language pair, of all parallel data sets."""
        return sum(self.pairs.values(), Counter())

    def logged(self) -> dict[str, int]:
        """The counts by the names that they have in a trainer's log."""
        all_pairs = self.all_pairs
        logged = {f"hybrid/pairs/{pair}": all_pairs[pair] for pair in sorted(all_pairs)}
        if len(self.examples) > 1:
            logged |= {f"hybrid/examples/{name}": n for name, n in sorted(self.examples.items())}
        if len(self.pairs) > 1:
            logged |= {
                f"hybrid/pairs/{name}/{pair}": counts[pair]
                for name, counts in sorted(self.pairs.items())
                for pair in sorted(counts)
            }
        return logged
