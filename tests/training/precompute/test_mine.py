"""Hard negatives: exactly the nearest that are allowed, resumable, and read by readers."""

import gzip
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datasets import Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.commands.app import app
from mteb_hybrid.retrieval.collection import QRELS, TEXTS, Collection
from mteb_hybrid.sources import load_collection
from mteb_hybrid.training.dataset import Example, ParallelDataset
from mteb_hybrid.training.precompute.mine import mine
from mteb_hybrid.training.precompute.pool import checked_from
from mteb_hybrid.training.precompute.search import Choice
from mteb_hybrid.training.precompute.source import collection_source, read_source
from mteb_hybrid.training.precompute.work import PrecomputeError
from mteb_hybrid.training.readers import read_json
from training.precompute.reference import chosen_languages, linked, nearest

SOAK = int(os.environ.get("MTEB_HYBRID_SOAK", "1"))
LANGUAGES = ("en", "de", "th")


def read(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def texts(role):
    """Some of few texts, so that rows share them, also between roles and languages."""
    some = st.sampled_from([f"{role} {n}" for n in range(12)] + ["shared"])
    return st.dictionaries(st.sampled_from(LANGUAGES), some, min_size=1)


ROW = st.fixed_dictionaries(
    {"query": texts("q"), "passage": texts("p")}, optional={"group": st.integers(0, 9)}
)
FROM = st.sampled_from(["same", "other", "all", "en", "th,en"])


@settings(
    max_examples=15 * SOAK,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(ROW, min_size=1, max_size=14), chosen=FROM, number=st.integers(1, 4))
def test_negatives_are_the_nearest_that_belong_to_no_right_answer(rows, chosen, number, hash_model):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        source, output = read_source(str(file)), Path(folder) / "mined.jsonl"
        languages = source.corpus.languages
        try:
            from_ = checked_from(chosen, languages)
        except PrecomputeError:
            assert not set(chosen.split(",")) <= set(languages)
            return
        model = hash_model()
        found = mine(source, model, output, from_, Choice(num_negatives=number))
        mined = read(output)
    assert [{**row, "negatives": {}} for row in mined] == [{**row, "negatives": {}} for row in rows]
    component = linked(rows)
    negatives = {id(row): new["negatives"] for row, new in zip(rows, mined, strict=True)}
    for code in languages:
        allowed = chosen_languages(from_, code, languages)
        expected = list(nearest(rows, code, allowed, languages, model, number))
        for row, query, best in expected:
            got = negatives[id(row)].get(code, [])
            # A right answer in any language, by chains of texts and groups, is never among them.
            assert not {component(text) for text in got} & {
                component(text) for text in (query, *row["passage"].values())
            }
            assert [model.cosine(query, text) for text in got] == pytest.approx(
                [model.cosine(query, text) for text in best], abs=1e-6
            )
        assert found[code].rows == len(expected)
        assert found[code].fewer == sum(len(best) < number for _, _, best in expected)
        assert sum(found[code].negatives.values()) == sum(len(best) for _, _, best in expected)


def test_margins_and_ranges_are_the_miners_and_see_only_what_is_allowed(
    write, parallel_rows, hash_model, tmp_path
):
    rows, model = parallel_rows(), hash_model()
    source = read_source(str(write(rows)))
    every = {
        row["id"]: (query, best)
        for row, query, best in nearest(rows, "de", {"en", "de", "th"}, LANGUAGES, model, 10**6)
    }
    mine(source, model, tmp_path / "range.jsonl", "all", Choice(2, range_min=5))
    for row in read(tmp_path / "range.jsonl"):
        if "de" in row["passage"]:
            assert row["negatives"]["de"] == every[row["id"]][1][5:7]
    choice = Choice(4, relative_margin=0.3, range_max=1000, max_score=0.6)
    mine(source, model, tmp_path / "margin.jsonl", "all", choice)
    sides = {}
    for query, row in ((every[row["id"]][0], row) for row in rows if "de" in row["passage"]):
        sides.setdefault(query, []).append(model.cosine(query, row["passage"]["de"]))
    fewer = 0
    for row in read(tmp_path / "margin.jsonl"):
        if "de" in row["passage"]:
            query, best = every[row["id"]]
            right = min(sides[query])
            limit = min(right - abs(right) * 0.3, 0.6)
            allowed = [text for text in best if model.cosine(query, text) <= limit][:4]
            assert row["negatives"].get("de", []) == allowed
            fewer += len(allowed) < 4
    assert fewer


def test_random_negatives_depend_on_the_seed_alone(write, parallel_rows, hash_model, tmp_path):
    source = read_source(str(write(parallel_rows())))
    choice = Choice(2, range_max=20, sampling_strategy="random")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        mine(source, hash_model(), tmp_path / name, "same", choice, seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_goes_on_after_a_kill_and_notices_what_changed(write, parallel_rows, hash_model, tmp_path):
    rows = parallel_rows()
    file, output = write(rows), tmp_path / "out.jsonl.gz"
    whole = hash_model()
    mine(read_source(str(file)), whole, tmp_path / "whole.jsonl", "all", Choice())
    assert len(whole.encoded) == len(set(whole.encoded))  # each text once
    encoded = []
    for calls in (1, 1, 2, 1):
        killed = hash_model(calls)
        with pytest.raises(KeyboardInterrupt):
            mine(read_source(str(file)), killed, output, "all", Choice())
        assert not output.exists()
        encoded += killed.encoded
    with pytest.raises(PrecomputeError, match="num_negatives 3, and now it is 2"):
        mine(read_source(str(file)), hash_model(), output, "all", Choice(2))
    with pytest.raises(PrecomputeError, match="another"):
        mine(read_source(str(file)), hash_model(name="another"), output, "all", Choice())
    before = file.read_bytes()
    file.write_bytes(before.replace(b"in th", b"IN TH"))
    with pytest.raises(PrecomputeError, match="input"):
        mine(read_source(str(file)), hash_model(), output, "all", Choice())
    file.write_bytes(before)
    last = hash_model()
    mine(read_source(str(file)), last, output, "all", Choice())
    assert sorted(encoded + last.encoded) == sorted(whole.encoded)
    assert gzip.decompress(output.read_bytes()) == (tmp_path / "whole.jsonl").read_bytes()
    assert not output.with_name("out.jsonl.gz.work").exists()
    told = json.loads(output.with_name("out.jsonl.gz.provenance.json").read_text())
    assert told["model"] == {"name": "test/hash", "revision": "1"}
    assert told["languages"]["en"]["rows"] == len(rows)
    with pytest.raises(PrecomputeError, match="is there already"):
        mine(read_source(str(file)), last, output, "all", Choice())


def test_candidates_of_a_collection_are_all_its_passages_but_right_ones(hash_model, tmp_path):
    collection = load_collection(collection_card("sample"))
    source = read_source("sample")
    mine(source, hash_model(), tmp_path / "out.jsonl", "all", Choice(5))
    text_of = dict(collection.passages.select("id", "text").iter_rows())
    asked = dict(collection.queries.select("id", "text").iter_rows())
    right = {}
    for query, passage, relevance in collection.qrels.iter_rows():
        if relevance:
            right.setdefault(asked[query], set()).add(text_of[passage])
    answers = set().union(*right.values())
    others = 0
    for row in read(tmp_path / "out.jsonl"):
        wrong = {text for some in row["negatives"].values() for text in some}
        assert len(row["negatives"]) == len(row["passage"])
        for query in row["query"].values():
            assert not wrong & right[query]
        others += len(wrong - answers)
    assert others  # passages that answer no question are candidates too


@pytest.mark.parametrize("judged", [True, False])
def test_all_that_is_judged_relevant_and_its_translations_are_right(hash_model, tmp_path, judged):
    """Right answers beside the one that is trained on are no negatives; judged wrong ones are."""
    group = {"best": "a", "also right": "b" if judged else "a", "wrong": "c", "unjudged": "d"}
    group |= {"translation": group["also right"]}
    passages = pl.DataFrame(
        [(text, text, "de" if text == "translation" else "en", of) for text, of in group.items()],
        TEXTS, orient="row",
    )  # fmt: skip
    queries = pl.DataFrame([("q", "question", "en", "a")], TEXTS, orient="row")
    qrels = pl.DataFrame(
        [("q", "best", 2), ("q", "also right", 1), ("q", "wrong", 0)], QRELS, orient="row"
    )
    collection = Collection("toy", ("en", "de"), passages, queries, qrels if judged else None)
    source = collection_source("toy", collection)
    mine(source, hash_model(), tmp_path / "out.jsonl", "all", Choice(5))
    (row,) = read(tmp_path / "out.jsonl")
    assert row["passage"]["en"] == "best"
    assert {*row["negatives"]} == {*row["passage"]}
    assert all({*some} == {"wrong", "unjudged"} for some in row["negatives"].values())


@settings(
    max_examples=10 * SOAK,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(ROW, min_size=2, max_size=14), chosen=st.sampled_from(["same", "all"]))
def test_readers_pass_none_of_the_negatives_over(rows, chosen, hash_model, caplog):
    """Groups may be as wide as articles, and questions may be passages of other rows."""
    with tempfile.TemporaryDirectory() as folder:
        file, output = Path(folder) / "pairs.jsonl", Path(folder) / "mined.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        mine(read_source(str(file)), hash_model(), output, chosen, Choice(2))
        caplog.clear()
        try:
            corpus = read_json(output, negatives=1)
        except ValueError as error:
            assert "none of the" in str(error) and "own group" not in str(error)
        else:
            component = linked(rows)
            for row in range(len(corpus)):
                assert corpus.group(row) not in corpus.negative_groups(row)
                for code in LANGUAGES:
                    if corpus._has("passage", code, row):
                        passage = component(corpus.text("passage", code, row))
                        wrong = map(component, corpus.negative_texts(code, row))
                        assert passage not in wrong
    assert "own group" not in caplog.text


def test_readers_take_the_negatives(write, parallel_rows, hash_model, tmp_path):
    source = read_source(str(write(parallel_rows())))
    output = tmp_path / "mined.jsonl"
    mine(source, hash_model(), output, "other", Choice(2))
    rows = {row["query"]["en"] + row["passage"]["en"]: row for row in read(output)}
    wide = {
        f"{role}_{code}": [] for role in ("query", "passage", "negatives") for code in LANGUAGES
    }
    for row in rows.values():
        for column, values in wide.items():
            role, _, code = column.partition("_")
            values.append(row[role].get(code))
    for data in (
        ParallelDataset.from_json(output, negatives=2),
        ParallelDataset.from_dataset(Dataset.from_dict(wide), negatives=2),
    ):
        assert len(data) == len(rows)
        english = data.languages.index("en")
        for place in range(len(data)):
            (example,) = data.__getitems__([data.key(Example(place, english, english))])
            row = rows[example["query"] + example["passage"]]
            assert [example["negative_1"], example["negative_2"]] == row["negatives"]["en"]
            assert not any(text.endswith("en") for text in row["negatives"]["en"])


@pytest.mark.parametrize("key", ["label", "labels", "score", "scores"])
def test_refuses_scores_of_other_negatives_and_keeps_other_labels(write, hash_model, tmp_path, key):
    row = {"query": {"en": "q"}, "passage": {"en": "p"}}
    for place, label in enumerate([0.5, [[1.0, 2.0], [3.0, 4.0]]]):
        output = tmp_path / f"{place}.jsonl"
        mine(read_source(str(write([row | {key: label}]))), hash_model(), output)
        assert read(output)[0][key] == label
    with pytest.raises(PrecomputeError, match=rf"pairs.jsonl:1: '{key}' scores the negatives"):
        mine(read_source(str(write([row | {key: [1, 0]}]))), hash_model(), tmp_path / "out.jsonl")


def test_refuses_unknown_languages_and_data_and_narrow_ranges():
    with pytest.raises(PrecomputeError, match="range_max 10 leaves 2 candidates"):
        Choice(3, range_min=8, range_max=10)
    with pytest.raises(PrecomputeError, match="expected same, other, all, or some of en,de"):
        checked_from("en,fr", ["en", "de"])
    with pytest.raises(ValueError, match="neither a file of parallel JSON lines nor a collection"):
        read_source("no-such-thing")


def test_command_mines_with_the_prompts_of_a_folder(write, parallel_rows, tiny_model, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_model), device="cpu")
    model.prompts = {"query": "ask ", "document": "find a much longer prompt "}
    model.save_pretrained(str(tmp_path / "prompted"))
    rows = parallel_rows(12)
    output = tmp_path / "mined.jsonl"
    done = CliRunner().invoke(
        app,
        ["mine", str(write(rows)), "-m", str(tmp_path / "prompted"), "-o", str(output), "-n", "20"],
        catch_exceptions=False,
    )
    assert "fewer than 20" in done.output and "keep what was found" in done.output
    query, passages = rows[3]["query"]["en"], read(output)[3]["negatives"]["en"]
    assert len(passages) == 11  # all others, in order
    vectors = model.encode(["ask " + query, *("find a much longer prompt " + p for p in passages)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = vectors[1:] @ vectors[0]
    assert (np.diff(scores) <= 1e-6).all()
