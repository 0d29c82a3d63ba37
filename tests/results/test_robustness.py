"""What a model loses on rewritten queries, against a computation of its own."""

import csv
import io
import math
from typing import ClassVar

import mteb
import numpy as np
import polars as pl
import pytest
from scipy import stats
from typer.testing import CliRunner

from conftest import HashEncoder
from mteb_hybrid.commands.app import app
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.results.compare import CompareError, compare
from mteb_hybrid.results.robustness import ALL, losses, robustness
from mteb_hybrid.results.robustness_table import Evaluated, tables
from mteb_hybrid.results.text_table import Format
from mteb_hybrid.rewriting.overlay import adopt
from mteb_hybrid.rewriting.perturbed import perturb
from rewriting.conftest import place, written  # noqa: F401 - fixtures

ORIGINAL, TYPOS = (
    "HybridSampleOriginalMonolingualRetrieval",
    "HybridSampleTyposMonolingualRetrieval",
)


@pytest.fixture
def overlay(place, sample_card):  # noqa: F811
    """Typing errors in some queries of two languages."""
    ids = {f"{x}:bridge-{n}-{y}" for x in ("de", "en") for n in (1, 2) for y in "ab"}
    perturb(sample_card, "typos", ["de", "en"], only=ids)


def frame(task, values):
    """Per-query values from ``{language: {question: value}}``."""
    return pl.DataFrame(
        [
            (task, f"{x}:{question}", question, x, f"{x}-{x}", "map", float(value))
            for x, row in values.items()
            for question, value in row.items()
        ],
        schema=["task", "query", "group", "query_language", "pool", "measure", "value"],
        orient="row",
    )


BEFORE = {
    "de": {"a": 1.0, "b": 0.5, "c": 0.25, "d": 1.0, "e": 0.125, "unasked": 0.0},
    "en": {"a": 1.0, "b": 1.0, "c": 0.5, "f": 0.75},
}
AFTER = {
    "de": {"a": 0.5, "b": 0.25, "c": 0.5, "d": 0.75, "e": 0.125},
    "en": {"a": 0.5, "b": 0.25, "c": 0.5},
}


def test_means_and_tests_against_numpy_and_scipy(overlay):
    random = np.random.default_rng(5)
    asked = {"de": list("abcdefghijkl"), "en": list("cdefghij")}
    before, after = (
        {x: dict(zip(asked[x], random.random(len(asked[x])), strict=True)) for x in asked}
        for _ in range(2)
    )
    before["de"]["unasked"] = 1.0
    both = pl.concat([frame(ORIGINAL, before), frame(TYPOS, after)])
    table = robustness(both, resamples=40_000)
    rows = {row["language"]: row for row in table.iter_rows(named=True)}
    assert list(rows) == [ALL, "de", "en"] and set(table["task"]) == {TYPOS}
    drops = {x: {q: after[x][q] - before[x][q] for q in after[x]} for x in after}
    for language in ("de", "en"):
        row, own = rows[language], list(drops[language].values())
        assert row["first"] == pytest.approx(
            np.mean([before[language][q] for q in after[language]])
        )
        assert row["second"] == pytest.approx(np.mean(list(after[language].values())))
        assert row["difference"] == pytest.approx(np.mean(own))
        exact = stats.permutation_test(
            (own, [0.0] * len(own)),
            lambda x, y: np.mean(x) - np.mean(y),
            permutation_type="samples",
            n_resamples=math.inf,
            vectorized=False,
        ).pvalue
        assert row["p"] == pytest.approx(exact, abs=0.01)
        interval = stats.bootstrap(
            (own,), np.mean, method="percentile", n_resamples=40_000, rng=random
        ).confidence_interval
        assert row["low"] == pytest.approx(interval.low, abs=0.01)
        assert row["high"] == pytest.approx(interval.high, abs=0.01)
        assert (row["queries"], row["groups"]) == (len(own), len(own))
        assert row["wins"] == sum(value > 0 for value in own)
        assert row["losses"] == sum(value < 0 for value in own)
    whole = rows[ALL]
    assert whole["difference"] == pytest.approx(
        np.mean([np.mean(list(own.values())) for own in drops.values()])
    )
    assert (whole["queries"], whole["groups"]) == (20, 12)
    means = []
    for _ in range(10_000):  # a question is drawn in all its languages
        drawn = random.choice(asked["de"], 12)
        parts = [[own[q] for q in drawn if q in own] for own in drops.values()]
        means.append(np.mean([np.mean(part) for part in parts if part]))
    low, high = np.percentile(means, [2.5, 97.5])
    assert whole["low"] == pytest.approx(low, abs=0.015)
    assert whole["high"] == pytest.approx(high, abs=0.015)
    assert min(table["p_holm"]) == pytest.approx(min(1, 3 * min(table["p"])))


def test_without_the_original_tasks_the_collections_own_will_do(overlay):
    own = frame("HybridSampleMonolingualRetrieval", BEFORE)
    first = robustness(pl.concat([own, frame(TYPOS, AFTER)]), resamples=200)
    second = robustness(pl.concat([frame(ORIGINAL, BEFORE), frame(TYPOS, AFTER)]), resamples=200)
    assert first.equals(second)


def test_losses_of_two_models_can_be_compared(overlay):
    firm = pl.concat([frame(ORIGINAL, BEFORE), frame(TYPOS, BEFORE)])
    weak = pl.concat([frame(ORIGINAL, BEFORE), frame(TYPOS, AFTER)])
    assert set(losses(firm)["value"]) == {0.0}
    firm = firm.filter(pl.col("query").is_in(losses(weak)["query"].implode()))
    (row,) = compare(losses(firm), losses(weak), ["map"], 500).iter_rows(named=True)
    (whole, *_) = robustness(weak, resamples=500).iter_rows(named=True)
    for column in ("difference", "low", "high", "p"):
        assert row[column] == pytest.approx(whole[column])


def test_what_cannot_be_compared(overlay):
    with pytest.raises(CompareError, match="no task of rewritten queries among the results"):
        robustness(frame(ORIGINAL, BEFORE))
    with pytest.raises(CompareError, match=f"{TYPOS}: nothing to compare with; .*sample-original"):
        robustness(frame(TYPOS, AFTER))
    less = {"de": AFTER["de"]}
    with pytest.raises(CompareError, match="the original queries lacks the subsets en-en"):
        robustness(pl.concat([frame(ORIGINAL, less), frame(TYPOS, AFTER)]))
    both = pl.concat([frame(ORIGINAL, BEFORE), frame(TYPOS, AFTER)])
    data = {TYPOS: "2.0.0+typos-abcdef012345", ORIGINAL: "1.0.0+original-abcdef012345"}
    with pytest.raises(CompareError, match=r"is on revision 2\.0\.0 of the data, .* on 1\.0\.0;"):
        robustness(both, revisions=data)
    robustness(both, revisions=data | {ORIGINAL: "2.0.0+original-0"}, resamples=100)


def test_translated_queries_of_the_collection_are_no_other_data(overlay):
    own, typos = ("HybridSampleCrosslingualRetrieval", "HybridSampleTyposCrosslingualRetrieval")
    both = pl.concat([frame(own, BEFORE), frame(typos, AFTER)])
    data = {own: "1.0.0+translated-0123456789ab", typos: "1.0.0+typos-abcdef012345"}
    assert set(robustness(both, revisions=data, resamples=100)["task"]) == {typos}
    with pytest.raises(CompareError, match="differences between them may have that cause"):
        robustness(both, revisions=data | {own: "2.0.0+translated-0123456789ab"})


def test_of_two_models_the_table_says_which_loses_more(overlay, monkeypatch):
    monkeypatch.setattr("mteb_hybrid.results.resample.INTERVAL_FROM", 1)
    weak = Evaluated(pl.concat([frame(ORIGINAL, BEFORE), frame(TYPOS, AFTER)]), {TYPOS: "1+a"})
    same = {x: {q: BEFORE[x][q] for q in AFTER[x]} for x in AFTER}
    firm = Evaluated(pl.concat([frame(ORIGINAL, BEFORE), frame(TYPOS, same)]), {TYPOS: "1+a"})
    models = {"weak": weak, "firm": firm}
    arguments = (["map"], Format.MARKDOWN, 500, 0, None)
    first, second = tables(models, *arguments).split("\n\n")
    assert len(first.splitlines()) == 2 + 2 * 3
    (whole, *_) = robustness(weak.values, resamples=500).iter_rows(named=True)
    (row,) = second.splitlines()[2:]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:3] == ["sample (not a benchmark) (typos) monolingual", "map", "firm"]
    difference = whole["difference"]
    assert cells[3:6] == [f"{difference:.4f}", "0.0000", f"{-difference:.4f}"]
    assert cells[6].replace("\\", "") == f"[{-whole['high']:.4f}, {-whole['low']:.4f}]"
    with pytest.raises(CompareError, match=f"{TYPOS}: weak is on revision 1.a of the data, firm"):
        tables({"weak": weak, "firm": firm._replace(revisions={TYPOS: "1+b"})}, *arguments)


class Literal(HashEncoder):
    """An encoder that has learnt some questions by heart: their vectors are the answers'."""

    known: ClassVar[dict[str, str]] = {}

    def vector(self, text, hf_subset, task_metadata):
        return super().vector(self.known.get(text, text), hf_subset, task_metadata)


def test_from_an_evaluation_to_the_table(place, sample_card, tmp_path, written):  # noqa: F811
    written([{"id": f"bridge-{n}-{x}", "hard": f"?? {n} {x}"} for n in (1, 2) for x in "ab"])
    adopt(sample_card, "a writer", {"de": [4]})
    tasks = {cls.__name__: cls for cls in task_classes()}
    original, hard = (
        tasks[f"HybridSample{kind}MonolingualRetrieval"](hf_subsets=["de-de"])
        for kind in ("Original", "Hard")
    )
    original.per_query_root = hard.per_query_root = tmp_path / "results"
    original.load_data()
    data = original.dataset["de-de"]["test"]
    texts, queries = (
        dict(zip(data[part]["id"], data[part]["text"], strict=True))
        for part in ("corpus", "queries")
    )
    model = Literal(name="test/literal")
    model.known |= {
        queries[id_]: texts[next(iter(judged))] for id_, judged in data["relevant_docs"].items()
    }
    mteb.evaluate(model, [original, hard], cache=None, show_progress_bar=False)
    folder = tmp_path / "results" / "test__literal"
    said = CliRunner().invoke(app, ["robustness", str(folder), "-f", "csv"])
    assert said.exception is None, said.exception
    assert said.stderr == "sample: queries known to be weak are left out: de 1.\n"
    (whole, german) = csv.DictReader(io.StringIO(said.stdout))
    assert (whole["language"], german["language"]) == ("all", "de")
    assert (whole["original"], whole["queries"]) == ("1.0", "3")
    assert float(whole["difference"]) == float(whole["rewritten"]) - 1 < -0.5
    said = CliRunner().invoke(app, ["robustness", str(folder)])
    assert "sample (not a benchmark) (hard)" in said.stdout and "Difference: rewri" in said.stdout
