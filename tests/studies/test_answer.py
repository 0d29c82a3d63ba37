"""Answers: checked against loops over single values, scipy, and what must hold of any interval."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.results.compare import CompareError
from mteb_hybrid.results.mteb_files import ResultError
from mteb_hybrid.results.per_query import write_per_query
from mteb_hybrid.studies.answer import Verdict, answers, verdict_of
from mteb_hybrid.studies.evidence import find
from mteb_hybrid.studies.plan import runs
from mteb_hybrid.studies.report_tables import tables
from mteb_hybrid.studies.report_words import agreement, sentence
from mteb_hybrid.studies.report_words import verdict as words
from mteb_hybrid.studies.seeds import over_seeds, t_interval
from mteb_hybrid.studies.store import Store
from mteb_hybrid.studies.study import Claim, Published
from studies.made_results import (
    BUDGET,
    MULTILINGUAL,
    PAPER,
    QUESTIONS,
    STUDY,
    skill,
    study_of,
    write_run,
    write_runs,
)

HYBRID, DISTANCE, WITHIN = STUDY["claims"]
SETTINGS = ["monolingual", "multilingual"]
POOL_ONLY = {"tests": [MULTILINGUAL]}
MUL = "HybridSampleMultilingualRetrieval"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The results of the whole study, in the setting of all claims but one."""
    folder = tmp_path_factory.mktemp("store")
    write_runs(folder, study_of({"tests": [MULTILINGUAL | {"settings": SETTINGS}]}))
    return folder


def answered(store, study, resamples=500):
    return answers(find(study, "alpha", "small", store), resamples)


def one(store, claim, resamples=500, budget=None, **changes):
    budget = POOL_ONLY | (budget or {})
    (found,) = answered(store, study_of(budget, claims=[claim], **changes), resamples)
    return found


def looped(study, claim, value=skill, languages=("de", "en", "ru")):
    """Differences of a claim by loop: shape (seeds, groups, pools)."""
    by_name = {(run.condition, run.seed): run for run in runs(study, "small")}
    views = task_views(*tasks_by_name()[MUL]).values()
    pools = [view for view in views if view.query_language in languages]
    measure, seeds = claim.get("measure", "map"), (1, 2, 3)

    def of(condition, seed):
        run = by_name.get((condition, seed)) or by_name[condition, None]
        return [
            [value(run, MUL, view, measure, question) for view in pools]
            for question in range(QUESTIONS)
        ]

    return np.array([of(claim["condition"], s) for s in seeds]) - np.array(
        [of(claim["than"], s) for s in seeds]
    )


@pytest.mark.parametrize(
    ("claim", "languages"), [(HYBRID, ("de", "en", "ru")), (DISTANCE, ("de", "en"))]
)
def test_effect_is_that_of_loops_and_scipy(store, claim, languages):
    """The second claim compares every seed with one untrained model, in one script."""
    found = one(store, claim, resamples=4000)
    effect = found.effect
    every = looped(study_of(), claim, languages=languages)
    by_seed = every.mean(axis=(1, 2))
    np.testing.assert_allclose(effect.by_seed, by_seed, rtol=1e-9)
    assert effect.difference == pytest.approx(every.mean(), rel=1e-9)
    ttest = stats.ttest_1samp(by_seed, 0).confidence_interval(0.95)
    np.testing.assert_allclose(effect.over_seeds, ttest, rtol=1e-9)
    groups = every.mean(axis=(0, 2))
    bootstrap = stats.bootstrap(
        (groups,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(1)
    ).confidence_interval
    width = bootstrap.high - bootstrap.low
    np.testing.assert_allclose(effect.over_questions, bootstrap, atol=0.1 * width)
    assert found.verdict is Verdict.CONFIRMED
    assert set(effect.languages) == set(languages)
    assert (effect.queries, effect.groups) == (QUESTIONS * len(languages), QUESTIONS)


def test_p_is_that_of_scipy(tmp_path):
    """With an effect that chance may well have made."""

    def value(run, task, view, measure, question):
        small = 0.0006 if run.condition == "alpha 0.5" else 0
        return small + skill(run, task, view, measure, question) - SHIFT.get(run.condition, 0)

    study = study_of(POOL_ONLY | {"seeds": [1, 2]}, claims=[HYBRID])
    write_runs(tmp_path, study, value=value, only=lambda run: run.condition in SHIFT)
    effect = one(tmp_path, HYBRID, 4000, {"seeds": [1, 2]}).effect
    every = looped(study_of(), HYBRID, value)[:2]
    test = stats.permutation_test(
        (every.mean(axis=(0, 2)),),
        np.mean,
        permutation_type="samples",
        n_resamples=4000,
        rng=np.random.default_rng(2),
    )
    assert 0.001 < test.pvalue < 0.999
    assert effect.p == pytest.approx(test.pvalue, abs=0.03)


SHIFT = {"alpha 0.5": 0.1, "alpha 1.0": 0.0}


def test_holm_counts_the_claims_of_the_study(store):
    """By Holm's rule, over the tests alone: a claim of no difference has no p."""
    found = answered(store, study_of({"tests": [MULTILINGUAL | {"settings": SETTINGS}]}))
    assert [answer.effect.p is None for answer in found] == [False, False, True]
    ordered = sorted(answer.effect.p for answer in found[:2])
    stepped = [min(1, 2 * ordered[0]), min(1, max(2 * ordered[0], ordered[1]))]
    assert sorted(answer.effect.p_holm for answer in found[:2]) == pytest.approx(stepped)
    assert one(store, HYBRID).effect.p_holm == found[0].effect.p


def test_one_seed_settles_nothing(store):
    found = one(store, HYBRID, budget={"seeds": [2]})
    assert found.effect.over_seeds is None
    assert found.effect.seeds == (2,)
    assert found.effect.over_questions[0] > 0
    assert found.verdict is Verdict.UNDECIDED and found.effect.direction == 0


def test_few_questions_settle_nothing(tmp_path, monkeypatch):
    """Though all differ alike, and all seeds: the fewest of which randomisation could tell do."""
    for questions, verdict, said in (
        (5, "undecided (too few questions)", "over 5 questions in 3 languages (too few for an i"),
        (6, "confirmed", "95% interval over 6 questions in 3 languages [+0.0"),
    ):
        monkeypatch.setattr("studies.made_results.QUESTIONS", questions)
        study = study_of(POOL_ONLY, claims=[HYBRID])
        write_runs(tmp_path, study, only=lambda run: run.condition in SHIFT)
        found = one(tmp_path, HYBRID, 4000)
        assert (words(found), found.effect.groups) == (verdict, questions)
        assert said in sentence(found)
        assert (found.effect.direction, found.effect.p < 0.05) == ((0, False), (1, True))[
            questions > 5
        ]


def test_a_change_is_that_of_each_query(tmp_path):
    """Against a loop: what a claim is about, less the same in another collection."""
    other = "XQuADRMultilingualRetrieval"

    def value(run, task, view, measure, question):
        known = skill(run, task, view, measure, question)
        return known + (0.05 if task == other and run.condition == "alpha 0.5" else 0)

    claim = HYBRID | {"collections": ["sample"], "change_from": "xquad-r", "published": []}
    both = {"tests": [MULTILINGUAL, MULTILINGUAL | {"tasks": ["xquad-r"]}]}
    write_runs(tmp_path, study_of(both, claims=[claim]), value=value)
    found = one(tmp_path, claim, budget=both)

    def change(run, task, view, measure, question):
        return value(run, MUL, view, measure, question) - value(run, other, view, measure, question)

    expected = looped(study_of(), claim, change)
    np.testing.assert_allclose(found.effect.by_seed, expected.mean(axis=(1, 2)), rtol=1e-9)
    assert found.effect.difference == pytest.approx(-0.05, abs=0.02)
    assert found.verdict is Verdict.CONTRADICTED
    assert "less that on XQuAD-R, is -0.0" in sentence(found)
    alone = one(tmp_path, claim)
    assert (alone.verdict, alone.why) == (
        *(Verdict.NOT_TESTABLE, "no test of this budget is multilingual in xquad-r"),
    )
    gone = next(run for run in runs(study_of(both), "small") if run.condition == "alpha 0.5")
    for file in (tmp_path / "results").glob(f"*/{gone.key}/{other}.json"):
        file.unlink()
    found = one(tmp_path, claim, budget=both)
    assert found.missing == (f"alpha 0.5, seed {gone.seed}",) and found.effect.seeds == (2, 3)


def test_models_that_are_not_trained_have_no_seeds(store):
    claim = HYBRID | {"condition": "repaired", "than": "untrained"}
    effect = one(store, claim).effect
    assert (effect.seeds, effect.over_seeds, len(effect.by_seed)) == ((), None, 1)


def test_seeds_are_paired_and_those_of_one_side_left_out(tmp_path):
    study = study_of(POOL_ONLY, claims=[HYBRID])
    write_runs(tmp_path, study, only=lambda run: (run.condition, run.seed) != ("alpha 1.0", 2))
    found = one(tmp_path, HYBRID)
    assert found.effect.seeds == (1, 3)
    assert found.missing == ("alpha 1.0, seed 2",)
    np.testing.assert_allclose(
        found.effect.by_seed, looped(study, HYBRID).mean(axis=(1, 2))[[0, 2]], rtol=1e-9
    )


def test_missing_runs_are_named(tmp_path):
    write_runs(tmp_path, study_of(POOL_ONLY), only=lambda run: run.condition != "alpha 1.0")
    found = one(tmp_path, HYBRID)
    assert found.verdict is Verdict.NOT_RUN
    assert found.why == "missing: " + "; ".join(f"alpha 1.0, seed {seed}" for seed in (1, 2, 3))


def test_subsets_that_are_missing_or_on_other_data_do_not_count(tmp_path):
    study = study_of(POOL_ONLY, claims=[HYBRID])
    one_run, *_ = write_runs(tmp_path, study)
    by_name = {(run.condition, run.seed): run for run in runs(study, "small")}
    write_run(tmp_path, by_name["alpha 0.5", 1], subsets=["en-multi", "ru-multi"])
    write_run(tmp_path, by_name["alpha 0.5", 2], revision="0.9.0")
    write_run(tmp_path, by_name["alpha 0.5", 3], values_on="0.9.0")
    evidence = find(study, "alpha", "small", tmp_path)
    whys = {gap.run.seed: gap.why for gap in evidence.gaps if gap.task == MUL}
    assert whys == {
        1: "1 of 3 subsets not run: de-multi",
        2: "set apart: on revision 0.9.0 of the data, which now have 1.0.0",
        3: "set apart: values per query on revision 0.9.0 of the data",
    }
    file = Store(tmp_path).results_of(by_name["alpha 0.5", 2]) / f"{MUL}.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"0.9.0"', "null"), encoding="utf-8")
    unknown = find(study, "alpha", "small", tmp_path).gaps
    assert "set apart: on an unknown revision of the data, which now have 1.0.0" in {
        gap.why for gap in unknown
    }
    assert answers(evidence, 100)[0].verdict is Verdict.NOT_RUN
    assert one_run.condition == "untrained"
    assert evidence.counts(evidence.trials[0], MUL)


def test_results_without_values_per_query_do_not_count(tmp_path):
    """The other seeds answer the claim."""
    study = study_of(POOL_ONLY, claims=[HYBRID])
    write_runs(tmp_path, study)
    by_name = {(run.condition, run.seed): run for run in runs(study, "small")}
    write_run(tmp_path, by_name["alpha 0.5", 2], per_query=False)
    evidence = find(study, "alpha", "small", tmp_path)
    (gap,) = evidence.gaps
    assert (gap.run.seed, gap.why) == (2, "values per query of 3 of 3 subsets are not there")
    assert answers(evidence, 100)[0].effect.seeds == (1, 3)


def test_queries_without_value_in_one_run_are_left_out_of_all_and_counted(tmp_path):
    def value(run, task, view, measure, question):
        gone = run.condition == "alpha 0.5" and run.seed == 2 and question % 4 == 0
        return math.nan if gone else skill(run, task, view, measure, question)

    write_runs(tmp_path, study_of(POOL_ONLY), value=value)
    effect = one(tmp_path, HYBRID).effect
    kept = [question for question in range(QUESTIONS) if question % 4]
    every = looped(study_of(), HYBRID)[:, kept]
    assert effect.difference == pytest.approx(every.mean(), rel=1e-9)
    assert (effect.queries, effect.left_out) == (3 * len(kept), 3 * (QUESTIONS - len(kept)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"by": "script", "values": ["Thai"]}, "no query language with script Thai"),
        ({"measure": "top1"}, "alpha 0.5, seed 1: no values of top1 per query in en-multi, de-"),
    ],
)
def test_claims_that_no_test_can_tell(store, changes, why):
    found = one(store, HYBRID | changes)
    assert found.verdict is Verdict.NOT_TESTABLE
    assert found.why.startswith(why)


def test_a_claim_on_what_another_budget_tests_on(store):
    small = BUDGET | POOL_ONLY
    budgets = {"small": small, "paper": small | {"tests": [{"tasks": ["mlqa-r", "xquad-r"]}]}}
    claim = HYBRID | {"collections": ["mlqa-r"]}
    (found,) = answered(store, study_of(claims=[claim], budgets=budgets))
    assert found.why == "no test of this budget is multilingual in mlqa-r"


def test_a_model_for_each_language_is_compared_on_its_languages(tmp_path):
    conditions = [
        *STUDY["conditions"],
        {
            **{"name": "own", "trained": True, "each_language": True},
            "set": ["languages.ru=rus-Cyrl"],
        },
    ]
    claim = HYBRID | {"condition": "own", "than": "alpha 0.5"}
    study = study_of(POOL_ONLY, conditions=conditions, claims=[claim])
    write_runs(tmp_path, study, only=lambda run: run.condition in ("own", "alpha 0.5"))
    found = one(tmp_path, claim, conditions=conditions)
    assert set(found.effect.languages) == {"de", "ru"}
    assert found.effect.queries == 2 * QUESTIONS
    (whole, *_) = tables(find(study, "alpha", "small", tmp_path), "sample (not a benchmark)", "e5")
    assert [row[:2] for row in whole.body] == [["alpha 0.5", "3"], ["own", "3"]]
    assert [cell.endswith(" (2/3)") for cell in whole.body[1][2:]] == [True, True]
    assert not any("/" in cell for cell in whole.body[0])
    gone = next(run for run in runs(study, "small") if run.language == "ru" and run.seed == 3)
    for file in (tmp_path / "results").glob(f"*/{gone.key}/*Retrieval.json"):
        file.unlink()
    assert one(tmp_path, claim, conditions=conditions).effect.seeds == (1, 2)


@pytest.mark.parametrize("condition", ["alpha 0.5", "repaired"])
@pytest.mark.parametrize(("values", "verdict"), [(["seen"], "confirmed"), (["unseen"], None)])
def test_seen_are_the_languages_of_the_recipe(store, values, verdict, condition):
    """All of en, de and ru but ru are among those of MLQA-R; whichever two are compared."""
    claim = HYBRID | {"by": "seen", "values": values, "condition": condition}
    found = one(store, claim | {"than": "untrained"})
    assert set(found.effect.languages) == ({"en", "de"} if values == ["seen"] else {"ru"})
    assert verdict in (None, found.verdict)


def test_a_language_is_seen_if_a_condition_trains_on_it(store):
    """Not where a recipe has it and no condition trains, nor where all conditions leave it out."""
    claim = HYBRID | {"condition": "repaired", "than": "untrained", "by": "seen"}
    conditions = STUDY["conditions"][:2]
    without = {"name": "no de", "trained": True, "set": ["languages.de="]}
    for more, seen in (([], ()), ([without], ("en",))):
        of = {"conditions": [*conditions, *more]}
        (found,) = answered(store, study_of(POOL_ONLY, claims=[claim | {"values": ["seen"]}], **of))
        assert (found.effect.languages if found.effect else ()) == seen
        unseen = one(store, claim | {"values": ["unseen"]}, **of)
        assert {*seen, *unseen.effect.languages} == {"de", "en", "ru"}


def test_a_language_without_a_text_in_training_is_not_seen(tmp_path):
    """MLQA-R has none in Russian, whatever the recipe lists."""
    listed = {"set": ["evaluation=", "languages.ru=rus-Cyrl"], **POOL_ONLY}
    claim = HYBRID | {"by": "seen", "values": ["seen"]}
    study = study_of(listed, claims=[claim])
    write_runs(tmp_path, study, only=lambda run: run.condition in ("alpha 0.5", "alpha 1.0"))
    assert "ru" in runs(study, "small")[-1].recipe.languages
    assert set(one(tmp_path, claim, budget=listed).effect.languages) == {"de", "en"}


@pytest.mark.parametrize(
    ("questions", "seeds", "theirs", "said"),
    [
        ((0.01, 0.02), (0.005, 0.03), 0.1, "agrees"),
        ((-0.02, -0.01), (-0.03, -0.01), 0.1, "disagrees"),
        ((0.01, 0.02), (0.005, 0.03), -0.1, "disagrees"),
        ((0.01, 0.02), (-0.005, 0.03), 0.1, "open"),
        ((-0.01, 0.02), (0.005, 0.03), 0.1, "open"),
    ],
)
def test_agreement_is_that_of_directions_that_are_settled(store, questions, seeds, theirs, said):
    paper = PAPER | {"source": "a paper", "model": "LaBSE", "condition": 0.54 + theirs}
    figure = Published.model_validate(paper)
    effect = replace(one(store, HYBRID).effect, over_questions=questions, over_seeds=seeds)
    assert agreement(effect, figure) == said
    alone = replace(effect, seeds=(1,), over_seeds=None)
    assert agreement(alone, figure) == "open"


@pytest.mark.parametrize("answers_each", [1, 2])
def test_accuracy_of_pairs_is_known_from_map(tmp_path, answers_each):
    """With one right passage a query; if the means are others, there are several."""

    def value(run, task, view, measure, question):
        place = 1 + (question + (run.condition == "alpha 1.0")) % (2 + run.seed)
        return sum(number / (place + number - 1) for number in range(1, answers_each + 1)) / (
            answers_each
        )

    claim = HYBRID | {"measure": "hit_rate_at_1"}
    write_runs(tmp_path, study_of(POOL_ONLY, claims=[claim]), value=value,
               wrong_hits=0.1 * (answers_each > 1),
               only=lambda run: run.condition in ("alpha 0.5", "alpha 1.0"))  # fmt: skip
    found = one(tmp_path, claim)
    if answers_each > 1:
        assert found.verdict is Verdict.NOT_TESTABLE
    else:
        ranks = np.arange(QUESTIONS)
        hits = [np.mean(ranks % (2 + seed) == 0) for seed in (1, 2, 3)]
        others = [np.mean((ranks + 1) % (2 + seed) == 0) for seed in (1, 2, 3)]
        assert found.effect.by_seed == pytest.approx(np.subtract(hits, others), abs=1e-12)
        assert found.effect.condition == pytest.approx(np.mean(hits))


def test_accuracy_that_values_per_query_refute_is_refused(tmp_path):
    """Also where the other condition is not there yet: tables have it all the same."""
    claim = HYBRID | {"measure": "hit_rate_at_1"}
    study = study_of(POOL_ONLY, claims=[claim])
    write_runs(tmp_path, study, value=lambda *_: 0.5, wrong_hits=0.99,
               only=lambda run: run.condition == "alpha 0.5")  # fmt: skip
    said = rf"{MUL}\.json: the hit_rate_at_1 of de-multi is 0\.99, .* 0\.00000 .* Remove that file"
    with pytest.raises(ResultError, match=said):
        one(tmp_path, claim)
    assert one(tmp_path, HYBRID).verdict is Verdict.NOT_RUN, "nothing shows it"


def test_runs_that_were_asked_other_questions_are_refused(tmp_path):
    study = study_of(POOL_ONLY, claims=[HYBRID])
    write_runs(tmp_path, study)
    run = next(run for run in runs(study, "small") if run.condition == "alpha 0.5")
    folder = next((tmp_path / "results").glob(f"*/{run.key}/{MUL}.per_query"))
    table = pl.read_parquet(folder / "en-multi.parquet")
    table = table.with_columns(pl.col("query").replace("en:007", "en:777"))
    write_per_query(table, folder.parent, MUL, "1.0.0")
    with pytest.raises(CompareError, match="'en:007' of en-multi"):
        one(tmp_path, HYBRID)


CLAIMS = {
    expect: Claim.model_validate(HYBRID | {"expect": expect, "published": []} | margin)
    for expect, margin in (
        *(("higher", {}), ("lower", {})),
        *(("within", {"margin": 0.5}), ("not-lower", {"margin": 0.5})),
    )
}
HOLDS = {
    "higher": lambda x: x > 0,
    "lower": lambda x: x < 0,
    "within": lambda x: abs(x) <= 0.5,
    "not-lower": lambda x: x > -0.5,
}
LIMITS = st.tuples(st.floats(-2, 2), st.floats(-2, 2)).map(lambda ends: tuple(sorted(ends)))


@given(LIMITS, LIMITS)
def test_verdict_is_settled_only_if_both_intervals_agree(first, second):
    """A point of each interval in every combination: settled if and only if all say the same."""
    for expect, claim in CLAIMS.items():
        points = product(np.linspace(*first, 9), np.linspace(*second, 9))
        verdict = verdict_of(claim, first, second)
        holds = {HOLDS[expect](x) for pair in points for x in pair}
        if verdict is Verdict.CONFIRMED:
            assert holds == {True}
        if verdict is Verdict.CONTRADICTED:
            assert holds == {False}
        if max(*first, *second) < -0.6:
            assert verdict is (Verdict.CONFIRMED if expect == "lower" else Verdict.CONTRADICTED)
        if min(*first, *second) > 0.6:
            right = expect in ("higher", "not-lower")
            assert verdict is (Verdict.CONFIRMED if right else Verdict.CONTRADICTED)


@given(LIMITS, LIMITS)
def test_higher_and_lower_are_each_others_opposite(first, second):
    opposite = {
        Verdict.CONFIRMED: Verdict.CONTRADICTED,
        Verdict.CONTRADICTED: Verdict.CONFIRMED,
        Verdict.UNDECIDED: Verdict.UNDECIDED,
    }
    higher, lower = (verdict_of(CLAIMS[name], first, second) for name in ("higher", "lower"))
    assert opposite[higher] is lower


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_t_interval_is_scipys(values):
    if np.std(values, ddof=1) > 1e-6:
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        np.testing.assert_allclose(t_interval(values), expected, rtol=1e-6, atol=1e-9)


def test_means_over_seeds_in_words():
    assert over_seeds([0.5], 4) == "0.5000"
    assert over_seeds([0.52, 0.5], 4) == "0.5000 and 0.5200"
    half = stats.t.ppf(0.975, 2) * stats.sem([0.1, 0.2, 0.4])
    assert over_seeds([0.1, 0.2, 0.4], 3) == f"0.233 ± {half:.3f}"
