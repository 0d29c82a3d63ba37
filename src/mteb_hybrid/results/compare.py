"""Compare models by their per-query values: paired, and resampled by question.

Translations of one question are not independent. Resampling therefore draws groups (a question in
all its languages) and keeps all rows of a drawn group; it never draws single queries.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.cards.translations import query_language_codes
from mteb_hybrid.languages.codes import iso_language, macrolanguage
from mteb_hybrid.languages.near import did_you_mean
from mteb_hybrid.languages.traits import UNKNOWN, By, language_traits
from mteb_hybrid.measures import MEASURES
from mteb_hybrid.results.resample import bootstrap_interval, holm, randomisation_p

KEY = ("task", "pool", "measure", "query_language", "query")
"""What identifies a value; the columns of a model's per-query values are these, group and value."""


_BOTH = pl.all_horizontal(pl.col("first", "second").is_not_nan()).alias("both")
"""Whether both models have a value for a query."""


class CompareError(ValueError):
    """Results that cannot be compared. The message says what is missing, and the remedy."""


def compare(
    first: pl.DataFrame,
    second: pl.DataFrame,
    measures: Sequence[str],
    resamples: int = 10_000,
    seed: int = 0,
    names: tuple[str, str] = ("the first model", "the second model"),
) -> pl.DataFrame:
    """Compare two models on the tasks that both were evaluated on.

    Args:
        first: Per-query values of the baseline, as `read_per_query` gives them.
        second: Those of the other model.
        measures: Which measures; a task that lacks one, or in which both models leave out (NaN)
            every query, has no row for it.
        resamples: How many bootstrap samples, and how many random sign flips.
        seed: Seed of both. Rows do not depend on which other rows there are.
        names: What to call the models in errors.

    Returns:
        One row per task and measure: ``first`` and ``second`` (mean over the queries of a pool,
        then unweighted over pools), ``difference`` (second - first), ``low`` and ``high`` (95%
        percentile interval of the difference; null of fewer than
        `mteb_hybrid.results.resample.INTERVAL_FROM` groups), ``p``, ``p_holm`` (over these rows),
        ``wins``, ``losses`` and ``ties`` of the second model (null where neither higher nor lower
        is better), ``queries``, ``subsets`` and ``groups``, and ``left_out``: the queries that only
        one model has a value for. Everything else is over those that both have one for.

    Raises:
        CompareError: If the models differ in subsets or queries, if they have no query in common
            that both have a value for, or if there is nothing to compare.
    """
    paired = pair(first, second, measures, names)
    tests = pl.DataFrame(
        [
            {"task": task, "measure": measure, **_tests(rows.filter(_BOTH), resamples, seed)}
            for (task, measure), rows in paired.group_by("task", "measure", maintain_order=True)
        ]
    )
    tests = tests.with_columns(pl.col("low", "high").fill_nan(None))
    table = _summary(paired, ["task", "measure"]).join(tests, on=["task", "measure"])
    return _with_holm(table)


def compare_models(
    models: Mapping[str, pl.DataFrame],
    measures: Sequence[str],
    resamples: int = 10_000,
    seed: int = 0,
) -> pl.DataFrame:
    """Compare every model with the first: the rows of `compare`, with a column ``model``.

    ``p_holm`` is corrected over the rows of all models.
    """
    (baseline, first), *others = models.items()
    tables = [
        compare(first, frame, measures, resamples, seed, (baseline, name)).with_columns(
            model=pl.lit(name)
        )
        for name, frame in others
    ]
    return _with_holm(pl.concat(tables))


def compare_by(
    first: pl.DataFrame,
    second: pl.DataFrame,
    measures: Sequence[str],
    by: By = By.QUERY_LANGUAGE,
    trained_on: Sequence[str] = (),
) -> pl.DataFrame:
    """Means, differences, wins and losses per query language, or per kind of language.

    Args:
        first: Per-query values of the baseline.
        second: Those of the other model.
        measures: Which measures.
        by: See `breakdown`.
        trained_on: See `breakdown`.

    Returns:
        Rows per task, measure and value of ``by.column``, with ``languages`` (how many) and the
        columns of `compare` from ``first`` to ``difference``, from ``wins`` to ``subsets``, and
        ``left_out``. A value of ``by.column`` for which only one model has values has no row.
    """
    paired = with_trait(pair(first, second, measures), by, trained_on)
    return _summary(paired, ["task", "measure", by.column])


def breakdown(frame: pl.DataFrame, by: By, trained_on: Sequence[str] = ()) -> pl.DataFrame:
    """Mean of every measure per kind of query language.

    Args:
        frame: Per-query values of one model.
        by: The query language, or a property of it: its family, its script (as in the task
            card), its resource class (Joshi et al. 2020), or whether the model has seen it in
            training. A language of which that is not known counts as ``unknown``.
        trained_on: For `By.SEEN`, the languages in training: ISO 639 codes. Scripts are ignored.

    Returns:
        Rows per task, measure and value of ``by.column``: ``languages`` and ``queries`` (how
        many), ``value`` (mean over the queries of a pool, then unweighted over pools).

    Raises:
        CompareError: If `by` is `By.SEEN` and no language is named, or one that there is not.
    """
    kept = frame.with_columns(pl.col("value").fill_nan(None)).drop_nulls("value")
    keys = ["task", "measure", by.column]
    return _macro(with_trait(kept, by, trained_on), keys, ["value"]).sort(keys)


def pair(
    first: pl.DataFrame,
    second: pl.DataFrame,
    measures: Sequence[str],
    names: tuple[str, str] = ("the first model", "the second model"),
) -> pl.DataFrame:
    """Put the values of two models side by side: columns of `KEY`, group, first and second.

    NaN stays where one of them leaves out a query; what both leave out is not there.

    Raises:
        CompareError: As `compare` does.
    """
    tasks = set(first["task"]) & set(second["task"])
    if not tasks:
        raise CompareError(
            f"{names[0]} and {names[1]} have no task in common: {_some(first['task'].unique())} "
            f"against {_some(second['task'].unique())}. Evaluate both on the same tasks."
        )
    chosen = pl.col("task").is_in(list(tasks)) & pl.col("measure").is_in(list(measures))
    sides = first.filter(chosen), second.filter(chosen)
    for name, frame, side in zip(names, (first, second), sides, strict=True):
        unknown = sorted(set(measures) - set(frame["measure"]))
        if unknown:
            raise CompareError(
                f"{name} has no values of {_some(unknown)}"
                f"{did_you_mean(unknown[0], sorted(set(frame['measure'])))} It has "
                f"{_some(frame['measure'].unique(), 99)}"
            )
        repeated = side.filter(side.select(KEY).is_duplicated())
        if len(repeated):
            raise CompareError(
                f"{name} has several values for {_where(repeated.row(0, named=True))}; "
                "expected the results of one revision of one model"
            )
    missing = [
        *_missing(sides[0], sides[1], names),
        *_missing(sides[1], sides[0], (names[1], names[0])),
    ]
    if missing:
        raise CompareError(
            "the models were not evaluated on the same queries:\n  "
            + "\n  ".join(missing)
            + "\nEvaluate both on the same subsets, with `mteb-hybrid run`."
        )
    paired = (
        sides[0]
        .rename({"value": "first"})
        .join(sides[1].rename({"value": "second", "group": "other_group"}), on=KEY)
        .with_columns(pl.col("first", "second").fill_null(float("nan")))
        .filter(~(pl.col("first").is_nan() & pl.col("second").is_nan()))
        .sort(KEY)
    )
    for row in paired.filter(
        pl.any_horizontal(pl.col("first", "second").is_infinite())
        | (pl.col("group") != pl.col("other_group"))
    ).iter_rows(named=True):
        raise CompareError(
            f"{_where(row)}: {row['first']} (group {row['group']}) in {names[0]} but "
            f"{row['second']} (group {row['other_group']}) in {names[1]}; expected finite values, "
            "of one group. "
            "Evaluate both with the same version of mteb-hybrid."
        )
    if paired.is_empty():
        raise CompareError(f"{_some(measures)}: left out (NaN) for every query; choose another")
    known = paired.group_by("task", "measure").agg(_BOTH.any()).filter(~pl.col("both"))
    for task, measure, _ in known.sort("task", "measure").iter_rows():
        raise CompareError(
            f"{task}, {measure}: no query for which both {names[0]} and {names[1]} have a value; "
            "one of them leaves out (NaN) each. Choose other measures."
        )
    return paired.drop("other_group")


def _tests(rows: pl.DataFrame, resamples: int, seed: int) -> dict[str, float]:
    """Interval and p-value of one task and measure, from (groups, pools) sums and counts."""
    groups, group = np.unique(rows["group"].to_numpy(), return_inverse=True)
    pools, pool = np.unique(rows["pool"].to_numpy(), return_inverse=True)
    shape = (len(groups), len(pools))
    difference = (rows["second"] - rows["first"]).to_numpy()
    sums = np.zeros(shape)
    counts = np.zeros(shape)
    np.add.at(sums, (group, pool), difference)
    np.add.at(counts, (group, pool), 1)
    low, high = bootstrap_interval(sums, counts, resamples, seed)
    effects = (sums / counts.sum(axis=0)).mean(axis=1)
    p = randomisation_p(effects, resamples, seed)
    return {"low": low, "high": high, "p": p, "groups": shape[0]}


def _with_holm(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(p_holm=pl.Series(holm(table["p"].to_list())))


def _summary(paired: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Means, their difference, and the queries won and lost, per value of the keys."""
    sign = {name: direction(name) for name in paired["measure"].unique()}
    one_sided = paired.group_by(keys).agg(left_out=(~_BOTH).sum())
    paired = paired.filter(_BOTH)
    gain = (pl.col("second") - pl.col("first")) * pl.col("measure").replace_strict(
        sign, return_dtype=pl.Float64
    )
    known = gain.is_not_null().all()
    won = paired.group_by(keys).agg(
        wins=pl.when(known).then((gain > 0).sum()),
        losses=pl.when(known).then((gain < 0).sum()),
        ties=pl.when(known).then((gain == 0).sum()),
    )
    means = _macro(paired, keys, ["first", "second"])
    return (
        means.with_columns(difference=pl.col("second") - pl.col("first"))
        .join(won, on=keys)
        .join(one_sided, on=keys)
        .sort(keys)
    )


def direction(measure: str) -> float | None:
    """1 if higher is better, -1 if lower; None for a description.

    None too where 0 is best: that a mean is near 0 says nothing of single queries.
    """
    known = {m.name: m for m in MEASURES}
    found = known.get(measure) or known.get(measure.rpartition("_")[0])
    return {"higher": 1.0, "lower": -1.0}.get(found.better) if found else None


def _macro(frame: pl.DataFrame, keys: list[str], values: list[str]) -> pl.DataFrame:
    return (
        # In order, as the last bit of a mean depends on it.
        frame.group_by(*dict.fromkeys([*keys, "query_language", "pool"]), maintain_order=True)
        .agg(pl.col(values).mean(), queries=pl.len())
        .group_by(keys, maintain_order=True)
        .agg(
            *(pl.col(values).mean(), pl.col("queries").sum()),
            subsets=pl.col("pool").n_unique(),
            languages=_language.n_unique(),
        )
    )


_language = pl.col("query_language")


def with_trait(frame: pl.DataFrame, by: By, trained_on: Sequence[str]) -> pl.DataFrame:
    """Add ``by.column``, the property of query languages; as for `breakdown`, also in errors.

    Args:
        frame: Has the columns task and query_language.
        by: See `breakdown`.
        trained_on: See `breakdown`.
    """
    if by is By.QUERY_LANGUAGE:
        return frame
    if by is By.SEEN and not trained_on:
        raise CompareError("seen: no languages of training; name them, such as deu or zho-Hans")
    for code in trained_on:
        try:
            iso_language(code)
        except ValueError as error:
            raise CompareError(f"languages of training: {error}") from None
    seen = {macrolanguage(code) for code in trained_on}
    pairs = frame.select("task", "query_language").unique()
    tasks = tasks_by_name()
    cards = {task: tasks[task][0] for task in pairs["task"].unique() if task in tasks}
    traits = [_trait(cards.get(task), language, by, seen) for task, language in pairs.iter_rows()]
    return frame.join(
        pairs.with_columns(pl.Series(by.column, traits, dtype=pl.String)),
        on=["task", "query_language"],
    )


def _trait(card: TaskCard | None, language: str, by: By, seen: set[str]) -> str:
    code = query_language_codes(card).get(language) if card else None
    if code is None:
        return UNKNOWN
    match by:
        case By.SCRIPT:
            return code.partition("-")[2]
        case By.SEEN:
            return "seen" if macrolanguage(code) in seen else "unseen"
    return str(getattr(language_traits(code), by.column))


def _missing(lacking: pl.DataFrame, having: pl.DataFrame, names: tuple[str, str]) -> Iterator[str]:
    """What one model lacks that the other has: the largest units that are missing as a whole."""
    rows = having.join(lacking, on=KEY, how="anti")
    units = (
        (["task", "pool"], "pool", "subsets"),
        (["task", "pool", "measure"], "measure", "measures"),
    )
    for keys, column, title in units:
        whole = rows.join(lacking, on=keys, how="anti").sort(KEY)
        for (task, *_), part in whole.group_by("task", maintain_order=True):
            yield f"{task}: {names[0]} lacks the {title} {_some(part[column].unique())}"
        rows = rows.join(whole, on=KEY, how="anti")
    for (task, pool), part in rows.sort(KEY).group_by("task", "pool", maintain_order=True):
        yield f"{task}, {pool}: {names[0]} lacks the queries {_some(part['query'].unique())}"


def _some(names: pl.Series | Sequence[str], most: int = 5) -> str:
    ordered = sorted(set(names))
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more


def _where(row: Mapping[str, object]) -> str:
    return f"{row['task']}, {row['pool']}, {row['measure']}, query {row['query']}"
