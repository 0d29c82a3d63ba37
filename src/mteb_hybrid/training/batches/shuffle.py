"""The plain baseline: translated data, shuffled."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from mteb_hybrid.training.batches.sampler import CorpusKinds, HybridBatchSampler
from mteb_hybrid.training.corpus import Ints, has
from mteb_hybrid.training.dataset import Example


class TranslationShuffleSampler(HybridBatchSampler):
    """The plain baseline: every translation of every row once per epoch, in one shuffle.

    Both sides of an example are in one language. Translations of a row may meet in a batch, as
    they do where translated data are put one after another and shuffled.
    """

    def _check_groups(self, corpus: CorpusKinds) -> None:
        """Nothing to check: nothing is kept apart."""

    @cached_property
    def _pairs(self) -> Ints:
        """Shape (examples, 2): row and language."""
        both = self._queries & self._passages
        languages = range(len(self.dataset.languages))
        rows = [np.flatnonzero(has(both, language)) for language in languages]
        codes = np.repeat(languages, [len(found) for found in rows])
        return np.stack([np.concatenate(rows), codes], axis=1)

    def __len__(self) -> int:
        """Exact number of batches of an epoch, of all processes together."""
        needed = self.batch_size * self.world_size
        keep_rest = not self.drop_last and self.world_size == 1
        return (len(self._pairs) // needed) * self.world_size + (
            keep_rest and len(self._pairs) % needed > 0
        )

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of this epoch, as keys of the dataset."""
        random = np.random.default_rng([self.seed, self.epoch])
        self.examples.clear()
        order = random.permutation(len(self._pairs))
        for batch in range(len(self)):
            chosen = self._pairs[order[batch * self.batch_size : (batch + 1) * self.batch_size]]
            examples = [Example(int(row), int(code), int(code)) for row, code in chosen]
            self.examples.setdefault(batch // self.world_size, []).extend(examples)
            yield [self.dataset.key(example) for example in examples]
