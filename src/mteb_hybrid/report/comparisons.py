"""Tests between the models of a report, where values per query were kept."""

from collections.abc import Iterator

import polars as pl

from mteb_hybrid.cards.tasks import tasks_by_name
from mteb_hybrid.report.glossary import words
from mteb_hybrid.report.tables import NONE, Table, number
from mteb_hybrid.results.compare import CompareError, compare
from mteb_hybrid.results.resample import holm
from mteb_hybrid.results.results import COMPARED, Results


def comparison(results: Results, collection: str) -> tuple[Table | None, list[str]]:
    """Compare every model of a collection with the first one that has values per query.

    Returns:
        A table with one row per model, task and measure, None if nothing can be compared; and
        what could not be compared, and why.
    """
    frames = {
        model: frame
        for model in results.models(collection)
        if not (frame := results.queries(collection, model, COMPARED)).is_empty()
    }
    if len(frames) < 2:
        return None, []
    (baseline, first), *others = frames.items()
    found: list[pl.DataFrame] = []
    refused: list[str] = []
    for model, second in others:
        for one, two, measures in _tasks(first, second):
            try:
                table = compare(one, two, measures, names=(baseline, model))
            except CompareError as error:
                said = str(error).replace("\n  ", " ").replace("\n", ". ")
                refused.append(f"Not compared with tests: {said}")
            else:
                found.append(table.with_columns(model=pl.lit(model)))
    if not found:
        return None, refused
    rows = pl.concat(found)
    rows = rows.with_columns(p_holm=pl.Series(holm(rows["p"].to_list())))
    return _table(collection, baseline, rows), refused


def _tasks(
    first: pl.DataFrame, second: pl.DataFrame
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, list[str]]]:
    """The two models' values on each task that both have, and the measures that both have."""
    known = pl.col("value").is_not_nan()
    for name in tasks_by_name():
        sides = first.filter(task=name), second.filter(task=name)
        measures = [set(side.filter(known)["measure"]) for side in sides]
        shared = [m for m in COMPARED if m in measures[0] & measures[1]]
        if shared:
            one, two = (side.drop("model", "revision") for side in sides)
            yield one, two, shared


def _table(collection: str, baseline: str, rows: pl.DataFrame) -> Table:
    head = ("Model", "Setting", "Measure", "Baseline", "Model's", "Difference")
    return Table(
        key="comparison",
        caption=f"{collection}: each model against {baseline}. Differences are model minus "
        "baseline, with 95% intervals from a paired bootstrap over questions with all their "
        "translations; p from a paired randomisation test over the same, two-sided; Holm's "
        "correction over all rows of this table.",
        head=(*head, "95% interval", "p", "p (Holm)", "Won / lost / tied"),
        rows=tuple(_row(row) for row in rows.iter_rows(named=True)),
        labels=3,
    )


def _row(row: dict[str, float | str | None]) -> tuple[str, ...]:
    about = words()[str(row["measure"])]
    low, high, *means, p, p_holm = (
        float(row[name] or 0)
        for name in ("low", "high", "first", "second", "difference", "p", "p_holm")
    )
    won = [NONE if row[name] is None else str(row[name]) for name in ("wins", "losses", "ties")]
    return (
        *(str(row["model"]), str(tasks_by_name()[str(row["task"])][1]), about.title),
        *(number(mean, about.digits) for mean in means),
        f"{number(low, about.digits)} to {number(high, about.digits)}",
        *("< 0.001" if value < 0.001 else f"{value:.3f}" for value in (p, p_holm)),
        NONE if won == [NONE] * 3 else " / ".join(won),
    )
