"""What a model loses on rewritten queries: compared with itself, on the same questions.

Queries with a rewrite are paired with themselves, unchanged, in the same pool: the values of the
collection's ``original`` tasks, or of its own tasks where those were not evaluated. Tests and
intervals are those of `mteb_hybrid.results.compare`, resampled by question.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from mteb_hybrid.cards.rewritten import ORIGINAL, RewrittenCard
from mteb_hybrid.cards.tasks import task_name, tasks_by_name
from mteb_hybrid.results.compare import KEY, CompareError, compare
from mteb_hybrid.results.resample import holm

ALL = "all"
"""What stands for all query languages together."""

NAMES = ("the original queries", "the rewritten queries")


def robustness(
    frame: pl.DataFrame,
    measures: Sequence[str] = ("map",),
    revisions: Mapping[str, str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> pl.DataFrame:
    """Compare the rewritten queries with the original ones, of one model.

    Args:
        frame: Per-query values of the model, as `read_per_query` gives them.
        measures: Which measures.
        revisions: The revision of the data by task, where it is known.
        resamples: As for `compare`.
        seed: As for `compare`.

    Returns:
        Rows per task of rewritten queries, measure and query language, and one of all languages
        (`ALL`: the unweighted mean over subsets), with the columns of `compare`: ``first`` are the
        original queries, ``second`` the rewritten ones, so a loss is a ``difference`` below 0.
        ``p_holm`` is corrected over all rows.

    Raises:
        CompareError: If there are no rewritten queries, or none to compare them with, or both were
            evaluated on different data.
    """
    original, rewritten = _sides(frame, revisions or {})
    whole = compare(original, rewritten, measures, resamples, seed, NAMES)
    # A task and language is one more task: so languages have intervals of their own.
    apart = pl.concat_str("task", "query_language", separator=" ")
    single = compare(
        original.with_columns(task=apart),
        rewritten.with_columns(task=apart),
        *(measures, resamples, seed, NAMES),
    )
    parts = single.with_columns(
        pl.col("task").str.split_exact(" ", 1).struct.rename_fields(["task", "language"])
    ).unnest("task")
    whole = whole.with_columns(language=pl.lit(ALL))
    table = pl.concat([whole, parts.select(whole.columns)])
    table = table.with_columns(p_holm=pl.Series(holm(table["p"].to_list())))
    return table.sort("task", "measure", pl.col("language") != ALL, "language")


def losses(frame: pl.DataFrame, revisions: Mapping[str, str] | None = None) -> pl.DataFrame:
    """The difference that a rewrite makes to each query: per-query values themselves.

    So `compare` of those of two models says which of them loses more.

    Args:
        frame: Per-query values of one model.
        revisions: As for `robustness`.

    Returns:
        Rows as `read_per_query` gives them, of the tasks of rewritten queries: ``value`` is the
        rewritten query's less the original one's.

    Raises:
        CompareError: As `robustness`.
    """
    original, rewritten = _sides(frame, revisions or {})
    both = rewritten.join(original.select(*KEY, first="value"), on=KEY)
    return both.with_columns(value=pl.col("value") - pl.col("first")).drop("first")


def originals_of(tasks: Sequence[str]) -> dict[str, str]:
    """The task that each task of rewritten queries is compared with, of some tasks of a model.

    Raises:
        CompareError: If there are no rewritten queries, or none to compare them with.
    """
    known = tasks_by_name()
    found = {}
    for task in tasks:
        card, setting = known.get(task, (None, None))
        if not isinstance(card, RewrittenCard) or card.rewrite == ORIGINAL or setting is None:
            continue
        own = task_name(card.of, setting)
        beside = [name for name, (c, s) in known.items() if s is setting and _is_original(c, card)]
        there = [name for name in (*beside, own) if name in tasks]
        if not there:
            stem = card.of.file.stem
            raise CompareError(
                f"{task}: nothing to compare with; evaluate the model on {stem}-{ORIGINAL} too "
                f"({' or '.join((*beside, own))}), on the same subsets"
            )
        found[task] = there[0]
    if not found:
        raise CompareError(
            "no task of rewritten queries among the results. Evaluate the model on a kind of "
            "rewrites and on the original queries: `mteb-hybrid run -m MODEL mlqa-r-original "
            "mlqa-r-paraphrase`; `mteb-hybrid tasks list` has the names"
        )
    return found


def _is_original(card: object, of: RewrittenCard) -> bool:
    return (
        isinstance(card, RewrittenCard) and card.rewrite == ORIGINAL and card.of.file == of.of.file
    )


def _sides(frame: pl.DataFrame, revisions: Mapping[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The values of original and rewritten queries, both under the task of the latter."""
    pairs = originals_of(frame["task"].unique().sort().to_list())
    for task, of in pairs.items():
        data, other = (_collection(name, revisions) for name in (task, of))
        if data and other and data != other:
            raise CompareError(
                f"{task} is on revision {data} of the data, {of} on {other}; differences between "
                "them may have that cause. Evaluate both on the same."
            )
    rewritten = frame.filter(pl.col("task").is_in(list(pairs)))
    tasks = pl.DataFrame({"task": list(pairs), "of": list(pairs.values())})
    original = (
        frame.rename({"task": "of"})
        .join(tasks, on="of")
        .join(rewritten.select(KEY), on=KEY, how="semi")
        .select(frame.columns)
    )
    return original, rewritten


def _collection(task: str, revisions: Mapping[str, str]) -> str:
    """The revision of the collection, without what stands for the choice of queries.

    Of translated queries none is compared: rewrites are of the collection's own.
    """
    revision = revisions.get(task, "").partition("+translated-")[0]
    card, _ = tasks_by_name()[task]
    return (
        revision.rpartition(f"+{card.rewrite}-")[0] if isinstance(card, RewrittenCard) else revision
    )
