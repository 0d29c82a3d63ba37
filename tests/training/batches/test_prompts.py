import logging

import pytest
from datasets import Dataset
from sentence_transformers.base.data_collator import BaseDataCollator

from mteb_hybrid.training.batches.error import HybridBatchError
from mteb_hybrid.training.batches.prompts import before_texts, check_names, settle

NONE = {"query": "", "document": ""}
E5 = {"query": "query: ", "document": "passage: "}
COLUMNS = {"query": "query: ", "passage": "passage: "}


def looked_up(prompts, name, negatives=0):
    """What sentence-transformers puts before each column, by its own code."""
    seen = {}

    def preprocess(inputs, prompt=None, task=None):
        seen[inputs[0]] = prompt or ""
        return {}

    columns = ["query", "passage", *(f"negative_{n}" for n in range(1, negatives + 1))]
    row = {column: column for column in columns} | ({"dataset_name": name} if name else {})
    BaseDataCollator(preprocess_fn=preprocess, prompts=prompts)([row])
    return seen


@pytest.mark.parametrize("own", [NONE, E5, {}], ids=["empty", "same", "missing"])
@pytest.mark.parametrize(
    ("prompts", "names"),
    [
        (COLUMNS, [None]),
        (COLUMNS, ["a", "b"]),
        ({"a": COLUMNS}, ["a"]),
        ({"a": COLUMNS, "sts": {"sentence1": "x"}}, ["a"]),
        ({"a": COLUMNS, "b": COLUMNS}, ["a", "b"]),
        ({"sts": "x", "a": COLUMNS}, ["a"]),
    ],
    ids=str,
)
def test_every_form_of_prompts_gets_into_the_model_and_before_negatives(prompts, names, own):
    settled = settle(prompts, own, dict.fromkeys(names, 2))
    assert settled.model == E5
    for name in names:
        expected = COLUMNS | {"negative_1": "passage: ", "negative_2": "passage: "}
        assert looked_up(settled.training, name, 2) == expected
    # Nothing is lost, and nothing changes when it is done again.
    for key, value in prompts.items():
        assert settled.training[key] == value or settled.training[key].items() >= value.items()
    assert settle(settled.training, {**own, **settled.model}, dict.fromkeys(names, 2)) == settled


def test_one_prompt_for_all_is_for_both_sides():
    settled = settle("text: ", NONE, {None: 1})
    assert settled.model == {"query": "text: ", "document": "text: "}
    assert set(looked_up(settled.training, None, 1).values()) == {"text: "}
    settled = settle({"a": "text: "}, NONE, {"a": 1})
    assert settled.model == {"query": "text: ", "document": "text: "}


@pytest.mark.parametrize("prompts", [None, {}, ""], ids=repr)
@pytest.mark.parametrize("name", [None, "a"])
def test_without_prompts_training_uses_the_models_own_and_says_so(prompts, name, caplog):
    with caplog.at_level(logging.WARNING):
        settled = settle(prompts, {"query": "q: ", "passage": "p: ", "document": ""}, {name: 1})
    expected = {"query": "q: ", "passage": "p: ", "negative_1": "p: "}
    assert looked_up(settled.training, name, 1) == expected
    # encode_document() looks for "document" first, which every model has, if only empty.
    assert settled.model == {"query": "q: ", "document": "p: "}
    assert "training uses the model's own, 'q: '" in caplog.text


def test_what_only_one_side_says_is_taken_from_the_other():
    settled = settle({"query": "query: "}, {"document": "passage: "}, {None: 0})
    assert settled.training == COLUMNS and settled.model == E5
    # Data sets that were forgotten, and the ones that are evaluated on.
    settled = settle({"sts": {"sentence1": "x"}}, E5, {"a": 0}, {"b": 1})
    assert looked_up(settled.training, "a") == COLUMNS
    assert looked_up(settled.training, "b", 1) == COLUMNS | {"negative_1": "passage: "}


def test_no_prompts_at_all_stay_none():
    assert settle(None, NONE, {None: 2}).training is None
    assert settle(None, NONE, {"a": 2, "b": 0}).model == {}
    assert settle({"sts": "x"}, NONE, {"a": 2}).training == {"sts": "x"}


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        (
            {"query": "ask: "},
            r"puts 'ask: ' before every query .* with 'query: ' \(model.prompts\)",
        ),
        ({"query": ""}, r"puts '' before every query.*model.prompts\['query'\] = ''"),
        ({"passage": "say: "}, r"every passage .*model.prompts\['document'\] = 'say: '"),
        ("text: ", "puts 'text: ' before every query"),
        ({"a": {"query": "ask: "}, "b": {"query": "ask: "}}, "puts 'ask: ' before every query"),
    ],
    ids=str,
)
def test_a_contradiction_is_refused_with_both_prompts(prompts, said):
    names = ["a", "b"] if isinstance(prompts, dict) and "a" in prompts else [None]
    with pytest.raises(HybridBatchError, match=said):
        settle(prompts, E5, dict.fromkeys(names, 0))


def test_negatives_with_a_prompt_of_their_own_are_refused():
    with pytest.raises(HybridBatchError, match="'say: ' for 'passage' and 'not: ' for 'negative_1"):
        settle({"passage": "say: ", "negative_1": "not: "}, NONE, {None: 1})


def test_data_sets_with_different_prompts_leave_the_model_alone(caplog):
    prompts = {"a": {"query": "ask: "}, "b": {"query": "find: "}}
    settled = settle(prompts, NONE, {"a": 0, "b": 0})
    assert settled.training["a"]["query"] == "ask: " and settled.model == {}
    assert "'ask: ' for 'a', 'find: ' for 'b'" in caplog.text and "gets none" in caplog.text


PARALLEL = Dataset.from_dict({"query": ["a"], "passage": ["b"]})
SCORED = Dataset.from_dict({"sentence1": ["a"], "sentence2": ["b"], "score": [1.0]})


@pytest.mark.parametrize("name", ["document", "anchor", "sentence1"])
def test_a_prompt_under_a_name_that_is_no_column_is_refused(name):
    with pytest.raises(HybridBatchError, match=rf"'{name}', which is no column.* passage, query "):
        check_names({"query": "query: ", name: "passage: "}, {None: PARALLEL})


@pytest.mark.parametrize(
    "prompts",
    [None, "q: ", COLUMNS, {**COLUMNS, "negative_1": "passage: "}, {"sentence1": "s: "},
     {"parallel": COLUMNS}, {"parallel": "q: ", "sts": "s: "}],
)  # fmt: skip
def test_prompts_for_columns_and_data_sets_are_let_pass(prompts):
    check_names(prompts, {"parallel": PARALLEL, "sts": SCORED})


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ({"parallel": {"anchor": "q: "}}, "'anchor', which is no column of data set 'parallel'"),
        ({"sts": {"query": "q: "}}, "'query', which is no column of data set 'sts'.* sentence1"),
        ({"paralel": COLUMNS}, "for a data set 'paralel', and there is none.*'parallel', 'sts'"),
    ],
    ids=["column", "of-another", "name"],
)
def test_prompts_for_a_data_set_under_names_that_are_not_its_own_are_refused(prompts, said):
    with pytest.raises(HybridBatchError, match=said):
        check_names(prompts, {"parallel": PARALLEL, "sts": SCORED})


@pytest.mark.parametrize(
    ("prompts", "a", "b"),
    [
        (None, {}, {}),
        ("q: ", {"query": "q: ", "passage": "q: "}, {"text": "q: "}),
        ({"query": "q: ", "text": ""}, {"query": "q: "}, {}),
        ({"a": "q: "}, {"query": "q: ", "passage": "q: "}, {}),
        ({"b": {"text": "t: "}, "a": {"passage": "p: "}}, {"passage": "p: "}, {"text": "t: "}),
    ],
)
def test_what_stands_before_texts_is_known_by_column(prompts, a, b):
    data = {
        "a": Dataset.from_dict({"query": ["x"], "passage": ["y"]}),
        "b": Dataset.from_dict({"text": ["z"], "score": [1.0]}),
    }
    found = {"a": a, "b": b}
    assert before_texts(prompts, data) == {name: own for name, own in found.items() if own}
