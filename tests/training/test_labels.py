import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.data_collator import DEFAULT_LABEL_COLUMNS
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    DistillKLDivLoss,
    MarginMSELoss,
    MSELoss,
)

from mteb_hybrid import HybridBatchCallback, ParallelDataset
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.training.labels import LABELS, check_labels
from training.conftest import make_corpus

ROWS = 32
RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.random(ROWS)
VECTORS = RANDOM.random((ROWS, 16))


def test_the_names_are_those_of_sentence_transformers():
    assert LABELS == DEFAULT_LABEL_COLUMNS


@pytest.fixture
def train(tiny_model, tmp_path):
    """Train a minute model without dropout; returns the loss of every step."""

    def run(dataset, loss, callbacks=(), **options):
        model = SentenceTransformer(str(tiny_model), device="cpu")
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        arguments = {"logging_steps": 1, "save_strategy": "no", "report_to": [], **options}
        trainer = SentenceTransformerTrainer(
            model=model,
            args=SentenceTransformerTrainingArguments(
                str(tmp_path),
                per_device_train_batch_size=8,
                learning_rate=1e-2,
                use_cpu=True,
                disable_tqdm=True,
                **arguments,
            ),
            train_dataset=dataset,
            loss=loss(model),
            callbacks=[*callbacks],
        )
        trainer.train()
        return [row["loss"] for row in trainer.state.log_history if "loss" in row]

    return run


@pytest.mark.parametrize(
    ("loss", "negatives", "name", "labels"),
    [
        (CoSENTLoss, 0, "score", NUMBERS),
        (MSELoss, 0, "label", VECTORS),
        (MSELoss, 0, "labels", np.stack([VECTORS, VECTORS[::-1]], axis=1)),
        (MarginMSELoss, 1, "label", NUMBERS),
        (MarginMSELoss, 2, "scores", VECTORS[:, :3]),
        (DistillKLDivLoss, 2, "label", VECTORS[:, :3] * 10),
    ],
    ids=["cosent", "mse", "mse of each side", "margin", "margins of several", "kl divergence"],
)
def test_losses_with_labels_see_what_the_stock_trainer_sees(
    train, monkeypatch, loss, negatives, name, labels
):
    corpus = make_corpus(ROWS, ["en", "de", "th"], missing=0.2, negatives=negatives)
    data = ParallelDataset([corpus]).add_column(name, labels)
    batches = []
    fetch = ParallelDataset.__getitems__

    def spy(self, keys):
        batches.append(fetch(self, keys))
        rows = [self.example(key).row for key in keys]
        np.testing.assert_allclose([row[name] for row in batches[-1]], labels[rows], rtol=1e-6)
        return batches[-1]

    monkeypatch.setattr(ParallelDataset, "__getitems__", spy)
    losses = train(data, loss, [HybridBatchCallback(alpha=0.5)], max_steps=12)
    assert [*batches[0][0]] == data.column_names and data.column_names[-1] == name
    assert min(losses[6:]) < losses[0]
    (stock,) = train(Dataset.from_list(batches[0]), loss, max_steps=1)
    assert losses[0] == pytest.approx(stock, rel=1e-4)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        [0.5, 1.0],
        [[0.1, 0.2], [0.3, 0.4]],
        pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2)),
        pa.array([[[1.0], [2.0]], [[3.0], [4.0]]], pa.large_list(pa.list_(pa.float32(), 1))),
    ],
)
def test_numbers_and_lists_of_one_length_are_labels(values):
    check_labels("c", pa.chunked_array([values]))
    plain = Dataset.from_dict({"query": ["a", "b"], "passage": ["c", "d"]})
    data = ParallelDataset.from_pairs(plain.add_column("label", pa.array(values).to_pylist()))
    assert data[:]["label"] == pa.array(values).to_pylist() and len(data.features) == 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a", "b"], "holds string; expected numbers"),
        ([None, 1.0], "a label is null"),
        ([[1.0], None], "a label is null"),
        ([[1.0], [None]], "a label is null"),
        ([[1.0], [1.0, 2.0]], "lists of 1 to 2 numbers"),
        ([[[1.0]], [[1.0, 2.0]]], "lists of 1 to 2 numbers"),
        ([["a"], ["b"]], r"holds list.*string"),
        ([0.5, float("nan")], r"column 'label'.* row 1 has nan"),
        ([[0.5, 1.0], [0.5, float("inf")]], "row 1 has inf"),
        ([[[0.5], [float("-inf")]], [[1.0], [1.0]]], "row 0 has -inf"),
    ],
)
def test_other_labels_are_refused(values, said):
    with pytest.raises(ParallelDataError, match=said):
        check_labels("corpus: column 'label'", pa.chunked_array([values]))
    wide = Dataset.from_dict({"query_en": ["a", "b"], "passage_de": ["c", "d"], "label": values})
    with pytest.raises(ParallelDataError, match=said):
        ParallelDataset.from_dataset(wide)


def test_two_columns_of_labels_are_refused():
    wide = Dataset.from_dict({"query_en": ["a"], "passage_en": ["b"], "label": [1], "score": [2]})
    with pytest.raises(ParallelDataError, match=r"label, score all hold labels.*remove_columns"):
        ParallelDataset.from_dataset(wide)


def test_labels_beside_labels_are_refused():
    data = ParallelDataset([make_corpus(4, ["en"])]).add_column("label", [0.5] * 4)
    for name in ("label", "score"):
        with pytest.raises(ParallelDataError, match=r"labels already.*remove_columns\('label'\)"):
            data.add_column(name, [1.0] * 4)
    assert data.remove_columns("label").add_column("score", [1.0] * 4)[0]["score"] == 1


def test_corpora_of_a_mix_carry_the_same_labels():
    plain = ParallelDataset([make_corpus(3, ["en"])])
    others = [
        plain.add_column("label", [1.0, 2.0, 3.0]),
        plain.add_column("label", [[1.0]] * 3),
        plain.add_column("score", [1.0, 2.0, 3.0]),
    ]
    for other in others:
        for partner in (plain, *others):
            if partner is not other:
                with pytest.raises(ParallelDataError, match="carry different labels"):
                    ParallelDataset.mix({"a": other, "b": partner})
        assert ParallelDataset.mix({"a": other, "b": other}).column_names == other.column_names


def lines(*labels, key="label"):
    return "".join(
        json.dumps({"query": {"en": f"q{n}"}, "passage": {"de": f"p{n}"}, key: label}) + "\n"
        for n, label in enumerate(labels)
    )


@pytest.mark.parametrize(
    "labels", [[3, 1, 2], [0.5, 1.0], [[1, 0.5], [2, 3]], [[[1.0, 0.0]], [[0.0, 1.0]]]]
)
@pytest.mark.parametrize("languages", [None, ["en", "de"]])
def test_labels_are_read_from_json(tmp_path, labels, languages):
    file = tmp_path / "pairs.jsonl"
    file.write_text(lines(*labels, key="score"))
    data = ParallelDataset.from_json(file, languages=languages, cache_folder=tmp_path / "cache")
    assert data[:]["score"] == labels and data.column_names == ["query", "passage", "score"]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["good"], r"pairs.jsonl:1: the label is 'good'; expected a number"),
        ([1.0, None], r"pairs.jsonl:2: the label is 'null'"),
        ([1.0, float("nan")], r"pairs.jsonl:2: the label is"),
        ([[1.0], [1.0, 2.0]], r"pairs.jsonl:2: label is a list of shape \(2,\), and .*\(1,\)"),
        ([1, 0.5], "jsonl:2: label is a fraction, and a whole number in the lines before"),
        ([[[1.0], [1.0, 2.0]]], "pairs.jsonl:1: the label is"),
    ],
)
def test_other_labels_in_json_are_refused(tmp_path, labels, said):
    file = tmp_path / "pairs.jsonl"
    file.write_text(lines(*labels))
    with pytest.raises(ParallelDataError, match=said):
        ParallelDataset.from_json(file, cache_folder=tmp_path / "cache")
