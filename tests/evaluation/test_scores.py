"""Every score of the fast path equals MTEB's own path on the same vectors."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mteb._evaluators.retrieval_metrics import confidence_scores, nauc

from conftest import HashEncoder
from mteb_hybrid.evaluation.scores import _confidence, _heap_order, _naucs

THEIRS = re.compile(r"(nauc_)?(ndcg|map|recall|precision|mrr|hit_rate)_at_\d+|accuracy")


@pytest.mark.parametrize("levels", [None, 2, 3], ids=["distinct", "most-tied", "tied"])
@pytest.mark.parametrize(
    ("setting", "subsets"),
    [
        ("Monolingual", ["en-en", "zh-zh"]),
        ("Crosslingual", ["en-de", "ru-en"]),
        ("Multilingual", ["en-multi", "th-multi"]),
        *(
            pytest.param(whole, None, marks=pytest.mark.soak)
            for whole in ("Monolingual", "Crosslingual", "Multilingual")
        ),
    ],
)
def test_equals_mtebs_own_path(setting, subsets, levels, evaluate):
    encoder = HashEncoder(dimensions=8, levels=levels)
    name = f"HybridSample{setting}Retrieval"
    fast = evaluate(encoder, name, subsets)
    stock = evaluate(encoder, name, subsets, stock=True)
    assert fast.keys() == stock.keys()
    for subset, scores in stock.items():
        assert sum(bool(THEIRS.match(key)) for key in scores) == 6 * 7 + 1 + 5 * 7 * 3
        wrong = {
            key: (fast[subset][key], value)
            for key, value in scores.items()
            if THEIRS.match(key) and not same(fast[subset][key], value)
        }
        if setting == "Multilingual" and levels is not None:
            # MTEB cuts at 1,000 with torch.topk before it orders ties: which of the passages
            # tied at the cut it keeps is arbitrary, and with it every score at 1,000.
            wrong = {key: values for key, values in wrong.items() if "_at_1000" not in key}
        assert not wrong, subset


def same(ours, theirs):
    if isinstance(theirs, float) and math.isnan(theirs):
        return math.isnan(ours)
    return ours == theirs


@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.sampled_from([1, 2, 7, 10**6]))
@settings(deadline=None)
def test_naucs_of_all_metrics_at_once_are_mtebs_of_each(seed, queries, levels):
    random = np.random.default_rng(seed)

    def drawn():
        return random.integers(0, levels, queries) / levels

    confidence = {kind: drawn() for kind in ("max", "std", "diff1")}
    families = ("NDCG", "MAP", "Recall", "P", "MRR")
    metrics = {family: {f"{family}@{k}": drawn() for k in (1, 10)} for family in families}
    found = _naucs(confidence, metrics | {"HitRate": {"HitRate@1": drawn()}})
    assert len(found) == 30
    for family in families:
        for name, values in metrics[family].items():
            for kind, scores in confidence.items():
                assert same(found[f"nAUC_{name}_{kind}"], float(nauc(scores, values)))


@pytest.mark.parametrize("left_out", [False, True])
def test_confidence_is_mtebs(left_out):
    """From a heap's order, without a query's own passage at its place in that heap."""
    random = np.random.default_rng(0)
    scores = np.sort(random.standard_normal((70, 300)).astype(np.float32))[:, ::-1]
    own = random.integers(1, 302, 70) if left_out else np.full(70, 301)
    found = _confidence(scores, 300, own)
    for row, (top, rank) in enumerate(zip(scores.tolist(), own.tolist(), strict=True)):
        with_own = [*top[: rank - 1], None, *top[rank - 1 :]] if rank <= 300 else top
        heap = [with_own[place] for place in _heap_order(300)]
        expected = confidence_scores([score for score in heap if score is not None])
        assert {kind: values[row] for kind, values in found.items()} == expected
