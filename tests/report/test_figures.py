import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from mteb_hybrid.report import figures, matrices, style, svg
from results.conftest import HOSTILE, model_of, summarised, write_task


@pytest.fixture(scope="module")
def mlqa(made):
    return summarised(made.folder)["MLQA-R"]


@pytest.fixture(scope="module")
def first(mlqa):
    return model_of(mlqa, "org/first")


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("draw", [figures.mean_ranks, figures.language_shares, figures.pool_map])
def test_one_figure_for_all_models(mlqa, draw):
    figure = draw(mlqa)
    assert isinstance(figure, Figure)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == list(mlqa.card.languages)
    names = {text.get_text().partition("\n[")[0] for text in figure.legends[0].texts}
    part = " (5/7)" if draw is not figures.pool_map else ""  # there each language has a bar
    assert {HOSTILE + part, "org/first"} <= names


def test_heat_maps_print_their_numbers(mlqa, first):
    assert texts(matrices.transfer_matrix(mlqa, first))[0] == ".70"
    found = texts(matrices.gold_language_matrix(mlqa, model_of(mlqa, HOSTILE)))
    assert found.count("–") == 14
    assert found[:2] == [".50", ".30"]
    assert matrices.hundredths(1) == "1.00"


def test_numbers_can_be_read_on_every_colour():
    def luminance(colour):
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return np.dot((0.2126, 0.7152, 0.0722), parts)

    for value in np.linspace(0, 1, 101):
        ground = style.COLOURS(value)
        ink = [int(matrices._readable_on(ground)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        dark, light = sorted((luminance(ground[:3]), luminance(ink)))
        assert (light + 0.05) / (dark + 0.05) > 4.5


def test_inline_svg_stands_alone(mlqa):
    figure = figures.pool_map(mlqa)
    text = svg.inline(figure, "k", "<title> & co", "what it shows")
    assert text == svg.inline(figures.pool_map(mlqa), "k", "<title> & co", "what it shows")
    assert "<script" not in text and "http" not in text and "<!--" not in text
    assert "&lt;title&gt; &amp; co</title>" in text
    assert 'role="img" aria-labelledby="k-title k-desc"' in text
    ids = re.findall(r' id="([^"]+)"', text)
    used = re.findall(r'(?:url\(#|href="#)([^")]+)', text)
    assert len(ids) == len(set(ids)) and used
    assert set(used) <= set(ids) and all(name.startswith("k-") for name in ids)
    assert "var(--series-1)" in text and style.SERIES[0] not in text
    assert "font-family" not in text and "DejaVu" not in text


def test_files_do_not_depend_on_when_they_are_written(mlqa, first):
    for format in ("svg", "png"):
        one, two = (svg.file_bytes(matrices.transfer_matrix(mlqa, first), format) for _ in range(2))
        assert one == two


def test_dollar_signs_are_no_formula(tmp_path):
    for name in ("a/$x^2$", "a/$\\frac{$"):
        write_task(tmp_path, name.replace("\\", "b"), "MLQARMultilingualRetrieval", 0.5)
    figure = figures.pool_map(summarised(tmp_path)["MLQA-R"])
    assert "a/$x^2$" in svg.inline(figure, "k", "t", "d")


def test_long_names_are_shortened_in_the_middle():
    assert figures.shorten("a" * 44) == "a" * 44
    short = figures.shorten("organisation/" + "x" * 60 + "-v2")
    assert len(short) <= 44 and short.startswith("organisation/") and short.endswith("-v2")
