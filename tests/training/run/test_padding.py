"""Batches that are taken in parts of like length."""

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from mteb_hybrid.training.run.padding import TEXTS, trim_padding

WORDS = [
    "where",
    "is",
    "the",
    "bridge",
    "that",
    "was",
    "built",
    "over",
    "this",
    "river",
    "before",
    "anyone",
    "lived",
    "here",
]


@pytest.fixture
def model(tiny_model):
    model = SentenceTransformer(str(tiny_model), device="cpu").double()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.train()


def batch(model, texts=3 * TEXTS - 1):
    lengths = [1 + (7 * number) % len(WORDS) for number in range(texts)]
    some = [[" ".join(WORDS[k : k + n]) for n in lengths] for k in (0, 1)]
    return [model.preprocess(side) for side in some]


def gradients(model, loss, features):
    model.zero_grad()
    value = loss(features, None)
    value.backward()
    return value.item(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def test_losses_and_gradients_are_the_same(model):
    loss, features = MultipleNegativesRankingLoss(model), batch(model)
    before, expected = gradients(model, loss, [dict(side) for side in features])
    shapes = []
    model[0].register_forward_pre_hook(lambda _, args: shapes.append(args[0]["input_ids"].shape))
    trim_padding(model)
    after, found = gradients(model, loss, features)
    assert after == pytest.approx(before, rel=1e-12) and found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-12, msg=name)
    assert [len_ for len_, _ in shapes] == 2 * [TEXTS, TEXTS, TEXTS - 1]
    widths = [width for _, width in shapes[:3]]
    assert widths == sorted(widths) and widths[0] < widths[-1] == features[0]["input_ids"].shape[1]


@pytest.mark.parametrize("case", ["encoding", "few", "left", "no mask"])
def test_what_is_taken_whole(model, case):
    if case == "encoding":
        model.eval()
    (features, _) = batch(model, TEXTS if case == "few" else 2 * TEXTS)
    if case == "left":
        features = {
            name: value.flip(1) if getattr(value, "ndim", 0) == 2 else value
            for name, value in features.items()
        }
    calls = []

    def forward(given):
        calls.append(given)
        return {"sentence_embedding": torch.zeros(2, 2)}

    model.forward = forward
    trim_padding(model)
    if case == "no mask":
        features.pop("attention_mask")
    model(features)
    assert [one["input_ids"].shape for one in calls] == [features["input_ids"].shape]


def test_features_of_texts_and_of_the_batch_are_kept(model):
    features = {
        "attention_mask": torch.ones(TEXTS + 1, 3, dtype=torch.long).tril(),
        "place": torch.arange(TEXTS + 1),
        "prompt_length": 2,
    }
    seen = []

    def forward(given):
        seen.append(given)
        return {"sentence_embedding": given["place"][:, None].float()}

    model.forward = forward
    trim_padding(model)
    found = model(features)["sentence_embedding"]
    assert found[:, 0].tolist() == list(range(TEXTS + 1))
    assert all(one["prompt_length"] == 2 for one in seen)
