"""Every figure of a probe, computed again; and what a repair does to them."""

import json
import math

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from conftest import HashEncoder
from mteb_hybrid.commands.app import app
from mteb_hybrid.models import load
from mteb_hybrid.probe.corpus import ProbeError, read_mixed
from mteb_hybrid.probe.probe import probe
from mteb_hybrid.probe.rankings import overlap_by_chance
from mteb_hybrid.retrieval.checked import EncoderError
from probe import reference
from probe.conftest import encoder_of

K, RESAMPLES, SEED = 5, 120, 3


def every_figure(corpus, encoder, k=K):
    """``{(measure, query language, passage language): (value, low, high)}``; two chances."""
    passages, queries = corpus.passages, corpus.queries
    vectors, asked = (
        np.stack([encoder.vector(text, None, None) for text in table["text"]])
        for table in (passages, queries)
    )
    scores = np.asarray(encoder.similarity(asked, vectors), np.float32)
    ids, spoken = passages["id"].to_list(), passages["language"].to_list()
    languages = sorted(set(spoken))
    pool = {language: spoken.count(language) / len(spoken) for language in languages}
    per_query, tops = {}, {}
    for (_, _, language, group), mine in zip(queries.iter_rows(), scores, strict=True):
        found = reference.shares(mine, spoken, languages, k)
        lifts = dict(zip(languages, np.array(found) / list(pool.values()), strict=True))
        values = {(f"own_language_lift_at_{k}", None): lifts.get(language, math.nan)}
        values["awrf_at_20", None] = reference.awrf(mine, spoken, languages)
        for other, share in zip(languages, found, strict=True):
            values[f"language_share_at_{k}", other] = share
            values[f"language_lift_at_{k}", other] = lifts[other]
        for key, value in values.items():
            per_query.setdefault(key, []).append((group, language, value))
        tops[group, language] = reference.top(mine, ids, k)
    expected = {}
    speakers = sorted(set(queries["language"]))
    for (measure, other), rows in per_query.items():
        expected[measure, "all", other] = reference.estimate(rows, RESAMPLES, SEED)
        for language in speakers:
            mine = [row for row in rows if row[1] == language]
            expected[measure, language, other] = reference.estimate(mine, RESAMPLES, SEED)
    agreement = [
        (
            group,
            (language, other),
            reference.overlap(first, second) if first and second else math.nan,
        )
        for (group, language), first in tops.items()
        for (same, other), second in tops.items()
        if same == group and language < other
    ]
    for language in ("all", *speakers):
        rows = [row for row in agreement if language in ("all", *row[1])]
        expected[f"ranking_consistency_at_{k}", language, None] = reference.estimate(
            rows, RESAMPLES, SEED
        )
    near = reference.neighbours(vectors, spoken, k)
    random = np.random.default_rng(SEED)
    code = np.array([languages.index(x) for x in spoken])
    order = [random.permutation(np.flatnonzero(code == place)) for place in range(len(languages))]
    order = np.concatenate([rows[:200] for rows in order])
    right = reference.read(vectors[order].astype(np.float64), [spoken[i] for i in order], SEED)
    by_chance = {x: (spoken.count(x) - 1) / (len(spoken) - 1) for x in languages}
    kinds = {
        f"same_language_neighbours_at_{k}": [*zip(ids, spoken, near, strict=True)],
        f"neighbour_excess_at_{k}": [
            (id_, x, share - by_chance[x]) for id_, x, share in zip(ids, spoken, near, strict=True)
        ],
        "language_probe_accuracy": [
            (ids[i], spoken[i], hit) for i, hit in zip(order, right, strict=True)
        ],
    }
    for measure, rows in kinds.items():
        expected[measure, None, "all"] = reference.estimate(rows, RESAMPLES, SEED)
        for language in languages:
            mine = [row for row in rows if row[1] == language]
            expected[measure, None, language] = reference.estimate(mine, RESAMPLES, SEED)
    return expected, pool, by_chance


def compare(corpus, encoder, k=K):
    found = probe(encoder, corpus, None, k, 32, RESAMPLES, SEED)
    expected, pool, by_chance = every_figure(corpus, encoder, k)
    rows = {
        (row["measure"], row["query_language"], row["passage_language"]): row
        for row in found.figures.iter_rows(named=True)
    }
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        mine = (row["value"], row["low"], row["high"])
        assert mine == pytest.approx(expected[key], abs=2e-6, nan_ok=True), key
    for language, share in pool.items():
        assert rows[f"language_share_at_{k}", "all", language]["chance"] == pytest.approx(share)
        chance = rows[f"same_language_neighbours_at_{k}", None, language]["chance"]
        assert chance == pytest.approx(by_chance[language])
    assert rows["language_probe_accuracy", None, "all"]["chance"] == pytest.approx(1 / len(pool))
    spoken, random = corpus.passages["language"].to_list(), np.random.default_rng(99)
    drawn = [
        reference.awrf(random.permutation(len(spoken)), spoken, sorted(pool)) for _ in range(300)
    ]
    error = 5 * np.std(drawn) / math.sqrt(300)
    assert rows["awrf_at_20", "all", None]["chance"] == pytest.approx(np.mean(drawn), abs=error)
    return found


def test_every_figure_of_a_built_corpus(built):
    corpus = read_mixed(*built)
    compare(corpus, encoder_of(corpus, strength=0.6))


@pytest.mark.parametrize("levels", [2, 3])
def test_every_figure_where_many_scores_tie(built, levels):
    corpus = read_mixed(*built)
    encoder = HashEncoder(3, levels)
    expected = compare(corpus, encoder).figures.filter(measure=f"ranking_consistency_at_{K}")
    assert len(expected)


def test_every_figure_of_a_mixed_corpus(mixed):
    """XTD10, TICO-19 and NTREX-128, each passage in one language."""
    corpus = read_mixed(*mixed)
    assert dict(corpus.passages.group_by("language").len().iter_rows()) == {
        "en": 120,
        "fr": 75,
        "ru": 45,
    }
    assert len(corpus.queries) == 72
    compare(corpus, encoder_of(corpus, strength=0.5))


def test_chance_of_overlap():
    random = np.random.default_rng(0)
    drawn = [
        reference.overlap(*(random.permutation(30)[:5].tolist() for _ in "ab")) for _ in range(4000)
    ]
    assert overlap_by_chance(5, 30) == pytest.approx(np.mean(drawn), abs=0.006)


def test_translations_agree_where_vectors_hold_no_language(built):
    corpus = read_mixed(*built)
    content = {
        text: text.split()[1] for text in (*corpus.passages["text"], *corpus.queries["text"])
    }
    agreement = [
        probe(encoder_of(corpus, content, strength=strength), corpus, None, 3, 32, RESAMPLES)
        .figures.filter(measure="ranking_consistency_at_3", query_language="all")["value"]
        .item()
        for strength in (0, 1, 4)
    ]
    assert agreement[0] > 0.6 > agreement[1] > agreement[2]


def test_a_repair_lowers_the_bias(built):
    corpus = read_mixed(*built)
    content = {
        text: text.split()[1] for text in (*corpus.passages["text"], *corpus.queries["text"])
    }
    encoder = encoder_of(corpus, content, strength=3)
    found = probe(encoder, corpus, "projection", K, 32, RESAMPLES)
    assert found.figures["repair"].unique(maintain_order=True).to_list() == ["none", "projection 2"]
    before, after = (
        dict(
            found.figures.filter(
                pl.col("repair") == label,
                pl.coalesce("query_language", "passage_language") == "all",
                pl.col("query_language").is_null() | pl.col("passage_language").is_null(),
            )
            .select("measure", "value")
            .iter_rows()
        )
        for label in ("none", "projection 2")
    )
    # In a space without content of its own, all of the first places go to the query's language.
    assert before[f"own_language_lift_at_{K}"] > 3.3
    assert after[f"own_language_lift_at_{K}"] < 2
    assert after[f"ranking_consistency_at_{K}"] > before[f"ranking_consistency_at_{K}"] + 0.3
    assert after["awrf_at_20"] > before["awrf_at_20"]
    for measure in (f"same_language_neighbours_at_{K}", f"neighbour_excess_at_{K}"):
        assert after[measure] < before[measure] - 0.2
    assert any("fitted on" in note for note in found.notes)


def test_what_a_small_corpus_cannot_show_is_said(built):
    corpus = read_mixed(*built)
    few = corpus.queries.filter((pl.col("language") != "ru") | pl.col("text").str.contains("[0-3]"))
    found = probe(encoder_of(corpus), type(corpus)(corpus.passages, few), None, 5, 4, RESAMPLES)
    own = found.figures.filter(measure="own_language_lift_at_5")
    has_interval = {x: not math.isnan(low) for x, low in own["query_language", "low"].iter_rows()}
    assert has_interval == {"all": True, "en": True, "fr": True, "ru": False}
    said = " ".join(found.notes)
    assert "Fewer than 6 queries in ru: their means have no interval" in said
    assert "No more than 5 passages in ru among which neighbours" in said
    whole = probe(encoder_of(corpus), corpus, None, 4, 4, RESAMPLES)
    assert "Fewer than" not in " ".join(whole.notes) and "No more" not in " ".join(whole.notes)


def test_each_text_is_encoded_once(built):
    corpus = read_mixed(*built)
    encoder = encoder_of(corpus)
    probe(encoder, corpus, "projection", K, 4, RESAMPLES)
    assert len(encoder.encoded) == len(set(encoder.encoded)) == 24 + 24


def test_the_same_seed_gives_the_same_figures(built):
    corpus = read_mixed(*built)
    first, second = (
        probe(encoder_of(corpus), corpus, "projection", K, 32, RESAMPLES, 7) for _ in range(2)
    )
    assert first.figures.equals(second.figures)
    assert first.about == second.about


def test_languages_that_only_queries_have(built):
    corpus = read_mixed(*built)
    queries = corpus.queries.with_columns(language=pl.col("language").replace("ru", "de"))
    changed = type(corpus)(corpus.passages, queries)
    found = compare(changed, HashEncoder(8)).figures
    row = found.filter(measure=f"own_language_lift_at_{K}", query_language="de").row(0, named=True)
    assert math.isnan(row["value"]) and row["measured"] == 0 and row["count"] == 8


@pytest.mark.parametrize("k", [24, 100])
def test_more_places_than_passages(built, k):
    with pytest.raises(ProbeError, match=rf"--top {k}: the corpus has 24 passages; expected fewer"):
        probe(HashEncoder(), read_mixed(*built), None, k)


def test_a_model_that_returns_nan(built):
    class Broken(HashEncoder):
        def vector(self, *about):
            return np.full(4, np.nan)

    with pytest.raises(
        EncoderError, match="the model test/hash returned NaN or infinity for 24 of"
    ):
        probe(Broken(), read_mixed(*built))


def test_a_model_without_vectors(built):
    encoder = HashEncoder()
    encoder.mteb_model_meta.model_type = ["late-interaction"]
    with pytest.raises(ProbeError, match="type late-interaction, without a vector for each text"):
        probe(encoder, read_mixed(*built))


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def command(built, monkeypatch):
    corpus = read_mixed(*built)
    monkeypatch.setattr(
        load, "load_model", lambda *_: encoder_of(corpus, name="test/\x1b[31mspoken")
    )
    return (
        "probe",
        "-m",
        "test/spoken",
        "--corpus",
        built[0],
        "--queries",
        built[1],
        "--resamples",
        100,
    )


def test_the_command(command, tmp_path):
    done = run(*command, "--repair", "projection", "-o", tmp_path / "all.json", "--top", 5)
    assert done.exit_code == 0, done.output
    assert "24 passages (en 12, fr 7, ru 5); 24 queries (en 8, fr 8, ru 8)" in done.output
    assert "\\x1b[31mspoken" in done.output and "\x1b" not in done.output
    assert "What these figures cannot tell: which passages answer." in done.output
    assert "With the repair projection 2" in done.output
    written = json.loads((tmp_path / "all.json").read_text("utf-8"))
    assert written["about"]["k"] == 5 and written["about"]["passages"]["fr"] == 7
    (own,) = [
        row
        for row in written["figures"]
        if (row["repair"], row["measure"], row["query_language"])
        == ("none", "own_language_lift_at_5", "all")
    ]
    assert f"{own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}]" in done.output


@pytest.mark.parametrize("format", ["markdown", "latex", "csv"])
def test_other_formats(command, tmp_path, format):
    done = run(*command, "-f", format, "-o", tmp_path / "all.csv")
    assert done.exit_code == 0, done.output
    written = (tmp_path / "all.csv").read_text("utf-8")
    table = pl.read_csv(tmp_path / "all.csv")
    assert table.columns[:3] == ["repair", "measure", "query_language"]
    if format == "csv":
        assert done.stdout == written
    else:
        assert f"{table.row(2)[4]:.3f}" in done.stdout


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("-o", "figures.txt", "expected a file that is called .json or .csv"),
        ("--repair", "projektion", "neither a repair nor a folder; did you mean 'projection'?"),
        ("--repair", "shift", "needs the language of every text at use"),
    ],
)
def test_options_that_cannot_be(command, option, value, said):
    assert said in str(run(*command, option, value).exception)
