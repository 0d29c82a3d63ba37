"""Pairs of languages: a heat map where all meet, two columns where all pairs have one language."""

import numpy as np
import pytest

from mteb_hybrid.report import matrices
from results.conftest import model_of, summarised, write_task


@pytest.fixture(scope="module")
def tatoeba(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tatoeba")
    options = {"per_query": False, "left_out": ("en-sw", "sw-en", "te-en")}
    write_task(folder, "a/a", "TatoebaCrosslingualRetrieval", 0.5, **options)
    (collection,) = summarised(folder).values()
    return collection


def test_how_to_read_them_is_said_once_for_all_models(made, tatoeba):
    from mteb_hybrid.report.page import write_report
    from mteb_hybrid.results.results import load_results
    from mteb_hybrid.results.summary import summarise

    file = made.folder.parent / "once.html"
    write_report(summarise(load_results(sorted(made.folder.glob("org__*")))), file)
    page = file.read_text(encoding="utf-8")
    sections = page.count("<h3>Query language against passage language</h3>")
    assert sections == 2 and page.count("Lowest:") >= 2 * sections
    for words in matrices.HOW_TO_READ.values():
        assert page.count(words.replace("'", "&#39;")) == sections
    (model,) = tatoeba.models
    assert matrices.how_to_read(matrices.pictures(tatoeba, model, "x", "y")) == []


def test_pairs_with_one_language_are_no_matrix(tatoeba, made):
    (model,) = tatoeba.models
    assert matrices.hub_language(tatoeba) == "en"
    table = matrices.transfer(tatoeba, model)
    rows = {row[0]: row[1:] for row in table.rows}
    assert len(rows) == 35 and "sw" not in rows and "en" not in rows and not table.is_matrix
    scores = next(iter(model.evaluations.values())).scores
    assert rows["de"] == (f"{scores['de-en']['map']:.4f}", f"{scores['en-de']['map']:.4f}")
    assert rows["te"] == ("–", f"{scores['en-te']['map']:.4f}")
    assert matrices.hub_language(summarised(made.folder)["MLQA-R"]) is None


def test_the_figure_has_every_pair_and_fits(tatoeba):
    (model,) = tatoeba.models
    figure = matrices.pairs(tatoeba, model)
    (axes,) = figure.axes
    there = [np.count_nonzero(~np.isnan(line.get_xdata())) for line in axes.lines]
    assert there == [34, 35]
    (picture,) = matrices.pictures(tatoeba, model, "tatoeba", "1-a-a")
    assert picture.wide == 0 and picture.about.startswith("Lowest: ")


def test_heat_maps_say_how_to_read_them(made):
    mlqa = summarised(made.folder)["MLQA-R"]
    model = model_of(mlqa, "org/first")
    transfer, gold = matrices.pictures(mlqa, model, "mlqa-r", "1")
    place = np.unravel_index(np.nanargmin(model.transfer), model.transfer.shape)
    first, second = matrices.how_to_read([transfer, gold])
    assert "Down the diagonal they are the same." in first
    assert f"({model.transfer[place]:.2f}). Highest: " in transfer.about
    assert "A model without bias has the same colour along a row." in second
    assert transfer.numbers.is_matrix and transfer.wide == gold.wide == 0
    assert transfer.numbers.caption != gold.numbers.caption
