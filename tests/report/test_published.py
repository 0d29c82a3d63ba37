import json
import statistics

import pytest

from conftest import ROOT
from mteb_hybrid.cards.catalogue import task_cards
from mteb_hybrid.report.published import _all, published

REFERENCE = ROOT.parent / "shared" / "reference" / "published.json"


def test_known_rank_distances():
    """The means that the paper prints for XLM-R on XQuAD-R."""
    found = {p.model: p.rank_distance for p in published(task_cards()["XQuADR"])}
    assert [found[f"XLM-R, {kind} batches"] for kind in ("X-X", "X-Y", "hybrid")] == [
        *(410.2, 295.4, 286.6)
    ]


def test_a_sample_has_no_literature():
    assert published(task_cards()["HybridSample"]) == []
    assert {p.card for p in _all()} <= set(task_cards())


@pytest.mark.skipif(not REFERENCE.is_file(), reason="needs the copied figures of the papers")
def test_means_follow_from_the_papers_tables():
    paper = json.loads(REFERENCE.read_text(encoding="utf-8"))["elmahdy2024"]
    names = {"XLM-R": "xlm-r", "LaBSE": "labse"}
    for figure in _all():
        if "2408.10536" not in figure.source:
            continue
        collection = {"XQuADR": "xquad-r", "MLQAR": "mlqa-r"}[figure.card]
        encoder, batches = figure.model.removesuffix(" batches").split(", ")
        kind = batches.lower()
        by_language = paper["map"][collection][names[encoder]].values()
        for setting in ("monolingual", "crosslingual", "multilingual"):
            expected = statistics.fmean(values[setting][kind] for values in by_language)
            misprint = paper["map_means_printed"].get(collection, {}).get(names[encoder], {})
            expected = misprint.get(setting, {}).get(kind, expected)
            assert getattr(figure, setting) == pytest.approx(expected, abs=5.1e-5)
        distances = paper["rank_distance"][collection][names[encoder]].values()
        expected = statistics.fmean(values[kind] for values in distances)
        assert figure.rank_distance == pytest.approx(expected, abs=0.051)
