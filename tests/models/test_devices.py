"""A model on several devices: here, two processes on the CPU."""

import multiprocessing

import mteb
import numpy as np
import pytest
from mteb.types import PromptType
from torch.utils.data import DataLoader

from conftest import HashEncoder
from mteb_hybrid.evaluation.model_key import model_key
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.models.devices import on_devices
from mteb_hybrid.models.load import load_model
from mteb_hybrid.retrieval.checked import EncoderError


def encode(model, texts):
    task = mteb.get_task("HybridSampleMultilingualRetrieval")
    return model.encode(
        DataLoader(Texts(texts), batch_size=4, collate_fn=columns),
        **{"task_metadata": task.metadata, "hf_split": "test", "hf_subset": "en-multi"},
        **{"prompt_type": PromptType.query, "batch_size": 4, "show_progress_bar": False},
    )


class Texts(list):
    features = ()


def columns(texts):
    return {"text": texts}


def test_vectors_are_those_of_one_device_and_kept_apart_and_an_end_is_told(tiny_model):
    """To the last bit for as many texts as one process is given at a time."""
    model = load_model(str(tiny_model), None, "cpu")
    texts = [f"text {'abcd' * (place % 7)} {place}" for place in range(70)]
    alone, key = encode(model, texts), model_key(model, PromptType.query, {})
    with on_devices(model, ["cpu", "cpu"]):
        assert model_key(model, PromptType.query, {}) != key
        spread = encode(model, texts)
        assert np.array_equal(encode(model, texts[:16]), spread[:16])
    assert np.allclose(alone, spread, atol=1e-6)
    assert model_key(model, PromptType.query, {}) == key
    assert np.array_equal(encode(model, texts), alone)
    with on_devices(model, ["cpu"]):
        assert np.array_equal(encode(model, texts), spread)
        for process in multiprocessing.active_children():
            process.kill()
        with pytest.raises(EncoderError, match="a process that encodes on one of cpu ended"):
            encode(model, ["a"])


def test_what_is_no_sentence_transformer_is_refused():
    several = on_devices(HashEncoder(), ["cpu", "cpu"])
    with pytest.raises(ModelError, match="test/hash is no SentenceTransformer"), several:
        raise AssertionError
