"""The tables of ``mteb-hybrid compare``: read results folders, compare, write."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import log10
from pathlib import Path

import polars as pl

from mteb_hybrid.cards.tasks import data_revision, task_views, tasks_by_name
from mteb_hybrid.files import safe_text
from mteb_hybrid.files.places import FOLDER_VARIABLE
from mteb_hybrid.files.safe_text import visible
from mteb_hybrid.languages.traits import By
from mteb_hybrid.results.cells import (
    COLUMNS,
    CUT,
    LEFT_OUT,
    NONE,
    OTHER_DATA,
    SUBSETS,
    limits,
    short_revision,
)
from mteb_hybrid.results.compare import CompareError, compare_by, compare_models, direction
from mteb_hybrid.results.evaluation import Evaluation, our_versions
from mteb_hybrid.results.mteb_files import EXPERIMENTS, evaluated_model, labels
from mteb_hybrid.results.per_query import data_revisions, read_per_query
from mteb_hybrid.results.resample import INTERVAL_FROM
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.text_table import Format, write_csv, write_table

ARROWS = {1.0: " ↑", -1.0: " ↓", None: ""}
"""Behind a measure, which way is better."""

LEGEND = (
    "↑: higher is better, ↓: lower. Means: over queries, then unweighted over subsets. "
    "Difference: model minus baseline. Interval: 95%, paired bootstrap over questions with all "
    f"their translations, not corrected for the number of rows; none of fewer than {INTERVAL_FROM} "
    "questions. p: paired randomisation test over the same questions, two-sided; Holm p: corrected "
    "for all rows of the table. Won, lost, tied: queries on which the model is better than the "
    "baseline, worse, or the same."
)


def read_models(folders: Sequence[Path]) -> dict[str, pl.DataFrame]:
    """Per-query values by model name, in the order given.

    Args:
        folders: One model's results each: MODEL/REVISION, or MODEL if it has one revision.

    Raises:
        CompareError: If a folder has no per-query values, or those of several models, or there is
            one only.
    """
    return {name: read_per_query(folder) for name, folder in _compared(folders).items()}


def shared_data(folders: Sequence[Path]) -> dict[str, str]:
    """The revision of the data by task, that of all models; of tasks of which it is known.

    Args:
        folders: As for `read_models`.

    Raises:
        CompareError: If the models are on different revisions of the data of a task.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, folder in _compared(folders).items():
        for task, revision in data_revisions(folder).items():
            before, other = found.setdefault(task, (name, revision))
            if other != revision:
                raise CompareError(
                    f"{task}: {before} is on revision {other} of the data, {name} on {revision}; "
                    "differences between them may have that cause. Evaluate both on the same: "
                    "`mteb-hybrid run` sets results on another one aside."
                )
    return {task: revision for task, (_, revision) in found.items()}


def results_beside(folders: Sequence[Path]) -> list[tuple[str, Evaluation]]:
    """The results beside the values per query, by name of the model.

    Args:
        folders: As for `read_models`.

    Raises:
        ResultError: If a result file is damaged.
    """
    return [
        (name, evaluation)
        for name, folder in _compared(folders).items()
        if (files := [file for file in folder.glob("*.json") if file.stem in tasks_by_name()])
        for evaluation in load_results(files).evaluations
    ]


def cuts(beside: Sequence[tuple[str, Evaluation]]) -> dict[tuple[str, str], int]:
    """By model and task, the k at which rankings were cut, as far as results say it.

    Args:
        beside: As `results_beside` returns them.
    """
    return {(name, e.task): e.truncated_at for name, e in beside if e.truncated_at}


def other_versions(beside: Sequence[tuple[str, Evaluation]]) -> list[str]:
    """What to say of models that were evaluated with different versions of mteb-hybrid.

    Args:
        beside: As `results_beside` returns them.
    """
    by_task: dict[str, dict[str, Evaluation]] = {}
    for name, evaluation in beside:
        by_task.setdefault(evaluation.task, {})[name] = evaluation
    return [
        f"{task}: evaluated with different versions of mteb-hybrid "
        f"({', '.join(sorted(versions))}); differences may have that cause, as CHANGELOG.md tells."
        for task, found in by_task.items()
        if len(found) > 1 and len(versions := our_versions(found.values())) > 1
    ]


def other_data(revisions: Mapping[str, str]) -> list[str]:
    """What to say of tasks that were evaluated on another revision of the data than today's.

    Args:
        revisions: As `shared_data` returns them.
    """
    tasks = tasks_by_name()
    return [
        f"{task} {OTHER_DATA}: on revision {short_revision(revision)} of the data, which now have "
        f"{short_revision(data_revision(*tasks[task]))}."
        for task, revision in revisions.items()
        if _is_other(task, revision)
    ]


def _expected(task: str) -> int | None:
    """How many subsets a task has; None if it is not one of ours."""
    tasks = tasks_by_name()
    return len(task_views(*tasks[task])) if task in tasks else None


def _is_other(task: str, revision: str | None) -> bool:
    tasks = tasks_by_name()
    return task in tasks and revision not in (None, data_revision(*tasks[task]))


def _compared(given: Sequence[Path]) -> dict[str, Path]:
    found = model_folders(given)
    if len(found) < 2:
        raise CompareError("nothing to compare with; name the results folders of two models")
    return found


def model_folders(given: Sequence[Path]) -> dict[str, Path]:
    """The folder MODEL/REVISION of each model, by its name.

    Args:
        given: As for `read_models`.

    Raises:
        CompareError: If a folder has no per-query values, or those of several models.
    """
    found: dict[Path, tuple[str, str]] = {}
    for one in given:
        folder = _revision_folder(one)
        if folder in found:
            raise CompareError(f"{one}: named twice; name two models, or two revisions of one")
        model = evaluated_model(folder)
        found[folder] = model.title, model.revision
    names = labels(found.values())
    folders: dict[str, Path] = {}
    for folder, model_revision in found.items():
        name = names[model_revision]
        # The same model and revision may lie in two results folders.
        name = f"{name} ({visible(str(folder))})" if name in folders else name
        folders[name] = folder
    return folders


def default_measures(models: dict[str, pl.DataFrame]) -> list[str]:
    """The measures of ``mteb-hybrid table`` that all models have values of."""
    shared = set.intersection(*(set(frame["measure"]) for frame in models.values()))
    return [name for name in dict.fromkeys(c.score for c in COLUMNS) if name in shared]


def left_out(models: dict[str, pl.DataFrame]) -> dict[str, list[str]]:
    """By model, the tasks that only it or only the baseline has, and that are not compared."""
    (_, first), *others = models.items()
    found = {name: sorted(set(frame["task"]) ^ set(first["task"])) for name, frame in others}
    return {name: tasks for name, tasks in found.items() if tasks}


def tables(
    models: dict[str, pl.DataFrame],
    measures: Sequence[str],
    by: By,
    trained_on: Sequence[str],
    format: Format,
    resamples: int,
    seed: int,
    width: int | None,
    revisions: Mapping[str, str],
    cuts: Mapping[tuple[str, str], int],
) -> str:
    """Compare every model with the first, and write two tables: in all, and by kind of language.

    As CSV they are one table, in full precision; the rows of the first have no value of `by`.
    """
    (baseline, first), *others = models.items()

    def cut(row: Mapping[str, str]) -> int | None:
        both = (cuts.get((name, row["task"]), 0) for name in (baseline, row["model"]))
        return max(both) or None

    truncated = pl.struct("task", "model").map_elements(cut, pl.Int64).alias("truncated_at")
    overall = compare_models(models, measures, resamples, seed).with_columns(truncated)
    overall = overall.with_columns(
        expected=pl.col("task").map_elements(_expected, pl.Int64, skip_nulls=False)
    )
    parts = pl.concat(
        [
            compare_by(first, frame, measures, by, trained_on).with_columns(model=pl.lit(name))
            for name, frame in others
        ]
    ).with_columns(truncated)
    if format is Format.CSV:
        both = pl.concat([overall, parts], how="diagonal")
        keys = ["task", "measure", "model", by.column]
        table = (
            both.select(*keys, pl.all().exclude(*keys, "left_out"))
            .rename({"first": "baseline_mean", "second": "model_mean"})
            .with_columns(both["left_out"], baseline=pl.lit(baseline))
            .select(pl.all().exclude("left_out"), "left_out")
            .with_columns(
                data_revision=pl.col("task").replace_strict(
                    revisions, default=None, return_dtype=pl.String
                )
            )
        )
        return write_csv(table.columns, table.iter_rows())
    text = format is Format.TEXT
    labels = ["Task", "Measure", "Model"]
    means = ["baseline" if text else f"baseline {baseline}", "model", "difference"]
    won = ["won", "lost", "tied"]
    head = [*labels, *means, "95% interval", "p", "Holm p", *won]
    body = [
        [
            *_labels(row, revisions),
            *_means(row),
            interval(row, _number),
            f"{row['p']:.4f}",
            f"{row['p_holm']:.4f}",
            *_won(row),
        ]
        for row in overall.iter_rows(named=True)
    ]
    by_head = [*labels, by.replace("-", " "), "languages", *means, *won]
    by_body = [
        [*_labels(row, revisions), row[by.column], str(row["languages"]), *_means(row), *_won(row)]
        for row in parts.iter_rows(named=True)
    ]
    if not text:
        return "\n\n".join(
            [
                write_table(head, body, format, width, labels=3),
                write_table(by_head, by_body, format, width, labels=4),
            ]
        )
    left_out = {"Task", *(["languages"] if by is By.QUERY_LANGUAGE else ())}
    written = [f"Baseline: {safe_text.line(baseline)}"]
    if len(others) == 1:
        written.append(f"Model: {safe_text.line(others[0][0])}")
        left_out.add("Model")
    written += _by_task(head, body, left_out, "", width, 3)
    written += _by_task(by_head, by_body, left_out, f", by {by.replace('-', ' ')}", width, 4)
    marks = {
        SUBSETS: (overall["subsets"] < overall["expected"]).any(),
        CUT: overall["truncated_at"].is_not_null().any(),
        LEFT_OUT: bool(overall["left_out"].sum()),
    }
    if said := [mark for mark, found in marks.items() if found]:
        written.append("\n" + "\n".join(said))
    return "\n".join(written)


def _by_task(
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    left_out: set[str],
    said: str,
    width: int | None,
    labels: int,
) -> Iterator[str]:
    """A table for each task below its title: names in every row leave numbers too little room."""
    kept = [index for index, title in enumerate(head) if title not in left_out]
    few = sum(index < labels for index in kept)
    for task in dict.fromkeys(row[0] for row in body):
        rows = [[row[index] for index in kept] for row in body if row[0] == task]
        yield f"\n{safe_text.line(task)}{said}\n"
        yield write_table([head[index] for index in kept], rows, Format.TEXT, width, few)


def _revision_folder(given: Path) -> Path:
    if not given.is_dir():
        raise CompareError(f"{given}: no such folder; name one model's results, MODEL/REVISION")
    folder = given.resolve()
    if any(folder.glob("*.per_query/*.parquet")):
        return folder
    found = sorted({file.parent.parent for file in folder.rglob("*.per_query/*.parquet")})
    # A model's experiments lie below its revision, and are models of their own.
    found = [one for one in found if one.parent.name != EXPERIMENTS] or found
    if not found:
        raise CompareError(
            f"{given}: no per-query values (TASK.per_query/SUBSET.parquet) below. Make them with "
            "`mteb-hybrid run -m MODEL COLLECTION`, which keeps them, or with `mteb run` and "
            f"{FOLDER_VARIABLE} set to the results folder."
        )
    if len(found) > 1:
        raise CompareError(
            f"{given}: results of several revisions or models: {', '.join(map(str, found))}; name "
            "each that is compared, the baseline first"
        )
    return found[0]


def interval(row: dict[str, object], number: Callable[[object, dict[str, object]], str]) -> str:
    """The interval of a row of `compare`; a dash if there is none."""
    ends = [number(row[name], row) for name in ("low", "high") if row[name] is not None]
    return f"[{', '.join(ends)}]" if ends else NONE


def _labels(row: dict[str, object], revisions: Mapping[str, str]) -> list[str]:
    task = str(row["task"])
    card, setting = tasks_by_name().get(task, (None, None))
    arrow = ARROWS[direction(str(row["measure"]))]
    measure = f"{row['measure']}{arrow}{limits(row)}"
    title = f"{card.title} {setting}" if card else task
    if _is_other(task, revisions.get(task)):
        title = f"{title} {OTHER_DATA}"
    return [title, measure, str(row["model"])]


def _means(row: dict[str, object]) -> list[str]:
    return [_number(row[name], row) for name in ("first", "second", "difference")]


def _won(row: dict[str, object]) -> list[str]:
    return ["–" if row[name] is None else str(row[name]) for name in ("wins", "losses", "ties")]


def _number(value: object, row: dict[str, object]) -> str:
    """With the decimals that suit the size of the row's means."""
    largest = max(abs(float(str(row["first"]))), abs(float(str(row["second"]))), 1)
    return f"{float(str(value)):.{max(1, 4 - int(log10(largest)))}f}"
