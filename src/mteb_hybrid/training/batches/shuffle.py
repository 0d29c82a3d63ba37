"""The plain baseline: translated data, shuffled."""

from collections.abc import Iterator

import numpy as np

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.corpus import has
from mteb_hybrid.training.dataset import Example


class TranslationShuffleSampler(HybridBatchSampler):
    """The plain baseline: every translation of every row once per epoch, in one shuffle.

    Both sides of an example are in one language. Translations of a row may meet in a batch, as
    they do where translated data are put one after another and shuffled.
    """

    def _prepare(self) -> None:
        """Collect the examples: shape (examples, 2), row and language."""
        if self.dataset.weights is not None:
            raise ParallelDataError(
                f"weights {self.dataset.weights}: method='shuffle' takes every translation once, "
                "so corpora have their shares by their numbers of translations; leave the weights "
                "out (in a recipe, `weight` of data), or use method='hybrid' or 'mixed'"
            )
        found = []
        for serving in self._read():
            for language in range(len(self.dataset.languages)):
                rows = serving.rows[has(serving.queries & serving.passages, language)]
                found.append(np.stack([rows, np.full_like(rows, language)], axis=1))
        self._pairs = np.concatenate(found)
        self.batch_size = min(self.asked_size, len(self._pairs) // self.world_size)
        if not self.batch_size:
            raise ParallelDataError(
                f"{len(self._pairs)} translations with a question and a passage are not one for "
                f"each of {self.world_size} process(es); use fewer processes or other languages"
            )
        if self.batch_size < self.asked_size:
            self._never.append(
                f"{len(self._pairs)} translations do not fill a batch in each process, so batches "
                f"are of {self.batch_size} instead of {self.asked_size}"
            )

    @property
    def groups(self) -> int:
        """Groups of batches in an epoch, one batch for each process."""
        needed = self.batch_size * self.world_size
        keep_rest = not self.drop_last and self.world_size == 1
        return len(self._pairs) // needed + (keep_rest and len(self._pairs) % needed > 0)

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of this epoch, as keys of the dataset."""
        random = np.random.default_rng([self.seed, self.epoch])
        self.examples.clear()
        order = random.permutation(len(self._pairs))
        for batch in range(len(self)):
            chosen = self._pairs[order[batch * self.batch_size : (batch + 1) * self.batch_size]]
            examples = [Example(row, code, code) for row, code in chosen.tolist()]
            self.examples.setdefault(batch // self.world_size, []).extend(examples)
            yield [self.dataset.key(example) for example in examples]
