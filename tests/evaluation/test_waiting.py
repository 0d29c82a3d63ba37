"""Results with many subsets that are saved less often than MTEB asks: none is lost."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import mteb
import pytest
from mteb.cache import ResultCache

from conftest import HashEncoder
from mteb_hybrid.evaluation import saving, waiting
from mteb_hybrid.evaluation.saving import mend

TASK = "HybridSampleMonolingualRetrieval"
META = HashEncoder().mteb_model_meta
OTHER = HashEncoder(name="test/other").mteb_model_meta
SAVE = 2.0


@pytest.fixture(scope="module")
def evaluated():
    subsets = ["en-en", "de-de", "ru-ru"]
    task = mteb.get_task(TASK, hf_subsets=subsets)
    result = mteb.evaluate(HashEncoder(), task, cache=None, show_progress_bar=False).task_results[0]
    rows = {row["hf_subset"][:2]: row for row in result.scores["test"]}

    def part(*names, **scores):
        found = [rows[name] | scores for name in names]
        return result.model_copy(update={"scores": {"test": found}})

    return part


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on for two seconds when something is saved. Two subsets are many."""
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(waiting, "FEW", 1)
    monkeypatch.setattr(waiting, "time", clock)
    monkeypatch.setattr(saving, "time", clock)
    monkeypatch.setattr(waiting, "_WAITING", {})
    real = saving._note_what_made

    def slow(*arguments):
        clock.now += SAVE
        real(*arguments)

    monkeypatch.setattr(saving, "_note_what_made", slow)
    return clock


@pytest.fixture
def cache(tmp_path, clock):
    return ResultCache(tmp_path)


def file_of(cache, meta=META):
    return Path(cache.get_task_result_path(TASK, meta))


def there(cache, meta=META):
    """What is on the disk: map by language."""
    rows = json.loads(file_of(cache, meta).read_bytes())["scores"]["test"]
    return {row["hf_subset"][:2]: row["map"] for row in rows}


def begun(cache, evaluated, meta=META):
    """One subset is saved, and two wait."""
    cache.save_to_cache(evaluated("en"), meta)
    cache.save_to_cache(evaluated("en", "de"), meta)
    assert [*there(cache, meta)] == ["en"]


def test_saved_when_some_time_has_passed_and_with_the_last_call(cache, evaluated, clock):
    begun(cache, evaluated)
    clock.now += 9 * SAVE - 0.1
    cache.save_to_cache(evaluated("en", "de"), META)
    assert [*there(cache)] == ["en"]
    clock.now += 0.2
    cache.save_to_cache(evaluated("en", "de"), META)
    assert [*there(cache)] == ["en", "de"]
    cache.save_to_cache(evaluated("en", "de", "ru"), META)
    assert [*there(cache)] == ["en", "de"]
    cache.save_to_cache(evaluated("en", "de", "ru"), META, encode_kwargs={})
    assert [*there(cache)] == ["en", "de", "ru"] and not waiting._WAITING


def test_waiting_for_another_process_is_not_saving(cache, evaluated, clock, monkeypatch):
    real = saving.lock

    def held(folder):
        clock.now += 60
        return real(folder)

    monkeypatch.setattr(saving, "lock", held)
    begun(cache, evaluated)
    clock.now += 9 * SAVE
    cache.save_to_cache(evaluated("en", "de"), META)
    assert [*there(cache)] == ["en", "de"]


@pytest.mark.parametrize(
    "read",
    [
        lambda cache: cache.load_task_result(TASK, META),
        lambda cache: cache.load_task_result(TASK, str(META.name), str(META.revision)),
        lambda cache: waiting._save_at_exit(),
    ],
    ids=["by its model", "by name", "at exit"],
)
def test_saved_before_it_is_read_and_at_exit(cache, evaluated, read):
    begun(cache, evaluated)
    read(cache)
    assert [*there(cache)] == ["en", "de"] and not waiting._WAITING


def test_saved_before_other_subsets(cache, evaluated):
    """As MTEB saves them if all are evaluated anew after a run that was interrupted."""
    begun(cache, evaluated)
    cache.save_to_cache(evaluated("ru"), META)
    waiting._save_at_exit()
    assert {*there(cache)} == {"en", "de", "ru"}


def test_kept_if_the_next_save_fails(cache, evaluated, monkeypatch):
    begun(cache, evaluated)

    def interrupted(*files):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(saving.shutil, "copyfile", interrupted)
        cache.save_to_cache(evaluated("en", "de", "ru"), META, encode_kwargs={})
    waiting._save_at_exit()
    assert {*there(cache)} >= {"en", "de"}


def test_at_exit_one_failure_costs_no_other_results(cache, evaluated, monkeypatch, caplog):
    begun(cache, evaluated)
    begun(cache, evaluated, OTHER)
    real = saving.shutil.copyfile

    def full(source, target):
        if file_of(cache).parent in Path(target).parents:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(saving.shutil, "copyfile", full)
    waiting._save_at_exit()
    assert [*there(cache)] == ["en"] and [*there(cache, OTHER)] == ["en", "de"]
    assert f"{file_of(cache)}: the last results could not be saved" in caplog.text


def test_a_damaged_file_is_written_anew_and_a_folder_that_is_gone_is_not(cache, evaluated):
    begun(cache, evaluated)
    file_of(cache).write_text("{")
    mend(file_of(cache))
    assert not file_of(cache).exists()
    waiting.save_all_waiting()
    assert [*there(cache)] == ["en", "de"]
    begun(cache, evaluated, OTHER)
    file_of(cache, OTHER).parent.rename(cache.cache_path / "elsewhere")
    waiting.save_all_waiting()
    assert not file_of(cache, OTHER).exists() and not waiting._WAITING


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_saves_nothing_of_its_parent(cache, evaluated, monkeypatch):
    monkeypatch.undo()  # the dictionary that a fork empties is the module's own
    monkeypatch.setattr(waiting, "FEW", 1)
    cache.save_to_cache(evaluated("en", map=0.5), META)
    cache.save_to_cache(evaluated("en", "de", map=0.5), META)
    process = os.fork()
    if not process:
        os._exit(len(waiting._WAITING))
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0 < len(waiting._WAITING)
    cache.save_to_cache(evaluated("en", "de", map=0.9), META, encode_kwargs={})
    assert there(cache) == {"en": 0.9, "de": 0.9}
