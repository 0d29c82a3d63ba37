import json
import shlex

import numpy as np
import polars as pl
import pytest
from scipy.stats import bootstrap

from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.results.intervals import mean_interval
from mteb_hybrid.results.mteb_files import read_result_files
from mteb_hybrid.results.per_query import read_per_query
from mteb_hybrid.site.gather import gather, merged
from mteb_hybrid.site.kept import Site
from results.conftest import write_task
from site_.pages_of_a_site import gathered

MULTI = "HybridSampleMultilingualRetrieval"


def test_means_are_those_of_the_result_files(made):
    site = gathered(made.folder)
    for e in site.evaluations:
        for file in made.folder.glob(f"*/r1/{e.task}.json"):
            meta = json.loads((file.parent / "model_meta.json").read_text(encoding="utf-8"))
            if meta["name"] == e.model:
                (rows,) = json.loads(file.read_text(encoding="utf-8"))["scores"].values()
                assert e.means["map"].value == pytest.approx(np.mean([row["map"] for row in rows]))
                assert e.subsets["map"] == {row["hf_subset"]: row["map"] for row in rows}
    assert len(site.evaluations) == len(list(made.folder.glob("*/r1/*Retrieval.json")))


def test_intervals_are_those_of_a_plain_bootstrap(tmp_path):
    folder = write_task(tmp_path, "org/a", MULTI, 0.5)
    frame = read_per_query(folder).filter(measure="map").drop("task")
    pools = frame["pool"].unique().to_list()
    low, high = mean_interval(frame.with_columns(task=pl.lit(MULTI)), "map", dict.fromkeys(pools))
    # Every group has one query in every pool, so the mean over pools is one over groups.
    by_group = frame.group_by("group").agg(pl.col("value").mean())["value"].to_numpy()
    expected = bootstrap(
        (by_group,), np.mean, n_resamples=9999, method="percentile", random_state=0
    ).confidence_interval
    width = expected.high - expected.low
    assert low == pytest.approx(expected.low, abs=width / 15)
    assert high == pytest.approx(expected.high, abs=width / 15)
    assert mean_interval(frame, "map", dict.fromkeys(pools[1:])) is None  # of other subsets
    assert mean_interval(None, "map", {}) is None


def test_no_interval_without_values_per_query(tmp_path):
    site = gathered(write_task(tmp_path, "org/a", MULTI, 0.5, per_query=False))
    assert all(mean.low is None for e in site.evaluations for mean in e.means.values())


def run_settings(folder, **changed):
    noted = {"task": MULTI, "version": {"mteb": "2.0", "torch": "2.13.0", "flash-attn": None}}
    noted |= {"splits": ["test"], "subsets": list(task_views(*tasks_by_name()[MULTI]))}
    noted |= {"encode_kwargs": {"batch_size": 16}} | changed
    with (folder / "run_settings.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(noted) + "\n")


def test_what_is_known_is_said_and_what_is_not_is_not_invented(tmp_path):
    folder = write_task(tmp_path, "org/a", MULTI, 0.5, extra={"truncated_at": 1000})
    (e,) = gathered(folder).evaluations
    assert "mteb-hybrid:not known" in e.signature and "|cut:1000|" in e.signature
    assert e.signature.startswith("sample:") and "|setting:multilingual|" in e.signature
    assert e.trained == "not known" and e.versions == {"mteb": "2.26.24"}
    assert shlex.split(e.command) == ["mteb-hybrid", "run", "-m", "org/a", MULTI]
    run_settings(folder, encode_kwargs={"batch_size": 8})
    run_settings(folder)
    run_settings(folder, task="Another")
    (folder / "run_settings.jsonl").open("a", encoding="utf-8").write('{"task": "Hyb')
    (e,) = gathered(folder).evaluations
    assert e.versions == {"torch": "2.13.0", "mteb": "2.26.24"}
    assert shlex.split(e.command)[-2:] == ["--batch-size", "16"]


@pytest.mark.parametrize(
    ("meta", "trained", "parameters"),
    [
        ({"training_datasets": ["HybridSampleMultilingualRetrieval"]}, "yes", None),
        ({"training_datasets": {"NQ": []}, "n_parameters": 5}, "no", 5),
        ({"training_datasets": [], "adapted_from": "org/base"}, "not known", None),
        ({"training_datasets": None, "n_parameters": True}, "not known", None),
        ({"training_datasets": "all", "n_parameters": -1}, "not known", None),
    ],
)
def test_training_and_parameters(tmp_path, meta, trained, parameters):
    folder = write_task(tmp_path, "org/a", MULTI, 0.5)
    full = {"name": "org/a", "revision": "c" * 40, **meta}
    (folder / "model_meta.json").write_text(json.dumps(full), encoding="utf-8")
    site = gathered(folder)
    assert site.evaluations[0].trained == trained
    assert site.models[0].parameters == parameters
    assert site.evaluations[0].command.endswith(f"--model-revision {'c' * 40}")


@pytest.mark.parametrize("name", ["a b; rm -rf ~", "org/$(x)", "--help", "org/a\nb"])
def test_commands_can_be_copied(tmp_path, name):
    folder = write_task(tmp_path, "org/a", MULTI, 0.5)
    meta = json.dumps({"name": name, "revision": "1"})
    (folder / "model_meta.json").write_text(meta, encoding="utf-8")
    (e,) = gathered(folder).evaluations
    assert "\n" not in e.command
    words = shlex.split(e.command, comments=True)
    assert words[:3] == ["mteb-hybrid", "run", "-m"]
    assert words[3] == name.replace("\n", "\\n") and words[4] == MULTI


def test_merged_rankings_are_made_with_an_option(tmp_path):
    (e,) = gathered(write_task(tmp_path, "org/a-merged-best-10", MULTI, 0.5)).evaluations
    assert shlex.split(e.command)[2:] == ["-m", "org/a", MULTI, "--merge-by", "best-10"]


@pytest.mark.parametrize(
    ("options", "words", "more"),
    [
        ({"precision": "bf16"}, ["--precision", "bf16"], False),
        ({"backend": "openvino"}, ["--backend", "openvino"], False),
        ({"precision": "int8", "embed_dim": 8}, [], True),
        ({"precision": ["bf16"], "backend": "onnx"}, ["--backend", "onnx"], True),
    ],
)
def test_what_encodes_otherwise_is_made_with_options(tmp_path, options, words, more):
    folder = write_task(tmp_path, "org/a", MULTI, 0.5)
    meta = {"name": "org/a", "revision": "1", "experiment_kwargs": options}
    (folder / "model_meta.json").write_text(json.dumps(meta), encoding="utf-8")
    (e,) = gathered(folder).evaluations
    assert shlex.split(e.command, comments=True)[2:] == ["-m", "org/a", MULTI, *words]
    assert ("which mteb run takes" in e.command) is more


def test_a_registered_models_card_is_shown(tmp_path, monkeypatch):
    folder = write_task(tmp_path / "results", "org/a", MULTI, 0.5)
    model, entries = tmp_path / "model", tmp_path / "entries"
    model.mkdir()
    entries.mkdir()
    (model / "README.md").write_text("# A\n  indented\n\u202e<script>", encoding="utf-8")
    entry = {"folder": str(model), "meta": {"name": "org/a", "revision": "r1"}}
    (entries / "org__a.json").write_text(json.dumps(entry), encoding="utf-8")
    monkeypatch.setenv("MTEB_HYBRID_MODELS", str(entries))
    assert gathered(folder).models[0].card == ["# A", "  indented", "\\u202e<script>"]
    entry["meta"]["revision"] = "another"
    (entries / "org__a.json").write_text(json.dumps(entry), encoding="utf-8")
    assert gathered(folder).models[0].card == []


def test_a_refusal_goes_when_the_two_can_be_compared(tmp_path):
    one = write_task(tmp_path / "1", "org/a", MULTI, 0.5)
    lacking = write_task(tmp_path / "2", "org/b", MULTI, 0.4, per_query=False)
    whole = write_task(tmp_path / "3", "org/b", MULTI, 0.4)
    found = [
        gather(read_result_files([one, other]), lambda summary, key: None)
        for other in (lacking, whole)
    ]
    first = merged(Site(), found[0])
    assert len(first.refused) == 1 and "org/b" in first.refused[0] and not first.comparisons
    second = merged(first, found[1])
    assert second.refused == [] and second.comparisons
