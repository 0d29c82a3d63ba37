from mteb_hybrid.measures import MEASURES
from mteb_hybrid.report.glossary import words


def test_every_measure_is_explained():
    for measure in MEASURES:
        about = words()[measure.name]
        assert about.plain and about.formula == measure.formula
        assert about.source == measure.citation and about.landmarks == measure.landmarks
    assert words()["rank_distance"].range == "0 and up"
    assert words()["max_rank_normalised"].range == "0 to 100"
    assert words()["map"].better == ("higher", "higher is better")
