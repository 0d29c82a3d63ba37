"""What a report says of repairs."""

from pathlib import Path

import numpy as np
import pytest

from mteb_hybrid.pages.templates import render
from mteb_hybrid.report import page, repairs
from mteb_hybrid.report.repairs import repair_chapters
from report.conftest import REPAIRS

FOLDER = Path(page.__file__).parent


@pytest.fixture(scope="module")
def both():
    return repair_chapters(REPAIRS)


def lines(figure):
    return {line.get_label(): line for axes in figure.axes for line in axes.lines}


def test_the_curve_is_drawn_and_the_chosen_one_marked(both):
    strength = both[0].pictures[0]
    drawn = lines(strength.figure)
    assert drawn["pool of all languages"].get_xydata().tolist() == [[0, 0.5], [2, 0.5]]
    assert drawn["rank distance"].get_xydata().tolist() == [[0, 40.5], [2, 40.5]]
    assert list(drawn["chosen: projection 2"].get_xdata()) == [2, 2]
    assert [row[0] for row in strength.numbers.rows] == ["none", "projection 2*", "projection 2"]
    assert strength.numbers.rows[-1] == ("projection 2", "best-10", "0.9000", "–", "–")


def test_what_was_not_measured_is_not_drawn(both):
    figure = both[1].pictures[0].figure
    assert lines(figure).keys() == {"within a language", f"chosen: {REPAIRS[1].label}"}
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names[0] == "none" and len(names) == 2


def test_the_spectrum_is_in_shares_of_all_variance(both):
    picture = both[0].pictures[1]
    heights = [bar.get_height() for bar in picture.figure.axes[0].patches]
    np.testing.assert_allclose(heights, [14, 6, 14, 6])
    assert picture.numbers.rows == (("1", "14.00", "14.00"), ("2", "6.00", "6.00"))


def test_the_probe_stands_beside_chance(both):
    assert [row[1:] for row in both[0].seat.rows] == [
        ("20.0%", "20.0%", "2.2%"),  # (3 - 1) / (90 - 1)
        ("90.0%", "40.0%", "33.3%"),
    ]


def test_a_long_spectrum_is_cut_in_the_figure_alone():
    seat = REPAIRS[0].where.before.model_copy(update={"spectrum": [0.01] * 100})
    sides = REPAIRS[0].where.model_copy(update={"before": seat})
    (chapter,) = repair_chapters([REPAIRS[0].model_copy(update={"where": sides})])
    picture = chapter.pictures[1]
    assert len(picture.figure.axes[0].patches) == repairs.MOST + 2
    assert len(picture.numbers.rows) == 100
    assert picture.numbers.rows[99] == ("100", "0.20", "–")


def test_files_have_names_of_their_own(both):
    names = [name for chapter in both for name, _ in chapter.tables]
    assert names[:3] == ["repair-1-seat", "repair-1-strength", "repair-1-spectrum"]
    assert len(names) == len(set(names)) == 6


def test_titles_and_lists_are_escaped(both):
    html = render(FOLDER, "page.html.jinja", chapters=[], messages=[], repairs=both, measures=[],
                  environment=both[0].seat, languages=both[0].seat, version="1",
                  titles={}, command="", commands={}, day="", explorer="")  # fmt: skip
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;/x&amp;y") > 6
    assert "IT COSTS" in html and '<h2 id="repairs">' in html


def test_foreign_text_does_nothing_in_a_figure():
    rows = [row.model_copy(update={"repair": "a\u202eb\nc"}) for row in REPAIRS[1].curve]
    figure = repairs.strength(REPAIRS[1].model_copy(update={"curve": rows}))
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert set(names) == {"a\\u202eb\\nc"}
    assert "chosen: a\\u202eb\\nc" in lines(figure)
