"""Kills while MTEB saves, two processes at once, and damaged files: nothing lost, nothing stuck.

Processes are forks that do nothing but save, so that they are killed at every step of it.
"""

import json
import math
import os
import signal
import sys
import tempfile
from contextlib import suppress
from itertools import chain
from pathlib import Path
from threading import Thread

import mteb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mteb.cache import ResultCache

from conftest import HashEncoder
from mteb_hybrid.evaluation import saving
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.evaluation.predictions import (
    PredictionsError,
    check_predictions,
    ranked_subsets,
    save_predictions,
)
from mteb_hybrid.evaluation.saving import mend
from mteb_hybrid.evaluation.task import task_classes
from mteb_hybrid.results.mteb_files import ResultError
from mteb_hybrid.results.per_query import (
    data_revisions,
    is_kept,
    read_per_query,
    write_per_query,
)
from mteb_hybrid.results.results import load_results

TASK = "HybridSampleMonolingualRetrieval"
SUBSETS = ["en-en", "de-de", "th-th", "ru-ru"]
EXAMPLES = 2000 if os.environ.get("MTEB_HYBRID_SOAK") else 60
META = HashEncoder().mteb_model_meta

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def result():
    task = mteb.get_task(TASK, hf_subsets=SUBSETS)
    made = mteb.evaluate(HashEncoder(), task, cache=None, show_progress_bar=False)
    return part(made.task_results[0], SUBSETS)


def part(result, subsets):
    rows = {row["hf_subset"]: row for row in result.scores["test"]}
    rows = [rows[subset] for subset in subsets]
    return result.model_copy(update={"scores": {"test": rows}})


def file_of(cache):
    return Path(cache.get_task_result_path(TASK, META))


def subsets_in(cache):
    result = cache.load_task_result(TASK, META)
    rows = chain.from_iterable(result.scores.values() if result else ())
    return sorted(row["hf_subset"] for row in rows)


def forked(work):
    """A process that does some work; 0 is its exit status if it ends it."""
    process = os.fork()
    if not process:
        with suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    return process


def killed_at(step, work):
    """Whether a process was killed before its step-th change to the file system."""

    def change(event, arguments, left=[step]):  # noqa: B006
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    _, status = os.waitpid(forked(lambda: (sys.addaudithook(change), work())), 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def assert_readable(folder):
    for file in [path for path in folder.rglob("*") if path.suffix in (".json", ".jsonl")]:
        text = file.read_text(encoding="utf-8")
        for each in text.splitlines() if file.suffix == ".jsonl" else [text]:
            json.loads(each)


def assert_tidy(folder):
    left = [path for path in folder.rglob("*") if path.name.startswith(".")]
    assert left == []


def test_killed_at_any_step_of_saving(tmp_path, result):
    steps = 0
    first, both = part(result, SUBSETS[:1]), part(result, SUBSETS[:2])
    while True:
        cache = ResultCache(tmp_path / str(steps))
        if steps % 2:
            cache.save_to_cache(first, META)
        killed = killed_at(steps, lambda: cache.save_to_cache(both, META))  # noqa: B023
        assert_readable(cache.cache_path)
        there = subsets_in(cache)
        assert there in ([], *([sorted(SUBSETS[:1])] * (steps % 2)), sorted(SUBSETS[:2]))
        if there:
            assert load_results(cache.cache_path).evaluations[0].model == "test/hash"
        cache.save_to_cache(part(result, SUBSETS[2:]), META)
        assert set(subsets_in(cache)) == {*there, *SUBSETS[2:]}
        assert_tidy(cache.cache_path)
        if not killed:
            break
        steps += 1
    assert steps > 20


def test_killed_once_all_is_saved_the_next_run_tidies(tmp_path, result, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    cache = ResultCache(tmp_path / "cache")
    cache.save_to_cache(result, META)
    steps = 0
    while killed_at(steps, lambda: cache.save_to_cache(result, META)):
        assert subsets_in(cache) == sorted(SUBSETS)
        assert_tidy(tmp_path)
        steps += 4
    assert steps > 20


def test_two_processes_lose_no_subset(tmp_path, result):
    cache = ResultCache(tmp_path)

    def work(mine):
        for count in range(1, len(mine) + 1):
            for _ in range(5):
                cache.save_to_cache(part(result, mine[:count]), META)

    halves = [SUBSETS[:2], SUBSETS[2:]]
    processes = [forked(lambda mine=mine: work(mine)) for mine in halves]
    assert [os.waitpid(process, 0)[1] for process in processes] == [0, 0]
    assert subsets_in(cache) == sorted(SUBSETS)
    settings_file = file_of(cache).with_name("run_settings.jsonl")
    assert json.loads(settings_file.read_text())["subsets"] == sorted(SUBSETS)
    assert_tidy(tmp_path)


def test_what_is_on_the_disk_is_as_mteb_writes_it(tmp_path, result):
    cache, plain = ResultCache(tmp_path / "ours"), ResultCache(tmp_path / "plain")
    options = {"show_progress_bar": False, "batch_size": 32}  # those it was evaluated with
    cache.save_to_cache(result, META, encode_kwargs=options)
    ResultCache.save_to_cache.__wrapped__(plain, result, META, encode_kwargs=options)
    files = sorted(path.name for path in file_of(plain).parent.iterdir())
    assert files == ["HybridSampleMonolingualRetrieval.json", "model_meta.json",
                     "run_settings.jsonl"]  # fmt: skip
    for name in files:
        ours, theirs = (file_of(each).with_name(name).read_bytes() for each in (cache, plain))
        if name == "run_settings.jsonl":  # which bears what made the subsets, too
            noted = json.loads(ours)
            assert noted.pop("command") and noted["version"].pop("mteb-hybrid")
            ours = json.dumps(noted | {"subsets": noted.pop("subsets")}).encode() + b"\n"
        assert ours == theirs, name


def test_results_of_other_tasks_are_mtebs(tmp_path, result):
    other = result.model_copy(update={"task_name": "STS12"})
    cache = ResultCache(tmp_path)
    cache.save_to_cache(part(other, SUBSETS[:1]), META)
    cache.save_to_cache(part(other, SUBSETS[1:]), META)
    file = file_of(cache).with_name("STS12.json")
    assert len(json.loads(file.read_bytes())["scores"]["test"]) == 3
    file.write_bytes(b"")
    with pytest.raises(json.JSONDecodeError):
        cache.load_task_result("STS12", META)
    assert file.read_bytes() == b""


def test_results_on_another_revision_of_the_data_are_replaced(tmp_path, result, caplog):
    cache = ResultCache(tmp_path)
    old = part(result, SUBSETS[:1]).model_copy(update={"dataset_revision": "0"})
    cache.save_to_cache(old, META)
    cache.save_to_cache(part(result, SUBSETS[1:]), META)
    assert subsets_in(cache) == sorted(SUBSETS[1:])
    aside = file_of(cache).with_name(f"{TASK}.json.outdated")
    assert json.loads(aside.read_text())["dataset_revision"] == "0"
    assert f"set aside as {aside.name}" in caplog.text


def test_a_run_sets_results_on_another_revision_of_the_data_aside(tmp_path, caplog):
    folder = evaluate(HashEncoder(), {TASK: SUBSETS}, tmp_path)
    file = folder / f"{TASK}.json"
    current = json.loads(file.read_text())["dataset_revision"]
    outdated = json.dumps(json.loads(file.read_text()) | {"dataset_revision": "before"})
    file.write_text(outdated)
    evaluate(HashEncoder(), {TASK: SUBSETS[:1]}, tmp_path)
    assert f"on revision before of the data, which now have {current}" in caplog.text
    assert file.with_name(f"{file.name}.outdated").read_text() == outdated
    assert subsets_in(ResultCache(tmp_path)) == SUBSETS[:1]
    assert json.loads(file.read_text())["dataset_revision"] == current
    assert set(read_per_query(folder)["pool"]) == {SUBSETS[0]}
    assert len(list((folder / f"{TASK}.per_query.outdated").iterdir())) == len(SUBSETS)


def test_what_this_process_has_saved_is_read_again_only_if_it_may_add_something(
    tmp_path, result, monkeypatch
):
    read, cache = [], ResultCache(tmp_path)
    real = saving.read_result
    monkeypatch.setattr(saving, "read_result", lambda file: read.append(file) or real(file))
    for count in (1, 2, 3):
        cache.save_to_cache(part(result, SUBSETS[:count]), META)
    assert read == []
    cache.save_to_cache(part(result, SUBSETS[1:2]), META)
    assert len(read) == 1, "it has others"
    file = file_of(cache)
    os.utime(file)
    cache.save_to_cache(part(result, SUBSETS[:3]), META)
    assert len(read) == 2, "another process may have saved"
    file.unlink()
    cache.save_to_cache(part(result, SUBSETS[:1]), META)
    assert subsets_in(cache) == SUBSETS[:1]


def edited(text, change):
    content = json.loads(text)
    change(content, content["scores"]["test"])
    return json.dumps(content).encode()


DAMAGED = {
    "empty": (lambda raw: b"", []),
    "blank": (lambda raw: b" \n", []),
    "NULs": (lambda raw: b"\0" * len(raw), []),
    "no JSON": (lambda raw: b"hello", []),
    "a list": (lambda raw: b"[]", []),
    "a number": (lambda raw: b"7", []),
    "an object": (lambda raw: b"{}", []),
    "deep": (lambda raw: b"[" * 100_000, []),
    "cut in the head": (lambda raw: raw[:30], []),
    "cut in the first": (lambda raw: raw[: raw.index(b"ndcg_at_10")], []),
    "cut at the end": (lambda raw: raw[:-2], SUBSETS),
    "cut in the third": (lambda raw: raw[: raw.index(b"th-th")], SUBSETS[:2]),
    "NULs at the end": (lambda raw: raw[: raw.index(b"th-th")] + b"\0" * 4096, SUBSETS[:2]),
    "no UTF-8": (lambda raw: raw.replace(b"ru-ru", b"\xff\xfe"), SUBSETS[:3]),
    "UTF-16": (lambda raw: raw.decode().encode("utf-16"), []),
    "another task": (lambda raw: raw.replace(TASK.encode(), b"STS12"), []),
    "twice": (lambda raw: edited(raw, lambda c, rows: rows.append(rows[0])), SUBSETS),
    "no score": (lambda raw: edited(raw, lambda c, rows: rows[1].pop("main_score")),
                 [SUBSETS[0], *SUBSETS[2:]]),
    "a text": (lambda raw: edited(raw, lambda c, rows: rows[1].update(map="x")),
               [SUBSETS[0], *SUBSETS[2:]]),
    "infinite": (lambda raw: edited(raw, lambda c, rows: rows[1].update(map=math.inf)),
                 [SUBSETS[0], *SUBSETS[2:]]),
    "no version": (lambda raw: edited(raw, lambda c, rows: rows[1].update(mteb_version="x")),
                   [SUBSETS[0], *SUBSETS[2:]]),
    "null": (lambda raw: edited(raw, lambda c, rows: rows.insert(0, None)), SUBSETS),
    "date": (lambda raw: edited(raw, lambda c, rows: c.update(date="x")), SUBSETS),
    "no rows": (lambda raw: edited(raw, lambda c, rows: c.update(scores={"test": 3})), []),
    "no revision": (lambda raw: edited(raw, lambda c, rows: c.pop("dataset_revision")), []),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_set_aside(tmp_path, result, name, caplog):
    damage, kept = DAMAGED[name]
    cache = ResultCache(tmp_path)
    cache.save_to_cache(result, META)
    file = file_of(cache)
    raw = damage(file.read_bytes())
    file.write_bytes(raw)
    with suppress(ResultError):
        load_results(tmp_path)
    assert subsets_in(cache) == sorted(kept)
    assert file.with_name(f"{file.name}.damaged").read_bytes() == raw
    assert str(file) in caplog.text and f"{len(kept)} subsets in it" in caplog.text
    cache.save_to_cache(part(result, SUBSETS[:1]), META)
    assert subsets_in(cache) == sorted({*kept, SUBSETS[0]})
    for evaluation in load_results(tmp_path).evaluations:
        for row in result.scores["test"]:
            if row["hf_subset"] in evaluation.scores:
                assert evaluation.scores[row["hf_subset"]]["map"] == round(row["map"], 6)


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.data())
def test_any_damage_ends_in_results_that_can_be_read(tmp_path_factory, result, data):
    cache = ResultCache(tmp_path_factory.mktemp("fuzz"))
    cache.save_to_cache(part(result, SUBSETS[:2]), META)
    for name in ("model_meta.json", "run_settings.jsonl", file_of(cache).name):
        file = file_of(cache).with_name(name)
        raw = bytearray(file.read_bytes())
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(raw))] * 2)))
        raw[start : data.draw(st.sampled_from([start, start + 1, end]))] = data.draw(
            st.one_of(st.binary(max_size=9), st.sampled_from([b"null", b"1", b"{", b'"x"', b"["]))
        )
        file.write_bytes(raw)
    with suppress(ResultError):
        load_results(cache.cache_path)
    there = subsets_in(cache)
    cache.save_to_cache(part(result, SUBSETS[2:3]), META)
    if file_of(cache).with_name(f"{file_of(cache).name}.outdated").exists():
        there = []  # what was damaged is the revision of the data, which is another one now
    assert set(subsets_in(cache)) >= {SUBSETS[2], *there}
    assert_tidy(cache.cache_path)


def test_the_same_run_goes_on_after_damage(tmp_path, caplog):
    folder = evaluate(HashEncoder(), {TASK: SUBSETS[:3]}, tmp_path)
    whole = load_results(tmp_path).scores.sort("subset", "measure")
    file = folder / f"{TASK}.json"
    file.write_bytes(file.read_bytes()[:-9000])
    (folder / "model_meta.json").write_bytes(b"")
    (folder / "run_settings.jsonl").write_bytes(b"\xff\n7\n")
    (folder / "HybridSampleMultilingualRetrieval.json").write_bytes(b"")
    (folder / f"{TASK}.per_query" / "en-en.parquet").write_bytes(b"PAR1")
    encoder = HashEncoder()
    assert evaluate(encoder, {TASK: SUBSETS[:3]}, tmp_path) == folder
    assert load_results(tmp_path).scores.sort("subset", "measure").equals(whole, null_equal=True)
    assert set(read_per_query(folder)["pool"]) == set(SUBSETS[:3])
    assert "HybridSampleMultilingualRetrieval.json: damaged" in caplog.text
    assert "values per query of en-en are missing, damaged or" in caplog.text
    encoder.encoded.clear()
    evaluate(encoder, {TASK: SUBSETS[:3]}, tmp_path)
    assert encoder.encoded == []


def test_a_run_keeps_values_per_query_of_what_mteb_run_has_evaluated(tmp_path, monkeypatch):
    monkeypatch.delenv("MTEB_HYBRID_PER_QUERY", raising=False)
    task = mteb.get_task(TASK, hf_subsets=SUBSETS[:2])
    mteb.evaluate(HashEncoder(), task, cache=ResultCache(tmp_path))
    folder = evaluate(HashEncoder(), {TASK: SUBSETS[:1]}, tmp_path)
    kept = [is_kept(folder, TASK, subset, rankings=False) for subset in SUBSETS[:2]]
    assert kept == [True, False]
    assert subsets_in(ResultCache(tmp_path)) == sorted(SUBSETS[:2])


def test_reading_what_is_whole_writes_nothing(tmp_path, result):
    cache = ResultCache(tmp_path)
    cache.save_to_cache(result, META)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    mend(file_of(cache))
    assert subsets_in(cache) == sorted(SUBSETS)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_predictions_are_whole_and_merged(tmp_path, caplog):
    file = tmp_path / "predictions.json"
    ranking = {"q": {"d": 0.5}}
    save_predictions(file, ranking, META, "test", "en-en")
    steps = 0
    while killed_at(steps, lambda: save_predictions(file, ranking, META, "test", "de-de")):
        assert json.loads(file.read_bytes())["en-en"] == {"test": ranking}
        steps += 1
    assert steps > 3
    assert json.loads(file.read_bytes()) == {
        "mteb_model_meta": {"model_name": META.name, "revision": META.revision},
        "en-en": {"test": ranking},
        "de-de": {"test": ranking},
    }
    for damage in (b"", b"[1]", b'{"en-en": 1}', b"\xff", b"[" * 100_000):
        file.write_bytes(damage)
        save_predictions(file, ranking, META, "test", "th-th")
        assert json.loads(file.read_bytes())["th-th"] == {"test": ranking}
        assert file.with_name("predictions.json.damaged").read_bytes() == damage
    assert "makes the rankings of the subsets in it again" in caplog.text
    assert_tidy(tmp_path)


@pytest.mark.parametrize("changed", ["name", "revision"])
def test_predictions_of_two_models_are_not_mixed(tmp_path, changed):
    file = tmp_path / "predictions.json"
    save_predictions(file, {"q": {"d": 0.5}}, META, "test", "en-en")
    before = file.read_bytes()
    other = META.model_copy(update={changed: "test/other"})
    with pytest.raises(PredictionsError, match=f"predictions of '{META.name}' at .*another --pred"):
        save_predictions(file, {"q": {"d": 0.1}}, other, "test", "de-de")
    with pytest.raises(PredictionsError, match="need a folder of their own"):
        check_predictions(file, other)
    check_predictions(file, META)
    assert file.read_bytes() == before
    for damage in (b"[]", b"{", b'{"mteb_model_meta": 1}'):
        file.write_bytes(damage)
        check_predictions(file, other)


def test_predictions_of_two_experiments_with_a_model_are_not_mixed(tmp_path):
    cut = META.model_copy(update={"experiment_kwargs": {"embed_dim": 64}})
    file = tmp_path / "p.json"
    save_predictions(file, {"q": {"d": 1.0}}, cut, "test", "en-en")
    assert ranked_subsets(file, cut, "test") == {"en-en"}
    check_predictions(file, cut)
    for refuse in (check_predictions, lambda *of: ranked_subsets(*of, "test")):
        with pytest.raises(PredictionsError, match=r"\('embed_dim_64'\); those of .* need"):
            refuse(file, META)
    plain = tmp_path / "plain.json"
    save_predictions(plain, {}, META, "test", "en-en")
    with pytest.raises(PredictionsError, match=r"\(embed_dim_64\) need a folder"):
        check_predictions(plain, cut)


def test_predictions_on_other_data_are_set_aside(tmp_path, caplog):
    file = tmp_path / "p.json"
    for subset, revision in (("en-en", "1"), ("de-de", "1"), ("th-th", "2")):
        save_predictions(file, {"q": {subset: 1.0}}, META, "test", subset, revision)
    assert ranked_subsets(file, META, "test", "2") == {"th-th"}
    old = json.loads((tmp_path / "p.json.outdated").read_bytes())
    assert set(old) == {"mteb_model_meta", "en-en", "de-de"}
    assert "of revision '1' of the data, which now have 2" in caplog.text
    assert ranked_subsets(file, META, "test", "3") == set() and not file.exists()
    # As MTEB writes them, they do not say of which.
    save_predictions(file, {}, META, "test", "en-en")
    save_predictions(file, {"q": {"d": 1.0}}, META, "test", "de-de", "1")
    assert ranked_subsets(file, META, "test", "1") == {"de-de"}


class Coarse(HashEncoder):
    """A model that rounds if it is told to, as sentence-transformers do."""

    def encode(self, inputs, *, precision=None, **kwargs):
        vectors = super().encode(inputs, **kwargs)
        return np.sign(vectors) if precision else vectors


def test_values_per_query_of_a_precision_lie_beside_its_results(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_PER_QUERY", str(tmp_path / "results"))
    model = Coarse()
    for more in ({}, {"precision": "binary"}, {}):
        task = mteb.get_task(TASK, hf_subsets=SUBSETS[:1])
        options = {"encode_kwargs": {"batch_size": 32, **more}, "show_progress_bar": False}
        mteb.evaluate(model, task, cache=ResultCache(tmp_path), **options)
    files = sorted(tmp_path.rglob(f"{TASK}.json"))
    assert len(files) == 2
    maps = []
    for file in files:
        (row,) = json.loads(file.read_bytes())["scores"]["test"]
        values = read_per_query(file.parent).filter(measure="map")["value"]
        assert values.mean() == pytest.approx(row["map"], abs=1e-5)
        maps.append(row["map"])
    assert maps[0] != maps[1]


def test_a_task_that_two_threads_evaluate_files_each_models_values_with_it(tmp_path):
    """The second is evaluated while the first ranks."""
    task = mteb.get_task(TASK, hf_subsets=SUBSETS[:1])
    task.per_query_root = tmp_path / "results"
    options = {"cache": ResultCache(tmp_path), "show_progress_bar": False}
    second = HashEncoder(dimensions=5, name="test/second")

    class First(HashEncoder):
        def similarity(self, *vectors):
            if not thread.ident:
                thread.start()
                thread.join()
            return super().similarity(*vectors)

    thread = Thread(target=lambda: mteb.evaluate(second, task, **options))
    mteb.evaluate(First(name="test/first"), task, **options)
    files = sorted(tmp_path.rglob(f"{TASK}.json"))
    assert len(files) == 2
    for file in files:
        (row,) = json.loads(file.read_bytes())["scores"]["test"]
        values = read_per_query(file.parent).filter(measure="map")["value"]
        assert values.mean() == pytest.approx(row["map"], abs=1e-5)


def test_another_model_is_refused_before_it_encodes(tmp_path, sample_card):
    encoder = HashEncoder(name="test/other")
    task = task_classes({sample_card.name: sample_card})[0]()
    task = task.filter_languages(None, hf_subsets=["en-en"])
    save_predictions(tmp_path / task.prediction_file_name, {}, META, "test", "en-en")
    with pytest.raises(PredictionsError, match=f"predictions of '{META.name}' at"):
        mteb.evaluate(encoder, task, cache=None, prediction_folder=tmp_path)
    assert not encoder.encoded


def test_kept_subsets_without_the_rankings_that_are_asked_for_are_evaluated_again(tmp_path, caplog):
    file = tmp_path / "rankings" / f"{TASK}_predictions.json"

    def ran(**options):
        encoder, about = HashEncoder(), len(caplog.messages)
        evaluate(encoder, {TASK: SUBSETS[:2]}, tmp_path, **options)
        return len(encoder.encoded), " ".join(caplog.messages[about:])

    def ranked():
        return {
            subset: len(by_split["test"])
            for subset, by_split in json.loads(file.read_bytes()).items()
            if subset != "mteb_model_meta"
        }

    ran()
    assert ran() == (0, "")
    both, said = ran(prediction_folder=file.parent)
    assert "rankings of de-de, en-en are missing in " in said
    whole = ranked()
    assert set(whole) == set(SUBSETS[:2]) and min(whole.values()) > 1
    assert ran(prediction_folder=file.parent) == ran() == (0, "")
    content = json.loads(file.read_bytes())
    del content["de-de"]
    file.write_text(json.dumps(content))
    count, said = ran(prediction_folder=file.parent)
    assert count and "rankings of de-de are missing in " in said
    assert ranked() == whole
    file.write_bytes(file.read_bytes()[:-9])
    count, said = ran(prediction_folder=file.parent)
    assert count == both and "set aside as" in said
    assert ranked() == whole
    content = json.loads(file.read_bytes())
    content["mteb_model_meta"]["model_name"] = "test/other"
    file.write_text(json.dumps(content))
    with pytest.raises(PredictionsError, match="need a folder of their own"):
        ran(prediction_folder=file.parent)


@pytest.mark.parametrize("again", ["always", "only-missing", "mteb"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_values_of_an_old_revision_go_with_its_results(tmp_path, monkeypatch, again, elsewhere):
    monkeypatch.delenv("MTEB_HYBRID_PER_QUERY", raising=False)
    if elsewhere:
        monkeypatch.setenv("MTEB_HYBRID_PER_QUERY", str(tmp_path / "values"))
    folder = evaluate(HashEncoder(), {TASK: SUBSETS[:3]}, tmp_path)
    values = tmp_path / "values" / folder.relative_to(tmp_path / "results") if elsewhere else folder
    for file in values.glob("*.per_query/*.parquet"):
        write_per_query(pl.read_parquet(file), values, TASK)  # as earlier versions did
    file = folder / f"{TASK}.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"dataset_revision": "old"}))
    if again == "mteb":
        monkeypatch.setenv("MTEB_HYBRID_PER_QUERY", str(values.parents[1]))
        task = mteb.get_task(TASK, hf_subsets=SUBSETS[3:])
        mteb.evaluate(HashEncoder(), task, cache=ResultCache(tmp_path), show_progress_bar=False)
    else:
        evaluate(HashEncoder(), {TASK: SUBSETS[3:]}, tmp_path, overwrite_strategy=again)
    assert set(read_per_query(values)["pool"]) == {SUBSETS[3]}
    aside = {file.stem for file in values.glob("*.per_query.outdated/*")}
    assert aside == set(SUBSETS[:3])
    assert data_revisions(values) == {TASK: json.loads(file.read_bytes())["dataset_revision"]}
