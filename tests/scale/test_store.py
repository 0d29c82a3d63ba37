"""Vectors that are kept: the same bits, encoded once, and never another model's."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from conftest import ROOT, HashEncoder
from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.commands.app import app
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.files.leftovers import unfinished
from mteb_hybrid.files.places import STORE_VARIABLE
from mteb_hybrid.retrieval import embeddings
from mteb_hybrid.retrieval.embeddings import TextVectors
from mteb_hybrid.scale import shard as shards
from mteb_hybrid.scale.rounded import Rounded
from mteb_hybrid.scale.shard import Shard, StoreError
from mteb_hybrid.scale.store import EmbeddingStore, opened
from mteb_hybrid.sources import load_collection

KILLS = 50 if os.environ.get("MTEB_HYBRID_SOAK") else 1
ABOUT = {"model": "a/model", "revision": "1", "prompt_type": "query", "options": "", "says": ""}
PROBE = ["probe"]


def keeper(folder, about=ABOUT, vectors=None):
    probed = np.ones((1, 2), np.float32) if vectors is None else vectors
    return EmbeddingStore(folder).keeper(about, PROBE, probed)


@contextmanager
def read_only(*folders):
    """Takes from folders, and from this process, the right to write there."""
    for folder in folders:
        folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_a_store_that_may_only_be_read_gives_what_it_has_and_says_what_to_do():
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are root's alone
        Path(place).chmod(0o755)
        folder = Path(place) / "store"
        keep = keeper(folder)
        kept = np.eye(2, dtype=np.float32)
        keep(("a", "b"), lambda: kept)
        with read_only(folder, *folder.glob("*/")):
            assert np.array_equal(keeper(folder)(("a", "b"), never), kept)
            for lacks in (
                lambda: keep(("c",), never),
                lambda: keeper(folder, ABOUT | {"model": "a/nother"}),
            ):
                with pytest.raises(
                    StoreError, match=r"lacks vectors .* cannot be written to"
                ) as no:
                    lacks()
                said = str(no.value)
                assert said.startswith(f"{folder}: ") and "copy the folder" in said


def never():
    raise AssertionError("encoded again")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def nothing_shared():
    embeddings._shared.clear()


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_vectors_come_back_as_they_were(store, kind, dtype):
    rows = kind(np.random.default_rng(1).standard_normal((3, 5)).astype(dtype))
    texts = ("a", "b\ud800", "\0c")
    for found in (keeper(store)(texts, lambda: rows), keeper(store)(texts, never)):
        assert type(found) is type(rows) and found.dtype == rows.dtype
        assert np.array_equal(np.asarray(found), np.asarray(rows))
    # Nothing copied: the bytes are those of the file.
    assert not np.asarray(keeper(store)(texts, never)).flags.owndata


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=3), unique=True, min_size=1), st.integers(1, 4))
def test_units_are_the_same_with_a_store_and_without(tmp_path_factory, texts, per_call):
    """Also of a model for which all texts of a call matter, and of units of several calls."""

    def encode(some):
        return np.array([[len(text), hash(tuple(some)) % 997] for text in some], np.float32)

    folder = tmp_path_factory.mktemp("store") / "s"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "TEXTS_PER_CALL", per_call)
        unit = tuple(texts)
        alone = TextVectors().get(texts, [unit], encode)
        for again in (encode, never):
            kept = TextVectors(keep=keeper(folder)).get(texts, [unit], again)
            assert np.array_equal(kept, alone)


@pytest.mark.parametrize("key", ["model", "revision", "prompt_type", "options", "says"])
def test_what_makes_vectors_parts_them(store, key):
    keeper(store)(("a",), lambda: np.zeros((1, 2), np.float32))
    other = keeper(store, ABOUT | {key: "x"})(("a",), lambda: np.ones((1, 2), np.float32))
    assert other.tolist() == [[1, 1]]
    assert len(opened(store).spaces) == 2


def test_a_model_that_answers_otherwise_has_its_own(store):
    """Nothing that it says of itself has changed; one bit of a probe has."""
    keeper(store)(("a",), lambda: np.zeros((1, 2), np.float32))
    probed = np.nextafter(np.ones((1, 2), np.float32), np.float32(2))
    assert keeper(store, vectors=probed)(("a",), lambda: np.ones((1, 2), np.float32)).sum() == 2


def test_tensors_and_arrays_are_kept_apart(store):
    rows = np.ones((1, 2), np.float32)
    keeper(store)(("a",), lambda: rows)
    as_tensor = keeper(store, vectors=torch.ones(1, 2))
    assert isinstance(as_tensor(("a",), lambda: torch.zeros(1, 2)), torch.Tensor)


def test_what_is_pruned_in_a_run_is_seen_again(store):
    keep = keeper(store)
    keep(("a",), lambda: np.ones((1, 2), np.float32))
    pruned = CliRunner().invoke(app, ["store", "prune", str(store), "--model", ABOUT["model"]])
    assert pruned.exit_code == 0
    keep(("b",), lambda: np.ones((1, 2), np.float32))
    assert [len(space.shards) for space in opened(store).spaces] == [1]


def damage(file, at):
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


ROWS = np.array([[1.5, -2], [3, 4], [0.25, 100]], np.float32)
KINDS = {
    "array": ROWS,
    "tensor": torch.from_numpy(ROWS.copy()),
    "int8": Rounded.of(ROWS, "int8"),
    "float16, tensor": Rounded.of(torch.from_numpy(ROWS.copy()), "float16"),
}


@settings(max_examples=300, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_changes_neither_vectors_nor_how_they_are_meant(kind, tmp_path_factory, data):
    shard = Shard(tmp_path_factory.getbasetemp() / "flipped" / "space" / f"{kind}.arrow")
    shard.file.parent.mkdir(parents=True, exist_ok=True)
    shard.write(["a", "b", "c"], KINDS[kind])
    was = shard.read()[1][:]
    content = bytearray(shard.file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    shard.file.write_bytes(content)
    with suppress(StoreError):
        found = shard.read()[1][:]
        assert (type(found), found.dtype) == (type(was), was.dtype)
        assert np.array_equal(np.asarray(found), np.asarray(was))


@pytest.mark.parametrize("flag", [b"0", b"1"])
def test_shards_of_earlier_versions_are_read_unless_their_flags_lie(tmp_path, flag):
    """Their checksum is of the content alone."""
    shard = Shard(tmp_path / "space" / "a.arrow")
    shard.file.parent.mkdir()
    shard.write(["a", "b", "c"], KINDS["int8"])
    with pa.ipc.open_file(shard.file) as file:
        table = file.read_all()
    texts, vectors, scales = shards._columns(table)
    metadata = dict(table.schema.metadata) | {b"rounded": flag}
    metadata[b"sha256"] = shards._checksum(texts, vectors, scales, b"").encode()
    del metadata[b"sha256_of_all"]
    with pa.ipc.new_file(shard.file, table.schema.with_metadata(metadata)) as writer:
        writer.write_table(table.replace_schema_metadata(metadata))
    if flag == b"1":
        assert np.array_equal(shard.read()[1][:], KINDS["int8"][:])
        return
    with pytest.raises(StoreError, match="has rounded vectors, and does not say so"):
        shard.read()


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_never_taken_for_vectors(tmp_path_factory, data):
    """Anywhere in a shard, its index of texts included: an error, or what was written."""
    folder = tmp_path_factory.mktemp("store") / "s"
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    keeper(folder)(("a", "b", "c"), lambda: rows)
    (file,) = folder.glob("*/*.arrow")
    damage(file, data.draw(st.integers(0, file.stat().st_size - 1)))
    try:
        found = keeper(folder)(("a", "b", "c"), never)
    except StoreError as error:
        assert str(file) in str(error)
    else:
        assert np.array_equal(found, rows)


def test_a_file_that_was_cut_is_named(store):
    keeper(store)(("a",), lambda: np.ones((1, 2), np.float32))
    (file,) = store.glob("*/*.arrow")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"is damaged.*Remove this file, or run .*prune"):
        keeper(store)(("a",), never)
    shown = CliRunner().invoke(app, ["store", "verify", str(store)])
    assert shown.exit_code == 1 and "1 files, 1 damaged" in shown.output
    assert CliRunner().invoke(app, ["store", "prune", str(store), "--damaged"]).exit_code == 0
    assert keeper(store)(("a",), lambda: np.zeros((1, 2), np.float32)).tolist() == [[0, 0]]
    assert CliRunner().invoke(app, ["store", "verify", str(store)]).exit_code == 0


def test_a_file_of_another_space_is_named(store):
    """A query may have the text of a passage: then the names of their files are the same."""
    keeper(store)(("a",), lambda: np.ones((1, 2), np.float32))
    passages = keeper(store, ABOUT | {"prompt_type": "document"})
    passages(("a",), lambda: np.zeros((1, 2), np.float32))
    first, second = sorted(store.glob("*/*.arrow"))
    second.write_bytes(first.read_bytes())
    assert first.name == second.name
    assert [file for file, _ in opened(store).damaged()] == [second]
    with pytest.raises(StoreError, match=f"holds vectors of the space {first.parent.name}"):
        opened(store).spaces[0].kept(("a",)), opened(store).spaces[1].kept(("a",))


def test_a_file_that_cannot_be_read_is_not_taken_for_damaged(store, monkeypatch):
    keeper(store)(("a",), lambda: np.ones((1, 2), np.float32))
    (file,) = store.glob("*/*.arrow")

    def refuse(path):
        raise OSError(errno.EMFILE, "Too many open files", path)

    with monkeypatch.context() as patch:
        patch.setattr("mteb_hybrid.scale.shard.pa.memory_map", refuse)
        assert CliRunner().invoke(app, ["store", "verify", str(store)]).exit_code == 1
        shown = CliRunner().invoke(app, ["store", "prune", str(store), "--damaged"])
    assert "Too many open files" in shown.output and "0 files removed" in shown.output
    assert keeper(store)(("a",), never).tolist() == [[1, 1]]
    file.write_bytes(b"")
    shown = CliRunner().invoke(app, ["store", "list", str(store)])
    assert shown.exit_code == 1 and "is damaged" in shown.output
    CliRunner().invoke(app, ["store", "prune", str(store), "--damaged"])
    assert not file.exists()


def without(what):
    return json.dumps({key: said for key, said in json.loads(what).items() if key != "dtype"})


@pytest.mark.parametrize("damage", [lambda _: "{", lambda _: "[]", lambda _: "{}", without, None])
def test_a_space_that_does_not_say_what_made_it_hides_nothing(store, damage):
    keeper(store, ABOUT | {"model": "b/model"})(("a",), lambda: np.ones((1, 2), np.float32))
    (other,) = store.glob("*/")
    keeper(store)(("a",), lambda: np.ones((1, 2), np.float32))
    (said,) = set(store.glob("*/space.json")) - {other / "space.json"}
    if damage:
        said.write_text(damage(said.read_text()))
    else:
        said.unlink()
    shown = CliRunner().invoke(app, ["store", "list", str(store)])
    assert shown.exit_code == 1 and "b/model" in shown.output
    assert str(said) in shown.output and "writes it anew; or remove that folder" in shown.output
    shown = CliRunner().invoke(app, ["store", "verify", str(store)])
    assert shown.exit_code == 1 and "2 files, 1 damaged" in shown.output
    before = {file: file.read_bytes() for file in store.glob("*/*.arrow")}
    assert keeper(store)(("a",), never).tolist() == [[1, 1]]
    assert {file: file.read_bytes() for file in store.glob("*/*.arrow")} == before
    assert CliRunner().invoke(app, ["store", "verify", str(store)]).exit_code == 0
    said.write_text("{")
    shown = CliRunner().invoke(app, ["store", "prune", str(store), "--damaged"])
    assert "1 files removed, 1 with all beside it" in shown.output
    assert list(store.glob("*/")) == [other]


def test_a_folder_that_is_called_like_a_shard_is_none(store):
    keeper(store)(("a",), lambda: np.ones((1, 2), np.float32))
    (shard,) = store.glob("*/*.arrow")
    (shard.parent / "x.arrow").mkdir()
    (shard.parent / "y.arrow").symlink_to("nowhere")
    for command in (["list"], ["verify"], ["prune", "--damaged"]):
        done = CliRunner().invoke(app, ["store", command[0], str(store), *command[1:]])
        assert done.exit_code == 0, done.output
    assert shard.exists()


def test_a_space_that_is_a_link_is_named(store, tmp_path):
    keeper(store)(("a",), lambda: np.ones((1, 2), np.float32))
    (space,) = opened(store).spaces
    there = space.folder.rename(tmp_path / "elsewhere")
    space.folder.symlink_to(there)
    found = CliRunner().invoke(app, ["store", "prune", str(store), "--model", "a/model"])
    assert f"{space.folder}: is a link to {there}" in str(found.exception)
    assert list(there.glob("*.arrow"))


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"is no embedding store \(it has no store\.json\)"):
        keeper(tmp_path)
    with pytest.raises(StoreError, match="name another folder"):
        opened(tmp_path)
    with pytest.raises(StoreError, match=r"it is not there.*makes one"):
        opened(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match=r"it is empty.*makes one"):
        opened(tmp_path / "empty")
    for folder, options in [(tmp_path, ()), (tmp_path / "notes.txt", ("--dry-run",))]:
        asked = ["run", "-m", "no-model", "sample", "--store", str(folder), *options]
        found = CliRunner().invoke(app, asked)
        assert "is no embedding store" in str(found.exception)  # before the model is looked for
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["empty", "notes.txt"]


def test_a_store_that_is_being_made_or_was_killed_at_it_is_used(store):
    store.mkdir()
    (store / f"{unfinished('store.json')}abcd1234.part").write_text("{")
    assert keeper(store)(("a",), lambda: np.ones((1, 2), np.float32)).tolist() == [[1, 1]]
    assert len(opened(store).spaces) == 1


@pytest.mark.parametrize("format_", [2, "x", None])
def test_a_newer_format_is_refused(store, format_):
    keeper(store)
    (store / "store.json").write_text(json.dumps({"format": format_}))
    with pytest.raises(StoreError, match=f"format {format_}; this version of mteb-hybrid reads 1"):
        opened(store)


SELECTED = {"HybridSampleMonolingualRetrieval": ["en-en", "de-de"]}
for code in collection_card("sample").languages:
    SELECTED.setdefault("HybridSampleMultilingualRetrieval", []).append(f"{code}-multi")


def scores(folder):
    return {
        file.name: json.loads(file.read_text())["scores"]
        for file in Path(folder).glob("*Retrieval.json")
    }


def test_a_second_evaluation_encodes_probes_alone(store, tmp_path, monkeypatch):
    plain = evaluate(HashEncoder(), SELECTED, tmp_path / "plain")
    monkeypatch.setenv(STORE_VARIABLE, str(store))
    for number in (1, 2):
        embeddings._shared.clear()
        encoder = HashEncoder()
        found = evaluate(encoder, SELECTED, tmp_path / f"r{number}")
        assert scores(found) == scores(plain)
    # Five probes of either side, each in two subsets, for every task; two of them apart, once, and
    # in each subset that has a further language on either side.
    assert len(encoder.encoded) == 2 * 5 * 2 * len(SELECTED) + 2 * 2 + 2 * 2 * (1 + 10)
    check_commands(store, tmp_path / "out")


def check_commands(store, out):
    def run(*arguments):
        done = CliRunner().invoke(app, ["store", *map(str, arguments)])
        return done.exit_code, done.output, done.exception

    assert "test/hash" in run("list", store)[1]
    assert run("export", store, "sample", "-m", "test/hash", "-o", out)[0] == 0
    collection, encoder = load_collection(collection_card("sample")), HashEncoder()
    for side in ("queries", "passages"):
        table, vectors = pl.read_parquet(out / f"{side}.parquet"), np.load(out / f"{side}.npy")
        texts = getattr(collection, side)
        assert table.select("id", "language").equals(texts.select("id", "language"))
        assert np.array_equal(np.stack(table["vector"].to_list()), vectors)
        expected = [encoder.vector(text, None, None) for text in texts["text"]]
        assert np.array_equal(vectors, np.stack(expected))
    assert "nothing of other" in str(run("prune", store, "--model", "other")[2])
    assert "name what is to go" in str(run("prune", store)[2])
    assert "2 spaces removed" in run("prune", store, "--model", "test/hash")[1]
    assert "has no test/hash; it has nothing" in str(
        run("export", store, "sample", "-m", "test/hash", "-o", out)[2]
    )


KILLED = """
import json, os, random, sys, time
from pathlib import Path
sys.path.insert(0, "tests")
import conftest
from mteb_hybrid.evaluation.evaluate import evaluate
from mteb_hybrid.files.places import STORE_VARIABLE
from mteb_hybrid.retrieval import embeddings

embeddings.TEXTS_PER_CALL = 3
processes, kills = map(int, sys.argv[2:4])

class Logs(conftest.HashEncoder):
    def encode(self, inputs, **kwargs):
        found = super().encode(inputs, **kwargs)
        with open(trial / "log", "a") as log:
            log.write(json.dumps(self.encoded[-len(found):]) + "\\n")
        return found

def start():
    if number := os.fork():
        return number
    status = 1
    try:
        evaluate(Logs(), json.loads(sys.argv[4]), trial / "r")
        status = 0
    finally:
        os._exit(status)

draw, longest, told = random.Random(processes), None, []
while longest is None or sum(told) < kills:
    trial = Path(sys.argv[1], str(len(told)))
    trial.mkdir(parents=True)
    os.environ[STORE_VARIABLE] = str(trial / "store")
    told.append(0)
    running = True
    while running:
        began, running = time.monotonic(), [start() for _ in range(processes)]
        end = None if longest is None or sum(told) >= kills else draw.uniform(0, longest)
        for number in running:
            while end and not os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT | os.WNOHANG):
                if time.monotonic() - began > end:
                    os.kill(number, 9)
                    break
                time.sleep(0.01)
        ended = [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in running]
        assert {*ended} <= {0, -9}, ended
        told[-1] += ended.count(-9)
        running = -9 in ended
        if not told[-1]:  # whole runs alone tell how long one takes
            longest = min(longest or 1e9, time.monotonic() - began)
print(json.dumps(told))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_kill_9_encodes_one_call_again_at_most(tmp_path, processes):
    """At random moments of reading, encoding, search and writing; begun anew when all is done."""
    selected = {"HybridSampleMonolingualRetrieval": ["en-en", "de-de"]}
    command = (sys.executable, "-c", KILLED, tmp_path / "trials")
    done = subprocess.run(
        (*command, str(processes), str(KILLS), json.dumps(selected)),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    kills = json.loads(done.stdout.splitlines()[-1])
    assert sum(kills) >= KILLS
    plain = scores(evaluate(HashEncoder(), selected, tmp_path / "plain"))
    for trial, killed in enumerate(kills):
        folder = tmp_path / "trials" / str(trial)
        assert scores(folder / "r" / "results" / "test__hash" / "16-None") == plain
        assert [*opened(folder / "store").damaged()] == []
        lines = (folder / "log").read_text().splitlines()
        calls = Counter(
            line for line in lines if len(json.loads(line)) == 3 or len(json.loads(line)) == 1
        )
        assert sum(len(json.loads(call)) for call in calls) == 104 + 192
        assert calls.total() - len(calls) <= killed
