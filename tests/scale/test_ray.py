"""Workers of Ray: vectors and scores of one process, whatever ends meanwhile."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import mteb
import numpy as np
import pytest
from torch.utils.data import DataLoader

from mteb_hybrid.files import sizes
from mteb_hybrid.files.places import MEMORY_VARIABLE, STORE_VARIABLE
from mteb_hybrid.models.load import load_model
from mteb_hybrid.retrieval import embeddings, tiles
from mteb_hybrid.retrieval.scoring import count_ranks
from mteb_hybrid.scale import ray_workers
from mteb_hybrid.scale.ray_actor import Worker
from mteb_hybrid.scale.ray_cluster import EngineError, Places, cluster, places
from mteb_hybrid.scale.ray_encoder import RayEncoder
from mteb_hybrid.scale.ray_workers import Source, Workers
from retrieval.test_streaming import assert_same, counter_of, dots, problem, whole

TASK = "HybridSampleMultilingualRetrieval"


@pytest.fixture(scope="module")
def ray():
    """Ray on this machine, with two CPUs; it knows this module, which workers cannot import."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install ray")
    here = sys.modules[__name__]
    with cluster("local", 128 << 20):
        ray.cloudpickle.register_pickle_by_value(here)
        yield ray
        ray.cloudpickle.unregister_pickle_by_value(here)
    assert not ray.is_initialized()


class Lengths:
    """An encoder that notes what it encodes; some texts end its process, once or always."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.mteb_model_meta = SimpleNamespace(name="test/lengths", revision="1")

    def encode(self, inputs, **options):
        texts = [text for batch in inputs for text in batch["text"]]
        for text in texts:
            (self.folder / f"{text}-{os.getpid()}").touch()
            if text == "always" or (text == "once" and not (self.folder / "ended").exists()):
                (self.folder / "ended").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if text == "unknown":
                raise LookupError("what is that?")
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)

    def similarity(self, first, second):
        if (self.folder / "search").exists():
            (self.folder / "search").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return first @ second.T

    similarity_pairwise = similarity


def loader(texts, size=2):
    rows = [{"id": str(place), "text": text} for place, text in enumerate(texts)]
    return DataLoader(rows, batch_size=size)


def test_scores_and_stores_are_those_of_one_process(ray, tiny_model, tmp_path, monkeypatch):
    """By name, which each worker loads; and by a model that one is sent, which searches too."""
    searched = []
    search = RayEncoder.search_tiles
    monkeypatch.setattr(
        RayEncoder, "search_tiles", lambda self, *view: searched.append(self) or search(self, *view)
    )
    plain = load_model(str(tiny_model), None, "cpu")
    kinds = {"plain": (plain, 0), "named": (str(tiny_model), 2), "sent": (plain, 1)}
    found, stored = {}, {}
    for kind, (sent, workers) in kinds.items():
        model = RayEncoder(sent, workers=workers) if workers else plain
        if kind == "sent":
            monkeypatch.setattr(sizes, "LEAST", 1)
            monkeypatch.setenv(MEMORY_VARIABLE, "640B")
        embeddings._shared.clear()
        monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / kind))
        task = mteb.get_task(TASK, hf_subsets=["en-multi"])
        result = mteb.evaluate(model, task, cache=None, show_progress_bar=False)
        found[kind] = str(result.task_results[0].scores)
        stored[kind] = {
            file.relative_to(tmp_path / kind): file.read_bytes()
            for file in sorted((tmp_path / kind).rglob("*.*"))
        }
        if model is not plain:
            model.close()
    assert found["named"] == found["sent"] == found["plain"]
    assert stored["named"] == stored["sent"] == stored["plain"]
    assert len(stored["plain"]) > 12
    assert searched == [model]


def test_a_worker_that_is_killed_costs_its_call(ray, tmp_path, caplog):
    texts = [*"abcdefgh", "once", *"ijklmnop"]
    with RayEncoder(Lengths(tmp_path), workers=2, texts_per_call=4) as model:
        found = model.encode(loader(texts), task_metadata=None, batch_size=2)
    assert found.tolist() == [[len(text), 1] for text in texts]
    assert "a worker of Ray ended" in caplog.text
    often = {text: len(list(tmp_path.glob(f"{text}-*"))) for text in texts}
    assert {text for text, count in often.items() if count > 1} == {"once"}
    assert len({file.name.partition("-")[2] for file in tmp_path.glob("*-*")}) > 1


def test_a_call_that_must_be_whole_is_not_cut():
    """Of vectors that depend on all texts of a call."""
    found = []
    model = object.__new__(RayEncoder)
    model.texts_per_call, model._count = 2, 1
    model._workers = SimpleNamespace(
        encode=lambda columns, **_: found.append(columns["text"]) or np.zeros((1, 1))
    )
    model.encode_whole(loader("abc"))
    model.encode(loader("abc"))
    assert found == [[*"abc"], [*"ab"], ["c"]]


def test_a_search_is_that_of_one_process_whatever_ends(ray, tmp_path, caplog, monkeypatch):
    for side, size in {"QUERIES": 8, "PASSAGES": 32, "ROUND": 4, "WHOLE": 512}.items():
        monkeypatch.setattr(tiles, side, size)
    given = problem(1, passages=700, queries=20, levels=300, repeats=60, own=True, relevant=9)
    pool, asked, vectors, qrels = given
    monkeypatch.setattr(ray_workers, "BLOCKS", 4)
    (tmp_path / "search").touch()
    with RayEncoder(Lengths(tmp_path), workers=2) as model:
        counter = counter_of(pool, qrels, own=True)
        count_ranks(counter, asked, vectors, dots, by=model.search_tiles, memory=1 << 20)
        assert counter.result()[0].ranks.size
        assert_same(counter.result(), whole(*given, own=True))
    assert "4 blocks of passages are done again" in caplog.text
    assert not (tmp_path / "search").exists()


@pytest.mark.soak
def test_what_a_model_raises_and_what_ends_every_worker(ray, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_workers, "TRIES", 2)
    with RayEncoder(Lengths(tmp_path), workers=1) as model:
        with pytest.raises(LookupError, match="what is that"):
            model.encode(loader(["unknown"]), task_metadata=None)
        assert model.encode(loader(["known"]), task_metadata=None).tolist() == [[5, 1]]
        with pytest.raises(EngineError, match="2 workers of Ray ended, one after another"):
            model.encode(loader(["always"]), task_metadata=None)


@pytest.mark.soak
def test_a_worker_without_the_model(ray, tiny_model, tmp_path):
    missing = Source(str(tmp_path / "nowhere"), None, ("local/nowhere", "1"))
    workers = Workers(missing, Places(1, gpu=False))
    with pytest.raises(EngineError, match=r"on .*, cannot load the model: .*nowhere: no such fold"):
        workers.encode({"text": ["a"]})
    workers.close()


def shortened(model):
    model.model.max_seq_length = 9
    return model


def test_a_worker_with_another_model_or_other_packages(tiny_model):
    here = {name: version(name) for name in ray_workers.PACKAGES}
    how = (
        str(tiny_model),
        None,
        ("local/tiny", load_model(str(tiny_model)).mteb_model_meta.revision),
    )
    worker = Worker()
    assert worker.load(*how, "cpu", here) is None
    assert worker.load(*how, "cpu", here, shortened) is None
    assert worker.model.model.max_seq_length == 9
    said = worker.load(*how[:2], ("local/tiny", "0123"), "cpu", here)
    assert re.search(
        r"has another model: local/tiny at \w{16}, where the driver has .* at 0123", said
    )
    assert "has other packages: {'torch': " in worker.load(*how, "cpu", here | {"torch": "1.0"})


def test_more_workers_than_places(ray):
    most = places(None, None).workers
    with pytest.raises(EngineError, match=f"{most + 1} asked for, and Ray has {most} CPUs"):
        places(most + 1, gpu=False)
    with pytest.raises(EngineError, match="Ray has 0 GPUs; choose device cpu"):
        places(None, gpu=True)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "nowhere.invalid:6379"])
def test_a_cluster_that_is_not_there(ray, address, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(EngineError, match=f"no cluster of Ray at {address}: "), cluster(address, 0):
        raise AssertionError


def test_what_is_no_dense_encoder_is_refused(monkeypatch):
    search = SimpleNamespace(
        **dict.fromkeys(("encode", "similarity", "similarity_pairwise", "index", "search")),
        mteb_model_meta=SimpleNamespace(name="test/search"),
    )
    with pytest.raises(EngineError, match="test/search is no dense encoder"):
        RayEncoder(search)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'pip install "mteb-hybrid\[ray\]"'):
        RayEncoder("any/model")


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_nothing_is_left_of_a_run_that_is_stopped(ray, tiny_model, tmp_path):
    """Ctrl-C while workers encode: neither processes nor folders, and a word on how to go on."""
    command = ["run", "-m", str(tiny_model), "sample", "--setting", "monolingual"]
    command += ["--engine", "ray", "--workers", "1", "--output-folder", "results"]
    environment = os.environ | {"TMPDIR": "/tmp", "PYTHONUNBUFFERED": "1"}  # noqa: S108
    with subprocess.Popen(
        [sys.executable, "-m", "mteb_hybrid", *command],
        **{"cwd": tmp_path, "env": environment, "stderr": subprocess.PIPE, "text": True},
    ) as driver:
        begun = []
        while "evaluating" not in "".join(begun) and (line := driver.stderr.readline()):
            begun.append(line)
        below = descendants(driver.pid)
        driver.send_signal(signal.SIGINT)
        said = driver.stderr.read()
    assert driver.returncode == 130, [*begun, said]
    assert "stopped; the same command goes on from here" in said
    assert len(below) > 3
    wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in below))
    assert not list(Path("/tmp").glob(f".ray-*-{driver.pid}-*"))  # noqa: S108


def descendants(process):
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [one for child in children for one in (child, *descendants(child))]


def wait_until(true, seconds=150):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
