"""Rankings of any program, without judgments: the same figures as a probe of what made them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from conftest import HashEncoder
from mteb_hybrid.commands.app import app
from mteb_hybrid.probe.corpus import read_mixed
from mteb_hybrid.probe.of_run import probe_run
from mteb_hybrid.probe.probe import probe
from probe.conftest import encoder_of

K, RESAMPLES, SEED = 5, 100, 2


def ranking(corpus, encoder):
    """All scores of an encoder, as a search program returns them."""
    asked, vectors = (
        np.stack([encoder.vector(text, None, None) for text in table["text"]])
        for table in (corpus.queries, corpus.passages)
    )
    scores = np.asarray(encoder.similarity(asked, vectors))
    return {
        query: dict(zip(corpus.passages["id"], row.tolist(), strict=True))
        for query, row in zip(corpus.queries["id"], scores, strict=True)
    }


def column(table, name):
    return dict(table.select("id", name).iter_rows())


@pytest.mark.parametrize("levels", [None, 3])
def test_the_same_figures_as_of_the_model(built, levels):
    corpus = read_mixed(*built)
    encoder = encoder_of(corpus) if levels is None else HashEncoder(3, levels)
    found = probe_run(
        ranking(corpus, encoder),
        column(corpus.passages, "language"),
        column(corpus.queries, "language"),
        column(corpus.queries, "group"),
        k=K,
        resamples=RESAMPLES,
        seed=SEED,
    )
    expected = probe(encoder, corpus, None, K, 32, RESAMPLES, SEED).figures
    rankings = expected.filter(expected["query_language"].is_not_null())
    assert len(found.figures) == len(rankings)
    for mine, other in zip(found.figures.iter_rows(), rankings.iter_rows(), strict=True):
        assert mine[:4] == other[:4]
        assert mine[4:] == pytest.approx(other[4:], nan_ok=True)


@pytest.mark.parametrize("lengths", [(3,), (10,), (3, 10)])
def test_short_rankings_by_chance_have_the_exposure_of_chance(lengths):
    random = np.random.default_rng(0)
    languages = {f"p{place}": "en" if place < 50 else "de" for place in range(100)}
    run = {
        f"q{number}": {
            f"p{place}": -float(rank)
            for rank, place in enumerate(
                random.choice(100, lengths[number % len(lengths)], replace=False)
            )
        }
        for number in range(800)
    }
    figures = probe_run(run, languages, resamples=RESAMPLES).figures
    (found,) = figures.filter(measure="awrf_at_20", query_language="all").iter_rows(named=True)
    assert found["value"] == pytest.approx(found["chance"], abs=0.02)


def test_rankings_too_short_to_agree_are_told():
    run = {query: {"1": 2.0, "2": 1.0} for query in ("a", "b")}
    languages = {"1": "en", "2": "de", "3": "de"}
    found = probe_run(run, languages, {"a": "en", "b": "de"}, {"a": "x", "b": "x"}, resamples=100)
    (agreement,) = found.figures.filter(
        measure="ranking_consistency_at_3", query_language="all"
    ).iter_rows(named=True)
    assert agreement["measured"] == 0
    assert any("fewer than 3 passages; whether they agree" in note for note in found.notes)


def test_without_languages_of_queries(built):
    corpus = read_mixed(*built)
    run = ranking(corpus, encoder_of(corpus))
    found = probe_run(run, column(corpus.passages, "language"), k=K, resamples=RESAMPLES)
    assert found.about["queries"] == {"unknown": 24}
    assert not found.figures["measure"].str.starts_with("ranking_consistency").any()
    assert any("--query-languages" in note for note in found.notes)


def test_short_rankings(built):
    corpus = read_mixed(*built)
    run = ranking(corpus, encoder_of(corpus))
    first = next(iter(run))
    run[first] = dict(sorted(run[first].items(), key=lambda item: -item[1])[:2])
    languages = column(corpus.passages, "language")
    found = probe_run(
        run,
        languages,
        column(corpus.queries, "language"),
        column(corpus.queries, "group"),
        k=K,
        resamples=RESAMPLES,
    )
    row = found.figures.filter(measure=f"ranking_consistency_at_{K}", query_language="all").row(
        0, named=True
    )
    assert (row["measured"], row["count"]) == (22, 24), "of a ranking of two, nothing is known"
    assert "1 of 24 rankings hold fewer than 20 passages" in " ".join(found.notes)


def test_small_pools(built):
    found = probe_run({"q": {"a": 2.0, "b": 1.0}}, {"a": "en", "b": "de"}, {"q": "en"})
    lift = found.figures.filter(measure="own_language_lift_at_2", query_language="en")
    assert lift["value"].item() == 1


def test_queries_that_are_passages_do_not_find_themselves():
    """Of a b c (en) and d (de), each of a, b and d ranks the others."""
    languages = {"a": "en", "b": "en", "c": "en", "d": "de"}
    run = {
        "a": {"a": 9.0, "b": 3.0, "d": 2.0, "c": 1.0},
        "b": {"b": 9.0, "d": 3.0, "a": 2.0, "c": 1.0},
        "d": {"d": 9.0, "a": 3.0, "b": 2.0, "c": 1.0},
    }
    found = probe_run(run, languages, languages, None, True, k=1, resamples=100).figures
    rows = {
        row[:2]: row[2:]
        for row in found.filter(measure="language_lift_at_1")
        .select("query_language", "passage_language", "measure", "value")
        .iter_rows()
    }
    assert rows["en", "en"] == ("language_lift_at_1", pytest.approx(0.5 / (2 / 3)))
    assert rows["en", "de"] == ("language_lift_at_1", pytest.approx(0.5 / (1 / 3)))
    assert rows["de", "en"] == ("language_lift_at_1", pytest.approx(1))
    assert np.isnan(rows["de", "de"][1]), "without the query itself, no passage is in de"
    share = found.filter(measure="language_share_at_1", query_language="en", passage_language="en")
    assert share["chance"].item() == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (({},), "the run has no queries"),
        (({"q": {"a": 1.0}}, {"a": "en"}), "all 1 passages are in en"),
        (({"q": {"x": 1.0}},), "passage 'x' is not in the pool; its language is unknown"),
        (({"q": {"a": float("nan")}},), "the score is NaN"),
        (
            ({"q": {"a": 1.0}, "r": {}}, None, {"q": "en"}),
            "1 of 2 queries of the run have no language",
        ),
        (
            ({"q": {"a": 1.0}, "r": {}}, None, {"q": "en", "r": "en"}, {"q": "1", "r": "1"}),
            "several queries of the 'group 1' in en",
        ),
    ],
)
def test_what_cannot_be(arguments, said):
    run, languages, *rest = (*arguments, None)[: max(2, len(arguments))]
    with pytest.raises(ValueError, match=said):
        probe_run(run, languages or {"a": "en", "b": "de"}, *rest)


def command(folder, *options):
    return CliRunner().invoke(app, ["bias", "--run", str(folder / "run.json"), *map(str, options)])


def test_the_command(built, tmp_path):
    corpus = read_mixed(*built)
    (tmp_path / "run.json").write_text(json.dumps(ranking(corpus, encoder_of(corpus))))
    options = ("--languages", built[0], "--query-languages", built[1])
    done = command(tmp_path, *options, "--query-groups", built[1])
    assert done.exit_code == 0, done.output
    assert "24 passages (en 12, fr 7, ru 5)" in done.output
    expected = probe(encoder_of(corpus), corpus).figures
    row = expected.filter(measure="ranking_consistency_at_10", query_language="all").row(
        0, named=True
    )
    assert f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" in done.output
    assert "neighbours" not in done.output
    table = command(tmp_path, *options, "-f", "csv").stdout
    assert table.startswith("repair,measure,query_language,")


def test_hostile_names(tmp_path):
    """A language or an id may hold what a terminal obeys."""
    (tmp_path / "run.json").write_text(json.dumps({"q\x1b[2J": {"a": 2.0, "b": 1.0}}))
    (tmp_path / "languages.json").write_text(json.dumps({"a": "\x1b[31mred", "b": "\u202eback"}))
    done = command(tmp_path, "--languages", tmp_path / "languages.json")
    assert done.exit_code == 0, done.output
    assert "\\x1b[31mred" in done.output and "\\u202eback" in done.output
    assert not {"\x1b", "\u202e"} & set(done.output)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--groups",), "--groups says which documents answer, given --qrels"),
        (("--query-groups", "--qrels"), "--query-groups is for rankings without --qrels"),
    ],
)
def test_options_that_do_not_go_together(built, tmp_path, options, said):
    (tmp_path / "run.json").write_text('{"q": {"a": 1}}')
    given = [part for option in options for part in (option, built[1])]
    assert said in str(command(tmp_path, "--languages", built[0], *given).exception)
