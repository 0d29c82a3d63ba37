"""The measures as ir_measures takes them, beside its own."""

import math

import pytest

ir_measures = pytest.importorskip("ir_measures", reason="needs the package ir_measures")
from ir_measures import AP, Qrel, ScoredDoc, nDCG  # noqa: E402

from mteb_hybrid.ir import bias_measures  # noqa: E402
from mteb_hybrid.measures.bias_of_run import bias_of_run  # noqa: E402

LANGUAGES = {f"{language}{i}": language for language in ("en", "de") for i in range(4)}
RUN = {
    "q1": {"en0": 9.0, "en1": 8.0, "de0": 7.0, "en2": 6.0, "de1": 5.0},
    "q2": {"de1": 3.0, "en0": 2.0},
}
QRELS = {"q1": {"en0": 1, "en1": 1, "de0": 1, "de1": 1}, "q2": {"de1": 1}, "q3": {"en1": 1}}


def test_beside_ir_measures_own():
    m = bias_measures(LANGUAGES, {"q1": "en", "q2": "de", "q3": "en"})
    wanted = [nDCG @ 10, AP, m.PEER, m.AWRF @ 20, m.RankDistance, m.SameLanguageLift @ 10]
    found = ir_measures.calc_aggregate(wanted, QRELS, RUN)
    assert found[m.RankDistance] == 4, "q2 and q3 are left out"
    assert str(m.AWRF @ 20) == "AWRF@20" and repr(m.PEER) == "PEER"
    assert 0 < found[m.AWRF @ 20] < 1
    assert found[AP] > 0
    ours = bias_of_run(RUN, {q: QRELS[q] for q in ("q1", "q2")}, LANGUAGES)
    table = dict(ours.filter(query_language="all").select("measure", "value").iter_rows())
    assert found[m.AWRF @ 20] == pytest.approx(table["awrf_at_20"])
    assert found[m.PEER] == pytest.approx(table["peer"])


def test_per_query_and_cut_off():
    m = bias_measures(LANGUAGES, {"q1": "en", "q2": "de"})
    lift = {
        (metric.query_id, str(metric.measure)): metric.value
        for metric in ir_measures.iter_calc(
            [m.SameLanguageLift @ 2, m.SameLanguageLift @ 4], QRELS, RUN
        )
    }
    assert lift["q1", "SameLanguageLift@2"] == pytest.approx(1 / 0.5 - 1)
    assert lift["q1", "SameLanguageLift@4"] == pytest.approx(0.75 / 0.5 - 1)
    assert math.isnan(lift["q3", "SameLanguageLift@2"])


def test_other_containers():
    m = bias_measures(LANGUAGES)
    qrels = [Qrel(q, d, g) for q, judged in QRELS.items() for d, g in judged.items()]
    run = [ScoredDoc(q, d, s) for q, scores in RUN.items() for d, s in scores.items()]
    assert m.RankDistance.calc_aggregate(qrels, run) == 4
    with pytest.raises(ValueError, match="'xx9' is not in the pool"):
        m.RankDistance.calc_aggregate(qrels, [*run, ScoredDoc("q1", "xx9", 1.0)])


def test_languages_are_read_in_any_spelling():
    odd = bias_measures({"d1": "en", "d2": "EN", "d3": "de"}, {"q": "En"})
    plain = bias_measures({"d1": "en", "d2": "en", "d3": "de"}, {"q": "en"})
    qrels, run = {"q": {"d2": 1, "d3": 1}}, {"q": {"d1": 0.9, "d2": 0.5, "d3": 0.1}}
    for name in ("AWRF", "SameLanguageLift", "RankDistance"):
        found, expected = (
            ir_measures.calc_aggregate([getattr(m, name) @ 1], qrels, run) for m in (odd, plain)
        )
        assert [*found.values()] == [*expected.values()]
