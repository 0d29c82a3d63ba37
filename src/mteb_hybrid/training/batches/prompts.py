"""Prompts: what is put before texts in training is put before them in evaluation."""

import logging
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeAlias

from mteb_hybrid.training.batches.error import HybridBatchError
from mteb_hybrid.training.labels import LABELS

logger = logging.getLogger(__name__)

Prompts: TypeAlias = str | Mapping[Any, Any] | None
"""What ``args.prompts`` may be: one prompt, one for each column, or either for each data set."""

NAMES = {"query": ("query",), "passage": ("document", "passage", "corpus")}
"""For each side of an example, the names under which a model may have its prompt."""


@dataclass(frozen=True)
class Settled:
    """Prompts that agree.

    Attributes:
        training: For ``args.prompts``.
        model: For ``model.prompts``, under the names ``query`` and ``document``.
    """

    training: Prompts
    model: dict[str, str]


def settle(
    training: Prompts,
    model: Mapping[str, str | None],
    datasets: Mapping[str | None, int],
    evaluated: Mapping[str | None, int] | None = None,
) -> Settled:
    """Make the prompts of training and those of the model agree.

    What only one of them says goes for both: sentence-transformers does not use a model's own
    prompts in training, nor those of training in evaluation. Negatives get the passage's.

    Args:
        training: ``args.prompts``, in any form that sentence-transformers takes.
        model: ``model.prompts``.
        datasets: How many negatives the examples of each parallel data set carry, by its name in
            a dictionary of data sets, or None for the only one.
        evaluated: The same for data sets that are evaluated on.

    Returns:
        Both, complete.

    Raises:
        HybridBatchError: If they contradict each other, or negatives the passage.
    """
    had = {
        side: next((prompt for name in names if (prompt := model.get(name))), "")
        for side, names in NAMES.items()
    }
    wanted: dict[str, dict[str, Any]] = {side: {} for side in NAMES}
    for name, negatives in datasets.items():
        said = _of(training, name)
        training = _completed(training, name, negatives, had)
        for side in NAMES:
            prompt = _column(_of(training, name), side) or ""
            wanted[side].setdefault(prompt, name)
            if _column(said, side) is None and prompt:
                logger.warning(
                    "args.prompts has none for %r: training uses the model's own, %r", side, prompt
                )
    settled = {
        names[0]: _agreed(side, wanted[side], had[side])
        for side, names in NAMES.items()
        if wanted[side]
    }
    for name, negatives in (evaluated or {}).items():
        training = _completed(
            training, name, negatives, {side: settled.get(NAMES[side][0], "") for side in NAMES}
        )
    return Settled(training, {name: prompt for name, prompt in settled.items() if prompt})


def check_names(prompts: Prompts, datasets: Mapping[str | None, Any]) -> None:
    """Refuse prompts for what is no column: the collator would put them before nothing.

    Args:
        prompts: ``args.prompts``.
        datasets: Every data set that is trained or evaluated on, by its name.

    Raises:
        HybridBatchError: If a prompt for all data sets is under a name that none of them has, one
            for a data set under a name that is not its own, or there is no such data set.
    """
    columns = {name: set(part.column_names or ()) for name, part in datasets.items()}
    every = set[str]().union(*columns.values())
    for name, prompt in prompts.items() if isinstance(prompts, Mapping) else ():
        if not isinstance(prompt, Mapping):
            _check_name(name, prompt, {*every, *datasets}, every, "the data")
            continue
        if name not in datasets:
            raise HybridBatchError(
                f"args.prompts has prompts for a data set {name!r}, and there is none; the data "
                f"sets are {', '.join(map(repr, filter(None, datasets))) or 'one without a name'}"
            )
        for column, own in prompt.items():
            _check_name(column, own, columns[name], columns[name], f"data set {name!r}")


def check_pair_prompts(prompts: Prompts, datasets: Collection[str | None]) -> None:
    """Refuse prompts by column for a cross-encoder: its collator would put them before nothing.

    It puts one prompt before each pair of a query and a passage.

    Args:
        prompts: ``args.prompts``.
        datasets: The names of all data sets that are trained or evaluated on.

    Raises:
        HybridBatchError: If a prompt is for what is no data set.
    """
    names = prompts if isinstance(prompts, Mapping) else ()
    unknown = next((name for name in names if name not in datasets), None)
    if unknown is not None:
        raise HybridBatchError(
            f"args.prompts has a prompt for {unknown!r}, and a cross-encoder puts one prompt "
            "before a pair, none before each column: give one text, or one for each of several "
            "data sets by its name"
        )


def before_texts(prompts: Prompts, datasets: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What stands before the texts of each data set, by column, where something does.

    Args:
        prompts: ``args.prompts``.
        datasets: The data sets, by name; an empty name if there is but one.
    """
    found = {
        name: {
            column: prompt
            for column in part.column_names or ()
            if column not in LABELS and (prompt := _column(_of(prompts, name or None), column))
        }
        for name, part in datasets.items()
    }
    return {name: by_column for name, by_column in found.items() if by_column}


def _check_name(
    name: Any, prompt: Any, known: AbstractSet[Any], columns: AbstractSet[str], where: str
) -> None:
    negative = str(name).startswith("negative")  # of other data with the same arguments
    if name not in known and not negative:
        raise HybridBatchError(
            f"args.prompts has {prompt!r} for {name!r}, which is no column of {where}; "
            f"the columns are {', '.join(sorted(columns))} (in parallel data 'query' and "
            "'passage', whatever they were called when they were read)"
        )


def _of(prompts: Prompts, name: str | None) -> Prompts:
    """What the collator looks up for a data set."""
    if not isinstance(prompts, Mapping):
        return prompts or None
    if name in prompts:
        return prompts[name]  # type: ignore[no-any-return]
    by_dataset = any(isinstance(value, Mapping) for value in prompts.values())
    return None if by_dataset else prompts


def _column(prompts: Prompts, column: str) -> str | None:
    return prompts.get(column) if isinstance(prompts, Mapping) else prompts


def _completed(
    prompts: Prompts, name: str | None, negatives: int, model: Mapping[str, str]
) -> Prompts:
    """Prompts for every column of a parallel data set."""
    own = _of(prompts, name)
    if isinstance(own, str):
        return prompts
    own = own or {}
    full = {side: model[side] if own.get(side) is None else own[side] for side in NAMES}
    for number in range(1, negatives + 1):
        column = f"negative_{number}"
        if own.get(column) not in (None, full["passage"]):
            raise HybridBatchError(
                f"args.prompts has {full['passage']!r} for 'passage' and {own[column]!r} for "
                f"{column!r}; both are passages and need the same prompt: leave out {column!r}"
            )
        full[column] = full["passage"]
    if not any(full.values()):
        return prompts
    if not isinstance(prompts, Mapping) or not prompts:
        return full
    if name in prompts:
        return {**prompts, name: {**own, **full}}
    by_column = own and not NAMES.keys().isdisjoint(prompts)
    if not by_column and name is not None:
        return {**prompts, name: full}
    return {**prompts, **full} if own else prompts


def _agreed(side: str, wanted: Mapping[str, str | None], had: str) -> str:
    """The one prompt of a side, if there is one."""
    if len(wanted) > 1:
        said = ", ".join(f"{prompt!r} for {name!r}" for prompt, name in wanted.items())
        logger.warning(
            "the data sets have different prompts for %r (%s): the model %s; give "
            "the right prompt when you evaluate it",
            side,
            said,
            f"keeps {had!r}" if had else "gets none",
        )
        return had
    (prompt,) = wanted
    if had and prompt != had:
        name = NAMES[side][0]
        raise HybridBatchError(
            f"training puts {prompt!r} before every {side} (args.prompts), the model is evaluated "
            f"with {had!r} (model.prompts); write the same into both, such as "
            f"model.prompts[{name!r}] = {prompt!r}"
        )
    return prompt
