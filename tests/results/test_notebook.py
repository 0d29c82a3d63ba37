"""What a notebook shows of results."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from mteb_hybrid.results.picture import bars
from mteb_hybrid.results.results import load_results


def test_a_notebook_shows_table_and_picture(made):
    """A notebook, run in a kernel of its own."""
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
    pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel")
    import nbformat

    code = (
        f"from mteb_hybrid.results.results import load_results\nload_results({str(made.folder)!r})"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = (one for one in notebook.cells[0].outputs if one.output_type == "execute_result")
    html = output.data["text/html"]
    assert html == load_results(made.folder)._repr_html_()
    assert html.count("<table>") == 1 and html.count("<svg") == 2
    assert "org/second" in html and "<script" not in html


def test_the_bars_are_as_long_as_the_values_say(made):
    html = load_results(made.folder)._repr_html_()
    for source in re.findall("<svg.*?</svg>", html, re.DOTALL):
        picture = ET.fromstring(source)  # noqa: S314
        space = "{http://www.w3.org/2000/svg}"
        children = [child for child in picture if child.tag != f"{space}title"]
        found = 0
        for bar, text in pairwise(children):
            if bar.tag == f"{space}rect":
                value = 0.0 if text.text == "–" else float(text.text.split()[0])
                assert float(bar.get("width")) == pytest.approx(420 * value, abs=0.1)
                found += 1
        assert found and all(
            word in picture.get("aria-label") for word in ("Mo. map", "Cr. map", "Mul. map")
        )
        assert float(picture.get("viewBox").split()[3]) > max(
            float(child.get("y")) for child in children
        )


def test_nothing_measured_is_no_picture():
    assert bars("Toy", [("a/b", [None, None, None, None])]) == ""
