"""Encode once: vectors of distinct texts, and whether a later task may have them too.

Encoders are passed in as functions, so nothing here depends on mteb.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain
from typing import TypeAlias

import numpy as np
import polars as pl

from mteb_hybrid.retrieval.checked import EncoderError, checked_vectors
from mteb_hybrid.retrieval.judgments import Ints
from mteb_hybrid.retrieval.parts import Parts, Vectors

Encode: TypeAlias = Callable[[list[str]], Vectors]

Keep: TypeAlias = Callable[[tuple[str, ...], Callable[[], Vectors]], Vectors]
"""Finds the vectors of texts that are encoded in one call, or has them encoded and keeps them."""

_Call: TypeAlias = tuple[Vectors, Vectors | None]
"""The vectors of a call, as they are kept, and before they were rounded if they are."""

DEPENDENT = 0.4
"""Relative distance of two vectors of one text from which on the other texts of a call decide.

Padding moves vectors of bfloat16 by .01, single bits of binary ones by .1, and those of dynamic
int8 by .2; scaling integers by the range of two texts, and not five, by .6 and more.
"""

TEXTS_PER_CALL = 8192
"""Of a unit; what is under way when a run that keeps its vectors is killed is lost."""

NOISE = 0.05
"""Relative distance of two vectors of one text up to which it may be chance."""

OF_NOISE = 4.0
"""How many times as far as those of the same call twice they may be."""


@dataclass
class TextVectors:
    """Vectors of texts of one model and prompt type; each text is encoded once.

    In its last bits a vector depends on the texts that share its batch. So that it does not depend
    on what was asked before, texts are encoded in units, each whole and in one order, in one
    call or, where it is large, in as many as ever.

    Attributes:
        model: Name of the model, for errors.
        keep: Keeps vectors beyond this process; None if nothing does.
        executor: Makes calls beside each other, of a model that can; one after another if None.
        exact: If `keep` keeps vectors in fewer bits, what keeps those of each unit's first call as
            they are: by them it is measured what rounding changes.
        memory: Bytes that may be taken; None if all vectors that are asked for are to be copied
            into one array, whatever its size.
        texts_per_call: Into calls of as many texts a unit is cut; `TEXTS_PER_CALL` if None.
        probe: Some texts that were encoded apart, their vectors, and by how much these may differ
            where they are encoded again; None of vectors that are not shared.
    """

    model: str | None = None
    keep: Keep | None = None
    exact: Keep | None = None
    memory: int | None = None
    executor: Executor | None = None
    texts_per_call: int | None = None
    probe: tuple[tuple[str, ...], Vectors, float] | None = None
    _units: dict[tuple[str, ...], Vectors] = field(default_factory=dict)
    _first: dict[tuple[str, ...], Vectors] = field(default_factory=dict)
    _begun: dict[tuple[str, ...], list[Future[_Call]]] = field(default_factory=dict)

    def use(self, executor: Executor | None) -> None:
        """Have calls made by another executor; what was begun with the last is forgotten."""
        if self.executor is not executor:
            self.executor, self._begun = executor, {}

    def hold(self, encode: Encode) -> bool:
        """Whether a subset has the same vectors as the one that they were shared in first.

        Args:
            encode: Encodes in that subset.
        """
        if self.probe is None:
            return False
        texts, vectors, tolerated = self.probe
        found = _encode(encode, texts, self.model)
        spread = _distance(found, vectors)
        # Of a model that seldom answers otherwise, the first check saw nothing.
        return spread <= tolerated or spread <= _chance(
            _distance(found, _encode(encode, texts, self.model))
        )

    def begin(self, units: Iterable[tuple[str, ...]], encode: Encode) -> None:
        """Have an executor encode the units that are new, without waiting for them."""
        if self.executor is None:
            return
        for unit in units:
            if unit not in self._units and unit not in self._begun:
                self._begun[unit] = [
                    self.executor.submit(self._call, texts, encode, not place)
                    for place, texts in enumerate(self._calls(unit))
                ]

    def get(
        self, texts: Sequence[str], units: Sequence[tuple[str, ...]], encode: Encode
    ) -> Vectors:
        """Vectors of some texts, encoding the units that are new.

        Args:
            texts: N texts, repeats allowed.
            units: Distinct texts each; together they hold `texts`. A text of several units has its
                vector from the first, so that repeats tie.
            encode: Encodes a list of distinct texts.

        Returns:
            Shape (N, D). They share memory with the ones that are kept, where `texts` is one unit.
            `Parts` if they are more than an eighth of `memory`.

        Raises:
            EncoderError: If the model returns the wrong shape, NaN or infinity, or vectors that
                nothing keeps take more than half of `memory`.
        """
        self.begin(units, encode)
        places: dict[str, int] = {}
        for start, unit in zip(accumulate(map(len, units), initial=0), units, strict=False):
            if unit not in self._units:
                self._units[unit] = self._encoded(unit, encode)
            for place, text in enumerate(unit, start):
                places.setdefault(text, place)
        rows = np.array([places[text] for text in texts])
        if len(units) == 1 and np.array_equal(rows, np.arange(len(units[0]))):
            return self._units[units[0]]
        pieces: list[Vectors] = []
        for unit in units:
            found = self._units[unit]
            pieces += found.pieces if isinstance(found, Parts) else [found]
        return self._joined(Parts(pieces, rows))

    def _encoded(self, unit: tuple[str, ...], encode: Encode) -> Vectors:
        found: list[Vectors] = []
        try:
            for place, texts in enumerate(self._calls(unit)):
                if self.executor is None:
                    vectors, exact = self._call(texts, encode, not place)
                else:
                    vectors, exact = self._begun[unit][place].result()
                found.append(vectors)
                if exact is not None:
                    self._first[unit] = exact
                if not place and self.memory is not None and not self.keep:
                    self._refuse_too_many(len(unit), vectors, self.memory)
        except BaseException:
            for call in chain.from_iterable(self._begun.values()):
                call.cancel()  # nobody will ask for it
            self._begun.clear()
            raise
        self._begun.pop(unit, None)
        return found[0] if len(found) == 1 else self._joined(Parts(found, np.arange(len(unit))))

    def _calls(self, unit: tuple[str, ...]) -> list[tuple[str, ...]]:
        size = self.texts_per_call or TEXTS_PER_CALL
        return [unit[start : start + size] for start in range(0, len(unit), size)]

    def _call(self, texts: tuple[str, ...], encode: Encode, first: bool) -> _Call:
        new = partial(_encode, encode, texts, self.model)
        exact = self.exact(texts, new) if first and self.exact else None
        if exact is not None:
            new = partial(_given, exact)
        return self.keep(texts, new) if self.keep else new(), exact

    def exact_ones(self, texts: Sequence[str]) -> tuple[Ints, Vectors] | None:
        """What is known of some texts before it was rounded.

        Returns:
            Which of the texts, shape (n,), and their vectors, shape (n, D); None if nothing is
            rounded.
        """
        if not self._first:
            return None
        places: dict[str, int] = {}
        starts = accumulate(map(len, self._first.values()), initial=0)
        for start, (unit, vectors) in zip(starts, self._first.items(), strict=False):
            for place, text in enumerate(unit[: len(vectors)], start):
                places.setdefault(text, place)
        known = np.array([place for place, text in enumerate(texts) if text in places], np.int64)
        rows = np.array([places[texts[place]] for place in known], np.int64)
        return known, Parts(list(self._first.values()), rows)

    def _joined(self, parts: Parts) -> Vectors:
        if self.memory is not None and len(parts) * parts.pieces[0][:1].nbytes > self.memory // 8:
            return parts
        return parts.take(np.arange(len(parts)))

    def _refuse_too_many(self, count: int, first: Vectors, memory: int) -> None:
        held = sum(len(unit) for unit in self._units)
        needed = (held + count) * int(first[:1].nbytes)
        if needed > memory // 2:
            remedy = "Allow more by --memory or MTEB_HYBRID_MEMORY"
            if self.texts_per_call is None:  # else no store keeps them
                remedy += ", or keep them on disk, by --store or MTEB_HYBRID_STORE"
            raise EncoderError(
                f"the vectors of {held + count:,} texts take {needed / 1e9:.1f} GB, more than half "
                f"of the {memory / 1e9:.1f} GB that may be taken. {remedy}"
            )


def _apart(
    encode: Encode, texts: tuple[str, ...], vectors: Vectors, model: str | None
) -> Vectors | None:
    """Vectors of texts without those that they were encoded with; None if they depend on these."""
    try:
        apart = _encode(encode, texts, model)
    except EncoderError:  # a range of nothing, say
        return None
    return apart if _distance(vectors, apart) <= DEPENDENT else None


def _given(vectors: Vectors) -> Vectors:
    return vectors


@dataclass
class _Shared:
    probe_vectors: Vectors
    vectors: TextVectors


_shared: dict[tuple[str, ...], _Shared] = {}


def probe_texts(texts: pl.Series) -> tuple[str, ...]:
    """The texts whose vectors stand for all: the longest, and the middle of each quarter by length.

    A model that now cuts texts at another length, say, changes the vectors of long ones only.

    Args:
        texts: At least one text.

    Returns:
        Up to 5 texts, the longest first. They depend on the set of texts alone.
    """
    ordered = texts.unique().to_frame("text").sort(pl.col("text").str.len_chars(), "text")["text"]
    places = [len(ordered) - 1, *(len(ordered) * eighth // 8 for eighth in (7, 5, 3, 1))]
    return tuple(dict.fromkeys(ordered[place] for place in places))


def shared_vectors(
    key: tuple[str, ...],
    probe: tuple[str, ...],
    encode: Encode,
    encode_elsewhere: Encode,
    model: str | None = None,
    keeper: Callable[[Sequence[str], Vectors], Keep] | None = None,
    executor: Executor | None = None,
    memory: int | None = None,
    exact_keeper: Callable[[Sequence[str], Vectors], Keep] | None = None,
) -> TextVectors | None:
    """The vectors that earlier tasks of this process left for a model, if they still hold.

    Sharing is checked, not assumed. Probe texts are encoded again: in the present subset of
    the present task, where the vectors must be bit for bit the ones of the task that came first
    (they are not if the prompt depends on the task, or if the model has been trained since), and
    in another subset, where they must not change (they do if the model reads ``hf_subset``).
    Where they do change, but by no more than `NOISE`, and hardly more than in the present subset
    when they are encoded once more (`OF_NOISE`), the model is one that never answers twice alike
    (some that are reached over the network), and the first check allows as much.

    Two of the probe texts are then encoded without the others: `TextVectors.hold` does it again in
    further subsets. Vectors that change by more than
    `DEPENDENT` depend on what is encoded with them, as those that are scaled to integers by the
    range of a call do: language by language, that would take the bias between languages out.

    Args:
        key: What identifies the model, then what identifies prompt type and options. Only the
            last model's vectors are kept.
        probe: What `probe_texts` returned for the texts of the task. Tasks with another probe
            share nothing.
        encode: Encodes in the present subset.
        encode_elsewhere: Encodes in another subset of the same task.
        model: Name of the model, for errors.
        keeper: Gives what keeps vectors beyond this process, from the probe texts and their
            vectors. It is not asked of a model that never answers twice alike.
        executor: Makes calls beside each other, of a model that can.
        memory: As of `TextVectors`.
        exact_keeper: The same as `keeper`, for `TextVectors.exact`.

    Returns:
        The vectors to share, or None if the model reads ``hf_subset``, or all texts of a call.
    """
    for other in [other for other in _shared if other[0] != key[0]]:
        _shared.pop(other, None)  # another thread may have been faster
    here, elsewhere = _encode(encode, probe, model), _encode(encode_elsewhere, probe, model)
    tolerated = 0.0
    if spread := _distance(here, elsewhere):
        tolerated = _chance(_distance(here, _encode(encode, probe, model)))
        if spread > tolerated:
            return None
    known = _shared.get((*key, *probe))
    if known is None or _distance(here, known.probe_vectors) > tolerated:
        left = max(0, len(probe) - 2)
        apart = _apart(encode, probe[left:], here[left:], model)
        if apart is None:
            return None
        keep = keeper(probe, here) if keeper and not tolerated else None
        exact = exact_keeper(probe, here) if exact_keeper and keep else None
        known = _shared[*key, *probe] = _Shared(here, TextVectors(model, keep, exact))
        known.vectors.probe = probe[left:], apart, tolerated
    known.vectors.memory = memory
    known.vectors.use(executor)
    return known.vectors


def _encode(encode: Encode, texts: Sequence[str], model: str | None) -> Vectors:
    """Vectors of texts, which are encoded longest first: not every model pads them by length."""
    order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
    ordered = [texts[place] for place in order]
    return checked_vectors(encode(ordered), ordered, model)[np.argsort(order)]


def _chance(noise: float) -> float:
    """How far vectors may differ by chance, where the same call twice gave such a distance."""
    return min(NOISE, OF_NOISE * noise)


def _distance(first: Vectors, second: Vectors) -> float:
    """Largest distance between the vectors of one text, relative to their length."""
    if first.shape != second.shape:
        return float("inf")
    one, other = (
        np.asarray(v.float() if hasattr(v, "detach") else v, dtype=np.float64)
        for v in (first, second)
    )
    length = np.linalg.norm(one, axis=1) + np.finfo(np.float64).tiny
    return float((np.linalg.norm(one - other, axis=1) / length).max())
