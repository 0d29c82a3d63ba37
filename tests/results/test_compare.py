import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mteb_hybrid.languages.codes import macrolanguage
from mteb_hybrid.languages.traits import By
from mteb_hybrid.results.cells import limits
from mteb_hybrid.results.compare import (
    CompareError,
    breakdown,
    compare,
    compare_by,
    compare_models,
    pair,
)

TASK = "XQuADRMultilingualRetrieval"
NAN = float("nan")


def frame(values, task=TASK, measure="map", pool="multi"):
    """Per-query values from ``{language: [one value per question]}``."""
    return pl.DataFrame(
        [
            (task, f"{language}:{i}", str(i), language, f"{language}-{pool}", measure, float(value))
            for language, row in values.items()
            for i, value in enumerate(row)
        ],
        schema=["task", "query", "group", "query_language", "pool", "measure", "value"],
        orient="row",
    )


ONE = {"en": [0.5, 0.25, 1.0, 0.0], "de": [0.5, 0.5]}
TWO = {"en": [0.75, 0.25, 0.5, 0.25], "de": [1.0, 0.75]}


def test_means_are_macro_means():
    (row,) = compare(frame(ONE), frame(TWO), ["map"], resamples=100).iter_rows(named=True)
    assert row["first"] == (1.75 / 4 + 1.0 / 2) / 2
    assert row["second"] == (1.75 / 4 + 1.75 / 2) / 2
    assert row["difference"] == row["second"] - row["first"]
    assert (row["wins"], row["losses"], row["ties"]) == (4, 1, 1)
    assert (row["queries"], row["groups"]) == (6, 4)


def test_the_whole_against_scipy():
    """One pool and one row per question: scipy's paired randomisation test, exactly."""
    first, second = [0.1, 0.9, 0.3, 0.4, 0.2, 0.8], [0.4, 0.8, 0.7, 0.5, 0.6, 0.9]
    exact = stats.permutation_test(
        (second, first),
        lambda x, y: sum(x) - sum(y),
        permutation_type="samples",
        n_resamples=math.inf,
        vectorized=False,
    ).pvalue
    table = compare(frame({"en": first}), frame({"en": second}), ["map"], resamples=50_000)
    assert table["p"].item() == pytest.approx(exact, abs=0.01)
    assert table["difference"].item() == pytest.approx(1.2 / 6)
    assert table["low"].item() < table["difference"].item() < table["high"].item()


def test_questions_are_resampled_with_all_their_translations():
    """Ten copies of each query in as many languages tell nothing new: the interval stays."""
    first, second = [0.1, 0.9, 0.3, 0.4, 0.2], [0.4, 0.8, 0.7, 0.5, 0.6]
    languages = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "zh"]
    single = compare(frame({"en": first}), frame({"en": second}), ["map"], 500)
    several = compare(
        frame(dict.fromkeys(languages, first)),
        frame(dict.fromkeys(languages, second)),
        ["map"],
        500,
    )
    for column in ("difference", "low", "high", "p"):
        assert several[column].item() == pytest.approx(single[column].item())


VALUES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=25)
@given(VALUES)
def test_swapping_the_models(pairs):
    first, second = (frame({"en": side, "de": side[:3]}) for side in zip(*pairs, strict=True))
    there = compare(first, second, ["map"], 100).row(0, named=True)
    back = compare(second, first, ["map"], 100).row(0, named=True)
    assert there["difference"] == -back["difference"]
    assert (there["low"] is None) == (len(pairs) < 6), "of few questions there is no interval"
    if there["low"] is not None:
        assert (back["high"], back["low"]) == pytest.approx(
            (-there["low"], -there["high"]), abs=1e-12
        )
    assert there["p"] == back["p"]
    assert (there["wins"], there["losses"]) == (back["losses"], back["wins"])


def test_a_model_against_itself():
    own = frame({"en": [1, 0.5, 0.25, 1, 0, 0.5]})
    (row,) = compare(own, own, ["map"], resamples=100).iter_rows(named=True)
    assert (row["difference"], row["low"], row["high"]) == (0, 0, 0)
    assert (row["p"], row["p_holm"], row["ties"]) == (1, 1, 6)


@pytest.mark.parametrize(
    ("measure", "won"),
    [
        ("rank_distance", (1, 4, 1)),
        ("mean_rank_de", (1, 4, 1)),
        ("gold_language_map_de", (4, 1, 1)),
        ("removal_gap", (None, None, None)),
        ("language_share_at_10_de", (None, None, None)),
        ("ours", (None, None, None)),
    ],
)
def test_wins_follow_what_is_better(measure, won):
    sides = frame(ONE, measure=measure), frame(TWO, measure=measure)
    (row,) = compare(*sides, [measure], resamples=100).iter_rows(named=True)
    assert (row["wins"], row["losses"], row["ties"]) == won


def test_holm_is_over_all_rows_shown():
    base, other = {"en": [0.0] * 9}, {"en": [0.5] * 8 + [-0.5]}
    sides = [
        pl.concat([frame(values), frame(values, measure="rank_distance")])
        for values in (base, other)
    ]
    measures = ["map", "rank_distance"]
    table = compare(*sides, measures, resamples=1000)
    assert table["p_holm"].to_list() == pytest.approx([2 * p for p in table["p"]])
    models = compare_models({"base": sides[0], "a": sides[1], "b": sides[1]}, measures, 1000)
    assert models["model"].to_list() == ["a", "a", "b", "b"]
    assert models["p"].to_list() == table["p"].to_list() * 2
    assert models["p_holm"].to_list() == pytest.approx([4 * p for p in models["p"]])


def test_a_row_does_not_depend_on_the_others():
    alone = compare(frame(ONE), frame(TWO), ["map"], 200)
    more = [pl.concat([frame(v), frame(v, measure="rank_distance")]) for v in (ONE, TWO)]
    both = compare(*more, ["map", "rank_distance"], 200).filter(measure="map")
    assert both.drop("p_holm").equals(alone.drop("p_holm"))


def test_queries_that_both_leave_out():
    first, second = {"en": [0.5, NAN, 0.25]}, {"en": [1.0, NAN, 0.25]}
    (row,) = compare(frame(first), frame(second), ["map"], 100).iter_rows(named=True)
    assert (row["first"], row["queries"], row["groups"]) == (0.375, 2, 2)


def test_queries_that_one_leaves_out_are_counted_and_left_out():
    first = {"en": [0.5, NAN, 0.25, 0.1], "de": [NAN, 0.5]}
    second = {"en": [1.0, 0.5, NAN, 0.3], "de": [NAN, 0.75]}
    (row,) = compare(frame(first), frame(second), ["map"], 100).iter_rows(named=True)
    assert (row["queries"], row["left_out"], row["groups"]) == (3, 2, 3)
    assert limits(row) == " [3/5 queries]"
    # As if the queries had never been asked.
    sides = [
        frame(side).filter(~pl.col("query").is_in(["en:1", "en:2"])) for side in (first, second)
    ]
    (alone,) = compare(*sides, ["map"], 100).iter_rows(named=True)
    assert alone | {"left_out": 2} == row and limits(alone) == ""
    by_language = compare_by(frame(first), frame(second), ["map"])
    assert by_language.select("query_language", "queries", "left_out").rows() == [
        ("de", 1, 0),
        ("en", 2, 2),
    ]


def test_no_query_that_both_have_a_value_for():
    with pytest.raises(
        CompareError, match=r"map: no query for which both A and B .*other measures"
    ):
        pair(frame({"en": [1, NAN]}), frame({"en": [NAN, 1]}), ["map"], ("A", "B"))
    with pytest.raises(CompareError, match="left out"):
        pair(frame({"en": [NAN]}), frame({"en": [NAN]}), ["map"])
    infinite = frame({"en": [math.inf]})
    with pytest.raises(CompareError, match=r"query en:0: 1\.0 .* inf .*expected finite values"):
        pair(frame({"en": [1]}), infinite, ["map"])


def test_different_sets_are_refused():
    first = frame({"en": [1, 1, 1], "de": [1, 1, 1], "ar": [1]})
    second = frame({"en": [1, 1], "hi": [1], "ar": [1]})
    with pytest.raises(CompareError) as caught:
        compare(first, second, ["map"])
    said = str(caught.value)
    assert f"{TASK}: the second model lacks the subsets de-multi\n" in said
    assert f"{TASK}, en-multi: the second model lacks the queries en:2\n" in said
    assert f"{TASK}: the first model lacks the subsets hi-multi\n" in said
    assert "mteb-hybrid run" in said
    with pytest.raises(CompareError, match="lacks the measures rank_distance"):
        compare(
            pl.concat([frame(ONE), frame(ONE, measure="rank_distance")]),
            pl.concat([frame(ONE), frame(ONE, measure="rank_distance", task="other")]),
            ["map", "rank_distance"],
        )


def test_long_lists_are_cut():
    first, second = frame({"en": range(20)}), frame({"en": range(3)})
    with pytest.raises(CompareError, match=r"en:13, en:14 and 12 more"):
        compare(first, second, ["map"])


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (frame(ONE), frame(ONE, task="other"), "no task in common"),
        (frame(ONE), frame(ONE, measure="mrr"), "second model has no values of map. It has mrr"),
        (pl.concat([frame(ONE)] * 2), frame(ONE), "first model has several values for .* en:0"),
        (frame(ONE), frame(ONE).with_columns(group=pl.lit("x")), r"group 0\) in .*group x\) in"),
    ],
)
def test_bad_frames(first, second, said):
    with pytest.raises(CompareError, match=said):
        compare(first, second, ["map"])


def test_only_tasks_of_both_are_compared():
    first = pl.concat([frame(ONE), frame(ONE, task="MLQARMultilingualRetrieval")])
    assert compare(first, frame(TWO), ["map"], 100)["task"].to_list() == [TASK]


KINDS = {
    By.QUERY_LANGUAGE: {"ar": 0.1, "de": 0.4, "en": 0.6, "zh": 0.9},
    By.FAMILY: {"Afro-Asiatic": 0.1, "Indo-European": 0.5, "Sino-Tibetan": 0.9},
    By.SCRIPT: {"Arab": 0.1, "Hans": 0.9, "Latn": 0.5},
    By.RESOURCE_CLASS: {"5": 0.5},
    By.SEEN: {"seen": 0.75, "unseen": 0.25},
}


@pytest.mark.parametrize("by", list(By))
def test_breakdown(by):
    """Unequal numbers of queries, and one left out: languages count alike."""
    values = frame({"en": [0.5, 0.7, 0.6, NAN], "de": [0.4], "ar": [0.2, 0.0], "zh": [0.9]})
    table = breakdown(values, by, trained_on=["cmn-Hans", "eng"])
    found = dict(zip(table[by.column], table["value"], strict=True))
    assert found == pytest.approx(KINDS[by])
    assert table["languages"].sum() == 4
    assert table["queries"].sum() == 7


@pytest.mark.parametrize("code", ["german", "de,en", ""])
def test_languages_of_training_are_codes(code):
    with pytest.raises(CompareError, match="languages of training: "):
        breakdown(frame(ONE), By.SEEN, [code])


def test_bibliographic_codes_of_languages_of_training():
    """ISO 639-2 has two codes of some languages, as of German, Chinese and French."""
    values = frame({"de": [0.4], "zh": [0.9], "en": [0.6]})
    found = breakdown(values, By.SEEN, ["ger", "chi", "fre"])
    assert dict(found.select("seen", "languages").iter_rows()) == {"seen": 2, "unseen": 1}
    assert macrolanguage("fre") == "fra"


def test_breakdown_of_what_is_not_known():
    values = pl.concat([frame({"xx": [1]}), frame({"en": [1]}, task="other")])
    assert set(breakdown(values, By.FAMILY)["family"]) == {"unknown"}
    with pytest.raises(CompareError, match="no languages of training"):
        breakdown(values, By.SEEN)


def test_compare_by_language():
    table = compare_by(frame(ONE), frame(TWO), ["map"])
    assert table["query_language"].to_list() == ["de", "en"]
    assert table["wins"].to_list() == [2, 2]
    assert table["losses"].to_list() == [0, 1]
    assert table["difference"].to_list() == [0.375, 0]
    (row,) = compare_by(frame(ONE), frame(TWO), ["map"], By.FAMILY).iter_rows(named=True)
    assert (row["family"], row["languages"], row["wins"]) == ("Indo-European", 2, 4)
    assert row["difference"] == 0.375 / 2
