import json

import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
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
            loss=loss(model),
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


def test_prompts_and_worker_processes(trainer):
    run = trainer(
        prompts={"query": "ask: ", "passage": "say: "},
        dataloader_num_workers=2,
        dataloader_prefetch_factor=4,
    )
    run.train()
    assert len(losses(run)) == 4


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
            args=arguments(str(tmp_path), **options),
            train_dataset=data,
            loss=loss(model),
            callbacks=[callback],
        )
        run.train()
        assert sum(callback.pair_counts.values()) == 16


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


def test_the_model_card_has_a_section_and_checkpoints_the_settings(trainer, model, tmp_path):
    callback = HybridBatchCallback([[0, 1.0], [4, 0.5]], crosslingual="pair")
    trainer([callback], save_strategy="steps", save_steps=2).train()
    model.save_pretrained(str(tmp_path / "final"))
    for folder in ("checkpoint-2", "final"):
        card = (tmp_path / folder / "README.md").read_text()
        assert card.count("### Hybrid Batches") == 1
        assert "`alpha`: [[0.0, 1.0], [4.0, 0.5]]" in card and "corpus (64 rows)" in card
        assert "2408.10536" in card
    assert "Examples per language pair" in card
    state = json.loads((tmp_path / "checkpoint-2" / "trainer_state.json").read_text())
    stored = state["stateful_callbacks"]["HybridBatchCallback"]
    assert stored["args"] == callback.plan.settings()
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
    with pytest.raises(HybridBatchError, match=r"train_dataset is a Dataset.*map and filter lose"):
        trainer(train_dataset=plain).train()


def test_two_trainers_that_share_arguments_are_refused(trainer, arguments):
    shared = arguments()
    first = trainer([HybridBatchCallback(0.5)], args=shared)
    trainer([HybridBatchCallback(0.9)], args=shared)
    with pytest.raises(HybridBatchError, match="arguments of its own"):
        first.train()


def test_fewer_groups_than_a_batch_are_refused(trainer):
    data = ParallelDataset([make_corpus(64, LANGUAGES, groups=5)])
    with pytest.raises(ValueError, match="per_device_train_batch_size to at most 5"):
        trainer(train_dataset=data, dataloader_drop_last=True).train()


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
