"""Tests between the models of a report, where values per query were kept."""

import math

import polars as pl

from mteb_hybrid.report.glossary import words
from mteb_hybrid.report.tables import Table, number
from mteb_hybrid.results.cells import CUT, LEFT_OUT, NONE, SUBSETS, limits, short_revision
from mteb_hybrid.results.compare import CompareError, compare
from mteb_hybrid.results.resample import holm
from mteb_hybrid.results.results import COMPARED
from mteb_hybrid.results.summary import CollectionSummary, ModelSummary
from mteb_hybrid.retrieval.views import Setting


def comparison(collection: CollectionSummary) -> tuple[Table | None, list[str]]:
    """Compare every model of a collection with the first one that has values per query.

    Returns:
        A table with one row per model, task and measure, None if nothing can be compared; and
        what could not be compared, and why.
    """
    models = [model for model in collection.models if model.queries]
    if len(models) < 2:
        return None, []
    first, *others = models
    found: list[pl.DataFrame] = []
    refused: list[str] = []
    for second in others:
        for setting in collection.settings:
            if setting not in first.queries or setting not in second.queries:
                continue
            if on := _revisions(first, second, setting):
                refused.append(f"Not compared with tests: {on}")
                continue
            sides = first.queries[setting], second.queries[setting]
            measures, lacking = _shared(first, second, setting)
            refused += lacking
            if not measures:
                continue
            try:
                table = compare(*sides, measures, names=(first.label, second.label))
            except CompareError as error:
                said = str(error).replace("\n  ", " ").replace("\n", ". ")
                refused.append(f"Not compared with tests: {said}")
            else:
                both = first.evaluations[setting], second.evaluations[setting]
                table = table.with_columns(
                    model=pl.lit(second.label),
                    setting=pl.lit(str(setting)),
                    expected=pl.lit(len({subset for e in both for subset in e.expected})),
                    truncated_at=pl.lit(max(e.truncated_at or 0 for e in both)),
                )
                found.append(table)
    if not found:
        return None, refused
    rows = pl.concat(found)
    rows = rows.with_columns(p_holm=pl.Series(holm(rows["p"].to_list())))
    return _table(collection.title, first.label, rows), refused


def _revisions(first: ModelSummary, second: ModelSummary, setting: Setting) -> str | None:
    """What to say of two models that were evaluated on different data, None if they were not."""
    on = {m.label: m.evaluations[setting].dataset_revision for m in (first, second)}
    if len(set(filter(None, on.values()))) < 2:
        return None
    said = ", ".join(f"{label} on {short_revision(revision)}" for label, revision in on.items())
    return f"the {setting} setting was evaluated on different revisions of the data: {said}."


def _shared(
    first: ModelSummary, second: ModelSummary, setting: Setting
) -> tuple[list[str], list[str]]:
    """The measures that both models have values of, and what to say of those that one lacks."""
    known = pl.col("value").is_not_nan()
    sides = {m.label: set(m.queries[setting].filter(known)["measure"]) for m in (first, second)}
    either = [measure for measure in COMPARED if any(measure in side for side in sides.values())]
    lacking = {
        label: [words()[measure].title for measure in either if measure not in side]
        for label, side in sides.items()
    }
    said = [
        f"Not compared with tests: {label} has no {setting} values per query of {', '.join(names)}."
        for label, names in lacking.items()
        if names
    ]
    return [measure for measure in either if all(measure in s for s in sides.values())], said


def _table(collection: str, baseline: str, rows: pl.DataFrame) -> Table:
    head = ("Setting", "Measure", "Baseline", "Model's", "Difference")
    models = list(dict.fromkeys(rows["model"]))
    one = len(models) == 1  # whose name in every row would make cards of them
    left_out = f" {LEFT_OUT}" if rows["left_out"].sum() else ""
    left_out = f" {CUT}{left_out}" if (rows["truncated_at"] > 0).any() else left_out
    left_out = f" {SUBSETS}{left_out}" if (rows["subsets"] < rows["expected"]).any() else left_out
    return Table(
        key="comparison",
        caption=f"{collection}: {models[0] if one else 'each model'} against {baseline}. "
        "Differences are model minus baseline, with 95% intervals from a paired bootstrap over "
        "questions with all their translations; p from a paired randomisation test over the same, "
        f"two-sided; Holm's correction over all rows of this table.{left_out}",
        head=(*([] if one else ["Model"]), *head, "95% interval", "p", "Holm p", "Won/lost/tied"),
        rows=tuple(_row(row)[one:] for row in rows.iter_rows(named=True)),
        labels=3 - one,
        measures={
            words()[name].title: name for name in rows["measure"].unique(maintain_order=True)
        },
    )


def _row(row: dict[str, float | str | None]) -> tuple[str, ...]:
    about = words()[str(row["measure"])]
    low, high, *means, p, p_holm = (
        math.nan if row[name] is None else float(str(row[name]))
        for name in ("low", "high", "first", "second", "difference", "p", "p_holm")
    )
    won = [NONE if row[name] is None else str(row[name]) for name in ("wins", "losses", "ties")]
    return (
        *(str(row["model"]), str(row["setting"]), about.title + limits(row)),
        *(number(mean, about.digits) for mean in means),
        NONE if math.isnan(low) else f"{low:.{about.digits}f} to {high:.{about.digits}f}",
        *("<0.001" if value < 0.001 else f"{value:.3f}" for value in (p, p_holm)),
        NONE if won == [NONE] * 3 else "/".join(won),
    )
