import math

import numpy as np

from mteb_hybrid.results.cells import Cell, cell_text, mean

NAN = math.nan


def test_mean_says_what_it_is_over():
    found = mean(np.array([0.5, NAN, 1.0]), 100)
    assert (found.value, found.subsets, found.expected) == (0.75, 2, 3)
    assert found.text(2) == "0.75 (2/3) [top 100]"
    assert mean(np.array([NAN])) is None


def test_a_cell_says_on_how_many_queries_it_was_measured():
    assert Cell(0.5, 3, 3, measured_on=0.75).text(1) == "0.5 [75.0% of queries]"
    assert Cell(0.5, 3, 3, measured_on=1.0).text(1) == "0.5"
    assert cell_text(None, 1) == "–"
