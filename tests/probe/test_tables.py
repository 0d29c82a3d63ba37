"""What is shown of many languages, and in words."""

import re
from dataclasses import replace

import polars as pl
import pytest

from conftest import HashEncoder
from mteb_hybrid.commands.probe import show
from mteb_hybrid.probe.corpus import MixedCorpus, read_mixed
from mteb_hybrid.probe.probe import probe
from mteb_hybrid.probe.tables import tables
from mteb_hybrid.probe.words import words
from mteb_hybrid.results.text_table import Format
from probe.conftest import encoder_of

LANGUAGES = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr"]


@pytest.fixture(scope="module")
def many():
    passages = [(f"p{x}{i}", f"{x} {i}", x) for x in LANGUAGES for i in range(6)]
    queries = [(f"q{x}{i}", f"{x} {i}?", x, f"{x}{i}") for x in ("de", "en") for i in range(3)]
    corpus = MixedCorpus(
        pl.DataFrame(passages, ["id", "text", "language"], orient="row"),
        pl.DataFrame(queries, ["id", "text", "language", "group"], orient="row"),
    )
    return probe(encoder_of(corpus, strength=1), corpus, None, 5, 32, 100)


def test_of_many_languages_the_query_s_own_and_the_most_met_are_shown(many, capsys):
    show(many, Format.TEXT)
    said = capsys.readouterr()
    assert "Of more than 8 languages of passages" in said.err
    assert "No two queries of different languages have the same 'group'" in said.err
    rows = re.findall(r"^  (all|de|en) +([a-z]{2}) +0\.111", said.out, re.MULTILINE)
    by_query = {x: [other for mine, other in rows if mine == x] for x in ("all", "de", "en")}
    assert by_query["all"] == LANGUAGES
    for language in ("de", "en"):
        lifts = dict(
            many.figures.filter(measure="language_lift_at_5", query_language=language)
            .select("passage_language", "value")
            .iter_rows()
        )
        shown = by_query[language]
        assert language in shown and 3 <= len(shown) <= 4
        left_out = [lifts[x] for x in LANGUAGES if x not in shown]
        assert sorted(lifts[x] for x in shown)[-3] >= max(left_out)


def test_narrow_terminals_get_every_number(many):
    wide, narrow = (tables(many, Format.TEXT, width) for width in (None, 60))
    assert max(map(len, narrow.split("\n"))) <= 60
    digits = [len(re.findall(r"\d", text)) for text in (wide, narrow)]
    assert digits[0] == digits[1], "folded, not cut"


def test_where_all_languages_are_alike_none_is_the_most_or_the_least(many):
    figures = many.figures.with_columns(
        value=pl.when(pl.col("measure").str.contains("lift")).then(1.0).otherwise("value")
    )
    said = words(replace(many, figures=figures))
    assert said[0].endswith(", for queries in every language.")
    assert said[1] == (
        "Over queries in all languages, passages in every language are met 1.00 times as often as "
        "in the corpus."
    )


def test_words_tell_a_preference_from_chance(built):
    corpus = read_mixed(*built)
    strong = words(probe(encoder_of(corpus, strength=3), corpus, None, 5, 32, 200))
    weak = words(probe(HashEncoder(), corpus, None, 5, 32, 200))
    assert re.search(r"take \d\.\d\d times the share of the first 5 places", strong[0])
    assert "may be chance" not in strong[0] and "may be chance" in weak[0]
    few = probe(encoder_of(corpus, strength=3), corpus, None, 5, 32, 200)
    nan = few.figures.with_columns(low=pl.lit(float("nan")), high=pl.lit(float("nan")))
    assert "may be chance" in words(replace(few, figures=nan))[0], "there is no interval"
    least, most = re.search(
        r": (\S+) times for queries in .. to (\S+) in ..\.$", strong[0]
    ).groups()
    assert float(least) <= float(most)
    assert not any("nan" in sentence or "{" in sentence for sentence in (*strong, *weak))


def test_a_repair_that_goes_too_far_is_told(many):
    """And which languages it then favours."""
    repaired = many.figures.with_columns(repair=pl.lit("projection 2"))

    def said(own):
        is_own = pl.col("measure").str.starts_with("own_language_lift")
        figures = repaired.with_columns(
            pl.when(is_own).then(own).otherwise(name).alias(name) for name in ("value", "high")
        )
        return words(replace(many, figures=pl.concat([many.figures, figures])))

    assert [sentence for sentence in said(1.2) if "too far" in sentence] == []
    (told,) = [sentence for sentence in said(0.8) if "too far" in sentence]
    assert told.startswith("With the repair projection 2, the lift of the query's own language")
    assert any(sentence.startswith("Then, over all queries, passages in") for sentence in said(1))


def test_values_that_are_not_there_are_no_numbers(built):
    corpus = read_mixed(*built)
    queries = corpus.queries.with_columns(language=pl.lit("de"), group=pl.col("id"))
    found = probe(HashEncoder(), MixedCorpus(corpus.passages, queries), None, 5, 32, 100)
    assert found.figures.filter(measure="own_language_lift_at_5")["value"].is_nan().all()
    assert "nan" not in tables(found, Format.TEXT)
    assert not any("nan" in sentence for sentence in words(found))
