from dataclasses import replace

from mteb_hybrid.report.reading import reading
from results.conftest import HOSTILE, model_of, summarised, write_task


def test_reading_says_nothing_of_what_is_incomplete(made):
    collection = summarised(made.folder)["MLQA-R"]
    assert reading(collection, model_of(collection, HOSTILE)).startswith("No setting is complete")
    said = reading(collection, model_of(collection, "org/first"))
    assert said.startswith("Its map is 0.700 where it searches the language of the query, ")
    assert "A lone answer scores 0.200 higher in the language of the query" in said


def test_a_distance_of_some_queries_says_so(tmp_path):
    extra = {"rank_distance_measured_on": 0.5}
    write_task(tmp_path, "a/b", "MLQARMultilingualRetrieval", 0.5, per_query=False, extra=extra)
    (collection,) = summarised(tmp_path).values()
    said = reading(collection, model_of(collection, "a/b"))
    assert " ranks apart on average [50.0% of queries]." in said


def test_every_number_bears_its_mark(tmp_path):
    extra = {"truncated_at": 100}
    for setting in ("Monolingual", "Multilingual"):
        write_task(tmp_path, "a/b", f"MLQAR{setting}Retrieval", 0.5, per_query=False, extra=extra)
    (collection,) = summarised(tmp_path).values()
    model = model_of(collection, "a/b")
    said = reading(collection, model)
    assert said.startswith("Its map is 0.600 [top 100] where it searches the language of the quer")
    assert said.count(" [top 100]") == 5
    cells = {key: replace(cell, truncated_at=None) for key, cell in model.cells.items()}
    assert reading(collection, replace(model, cells=cells)) == said.replace(" [top 100]", "")
