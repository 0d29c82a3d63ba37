import json
import sys

import mteb
import pytest
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.cache import ResultCache
from mteb.results.task_result import _write_and_merge_keyed_json

from conftest import HashEncoder
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.evaluation.told import EVALUATED
from mteb_hybrid.export.upstream.result_file import read_run_settings
from mteb_hybrid.report.page import write_report
from mteb_hybrid.results import run_settings
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.run_settings import RUN_SETTINGS, read_settings, with_what_made
from mteb_hybrid.results.summary import summarise
from site_.pages_of_a_site import gathered

TASK = "HybridSampleMultilingualRetrieval"
OLD = {"version": {"mteb": "2.26"}, "encode_kwargs": {"batch_size": 8}}


def lines(*entries):
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def entry(task, subsets, settings, splits=("test",)):
    return {"task": task, "splits": list(splits), **settings, "subsets": list(subsets)}


def test_only_what_was_evaluated_bears_the_command():
    before = lines(entry(TASK, ["a", "b"], OLD), entry("Other", ["x"], OLD))
    now = {"version": {"mteb": "2.27"}, "encode_kwargs": {"batch_size": 32}}
    after = lines(entry(TASK, ["a", "b", "c"], now), entry("Other", ["x"], OLD), [1], {"task": 2})
    new = {("test", "c"): '{"batch_size": 32}', ("test", "b"): '{"batch_size": 32}'}
    made = with_what_made(before, after, TASK, new, "9", "do it")
    ours = now | {"version": {"mteb": "2.27", "mteb-hybrid": "9"}, "command": "do it"}
    found = read_settings(made, TASK)
    assert found == {("test", "a"): OLD, ("test", "b"): ours, ("test", "c"): ours}
    assert read_settings(made, "Other") == {("test", "x"): OLD}
    assert made.count(b"\n") == 5 and b"[1]\n" in made


def test_two_calls_of_a_process_keep_their_options(tmp_path):
    encoder = HashEncoder(name="org/hash")
    for subset, size in (("en-multi", 16), ("de-multi", 8), ("en-multi", 4)):
        mteb.evaluate(
            encoder,
            mteb.get_task(TASK, hf_subsets=[subset]),
            cache=ResultCache(tmp_path),
            encode_kwargs={"batch_size": size},
            show_progress_bar=False,
        )
    (evaluation,) = load_results(tmp_path).evaluations
    assert {(made.batch_size, made.subsets) for made in evaluation.made} == {(16, 1), (8, 1)}


def test_of_a_call_that_did_not_end_subsets_keep_their_options(tmp_path, monkeypatch):
    def stop(self, *args, **options):
        if options["subsets_to_run"] == ["de-multi"]:
            raise KeyboardInterrupt
        return whole(self, *args, **options)

    def call(subsets, size):
        task = mteb.get_task(TASK, hf_subsets=subsets)
        given = {"encode_kwargs": {"batch_size": size}, "show_progress_bar": False}
        mteb.evaluate(HashEncoder(name="org/hash"), task, cache=ResultCache(tmp_path), **given)

    whole = AbsTaskRetrieval.evaluate
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(AbsTaskRetrieval, "evaluate", stop)
        call(["en-multi", "de-multi"], 16)
    call(["de-multi"], 8)
    (evaluation,) = load_results(tmp_path).evaluations
    assert {(made.batch_size, made.subsets) for made in evaluation.made} == {(16, 1), (8, 1)}


def test_mteb_merges_what_we_have_added(tmp_path):
    file = tmp_path / RUN_SETTINGS
    now = {"version": {"mteb": "2.27"}, "encode_kwargs": {}}
    file.write_bytes(
        with_what_made(
            b"", lines(entry(TASK, ["a"], now)), TASK, {("test", "a"): "{}"}, "9", "do it"
        )
    )
    _write_and_merge_keyed_json(file, [entry(TASK, ["b"], now)])
    found = read_settings(file.read_bytes(), TASK)
    assert found["test", "a"]["command"] == "do it" and "command" not in found["test", "b"]
    assert read_run_settings(file) == {(TASK, "test", "a"), (TASK, "test", "b")}


@pytest.mark.parametrize("bad", [b"", b"\xff", b"{", b"[]", b'{"task": []}', b"9" * 5000])
def test_what_mteb_does_not_write_is_passed_over(bad):
    assert read_settings(bad + b"\n" + lines(entry(TASK, ["a"], OLD)), TASK) == {("test", "a"): OLD}
    for odd in ({"splits": 7}, {"subsets": [1, None]}, {"split": "s", "subset": {}}):
        assert read_settings(lines({"task": TASK, **odd}), TASK) == {}
    old = {"task": TASK, "split": "s", "subset": "a", **OLD}
    assert read_settings(lines(old), TASK) == {("s", "a"): OLD}


def test_a_number_carries_the_command_and_version_that_made_it(tmp_path, monkeypatch):
    encoder = HashEncoder(name="org/hash")
    secret = ["--hf-token", "hf_abcdefghijklmnopqrstuvwxyz"]
    first = ["/opt/bin/mteb", "run", "-m", "/home/me/org/hash", "-t", TASK, *secret]
    monkeypatch.setattr(sys, "argv", first)
    monkeypatch.setenv("MTEB_HYBRID_PER_QUERY", str(tmp_path / "results"))
    task = mteb.get_task(TASK, hf_subsets=["en-multi"])
    mteb.evaluate(encoder, task, cache=ResultCache(tmp_path), show_progress_bar=False)
    EVALUATED.clear()  # as in another process
    monkeypatch.setattr(sys, "argv", ["mteb-hybrid", "run", "-m", "org/hash", "sample"])
    monkeypatch.setattr("importlib.metadata.version", lambda name: "7.7.7")
    folder = evaluate(encoder, {TASK: ["en-multi", "de-multi", "th-multi"]}, tmp_path, 16)
    monkeypatch.undo()

    (evaluation,) = load_results(tmp_path).evaluations
    commands = (f"mteb run -m hash -t {TASK}", "mteb-hybrid run -m org/hash sample")
    assert set(evaluation.commands) == {
        f"{commands[0]}  # 1 of 3 subsets",
        f"{commands[1]}  # 2 of 3 subsets",
    }
    assert len(evaluation.our_versions) == 2 and "7.7.7" in evaluation.our_versions
    (e,) = gathered(folder).evaluations
    assert e.commands == list(evaluation.commands)
    assert f"mteb-hybrid:{', '.join(evaluation.our_versions)}" in e.signature
    write_report(summarise(load_results(tmp_path)), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    footer = page[page.index("<footer>") :]
    assert all(f"org/hash: evaluated with <code>{x}</code>" in footer for x in commands)
    everything = b"".join(file.read_bytes() for file in folder.glob("*.json*")).decode()
    assert "/home/me" not in everything + page and "hf_a" not in everything + page
    assert not set(ResultCache(tmp_path).load_task_result(TASK, encoder.mteb_model_meta).scores) ^ {
        "test"
    }


def test_a_task_of_many_subsets_is_saved_as_fast_as_before(monkeypatch):
    # Settings are told apart once for a line, not once for a subset.
    asked = []
    monkeypatch.setattr(
        run_settings.json, "dumps", lambda *a, **k: asked.append(1) or json.JSONEncoder().encode(*a)
    )
    subsets = [f"s{i:05}" for i in range(5000)]
    raw = json.JSONEncoder().encode(entry(TASK, subsets, OLD)).encode()
    with_what_made(raw, raw, TASK, {("test", subset): "{}" for subset in subsets}, "9", "do it")
    assert len(asked) < 20
