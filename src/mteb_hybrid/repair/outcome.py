"""Fit a repair of a model on plain text, and choose how strong it is."""

import time
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from mteb_hybrid.repair.encode import encode_texts
from mteb_hybrid.repair.held_out import Figures, HeldOut, halves
from mteb_hybrid.repair.model import compares_by_cosine
from mteb_hybrid.repair.sample import RepairError, Sample, alike, checked_sample, mistaken
from mteb_hybrid.repair.strength import LOSS, Choice, choose
from mteb_hybrid.repair.texts import Corpus, Texts
from mteb_hybrid.repair.vector_repair import FittedRepair, VectorRepair
from mteb_hybrid.repair.where import Where, chance, where

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MISTAKEN = 0.25
"""Share of a language's texts that may be nearer to another language before it is said."""


@dataclass(frozen=True)
class Outcome:
    """A fit, and what to say of it.

    Attributes:
        corpus: The texts.
        choice: What was chosen, and its figures.
        before: Where the bias sits in vectors of held-out passages (of their second halves, where
            the texts are not parallel), without the repair.
        after: The same with it; None if none is needed.
        held_out: How many passages these are, by language.
        encoding: Seconds for the texts fitted on.
        fitting: Seconds for the fit alone.
        warnings: What the user should look at.
    """

    corpus: Corpus
    choice: Choice
    before: Where
    after: Where | None
    held_out: dict[str, int]
    encoding: float
    fitting: float
    warnings: tuple[str, ...]

    @property
    def fitted(self) -> FittedRepair | None:
        """The repair; None if none is needed."""
        return self.choice.fitted

    @property
    def before_and_after(self) -> tuple[Figures, Figures]:
        """Held-out figures without the repair and with it."""
        return self.choice.curve[0], self.choice.curve[self.choice.place]


def fit_model(
    model: "SentenceTransformer",
    corpus: Corpus,
    repair: VectorRepair,
    directions: int | None = None,
    held_out: int = 100,
    batch_size: int = 32,
) -> Outcome:
    """Fit a repair on a model's vectors of passages.

    The means of queries lie elsewhere than those of passages in models that have prompts; the map
    from passages does better on both than one from queries, or than one from each
    (docs/results/repair.md).

    Args:
        model: The model.
        corpus: Texts to fit on and to judge by.
        repair: What to fit.
        directions: How many directions to remove; chosen on held-out text if None.
        held_out: How many held-out texts of each language to judge by.
        batch_size: Texts per batch.

    Raises:
        RepairError: If the texts cannot be fitted on; among others, if two languages have the same
            mean, while most have not.
    """
    start = time.perf_counter()
    vectors = encode_texts(model, corpus.fit, "document", batch_size)
    encoding = time.perf_counter() - start
    sample = checked_sample(vectors)
    warnings = _look_at(sample)
    start = time.perf_counter()
    repair.fit(sample, directions)
    fitting = time.perf_counter() - start
    some: Texts = {x: list(islice(texts, held_out)) for x, texts in corpus.held_out.items()}
    beginnings, endings = {}, {}
    for language, texts in some.items():
        beginnings[language], endings[language] = halves(texts)
    judged = HeldOut(
        beginnings=encode_texts(model, beginnings, "query", batch_size),
        endings=encode_texts(model, endings, "document", batch_size),
        queries=encode_texts(model, some, "query", batch_size) if corpus.parallel else {},
        passages=encode_texts(model, some, "document", batch_size) if corpus.parallel else {},
        unit=compares_by_cosine(model),
    )
    choice = choose(repair, sample, judged, directions)
    plain = _passages(judged)
    found = Outcome(
        corpus=corpus,
        choice=choice,
        before=where(plain),
        after=where(_passages(judged, choice.fitted)) if choice.fitted else None,
        held_out={language: len(rows) for language, rows in plain.items()},
        encoding=encoding,
        fitting=fitting,
        warnings=(),
    )
    return replace(found, warnings=(*warnings, *_of_figures(found)))


def _passages(judged: HeldOut, fitted: FittedRepair | None = None) -> Sample:
    found = judged.repaired(fitted)
    return found.passages or found.endings


def _look_at(sample: Sample) -> list[str]:
    """Warn of texts that seem to be in a wrong language.

    Raises:
        RepairError: If two languages hold texts of one.
    """
    same = alike(sample)
    count = len(sample)
    if same and len(same) < count * (count - 1) / 4:
        pairs = ", ".join(f"{first} and {second}" for first, second in same)
        raise RepairError(
            f"the means of {pairs} differ no more than chance makes them: the same language in "
            "both, or one that the model does not tell from the other. Correct the texts, or leave "
            "one of the two out"
        )
    return [
        f"{share:.0%} of the texts of {language} lie nearer to the mean of {other} than to their "
        f"own: are they {language}?"
        for language, (other, share) in mistaken(sample).items()
        if share > MISTAKEN and not same
    ]


def _of_figures(found: Outcome) -> list[str]:
    before, after = found.before_and_after
    said = []
    if (loss := before.monolingual - after.monolingual) > LOSS:
        said.append(
            f"THE REPAIR COSTS {loss:.3f} OF MONOLINGUAL MAP on held-out text "
            f"({before.monolingual:.3f} to {after.monolingual:.3f}), more than {LOSS}; remove "
            "fewer directions"
        )
    best = max((figures.pool for figures in found.choice.curve), default=0)
    if found.corpus.parallel and best < 0.05:
        said.append(
            f"held-out texts hardly find their translations (map {best:.3f}): are the files "
            "aligned line by line? If not, the number of directions was chosen by nothing"
        )
    if not found.corpus.parallel:
        said.append(
            "the texts are not parallel, so nothing was chosen on them: all directions were "
            "removed, and only the monolingual map could be looked at"
        )
    return said


def where_text(found: Outcome) -> str:
    """Where the bias sits, before and after, and what chance would give."""
    between, probe = chance(found.held_out.values())
    after = [""] * 2
    if found.after is not None:
        shares = (found.after.between, found.after.probe)
        after = [f", {share:.1%} after the repair" for share in shares]
    return (
        f"Held-out vectors: {found.before.between:.1%} of the variance lies between languages"
        f"{after[0]} ({between:.1%} by chance); a linear probe reads the language of "
        f"{found.before.probe:.1%} of the texts{after[1]} ({probe:.1%} by chance)"
    )


def seconds_text(found: Outcome) -> str:
    """How long encoding and fitting took."""
    counts = sorted(map(len, found.corpus.fit.values()))
    each = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    return (
        f"{sum(counts)} texts in {len(counts)} languages ({each} of each): encoded "
        f"in {found.encoding:.1f} s, fitted in {found.fitting:.2f} s"
    )
