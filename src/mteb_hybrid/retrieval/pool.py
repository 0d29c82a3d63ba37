"""The pool of passages that a ranking is of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mteb_hybrid.retrieval.judgments import Ints

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """The passages that a view ranks.

    Its length is the number of candidates that a query has.

    Attributes:
        ids: Passage ids, N of them.
        passage_languages: The language of each.
        languages: All languages in the pool, in the order of tables.
        left_out: Language of the one passage that is left out for each query, its own; or None.
    """

    ids: Sequence[str]
    passage_languages: Sequence[str]
    languages: tuple[str, ...]
    left_out: str | None = None

    def __len__(self) -> int:
        return len(self.ids) - (self.left_out is not None)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each id."""
        return {id_: position for position, id_ in enumerate(self.ids)}

    @cached_property
    def by_tie_order(self) -> Ints:
        """Shape (N,), the order of passages of equal scores: by id, descending."""
        by_id = sorted(range(len(self.ids)), key=self.ids.__getitem__, reverse=True)
        return np.array(by_id, dtype=np.int64)

    @cached_property
    def tie_order(self) -> Ints:
        """Shape (N,), the place of each passage among equal scores: `by_tie_order` inverted."""
        order = np.empty(len(self.ids), dtype=np.int64)
        order[self.by_tie_order] = np.arange(len(self.ids))
        return order

    @cached_property
    def codes(self) -> Ints:
        """Shape (N,), the language of each passage as a position in `languages`."""
        code = {language: position for position, language in enumerate(self.languages)}
        return np.array([code[language] for language in self.passage_languages], dtype=np.int64)

    @cached_property
    def shares(self) -> Floats:
        """Shape (L,), the share of each language among the candidates; they sum to 1."""
        counts = np.bincount(self.codes, minlength=len(self.languages))
        if self.left_out is not None:
            counts[self.languages.index(self.left_out)] -= 1
        return np.asarray(counts / len(self))


def without_own(pool: Pool, qrels: Mapping[str, Mapping[str, int]]) -> tuple[Pool, Ints | None]:
    """The pool without each query's own passage, and where that is; None if it has none of them."""
    own = [pool.index[query] for query in qrels if query in pool.index]
    if not own:
        return pool, None
    languages = {pool.passage_languages[column] for column in own}
    if len(own) < len(qrels) or len(languages) > 1:
        raise ValueError(
            f"{len(own)} of {len(qrels)} queries are passages of the pool, in {len(languages)} "
            "language(s); expected all or none of them, in one language, so that all rankings are "
            "of the same pool"
        )
    for query, judged in qrels.items():
        if judged.get(query, 0) > 0:
            raise ValueError(
                f"query {query!r} is judged on itself, which is left out of its ranking; remove "
                "that judgment"
            )
    return replace(pool, left_out=languages.pop()), np.array(own)
