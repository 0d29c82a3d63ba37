"""The numbers of a study's report as CSV, in full precision."""

from collections.abc import Iterator, Sequence

from mteb_hybrid.results.text_table import write_csv
from mteb_hybrid.studies.answer import Answer
from mteb_hybrid.studies.effect import Effect
from mteb_hybrid.studies.evidence import Evidence
from mteb_hybrid.studies.report_tables import columns
from mteb_hybrid.studies.report_words import agreement, collection_of, figures

Row = list[str | float | None]

RESULTS = (
    *("start", "condition", "seed", "key", "collection", "setting", "data_revision", "subset"),
    *("measure", "value"),
)
CLAIMS = (
    *("number", "claim", "start", "collection", "setting", "measure", "condition", "than"),
    *("expect", "margin", "change_from", "by", "values", "verdict", "why"),
    *("condition_mean", "than_mean", "difference", "questions_low", "questions_high"),
    *("seeds_low", "seeds_high", "p", "p_holm", "by_seed", "queries", "left_out"),
    *("questions", "query_languages", "missing", "published"),
)


def results_csv(evidence: Evidence) -> str:
    """The means that tables are made of: a row per run, subset and measure."""
    return write_csv(RESULTS, _results(evidence))


def claims_csv(found: Sequence[Answer]) -> str:
    """A row per answer; fields with several values have them apart by spaces or semicolons."""
    return write_csv(CLAIMS, (_claim(answer) for answer in found))


def _results(evidence: Evidence) -> Iterator[Row]:
    for collection, tests in evidence.collections.items():
        shown = columns(evidence, collection)
        for trial in evidence.trials:
            for setting, test in tests.items():
                if not evidence.counts(trial, test.task):
                    continue
                measures = [column.score for column in shown if column.setting is setting]
                scores = evidence.scores(trial, test.task)
                for subset, run in evidence.selected(trial, test.task).items():
                    on = evidence.evaluations[run.key, test.task].dataset_revision
                    for measure in measures:
                        yield [
                            *(trial.start, trial.condition, trial.seed, run.key, collection),
                            *(setting, on, subset, measure, scores[subset].get(measure)),
                        ]


def _claim(answer: Answer) -> Row:
    claim = answer.claim
    return [
        *(answer.number, claim.text, answer.start, collection_of(answer), claim.setting),
        *(claim.measure, claim.condition, claim.than, claim.expect, claim.margin),
        *(claim.change_from, claim.by, " ".join(claim.values), answer.verdict, answer.why),
        *(_effect(answer.effect) if answer.effect else [None] * 14),
        "; ".join(answer.missing),
        "; ".join(
            f"{figure.model} ({figure.source}): {figure.condition!r} and {figure.than!r}"
            + (f", {agreement(answer.effect, figure)}" if answer.effect else "")
            for figure in figures(answer)
        ),
    ]


def _effect(effect: Effect) -> Row:
    return [
        *(effect.condition, effect.than, effect.difference),
        *(effect.over_questions or (None, None)),
        *(effect.over_seeds or (None, None)),
        *(effect.p, effect.p_holm),
        " ".join(f"{s}:{d!r}" for s, d in zip(effect.seeds, effect.by_seed, strict=False)),
        *(effect.queries, effect.left_out, effect.groups, " ".join(effect.languages)),
    ]
