"""The collections as MTEB benchmarks."""

import subprocess
import sys

import mteb
import pytest
from mteb.cache import ResultCache

from mteb_hybrid.results.table import result_rows


def test_mteb_knows_them_beside_its_own():
    names = [benchmark.name for benchmark in mteb.get_benchmarks()]
    assert {"XQuAD-R", "MLQA-R", "XQuAD-R + MLQA-R", "MTEB(eng, v2)"} <= set(names)
    assert len(set(names)) == len(names)
    both = mteb.get_benchmark("XQuAD-R + MLQA-R")
    assert {task.metadata.name for task in both.tasks} == {
        f"{collection}{setting}Retrieval"
        for collection in ("XQuADR", "MLQAR")
        for setting in ("Monolingual", "Crosslingual", "Multilingual")
    }
    assert "lareqa" in both.citation and "MLQA" in both.description


def test_columns_are_those_of_the_published_tables(tmp_path):
    title = "sample (not a benchmark)"
    benchmark = mteb.get_benchmark(title)
    cache = ResultCache(tmp_path)
    model = mteb.get_model("mteb/baseline-random-encoder")
    mteb.evaluate(model, benchmark.tasks, cache=cache, show_progress_bar=False)
    results = cache.load_results(tasks=benchmark)
    (row,) = results.get_benchmark_result().to_dict("records")
    columns = [name for name in row if "::" in name]
    assert [name.split("::")[1] for name in columns] == ["Mo.", "Cr.", "Mul."]
    (ours,) = result_rows([tmp_path / "results"])
    cells = [cell.value for cell in ours.cells]
    assert [row[column] for column in columns] == pytest.approx(cells[:3])
    (scores,) = benchmark.get_score(results).values()
    names = [f"{title}::{label}" for label in ("Mo.", "Cr.", "Mul.", "rank distance")]
    assert [scores[name] for name in names] == pytest.approx(cells)


def test_both_collections_have_their_own_columns():
    groupings = mteb.get_benchmark("XQuAD-R + MLQA-R").aggregations
    assert {g.name: [group.label for group in g.groups] for g in groupings} == {
        "XQuAD-R": ["Mo.", "Cr.", "Mul."],
        "MLQA-R": ["Mo.", "Cr.", "Mul."],
    }


def test_missing_tasks_are_said(tmp_path):
    benchmark = mteb.get_benchmark("sample (not a benchmark)")
    cache = ResultCache(tmp_path)
    model = mteb.get_model("mteb/baseline-random-encoder")
    mteb.evaluate(model, benchmark.tasks[:1], cache=cache, show_progress_bar=False)
    results = cache.load_results(tasks=benchmark)
    (scores,) = benchmark.get_score(results).values()
    assert not any("rank distance" in name for name in scores)
    with pytest.raises(ValueError, match="missing"):
        benchmark.get_score(results, raise_error=True)


def test_the_command_lists_them():
    command = [sys.executable, "-m", "mteb", "available-benchmarks", "-b", "XQuAD-R"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "XQuAD-R" in done.stdout
