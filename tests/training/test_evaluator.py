"""Scores while training: equal to MTEB's, in a real trainer, for every kind of embedding model."""

import csv
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset
from sentence_transformers import (
    MultiVectorEncoder,
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
    SparseEncoder,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from sentence_transformers.sparse_encoder.modules import SparseAutoEncoder
from transformers import EarlyStoppingCallback

from mteb_hybrid.retrieval.checked import EncoderError
from mteb_hybrid.retrieval.collection import Collection
from mteb_hybrid.retrieval.views import View, view_passages, view_queries
from mteb_hybrid.sources import load_collection
from mteb_hybrid.training.evaluator import ParallelRetrievalEvaluator

SOME = ("en", "de", "th")
SAMPLE = "sample-not-a-benchmark"


@pytest.fixture(scope="module")
def collection(sample_card):
    return load_collection(sample_card)


@pytest.fixture
def model(tiny_model):
    return SentenceTransformer(str(tiny_model), device="cpu")


@pytest.fixture
def asked(model, monkeypatch):
    """Role, texts, prompt and progress bar of every call of `encode`."""
    calls = []
    encode = model.encode

    def spy(inputs, **options):
        name = options["prompt_name"]
        prompt = model.prompts[name] if name else options["prompt"]
        calls.append((options["task"], list(inputs), prompt, options["show_progress_bar"]))
        return encode(inputs, **options)

    monkeypatch.setattr(model, "encode", spy)
    return calls


def test_values_of_the_mteb_tasks(collection, model, evaluate, monkeypatch):
    # Padding in a batch changes the last bit of a vector, and the tiny model has many near ties.
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda **o: encode(**o | {"batch_size": 1}))

    def mean(setting, subsets=None, score="map"):
        rows = evaluate(model, f"HybridSample{setting}Retrieval", subsets)
        return pytest.approx(np.mean([row[score] for row in rows.values()]), abs=1e-6)

    few = ParallelRetrievalEvaluator(collection, languages=SOME, name="few")(model)
    every = ParallelRetrievalEvaluator(collection)(model)
    pairs = [f"{x}-{y}" for x in SOME for y in SOME if x != y]
    assert few["few_monolingual_map"] == mean("Monolingual", [f"{x}-{x}" for x in SOME])
    assert few["few_crosslingual_map"] == mean("Crosslingual", pairs)
    assert every[f"{SAMPLE}_monolingual_map"] == mean("Monolingual")
    assert every[f"{SAMPLE}_multilingual_map"] == mean("Multilingual")
    assert every[f"{SAMPLE}_rank_distance"] == mean("Multilingual", score="rank_distance")
    assert every[f"{SAMPLE}_multilingual_map_de"] == mean("Multilingual", ["de-multi"])
    cost = {every.pop(f"{SAMPLE}_{key}") for key in ("texts", "seconds")}
    assert min(cost) > 0 and 11 * (52 + 96) in cost
    assert len(every) == 4 + 11 and {type(value) for value in every.values()} == {float}


def test_each_text_is_encoded_once_per_role(collection, model, asked):
    model.prompts = {"query": "q: ", "document": "", "passage": "p: "}
    ParallelRetrievalEvaluator(collection)(model)
    (_, queries, *_), (_, passages, *_) = asked
    assert [(role, prompt, bar) for role, _, prompt, bar in asked] == [
        ("query", "q: ", False),
        ("document", "", False),
    ]
    assert len(queries) == len(set(queries)) == 11 * 52
    assert len(passages) == len(set(passages)) == 11 * 96
    options = {"query_prompt": "", "passage_prompt": "text: ", "show_progress_bar": True}
    ParallelRetrievalEvaluator(collection, languages=["en"], **options)(model)
    assert [call[2:] for call in asked[2:]] == [("", True), ("text: ", True)]


def test_a_draw_keeps_groups_together_and_the_pool_whole(collection, model, asked):
    def drawn(**options):
        asked.clear()
        ParallelRetrievalEvaluator(collection, languages=SOME, max_groups=5, **options)(model)
        (_, queries, *_), (_, passages, *_) = asked
        assert len(passages) == 3 * 96
        rows = collection.queries.iter_rows(named=True)
        return sorted(row["group"] for row in rows if row["text"] in queries)

    first = drawn()
    assert first == drawn(seed=0) != drawn(seed=1)
    assert len(first) == 15 and len(set(first)) == 5


def test_one_language(collection, model):
    evaluator = ParallelRetrievalEvaluator(collection, languages=["de"], name="x")
    scores = evaluator(model)
    assert math.isnan(scores["x_crosslingual_map"]) and math.isnan(scores["x_rank_distance"])
    assert scores["x_monolingual_map"] == scores["x_multilingual_map"] > 0
    spelt = ParallelRetrievalEvaluator(collection, languages=["deu_Latn"], name="x")
    assert spelt.languages == ("de",) and spelt(model) | {"x_seconds": 0} == pytest.approx(
        scores | {"x_seconds": 0}, nan_ok=True
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"languages": ["de", "xx", "yy"]}, r"unknown language 'xx', 'yy'; .* en, ar, de, el, es"),
        ({"languages": []}, "passages is empty"),
        ({"max_groups": 0}, "max_groups is 0; expected at least 1"),
    ],
)
def test_refused(collection, options, message):
    with pytest.raises(ValueError, match=message):
        ParallelRetrievalEvaluator(collection, **options)


def test_pairs_with_texts_of_their_own_are_refused(collection):
    with pytest.raises(ValueError, match="make no pool of all languages; evaluate on a collection"):
        ParallelRetrievalEvaluator(replace(collection, paired=True))


def test_a_row_of_csv_per_call(collection, model, tmp_path):
    evaluator = ParallelRetrievalEvaluator(collection, languages=SOME, max_groups=5, name="x")
    values = [
        evaluator(model, str(tmp_path / "eval"), epoch=0.5, steps=steps)["x_multilingual_map"]
        for steps in (1, 2)
    ]
    evaluator.write_csv = False
    evaluator(model, str(tmp_path / "eval"))
    with (tmp_path / "eval" / evaluator.csv_file).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["epoch"], row["steps"]) for row in rows] == [("0.5", "1"), ("0.5", "2")]
    assert [float(row["multilingual_map"]) for row in rows] == values
    assert list(rows[0])[2:] == [
        *("monolingual_map", "crosslingual_map", "multilingual_map", "rank_distance"),
        *(f"multilingual_map_{language}" for language in SOME),
        *("texts", "seconds"),
    ]
    # 5 groups of questions and all 96 passages, in three languages; what takes no time is wrong.
    assert {row["texts"] for row in rows} == {str(3 * (5 + 96))}
    assert all(0 < float(row["seconds"]) < 600 for row in rows)


def stock_trainer(collection, model, evaluator, folder, **options):
    texts = collection.queries.filter(language="en")["text"].to_list()[:16]
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=8,
        learning_rate=0.1,
        use_cpu=True,
        eval_strategy="steps",
        eval_steps=1,
        save_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{evaluator.primary_metric}",
        report_to=[],
        disable_tqdm=True,
        **options,
    )
    return SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"anchor": texts, "positive": texts[::-1]}),
        loss=MultipleNegativesRankingLoss(model),
        evaluator=evaluator,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=5)],
    )


def test_the_trainer_keeps_the_best_model(collection, model, tmp_path):
    pytest.importorskip("accelerate", reason="needs the extra train")
    evaluator = ParallelRetrievalEvaluator(collection, languages=SOME, max_groups=10)
    trainer = stock_trainer(collection, model, evaluator, tmp_path, max_steps=2)
    trainer.train()
    key = f"eval_{SAMPLE}_multilingual_map"
    values = [entry[key] for entry in trainer.state.log_history if key in entry]
    assert len(set(values)) == 2
    assert trainer.state.best_metric == max(values)
    assert trainer.state.best_global_step == 1 + values.index(max(values))
    assert evaluator(model)[f"{SAMPLE}_multilingual_map"] == max(values)
    assert f"eval_{SAMPLE}_seconds" in trainer.state.log_history[-2]
    model.save_pretrained(str(tmp_path / "best"))
    card = (tmp_path / "best" / "README.md").read_text(encoding="utf-8")
    assert "#### Parallel Retrieval" in card and "**multilingual_map**" in card
    assert '"max_groups": 10' in card and '"similarity_fn_name": "cosine"' in card
    assert "| seconds" not in card.lower(), "what an evaluation costs says nothing of the model"


@pytest.mark.parametrize("before", ["call", "eval_on_start"])
def test_the_stock_trainer_keeps_what_is_kept_within_languages(
    collection, model, tiny_model, tmp_path, before
):
    pytest.importorskip("accelerate", reason="needs the extra train")

    def evaluator():
        options = {"languages": SOME, "max_groups": 10, "keep_monolingual_within": 0.0}
        return ParallelRetrievalEvaluator(collection, **options)

    def train(model, evaluator, steps, resume):
        first = before == "eval_on_start" and not resume
        if before == "call":
            evaluator(model)
        options = {"max_steps": steps, "eval_on_start": first, "lr_scheduler_type": "constant"}
        trainer = stock_trainer(collection, model, evaluator, tmp_path, **options)
        trainer.train(resume_from_checkpoint=resume)
        return trainer.state

    one = evaluator()
    whole = train(model, one, 2, resume=False)
    prefix = f"eval_{SAMPLE}_"
    untrained = one(SentenceTransformer(str(tiny_model), device="cpu"))
    assert one.monolingual_before == untrained[f"{SAMPLE}_monolingual_map"]
    rows = [row for row in whole.log_history if f"{prefix}constrained_map" in row and row["step"]]
    for row in rows:
        lost = one.monolingual_before - row[f"{prefix}monolingual_map"]
        expected = -lost if lost > 0 else row[f"{prefix}multilingual_map"]
        assert row[f"{prefix}constrained_map"] == pytest.approx(expected)
    assert whole.best_metric == max(row[f"{prefix}constrained_map"] for row in rows)

    two, again = evaluator(), SentenceTransformer(str(tiny_model), device="cpu")
    if before == "call":  # a script that resumes runs the same lines
        assert train(again, two, 3, resume=True).global_step == 3
        assert two.monolingual_before == one.monolingual_before
    else:
        with pytest.raises(ValueError, match="this is step 3, and the untrained model was not"):
            train(again, two, 3, resume=True)


def test_a_margin_needs_something_to_keep(collection):
    with pytest.raises(ValueError, match=r"keep_monolingual_within is -0\.1; expected a diff"):
        ParallelRetrievalEvaluator(collection, keep_monolingual_within=-0.1)
    texts = collection.passages.filter(language="en"), collection.queries.filter(language="de")
    judged = collection.judged(texts[1], texts[0])
    captions = Collection("Captions", ("en", "de"), *texts, judged)
    with pytest.raises(ValueError, match="Captions has no query with an answer in its own lang"):
        ParallelRetrievalEvaluator(captions, keep_monolingual_within=0.1)


def sparse(transformer):
    coder = SparseAutoEncoder(16, 64, k=8)
    model = SparseEncoder(modules=[transformer, Pooling(16, "mean"), coder], device="cpu")
    return model, lambda q, p: q.to_dense() @ p.to_dense().T


def multi_vector(transformer):
    model = MultiVectorEncoder(modules=[transformer], device="cpu")
    return model, lambda q, p: [[(x @ y.T).max(dim=1).values.sum() for y in p] for x in q]


@pytest.mark.parametrize("kind", [sparse, multi_vector])
def test_other_kinds_of_model(kind, collection, tiny_model):
    model, similarity = kind(Transformer(str(tiny_model)))
    evaluator = ParallelRetrievalEvaluator(collection, languages=["en", "de"], name="x")
    found = evaluator(model)["x_multilingual_map_en"]

    view = View("en", ("en", "de"))
    passages = view_passages(collection, view)
    queries, qrels = view_queries(collection, view)
    scores = np.array(
        similarity(
            model.encode_query(queries["text"].to_list()),
            model.encode_document(passages["text"].to_list()),
        )
    )
    precisions = []
    for query, row in zip(queries["id"], scores, strict=True):
        ranking = sorted(zip(row, passages["id"], strict=True), reverse=True)
        places = [place for place, (_, id_) in enumerate(ranking, 1) if id_ in qrels[query]]
        precisions.append(np.mean([hit / place for hit, place in enumerate(places, 1)]))
    assert found == pytest.approx(np.mean(precisions), abs=1e-4)


def test_models_that_cannot_be_ranked(collection, model, monkeypatch):
    evaluator = ParallelRetrievalEvaluator(collection, languages=["en"])
    with pytest.raises(TypeError, match="has no encode_query and no encode_document and no simil"):
        evaluator(object())
    monkeypatch.setattr(model, "encode", lambda inputs, **_: np.full((len(inputs), 2), np.nan))
    with pytest.raises(EncoderError, match="returned NaN or infinity for 52 of 52 texts"):
        evaluator(model)


def test_rows_of_several_runs_in_one_folder_are_all_kept_under_one_head(tmp_path):
    one = SimpleNamespace(csv_file="scores.csv")
    with ThreadPoolExecutor(4) as pool:
        for step in range(20):
            row = {"epoch": 0, "steps": step}
            pool.submit(ParallelRetrievalEvaluator._append, one, tmp_path / "eval", row)
    head, *rows = (tmp_path / "eval" / "scores.csv").read_text().splitlines()
    assert head == "epoch,steps" and sorted(rows) == sorted(f"0,{step}" for step in range(20))
    assert len(list((tmp_path / "eval").iterdir())) == 1
