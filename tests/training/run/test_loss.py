"""Losses of a recipe: what they compute, and the labels that they learn from."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sentence_transformers import SentenceTransformer

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.recipes.toml import read_recipe
from mteb_hybrid.training.run.build import load_data
from mteb_hybrid.training.run.loss import make_loss
from mteb_hybrid.training.run.train import train
from training.run.test_train import SHORT, command, recipe_file  # noqa: F401 - a fixture

CHANCE = np.random.default_rng(0)


@pytest.fixture
def labelled(recipe_file):  # noqa: F811
    """Gives the rows a label and two hard negatives in each language."""

    def add(make, key="label"):
        file = recipe_file.with_name("pairs.jsonl")
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for number, row in enumerate(rows):
            others = [rows[(number + step) % len(rows)] for step in (5, 9)]
            row["negatives"] = {
                code: [other["passage"][code] for other in others] for code in ("en", "de")
            }
            if make is not None:
                row[key] = make(number)
        file.write_text("\n".join(map(json.dumps, rows)))
        return recipe_file

    return add


def scores(size):
    return lambda row: CHANCE.normal(size=size).tolist()


def overrides(loss, negatives=0):
    scale = [] if loss == "mse" else ["training.scale=2.0"]
    given = [*SHORT, f"training.loss={loss}", f"data.0.negatives={negatives}"]
    return [*given, *scale]


def by_hand(loss, vectors, labels, scale, temperature=0.5):
    """Each loss again, from its formula."""
    query, *others = (torch.nn.functional.normalize(one, dim=1) for one in vectors)
    cosines = scale * torch.stack([(query * other).sum(1) for other in others], dim=1)
    match loss:
        case "margin-mse":
            margins, wanted = cosines[:, :1] - cosines[:, 1:], labels[:, :1] - labels[:, 1:]
            return ((margins - wanted) ** 2).mean()
        case "distill-kl":
            teacher = torch.softmax(labels / temperature, dim=1)
            student = torch.log_softmax(cosines / temperature, dim=1)
            return temperature**2 * (teacher * (teacher.log() - student)).sum(1).mean()
        case "cosent":
            pairs = [
                cosines[low, 0] - cosines[high, 0]
                for low in range(len(labels))
                for high in range(len(labels))
                if labels[low] < labels[high]
            ]
            return torch.log(1 + torch.stack(pairs).exp().sum())
        case "mse":
            return ((torch.stack(vectors, dim=1) - labels) ** 2).mean()


@pytest.mark.parametrize(
    ("loss", "negatives", "shape"),
    [("margin-mse", 2, 3), ("distill-kl", 2, 3), ("cosent", 0, ()), ("mse", 0, (2, 16))],
)
def test_losses_against_their_formulas(labelled, tiny_model, loss, negatives, shape):
    given = overrides(loss, negatives)
    if loss == "distill-kl":
        given.append("training.temperature=0.5")
    recipe = read_recipe(labelled(scores(shape)), given)
    data = load_data(recipe)
    model = SentenceTransformer(str(tiny_model), device="cpu").eval()
    rows = data[:6]
    labels = torch.tensor(rows.pop("label"))
    columns = ["query", "passage", *(f"negative_{n}" for n in range(1, negatives + 1))]
    features = [model.preprocess(rows[column]) for column in columns]
    vectors = [model(dict(one))["sentence_embedding"] for one in features]
    found = make_loss(recipe, model)(features, labels)
    expected = by_hand(loss, vectors, labels, scale=2.0)
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "negatives", "label", "said"),
    [
        ("cosent", 0, None, "learns from a score of every pair, one number; found none of label,"),
        ("cosent", 0, [0.5], "found 'label' of shape (1,)"),
        ("margin-mse", 2, None, "`mteb-hybrid teach --scores 2` makes them; found none of"),
        ("margin-mse", 2, [1.0] * 4, "of each negative, 3 numbers, or their differences, 2;"),
        ("margin-mse", 2, 0.5, "found 'label' of shape ()"),
        (
            "distill-kl",
            2,
            [1.0, 2.0],
            "of each negative, 3 numbers; `mteb-hybrid teach --scores 2`",
        ),
        ("mse", 0, 0.5, "vectors of question and passage, or one vector for both"),
        ("mse", 0, [[1.0] * 16] * 3, "found 'label' of shape (3, 16)"),
        ("multiple-negatives", 0, 0.5, "has labels, 'label', which loss = 'multiple-negatives'"),
    ],
)
def test_labels_that_do_not_fit_are_refused_before_the_model_is_loaded(
    labelled, tmp_path, monkeypatch, loss, negatives, label, said
):
    file = labelled(None if label is None else lambda row: label)
    recipe = read_recipe(file, overrides(loss, negatives))
    monkeypatch.setattr("mteb_hybrid.training.run.train.load_model", None)
    with pytest.raises(ParallelDataError) as error:
        train(recipe, tmp_path / "run")
    assert said in str(error.value) and "data 'pairs' (pairs.jsonl): " in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("label", [lambda row: [0.5, 1.0], lambda row: [2.0, 1.5, 1.0]])
def test_margins_train_from_differences_and_from_scores(labelled, tmp_path, label):
    """Both are the same margins, and leave the same parameters."""
    recipe = read_recipe(labelled(label), overrides("margin-mse", 2))
    assert train(recipe, tmp_path / "run")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert any(entry.get("loss", 0) > 0 for entry in log)


def test_one_difference_for_one_negative(labelled):
    recipe = read_recipe(labelled(lambda row: 0.5, "score"), overrides("margin-mse", 1))
    assert load_data(recipe).corpora[0].label_column == "score"


def wide(file, columns):
    """The rows of parallel JSON lines as the wide columns of a Parquet file."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    table = {
        f"{role}_{code}": [row[role][code] for row in rows]
        for role in columns
        for code in ("en", "de")
    }
    table["label"] = [row["label"] for row in rows]
    pq.write_table(pa.table(table), file.with_suffix(".parquet"))


def test_parquet_gives_what_json_gives(labelled, tmp_path):
    file = labelled(scores(3))
    given = overrides("margin-mse", 2)
    expected = load_data(read_recipe(file, given))
    wide(tmp_path / "pairs.jsonl", ("query", "passage", "negatives"))
    as_parquet = ["data.0.format=parquet", "data.0.path=pairs.parquet"]
    found = load_data(read_recipe(file, [*given, *as_parquet]))
    rows, others = found.to_list(), expected.to_list()
    labels = [np.float32([row.pop("label") for row in one]) for one in (rows, others)]
    assert rows == others and len(rows) == 64
    assert (labels[0] == labels[1]).all()
    assert [corpus.name for corpus in found.corpora] == ["pairs"]


def test_vectors_of_another_width_are_refused(labelled, tmp_path):
    file, given = labelled(scores((2, 8))), overrides("mse")
    with pytest.raises(ModelError, match=r"vectors of 8 numbers, and .* makes 16; choose"):
        train(read_recipe(file, given), tmp_path / "run")
    said = command(file, "--dry-run", *(part for one in given for part in ("--set", one)))
    assert "this would not run: data 'pairs' has vectors of 8 numbers" in said
