from mteb_hybrid.measures import MEASURES
from mteb_hybrid.report import load_results
from mteb_hybrid.report.glossary import words
from mteb_hybrid.report.reading import reading
from report.conftest import HOSTILE


def test_every_measure_is_explained():
    for measure in MEASURES:
        about = words()[measure.name]
        assert about.plain and about.formula == measure.formula
        assert about.source == measure.citation
    assert words()["rank_distance"].range == "0 and up"
    assert words()["max_rank_normalised"].range == "0 to 100"
    assert words()["map"].better == ("higher", "higher is better")


def test_reading_says_nothing_of_what_is_incomplete(made):
    results = load_results(made.folder)
    assert reading(results, "MLQA-R", HOSTILE).startswith("No setting is complete")
    said = reading(results, "MLQA-R", "org/first")
    assert said.startswith("Its map is 0.700 where it searches the language of the query, ")
    assert "A lone answer scores 0.200 higher in the language of the query" in said
