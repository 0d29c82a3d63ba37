"""What a recipe would do, without doing it."""

import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from rich.table import Table
from sentence_transformers import SentenceTransformer
from transformers.utils import logging

from mteb_hybrid.recipes.recipe import Recipe
from mteb_hybrid.training.batches.factory import make_sampler
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.dataset import ParallelDataset
from mteb_hybrid.training.run.build import load_data, load_model, make_evaluator
from mteb_hybrid.training.run.loss import check_vectors
from mteb_hybrid.training.run.precision import choose_precision

MOST_BATCHES = 500
"""How many batches are drawn to show what they consist of."""


@dataclass
class DryRun:
    """What a recipe would do.

    Attributes:
        lines: What, and how it is.
        problems: Why it would fail.
    """

    lines: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def table(self) -> Table:
        """The lines as a table."""
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for what, how in self.lines:
            table.add_row(what, how)
        return table


def dry_run(recipe: Recipe, began: str | None = None) -> DryRun:
    """Find out what a recipe would do: reads model and data, trains nothing, writes nothing.

    Args:
        recipe: The recipe.
        began: The precision in which the run to be resumed began.

    Returns:
        Data, counts of languages, steps, what batches consist of, and memory. What cannot be
        known here, because weights or data are elsewhere, is said to be unknown.
    """
    found = DryRun([("recipe", f"{recipe.name}: {recipe.title}")])
    wanted = recipe.model
    found.lines.append(("model", f"{wanted.name} {wanted.revision or ''}".rstrip()))
    model = _describe_parameters(recipe, found)
    try:
        data = load_data(recipe)
        if model is not None:
            check_vectors(recipe, data, model)
        _describe_data(recipe, data, found)
        _describe_batches(recipe, data, found)
    except (ValueError, OSError) as error:
        found.lines.append(("data", f"unknown: {error}"))
        found.problems.append(str(error))
    training = recipe.training
    batches = {key: value for key, value in recipe.plan.settings().items() if key != "languages"}
    _describe_precision(training.precision, began, found)
    found.lines += [
        ("batch plan", ", ".join(f"{key} {value}" for key, value in batches.items())),
        ("loss", f"{training.loss_in_words}, seed {training.seed}"),
        (
            "optimizer",
            f"AdamW, learning rate {training.learning_rate:g}, weight decay "
            f"{training.weight_decay:g}, warm-up {training.warmup:.0%}",
        ),
        ("evaluation", _evaluation(recipe)),
    ]
    _describe_evaluator(recipe, found)
    if training.max_tokens is not None:
        found.lines.append(("length", f"cut at {training.max_tokens} tokens, in training alone"))
    if training.interpolate < 1:
        share = f"{training.interpolate:g} of the way from the untrained parameters to the trained"
        trained = "; evaluations are of the trained" if recipe.evaluation else ""
        found.lines.append(("model kept", share + trained))
    return found


def _describe_parameters(recipe: Recipe, found: DryRun) -> SentenceTransformer | None:
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = load_model(recipe, local_files_only=True)
    except (ValueError, ImportError) as error:
        found.lines.append(("parameters", f"unknown: {error}"))
        found.problems.append(str(error))
    except OSError:
        total = _known_to_mteb(recipe)
        said = "the weights are not on this machine, training downloads them"
        if total is None:
            found.lines.append(("parameters", f"unknown: {said}"))
            return None
        found.lines.append(("parameters", f"{total:,} by MTEB's metadata; {said}"))
        if not recipe.model.has_adapter and not recipe.model.freeze:
            found.lines.append(("memory", _memory(total, total)))
    else:
        total, trained = _count(model)
        share = trained / total
        found.lines.append(("parameters", f"{total:,}, of which {trained:,} train ({share:.1%})"))
        found.lines.append(("memory", _memory(total, trained)))
        return model
    return None


def _describe_precision(wanted: str, began: str | None, found: DryRun) -> None:
    try:
        chosen = choose_precision(wanted, began)
    except ValueError as error:
        found.lines.append(("precision", f"impossible: {error}"))
        found.problems.append(str(error))
    else:
        how = chosen.warning or chosen.reason
        found.lines.append(("precision", f"{chosen.name}, {how}"))


def _count(model: SentenceTransformer) -> tuple[int, int]:
    parameters = list(model.parameters())
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return sum(parameter.numel() for parameter in parameters), trained


def _known_to_mteb(recipe: Recipe) -> int | None:
    from mteb.models.model_implementations import MODEL_REGISTRY

    known = MODEL_REGISTRY.get(recipe.model.name)
    return None if known is None else known.n_parameters


def _memory(total: int, trained: int) -> str:
    """Float32 parameters, gradients and AdamW's two moments; autocast keeps all three."""
    parts = (4 * total, 4 * trained, 8 * trained)
    shown = [f"{size / 2**30:.2f}" for size in (sum(parts), *parts)]
    return (
        f"at least {shown[0]} GiB: parameters {shown[1]}, gradients {shown[2]}, AdamW {shown[3]}. "
        "Activations come on top: they grow with batch size and text length, and are often more"
    )


def _describe_data(recipe: Recipe, data: ParallelDataset, found: DryRun) -> None:
    counts = data.counts().filter(
        pl.col("query_language").is_in(list(recipe.languages))
        & pl.col("passage_language").is_in(list(recipe.languages))
    )
    same = pl.col("query_language") == pl.col("passage_language")
    for corpus, entry in zip(data.corpora, recipe.data, strict=True):
        share = "" if data.weights is None else f", {data.weights[corpus.name]:.0%} of the batches"
        held = f"{len(corpus):,} rows{share} ({entry.format} {entry.path})"
        found.lines.append((f"data {corpus.name}", held))
        own = counts.filter(pl.col("corpus") == corpus.name)
        rows = dict(own.filter(same).select("query_language", "rows").iter_rows())
        by_language = ", ".join(f"{code} {rows.get(code, 0):,}" for code in recipe.languages)
        found.lines.append(("  rows per language", by_language))
        pairs = own.filter(~same)
        found.lines.append(
            (
                "  pairs",
                f"{sum(rows.values()):,} monolingual in {len(rows)} languages, "
                f"{pairs['rows'].sum():,} cross-lingual in {len(pairs)} ordered pairs",
            )
        )


def _describe_batches(recipe: Recipe, data: ParallelDataset, found: DryRun) -> None:
    batches, training = recipe.batches, recipe.training
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    sampler = make_sampler(
        data,
        recipe.plan,
        batch_size=batches.size,
        drop_last=True,
        seed=training.seed,
        world_size=processes,
        batches_per_step=batches.gradient_accumulation,
    )
    sampler.check_training()
    per_epoch = len(sampler) // processes
    steps_per_epoch = math.ceil(per_epoch / batches.gradient_accumulation)
    steps = training.max_steps or math.ceil((training.epochs or 0) * steps_per_epoch)
    found.lines += [
        (
            "batches",
            f"{batches.size} examples x {processes} process(es) x "
            f"{batches.gradient_accumulation} per step; {per_epoch:,} per epoch and process",
        ),
        ("steps", f"{steps:,}, which is {steps / steps_per_epoch:.2f} epochs"),
    ]
    found.lines += [("  note", sentence) for sentence in sampler.sentences]
    wanted = min(MOST_BATCHES, steps * batches.gradient_accumulation)
    found.lines += _composition(sampler, wanted, per_epoch)


def _composition(sampler: HybridBatchSampler, wanted: int, per_epoch: int) -> list[tuple[str, str]]:
    """What the first batches are, exactly: they depend on data, plan and seed alone."""
    codes = sampler.dataset.languages
    pairs: Counter[tuple[str, str]] = Counter()
    monolingual = 0
    for group in _groups(sampler, wanted, per_epoch):
        own = Counter((codes[x], codes[y]) for _, x, y in group)
        pairs.update(own)
        monolingual += all(x == y for x, y in own)
    total = pairs.total()
    sides: list[Counter[str]] = [Counter(), Counter()]
    for pair, count in pairs.items():
        for side, code in zip(sides, pair, strict=True):
            side[code] += count
    shown = [
        ", ".join(f"{code} {count / total:.1%}" for code, count in sorted(side.items()))
        for side in sides
    ]
    return [
        (f"first {wanted} batches", f"{monolingual / wanted:.1%} monolingual, {len(pairs)} pairs"),
        ("  query languages", shown[0]),
        ("  passage languages", shown[1]),
    ]


def _groups(sampler: HybridBatchSampler, wanted: int, per_epoch: int) -> Iterator[list[Any]]:
    """The examples of the first batches, those of all processes together."""
    for place in range(wanted):
        epoch, group = divmod(place, per_epoch)
        if group == 0:
            sampler.set_epoch(epoch)
            batches = iter(sampler)
        for _ in range(sampler.world_size):
            next(batches)
        yield sampler.examples.pop(group)


def _describe_evaluator(recipe: Recipe, found: DryRun) -> None:
    """What an evaluation costs, or why there cannot be one."""
    try:
        evaluator = make_evaluator(recipe)
    except (ValueError, OSError) as error:
        found.lines.append(("  texts", f"unknown: {error}"))
        found.problems.append(str(error))
    else:
        if evaluator is not None:
            found.lines.append(("  texts", f"{evaluator.texts:,} to encode each time"))


def _evaluation(recipe: Recipe) -> str:
    wanted = recipe.evaluation
    if wanted is None:
        return "none"
    said = f"{wanted.collection} every {wanted.every} steps"
    if wanted.max_groups is not None:
        said += f", on {wanted.max_groups} groups of queries"
    if wanted.patience is None:
        return f"{said}; the last weights are kept"
    said += f"; stops after {wanted.patience} without a better {wanted.metric}, keeps the best"
    if wanted.keep_monolingual_within is None:
        return said
    kept = wanted.keep_monolingual_within
    return f"{said} of those that lose at most {kept:g} of the untrained model's monolingual_map"
