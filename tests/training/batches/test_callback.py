import json

import pytest
import torch
from datasets import Dataset, DatasetDict
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import (
    BatchSamplers,
    MultiDatasetBatchSamplers,
    ProportionalBatchSampler,
)
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    CoSENTLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from transformers import TrainerCallback

from mteb_hybrid import HybridBatchCallback, ParallelDataset
from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.callback import HybridBatchError
from training.conftest import make_corpus

LANGUAGES = ["en", "de", "th"]


@pytest.fixture
def model(tiny_model):
    return SentenceTransformer(str(tiny_model), device="cpu")


@pytest.fixture
def data():
    return ParallelDataset([make_corpus(64, LANGUAGES, negatives=0)])


@pytest.fixture
def arguments(tmp_path):
    def make(**options):
        defaults = {
            "max_steps": 4,
            "per_device_train_batch_size": 8,
            "learning_rate": 1e-2,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": [],
            "use_cpu": True,
            "disable_tqdm": True,
        }
        return SentenceTransformerTrainingArguments(str(tmp_path), **{**defaults, **options})

    return make


@pytest.fixture
def trainer(model, data, arguments):
    def make(callbacks=None, train_dataset=data, loss=MultipleNegativesRankingLoss, **options):
        extra = {key: options.pop(key) for key in ("eval_dataset",) if key in options}
        return SentenceTransformerTrainer(
            model=model,
            args=options.pop("args", None) or arguments(**options),
            train_dataset=train_dataset,
            loss={name: make(model) for name, make in loss.items()}
            if isinstance(loss, dict)
            else loss(model),
            callbacks=[HybridBatchCallback()] if callbacks is None else callbacks,
            **extra,
        )

    return make


def losses(trainer):
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


class Heard(TrainerCallback):
    """Stands for W&B and the like, which the trainer puts before the user's callbacks."""

    def __init__(self):
        self.logs = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.logs.append((state.global_step, dict(logs)))


def test_one_line_trains_on_hybrid_batches_and_logs_them(trainer, data):
    before, after, callback = Heard(), Heard(), HybridBatchCallback()
    run = trainer([before, callback, after])
    run.train()
    assert len(losses(run)) == 4
    last = [row for row in run.state.log_history if "loss" in row][-1]
    pairs = {key: value for key, value in last.items() if key.startswith("hybrid/pairs/")}
    assert sum(pairs.values()) == 4 * 8 == sum(callback.pair_counts.values())
    assert last["hybrid/alpha"] == 0.5
    assert last["hybrid/monolingual"] == callback.monolingual_share
    # Both see everything, whether they stand before the callback or after it.
    for heard in (before, after):
        values = {}
        for step, logs in heard.logs:
            if step == 4:
                values.update(logs)
        assert {key: values[key] for key in pairs} == pairs
        assert values["hybrid/alpha"] == 0.5 and "loss" in values


def test_what_is_counted_is_what_was_trained_on(trainer, data, monkeypatch):
    """Prefetching draws batches ahead; they count when they are trained on."""
    fetched = []
    whole = ParallelDataset.__getitems__

    def spy(self, keys):
        fetched.append([self.example(key) for key in keys])
        return whole(self, keys)

    monkeypatch.setattr(ParallelDataset, "__getitems__", spy)
    callback = HybridBatchCallback()
    trainer([callback], max_steps=3, gradient_accumulation_steps=2).train()
    codes = data.languages
    expected = {}
    for batch in fetched[:6]:
        for _, x, y in batch:
            pair = f"{codes[x]}-{codes[y]}"
            expected[pair] = expected.get(pair, 0) + 1
    assert callback.pair_counts == expected


def test_x_x_and_x_y_are_the_ends_of_alpha(trainer):
    for alpha, share in ((1.0, 1.0), (0.0, 0.0)):
        callback = HybridBatchCallback(alpha)
        trainer([callback]).train()
        same = [pair.split("-")[0] == pair.split("-")[1] for pair in callback.pair_counts]
        assert callback.monolingual_share == share
        assert all(same) if alpha else not any(same)


@pytest.mark.parametrize(
    "loss",
    [
        lambda model: CachedMultipleNegativesRankingLoss(model, mini_batch_size=4),
        lambda model: MatryoshkaLoss(model, MultipleNegativesRankingLoss(model), [16, 8]),
    ],
    ids=["cached", "matryoshka"],
)
def test_other_losses_train(trainer, loss):
    run = trainer(loss=loss, max_steps=12)
    run.train()
    assert len(losses(run)) == 12 and min(losses(run)[-3:]) < losses(run)[0]


def test_hard_negatives_reach_the_loss(trainer):
    data = ParallelDataset([make_corpus(64, LANGUAGES, negatives=2)])
    run = trainer(train_dataset=data, max_steps=2)
    run.train()
    batch = next(iter(run.get_train_dataloader()))
    columns = {key.removesuffix("_input_ids") for key in batch if key.endswith("_input_ids")}
    assert columns == {"query", "passage", "negative_1", "negative_2"}


def test_prompts_reach_every_text_and_the_saved_model(trainer, model, tmp_path, monkeypatch):
    """Texts as the tokenizer gets them, in training and in evaluation of the saved model."""
    run = trainer(
        train_dataset=ParallelDataset([make_corpus(64, LANGUAGES, negatives=2)]),
        prompts={"query": "ask: ", "passage": "say: "},
        dataloader_num_workers=2,
        dataloader_prefetch_factor=4,
    )
    assert model.prompts == {"query": "ask: ", "document": "say: "}
    assert run.args.prompts["negative_2"] == "say: "
    run.train()
    seen = []
    monkeypatch.setattr(
        run.data_collator,
        "preprocess_fn",
        lambda texts, prompt=None, task=None: seen.extend([(prompt, text) for text in texts]) or {},
    )
    run.data_collator(
        run.train_dataset.__getitems__(next(iter(run._train_dataloader.batch_sampler)))
    )
    for prompt, text in seen:
        assert prompt == ("ask: " if " query " in text else "say: "), text
    model.save_pretrained(str(tmp_path / "saved"))
    saved = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    assert (saved.encode_query("a text") == model.encode("ask: a text")).all()
    assert (saved.encode_document("a text") == model.encode("say: a text")).all()
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "- Prompts, in training and in evaluation: query `ask: `, document `say: `" in card


def test_a_model_with_prompts_is_trained_with_them(trainer, model, caplog):
    model.prompts |= {"query": "ask: ", "document": "say: "}
    run = trainer(max_steps=1)
    assert run.data_collator.prompts == {"query": "ask: ", "passage": "say: "} == run.args.prompts
    assert "training uses the model's own, 'ask: '" in caplog.text
    run.train()


def test_prompts_that_contradict_the_model_are_refused_before_anything_is_trained(trainer, model):
    model.prompts |= {"query": "ask: "}
    with pytest.raises(HybridBatchError, match=r"'query: ' before every query .* with 'ask: '"):
        trainer(prompts={"query": "query: ", "passage": "passage: "})
    # A model that only comes into being when training begins.
    model.prompts["query"] = ""
    run = trainer(prompts={"query": "query: "})
    run.model.prompts["query"] = "ask: "
    with pytest.raises(HybridBatchError, match=r"'query: ' before every query .* with 'ask: '"):
        run.train()


def test_an_adapter_trains(model, trainer):
    peft = pytest.importorskip("peft")
    before = {name: value.clone() for name, value in model.named_parameters()}
    model.add_adapter(peft.LoraConfig(r=2, target_modules=["query", "value"]))
    run = trainer()
    run.train()
    after = dict(model.named_parameters())
    own = {name.replace("base_layer.", ""): value for name, value in after.items()}
    assert all(torch.equal(value, own[name]) for name, value in before.items())
    adapters = [value for name, value in after.items() if "lora_B" in name]
    assert adapters and all(value.abs().sum() > 0 for value in adapters), "they start at zero"


def test_sparse_and_multi_vector_trainers(tiny_model, data, tmp_path):
    from sentence_transformers import (
        MultiVectorEncoder,
        MultiVectorEncoderTrainer,
        MultiVectorEncoderTrainingArguments,
        SparseEncoder,
        SparseEncoderTrainer,
        SparseEncoderTrainingArguments,
    )
    from sentence_transformers.multi_vector_encoder.losses import (
        MultiVectorMultipleNegativesRankingLoss,
    )
    from sentence_transformers.sparse_encoder.losses import (
        SparseMultipleNegativesRankingLoss,
        SpladeLoss,
    )

    options = {
        "max_steps": 2,
        "per_device_train_batch_size": 8,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    }
    for encoder, trainer, arguments, loss in (
        (
            SparseEncoder,
            SparseEncoderTrainer,
            SparseEncoderTrainingArguments,
            lambda model: SpladeLoss(model, SparseMultipleNegativesRankingLoss(model), 1e-3),
        ),
        (
            MultiVectorEncoder,
            MultiVectorEncoderTrainer,
            MultiVectorEncoderTrainingArguments,
            MultiVectorMultipleNegativesRankingLoss,
        ),
    ):
        model = encoder(str(tiny_model), device="cpu")
        callback = HybridBatchCallback()
        run = trainer(
            model=model,
            args=arguments(str(tmp_path), prompts={"query": "q: ", "passage": "p: "}, **options),
            train_dataset=data,
            loss=loss(model),
            callbacks=[callback],
        )
        run.train()
        assert sum(callback.pair_counts.values()) == 16
        assert model.prompts["query"] == "q: " and model.prompts["document"] == "p: "


def test_a_cross_encoder_trains_and_takes_one_prompt_before_a_pair(tiny_model, data, tmp_path):
    from sentence_transformers import (
        CrossEncoder,
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
    )
    from sentence_transformers.cross_encoder.losses import MultipleNegativesRankingLoss
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    config = BertConfig.from_pretrained(tiny_model, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(tmp_path / "new")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "new")
    model = CrossEncoder(str(tmp_path / "new"), device="cpu")

    def made(prompts, callback):
        arguments = CrossEncoderTrainingArguments(
            str(tmp_path / "out"),
            max_steps=2,
            per_device_train_batch_size=8,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            prompts=prompts,
        )
        return CrossEncoderTrainer(
            model=model,
            args=arguments,
            train_dataset=data,
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[callback],
        )

    # sentence-transformers ignores these, so that the card would say what was not done.
    with pytest.raises(HybridBatchError, match=r"'query', and a cross-encoder puts one prompt"):
        made({"query": "q: ", "passage": "p: "}, HybridBatchCallback())
    callback = HybridBatchCallback()
    prompts = dict(model.prompts)
    made("Search: ", callback).train()
    assert sum(callback.pair_counts.values()) == 16
    assert model.prompts == prompts
    model.save_pretrained(str(tmp_path / "saved"))
    assert "### Hybrid Batches" in (tmp_path / "saved" / "README.md").read_text(encoding="utf-8")


def test_an_evaluation_set_without_parallel_data_keeps_its_own_sampler(trainer, data):
    plain = Dataset.from_dict({"query": ["a", "b", "c"], "passage": ["d", "e", "f"]})
    for kind in BatchSamplers:
        if kind == BatchSamplers.GROUP_BY_LABEL:
            continue
        run = trainer(
            eval_dataset={"plain": plain, "parallel": data},
            batch_sampler=kind,
            eval_strategy="steps",
            eval_steps=2,
            per_device_eval_batch_size=2,
        )
        run.train()
        keys = set().union(*run.state.log_history)
        assert {"eval_plain_loss", "eval_parallel_loss"} <= keys


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("method", ["hybrid", "mixed", "shuffle"])
def test_evaluation_sets_smaller_than_a_batch_are_one_small_batch(trainer, data, method, drop_last):
    """They have holes, few groups, one language or one row."""
    small = {
        "holes": ParallelDataset([make_corpus(5, LANGUAGES, missing=0.7)]),
        "group": ParallelDataset([make_corpus(40, LANGUAGES, groups=2)]),
        "single": ParallelDataset([make_corpus(3, ["th"])]),
        "row": data.select([7]),
    }
    run = trainer(
        [HybridBatchCallback(method=method, languages=LANGUAGES)],
        eval_dataset=small,
        eval_strategy="steps",
        eval_steps=2,
        per_device_eval_batch_size=32,
        dataloader_drop_last=drop_last,
    )
    run.train()
    results = {}
    for row in run.state.log_history:
        results |= row
    for name in small:
        assert results[f"eval_{name}_loss"] >= 0
    assert run.evaluate(data.select(range(3)))["eval_loss"] >= 0


def test_an_evaluation_set_that_cannot_be_evaluated_on_is_refused_before_training(trainer):
    run = trainer(
        [HybridBatchCallback(languages=LANGUAGES)],
        eval_dataset={"french": ParallelDataset([make_corpus(9, ["fr", "fi"])])},
        eval_strategy="steps",
        eval_steps=2,
    )
    with pytest.raises(HybridBatchError, match=r"eval_dataset 'french': languages \[.*not in the"):
        run.train()
    assert run.state.global_step == 0


@pytest.mark.parametrize("drop_last", [False, True])
def test_training_data_smaller_than_a_batch_are_one_small_batch(trainer, drop_last, monkeypatch):
    """So they are without this package, unless the last batch is dropped, when there is none."""
    sizes = []
    forward = MultipleNegativesRankingLoss.forward

    def spy(self, features, labels):
        sizes.append(len(next(iter(next(iter(features)).values()))))
        return forward(self, features, labels)

    monkeypatch.setattr(MultipleNegativesRankingLoss, "forward", spy)
    data = ParallelDataset([make_corpus(5, LANGUAGES)])
    for callbacks, train_dataset in ([], Dataset.from_list(data.to_list())), (None, data):
        if callbacks is None or not drop_last:
            run = trainer(callbacks, train_dataset=train_dataset, dataloader_drop_last=drop_last)
            run.train()
            assert run.state.global_step == 4
    assert sizes == [5] * (4 if drop_last else 8)


def test_training_data_with_fewer_groups_than_a_batch_make_smaller_batches(trainer, caplog):
    callback = HybridBatchCallback()
    data = ParallelDataset([make_corpus(64, LANGUAGES, groups=5)])
    run = trainer([callback], train_dataset=data, dataloader_drop_last=True)
    run.train()
    assert sum(callback.pair_counts.values()) == 4 * 5
    assert "batches are of 5 instead of 8" in caplog.text


def test_training_data_of_one_group_are_refused(trainer, data):
    one = ParallelDataset([make_corpus(64, LANGUAGES, groups=1, name="one")])
    for train_dataset, name in ((one, "train_dataset"), ({"few": one, "parallel": data}, "few")):
        run = trainer(train_dataset=train_dataset)
        with pytest.raises(HybridBatchError, match=f"{name}: one: .*batches of one example"):
            run.train()


def pairs(rows=20):
    return Dataset.from_dict(
        {
            "sentence1": [f"a {row}" for row in range(rows)],
            "sentence2": [f"b {row}" for row in range(rows)],
            "score": [row / rows for row in range(rows)],
        }
    )


LOSSES = {"parallel": MultipleNegativesRankingLoss, "sts": CoSENTLoss}


def test_several_data_sets_train_each_with_its_loss(trainer, model, data, tmp_path, monkeypatch):
    """Also as evaluation sets: the batches of each reach its own loss, and no other."""
    reached = {}
    for name, loss in LOSSES.items():

        def spy(self, features, labels, name=name, forward=loss.forward):
            reached.setdefault((name, torch.is_grad_enabled()), []).append(labels is not None)
            return forward(self, features, labels)

        monkeypatch.setattr(loss, "forward", spy)
    callback = HybridBatchCallback(dataset_weights={"sts": 1, "parallel": torch.tensor(3)})
    run = trainer(
        [callback],
        train_dataset={"parallel": data, "sts": pairs(64)},
        eval_dataset=DatasetDict(sts=pairs(3), parallel=data.select(range(5))),
        loss=LOSSES,
        max_steps=16,
        eval_strategy="steps",
        eval_steps=16,
        prompts={"parallel": {"query": "q: "}},
    )
    run.train()
    # An epoch has 8 and 8 batches without weights: 12 and 4 with them.
    assert {key: len(found) for key, found in reached.items()} == {
        ("parallel", True): 12,
        ("sts", True): 4,
        ("parallel", False): 1,
        ("sts", False): 1,
    }
    assert not any(reached["parallel", True]) and all(reached["sts", True])
    assert sum(callback.pair_counts.values()) == 12 * 8
    last = [row for row in run.state.log_history if "loss" in row][-1]
    assert last["hybrid/examples/sts"] == 32 and last["hybrid/examples/parallel"] == 96
    assert sum(value for key, value in last.items() if key.startswith("hybrid/pairs/")) == 96
    assert model.prompts["query"] == "q: "
    model.save_pretrained(str(tmp_path / "final"))
    card = (tmp_path / "final" / "README.md").read_text()
    assert "- Share of the examples of each data set: `parallel` 75.0%, `sts` 25.0%" in card
    assert "- Parallel data `parallel`: corpus (64 rows)" in card


@pytest.mark.parametrize("kind", [*MultiDatasetBatchSamplers, "round_robin"])
def test_several_data_sets_in_the_stock_proportions_and_with_one_loss(trainer, data, kind):
    callback = HybridBatchCallback()
    french = ParallelDataset([make_corpus(24, ["fr", "de"])])
    run = trainer(
        [callback],
        train_dataset={"a": data, "b": french},
        max_steps=-1,
        num_train_epochs=1,
        multi_dataset_batch_sampler=kind,
    )
    run.train()
    last = [row for row in run.state.log_history if "loss" in row][-1]
    expected = (64, 24) if kind == "proportional" else (24, 24)
    assert (last["hybrid/examples/a"], last["hybrid/examples/b"]) == expected
    of_b = {key: n for key, n in last.items() if key.startswith("hybrid/pairs/b/")}
    assert sum(of_b.values()) == 24 and "hybrid/pairs/b/fr-de" in of_b
    assert sum(callback.pair_counts.values()) == sum(expected)
    of_a = {key: n for key, n in last.items() if key.startswith("hybrid/pairs/a/")}
    for pair, count in callback.pair_counts.items():
        assert (
            of_a.get(f"hybrid/pairs/a/{pair}", 0) + of_b.get(f"hybrid/pairs/b/{pair}", 0) == count
        )


@pytest.mark.parametrize("drop_last", [False, True])
def test_several_data_sets_smaller_than_a_batch_are_one_small_batch(trainer, data, drop_last):
    few = ParallelDataset([make_corpus(5, LANGUAGES)])
    run = trainer(
        train_dataset={"parallel": data, "few": few, "sts": pairs(7)},
        loss={**LOSSES, "few": MultipleNegativesRankingLoss},
        dataloader_drop_last=drop_last,
        max_steps=10,
    )
    run.train()
    last = [row for row in run.state.log_history if "loss" in row][-1]
    counts = {name: last[f"hybrid/examples/{name}"] for name in ("parallel", "few", "sts")}
    assert counts == {"parallel": 64, "few": 5, "sts": 7}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"weights": {"parallel": 1}},
            "a number for each data set of train_dataset: parallel, sts",
        ),
        ({"weights": {"parallel": 1, "stsb": 2}}, "must give a number for each"),
        (
            {"weights": {"parallel": 1, "sts": 2}, "multi_dataset_batch_sampler": "round_robin"},
            "ROUND_ROBIN.*leave it out",
        ),
        ({"multi_dataset_batch_sampler": ProportionalBatchSampler}, "deal out the batches"),
    ],
    ids=["one", "name", "in-turn", "own"],
)
def test_proportions_that_do_not_fit_are_refused(trainer, data, options, said):
    callback = HybridBatchCallback(dataset_weights=options.pop("weights", None))
    with pytest.raises(HybridBatchError, match=said):
        trainer([callback], train_dataset={"parallel": data, "sts": pairs()}, **options)


def test_weights_of_one_data_set_are_refused(trainer):
    with pytest.raises(HybridBatchError, match=r"found one ParallelDataset.*ParallelDataset.mix"):
        trainer([HybridBatchCallback(dataset_weights={"parallel": 1})])


@pytest.mark.parametrize(
    "weights",
    [0.5, "parallel", ["parallel", 1], {}, {"a": 0}, {"a": None}, {"a": True}, {"a": float("nan")}],
    ids=str,
)
def test_weights_of_wrong_type_are_refused_when_the_callback_is_made(weights):
    with pytest.raises(ValueError, match="gives each data set a number above 0"):
        HybridBatchCallback(dataset_weights=weights)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"alpha": None}, "alpha is a number"),
        ({"alpha": True}, "alpha is a number"),
        ({"languages": "en"}, "languages is a list of codes"),
        ({"language_weights": None}, "language_weights is"),
    ],
    ids=str,
)
def test_values_of_wrong_type_are_refused_when_the_callback_is_made(value, said):
    with pytest.raises(ValueError, match=said):
        HybridBatchCallback(**value)


def test_a_stream_gets_the_remedy(trainer, data):
    stream = pairs().to_iterable_dataset()
    with pytest.raises(
        HybridBatchError, match=r"train_dataset is an IterableDataset.*from_dataset"
    ):
        trainer(train_dataset=stream)
    with pytest.raises(HybridBatchError, match="sts is an IterableDataset"):
        trainer(train_dataset={"parallel": data, "sts": stream})


def test_a_dictionary_without_parallel_data_is_refused(trainer):
    with pytest.raises(HybridBatchError, match="train_dataset is a Dataset, Dataset, expected"):
        trainer(train_dataset={"a": pairs(), "b": pairs()}, loss=CoSENTLoss).train()


def test_languages_that_no_data_set_has_are_refused(trainer, data):
    callback = HybridBatchCallback(languages=["en", "fi", "de"])
    with pytest.raises(HybridBatchError, match=r"languages \['fi'\] are not in the data"):
        trainer([callback]).train()
    french = ParallelDataset([make_corpus(24, ["fr", "de"])])
    callback = HybridBatchCallback(languages=["en", "fr", "de"])
    trainer([callback], train_dataset={"a": data, "b": french}).train()
    assert {code for pair in callback.pair_counts for code in pair.split("-")} == {"en", "fr", "de"}


def test_the_model_card_has_a_section_and_checkpoints_the_settings(trainer, model, tmp_path):
    callback = HybridBatchCallback([[0, 1.0], [4, 0.5]], crosslingual="pair")
    trainer([callback], save_strategy="steps", save_steps=2).train()
    model.save_pretrained(str(tmp_path / "final"))
    for folder in ("checkpoint-2", "final"):
        card = (tmp_path / folder / "README.md").read_text()
        assert card.count("### Hybrid Batches") == 1
        assert r"`alpha`: \[\[0.0, 1.0\], \[4.0, 0.5\]\]" in card and "corpus (64 rows)" in card
        assert "2408.10536" in card
    assert "Examples per language pair" in card
    state = json.loads((tmp_path / "checkpoint-2" / "trainer_state.json").read_text())
    stored = state["stateful_callbacks"]["HybridBatchCallback"]
    assert stored["args"] == callback.plan.settings()
    assert stored["attributes"]["_fingerprint"]["drop_last"] is False
    assert stored["attributes"]["_fingerprint"]["batch_size"] == 8
    assert BatchPlan(**stored["args"]).settings() == callback.plan.settings()


def test_added_after_construction_is_refused(trainer):
    run = trainer([])
    run.args.batch_sampler = BatchSamplers.BATCH_SAMPLER
    run.add_callback(HybridBatchCallback())
    with pytest.raises(HybridBatchError, match="constructor"):
        run.train()


def test_another_sampler_is_refused(trainer):
    run = trainer()
    run.get_batch_sampler = lambda dataset, **rest: torch.utils.data.BatchSampler(
        range(64), rest["batch_size"], False
    )
    with pytest.raises(HybridBatchError, match="another sampler"):
        run.train()


@pytest.mark.parametrize("option", ["dispatch_batches", "split_batches"])
def test_batches_that_are_taken_apart_are_refused(trainer, option):
    with pytest.raises(HybridBatchError, match=f"{option}=True"):
        trainer(accelerator_config={option: True})


def test_data_that_lost_its_parallel_form_is_refused(trainer, data):
    plain = Dataset.from_dict(data.map(lambda row: row)[:])
    with pytest.raises(HybridBatchError, match=r"train_dataset is a Dataset, .*from_dataset"):
        trainer(train_dataset=plain).train()


def test_two_trainers_that_share_arguments_are_refused(trainer, arguments):
    shared = arguments()
    first = trainer([HybridBatchCallback(0.5)], args=shared)
    trainer([HybridBatchCallback(0.9)], args=shared)
    with pytest.raises(HybridBatchError, match="arguments of its own"):
        first.train()


def test_loss_and_rank_distance_fall_on_the_sample(sample_card, arguments):
    """The whole loop on the embedded sample; trained on it too, so only good for seeing it work."""
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from mteb_hybrid import ParallelRetrievalEvaluator
    from mteb_hybrid.sources import load_collection

    collection = load_collection(sample_card)
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    texts = [*collection.queries["text"], *collection.passages["text"]]
    tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=["[UNK]"]))
    torch.manual_seed(0)
    model = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_dim=64)], device="cpu"
    )
    latin = ("en", "de", "es")
    evaluator = ParallelRetrievalEvaluator(collection, languages=latin)
    before = evaluator(model)
    run = SentenceTransformerTrainer(
        model=model,
        args=arguments(
            max_steps=60,
            per_device_train_batch_size=16,
            learning_rate=5e-2,
            dataloader_drop_last=True,
        ),
        train_dataset=ParallelDataset.from_collection(collection),
        loss=MultipleNegativesRankingLoss(model),
        callbacks=[HybridBatchCallback(languages=latin)],
    )
    run.train()
    after = evaluator(model)
    assert sum(losses(run)[-10:]) < 0.5 * sum(losses(run)[:10])
    distance = next(key for key in before if key.endswith("rank_distance"))
    assert after[distance] < 0.5 * before[distance]
