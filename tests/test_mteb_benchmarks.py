"""The collections as MTEB benchmarks."""

import subprocess
import sys

import mteb
import pytest
from mteb.cache import ResultCache

from mteb_hybrid.table import result_rows


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


def test_the_columns_of_mtebs_table_are_the_three_settings(tmp_path):
    benchmark = mteb.get_benchmark("sample (not a benchmark)")
    cache = ResultCache(tmp_path)
    model = mteb.get_model("mteb/baseline-random-encoder")
    mteb.evaluate(model, benchmark.tasks, cache=cache, show_progress_bar=False)
    table = cache.load_results(tasks=benchmark).get_benchmark_result()
    (row,) = table.to_dict("records")
    columns = [name for name in row if "Setting" in name]
    assert [name.split("::")[1] for name in columns] == ["Mo.", "Cr.", "Mul."]
    (ours,) = result_rows([tmp_path / "results"])
    assert [row[column] for column in columns] == pytest.approx(
        [cell.value for cell in ours.cells[:3]]
    )


def test_the_command_lists_them():
    command = [sys.executable, "-m", "mteb", "available-benchmarks", "-b", "XQuAD-R"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "XQuAD-R" in done.stdout
