"""The picture of within against pool: which models, where, and what was made of what."""

import json

import numpy as np
import pytest

from mteb_hybrid.report import figures, matrices, svg, tables
from mteb_hybrid.report.page import chapters
from mteb_hybrid.report.trade_off import _limits, draw, points, trade_off
from mteb_hybrid.results.results import load_results
from mteb_hybrid.results.summary import summarise
from results.conftest import HOSTILE, summarised, write_task

BOTH = ("Monolingual", "Multilingual")


def put(folder, model, skill, settings=BOTH, adapted_from=None, revision="r1", **options):
    """Results of a model on the sample; where it lies is its name and revision."""
    for setting in settings:
        task = f"HybridSample{setting}Retrieval"
        place = write_task(folder / revision, model, task, skill, per_query=False, **options)
    meta = {"name": model, "revision": revision, "adapted_from": adapted_from}
    (place / "model_meta.json").write_text(json.dumps(meta), encoding="utf-8")


def found(folder):
    (collection,) = summarised(folder).values()
    return {point.label: point for point in points(collection)}


def arrows(folder):
    return {(p.parent, p.label) for p in found(folder).values() if p.parent}


def test_one_model_has_no_picture(tmp_path):
    put(tmp_path, "a/a", 0.5)
    put(tmp_path, "a/pool", 0.5, ["Multilingual"])
    put(tmp_path, "a/part", 0.5, left_out=("en-multi",))
    (collection,) = summarised(tmp_path).values()
    assert [point.label for point in points(collection)] == ["a/a"]
    assert trade_off(collection) is None
    (chapter,) = chapters(summarise(load_results(tmp_path)))
    assert chapter.trade_off is None


def test_points_stand_at_their_maps(tmp_path):
    put(tmp_path, "a/a", 0.5)
    put(tmp_path, "a/b", 0.7)
    (collection,) = summarised(tmp_path).values()
    picture = trade_off(collection)
    (axes,) = picture.figure.axes
    drawn = [line.get_xydata()[0] for line in axes.lines[1:]]
    for point, place in zip(points(collection), drawn, strict=True):
        assert tuple(place) == (point.within.value, point.pool.value)
    assert drawn[0][0] == pytest.approx(0.6)
    (low_x, high_x), (low_y, high_y) = axes.get_xlim(), axes.get_ylim()
    assert high_x - low_x == pytest.approx(high_y - low_y)  # one scale for both
    legend = [text.get_text() for text in picture.figure.legends[0].texts]
    assert legend[0].startswith("1  a/a\nrank distance ")
    rows = picture.numbers.rows
    assert [row[0] for row in rows] == ["1  a/a", "2  a/b"]
    assert rows[0][2] == "0.6000"


def test_what_was_made_of_what(tmp_path):
    put(tmp_path, "a/base", 0.5, adapted_from="not/here")
    put(tmp_path, "a/repaired", 0.6, adapted_from="a/base")
    put(tmp_path, "a/repaired-merged-best-10", 0.7, adapted_from="a/base")
    put(tmp_path, "a/base-merged-z-score", 0.6, adapted_from="not/here")
    put(tmp_path, "a/loop", 0.6, adapted_from="a/loop")
    put(tmp_path, "a/merged-weights", 0.6)
    assert arrows(tmp_path) == {
        ("a/base", "a/repaired"),
        ("a/repaired", "a/repaired-merged-best-10"),
        ("a/base", "a/base-merged-z-score"),
    }


def test_a_parent_in_two_revisions_is_none(tmp_path):
    put(tmp_path, "a/base", 0.5)
    put(tmp_path, "a/base", 0.5, revision="r2")
    put(tmp_path, "a/repaired", 0.6, adapted_from="a/base")
    put(tmp_path, "a/base-merged-best-5", 0.6, revision="r2")
    put(tmp_path, "a/other-merged-best-5", 0.6, revision="r3", adapted_from="a/repaired")
    assert arrows(tmp_path) == {
        ("a/base @ r2", "a/base-merged-best-5"),
        ("a/repaired", "a/other-merged-best-5"),  # the model itself has no results
    }


def test_a_merging_of_the_pool_alone_stands_at_its_models_map(tmp_path):
    put(tmp_path, "a/base", 0.5)
    put(tmp_path, "a/base-merged-best-10", 0.7, ["Multilingual"])
    put(tmp_path, "a/trained", 0.7, ["Multilingual"], adapted_from="a/base")
    both = found(tmp_path)
    assert both.keys() == {"a/base", "a/base-merged-best-10"}
    assert both["a/base-merged-best-10"].within == both["a/base"].within
    (collection,) = summarised(tmp_path).values()
    table = trade_off(collection).numbers
    assert [row[2] for row in table.rows] == ["0.6000", "0.6000*"]
    assert "there is nothing to merge" in table.caption


def test_what_is_no_map_has_no_point(tmp_path):
    for model, skill in (("a/a", 0.5), ("a/b", 0.6), ("a/c", 1e308), ("a/d", -1e308)):
        put(tmp_path, model, skill)
    assert found(tmp_path).keys() == {"a/a", "a/b"}


def test_a_parent_without_a_point_has_no_arrow(tmp_path):
    put(tmp_path, "a/base", 0.5, ["Multilingual"])
    put(tmp_path, "a/one", 0.5, adapted_from="a/base")
    put(tmp_path, "a/two", 0.5, adapted_from=["a/base"])
    assert found(tmp_path).keys() == {"a/one", "a/two"}
    assert arrows(tmp_path) == set()


@pytest.mark.parametrize("count", [2, 3, 12, 20])
def test_numbers_are_apart_and_nothing_is_cut_off(tmp_path, count):
    """Also where several models have the same values."""
    for number in range(count):
        put(tmp_path, f"a/{number}", 0.5 + 0.1 * (number % 3), adapted_from="a/0")
    (collection,) = summarised(tmp_path).values()
    figure = draw(points(collection))
    (axes,) = figure.axes
    texts = [text for text in axes.texts if text.get_text()]
    assert [text.get_text() for text in texts] == [str(n) for n in range(1, count + 1)]
    places = np.array([text.get_position() for text in texts])
    gaps = np.linalg.norm(places[:, None] - places, axis=-1) + np.eye(count)
    assert gaps.min() > 0.01 * (axes.get_xlim()[1] - axes.get_xlim()[0])
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert len(legend.texts) == count
    for part in (axes.xaxis.label, axes.yaxis.label, legend, *texts):
        box = part.get_window_extent()
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
    assert legend.get_window_extent().y0 > axes.bbox.y1
    looks = {(line.get_color(), line.get_marker()) for line in axes.lines[1:]}
    assert len(looks) == count


def test_names_are_no_markup(tmp_path):
    put(tmp_path, HOSTILE, 0.5)
    put(tmp_path, "$x^2$/b", 0.6, adapted_from=HOSTILE)
    assert arrows(tmp_path) == {(HOSTILE, "$x^2$/b")}
    (collection,) = summarised(tmp_path).values()
    text = svg.inline(trade_off(collection).figure, "k", "t", "d")
    assert "<script" not in text and "$x^2$/b" in text


def test_other_data_and_cut_rankings_are_marked_everywhere(tmp_path):
    put(tmp_path, "a/base", 0.5, dataset_revision="before", extra={"truncated_at": 100})
    put(tmp_path, "a/repaired", 0.6, adapted_from="a/base")
    put(tmp_path, "a/again", 0.7, adapted_from="a/repaired")
    (collection,) = summarised(tmp_path).values()
    figure = trade_off(collection).figure
    (axes,) = figure.axes
    assert sum(not text.get_text() for text in axes.texts) == 1, "arrows"
    legend = {
        text.get_text().split()[1].strip(","): text.get_text() for text in figure.legends[0].texts
    }
    marks = " [top 100] [other data]"
    assert legend["a/base"].endswith(marks)
    assert "[" not in legend["a/repaired"] + legend["a/again"]
    assert "a/base" in {row[1] for row in trade_off(collection).numbers.rows}
    model = next(model for model in collection.models if model.label == "a/base")
    transfer = matrices.gold_language(collection, model)
    assert f"a/base{marks}: rows" in transfer.caption
    for table in (tables.by_query_language(collection), tables.by_kind_of_language(collection)):
        heads = [head for head in table.head if "a/" in head]
        assert all(head.endswith(marks) == ("a/base" in head) for head in heads)
    (legend,) = figures.pool_map(collection).legends
    shown = [text.get_text() for text in legend.texts]
    assert [text for text in shown if "[" in text] == [f"a/base\n{marks.strip()}"]


def test_a_rank_distance_of_some_queries_is_marked(tmp_path):
    put(tmp_path, "a/a", 0.5, extra={"rank_distance_measured_on": 0.5})
    put(tmp_path, "a/b", 0.6)
    marks = {label: point.mark for label, point in found(tmp_path).items()}
    assert marks == {"a/a": " [50.0% of queries]", "a/b": ""}


@pytest.mark.parametrize("places", [[(0, 0), (0.01, 0)], [(1, 0.99), (1, 1)], [(0, 0), (1, 1)]])
def test_axes_stay_where_map_can_be(places):
    low, span = _limits(np.array(places, dtype=float))
    assert (low >= 0).all() and (low + span <= 1 + 1e-12).all()
    assert (low <= np.min(places, axis=0)).all() and (low + span >= np.max(places, axis=0)).all()
