import math
from statistics import fmean

import pytest

from mteb_hybrid.cards.tasks import task_views, tasks_by_name
from mteb_hybrid.results.mteb_files import labels
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.site import tables
from mteb_hybrid.site.boards import DISTANCE, MAPS, boards, languages_of
from mteb_hybrid.site.kept import slug
from mteb_hybrid.site.plot import plot
from results.conftest import write_task
from site_.pages_of_a_site import gathered

MULTI = "HybridSampleMultilingualRetrieval"
POOLED = MAPS[2]


def subsets():
    return list(task_views(*tasks_by_name()[MULTI]))


def shown(site):
    names = labels(model.key for model in site.models)
    return names, {model.key: f"{slug(model.key)}.html" for model in site.models}


@pytest.fixture
def uneven(tmp_path):
    """Two models that lack a language each, another one each, and one that lacks none."""
    asked = subsets()
    write_task(tmp_path, "org/whole", MULTI, 0.5, per_query=False)
    for number, model in enumerate(("org/a", "org/b")):
        write_task(tmp_path, model, MULTI, 0.9, left_out=(asked[number],), per_query=False)
    return asked, gathered(tmp_path)


def test_no_mean_is_over_other_languages_than_its_neighbours(uneven):
    asked, site = uneven
    (board,) = boards(site)
    keys = {key[0]: key for key in board.rows}
    assert tables.value(board, keys["org/a"], POOLED).text == "–"
    assert (
        tables.value(board, keys["org/a"], POOLED).note
        == f"{len(asked) - 1} of {len(asked)} subsets"
    )
    said = {e.model: e.command.partition("  # ")[2] for e in site.evaluations}
    part = f"these results have {len(asked) - 1} of its {len(asked)} subsets"
    assert said == {"org/whole": "", "org/a": part, "org/b": part}
    assert tables.value(board, keys["org/whole"], POOLED).order is not None
    assert board.common(POOLED) == asked[2:]
    assert tables.ranked(board)[0] == keys["org/whole"]  # though the others' means are higher
    scores = {e.model: e.subsets["map"] for e in site.evaluations}
    for model, key in keys.items():
        expected = fmean(scores[model][subset] for subset in asked[2:])
        assert math.isclose(board.common_value(key, POOLED), expected)
    table = tables.common(board, *shown(site))
    lacks = {row[0].text: row[-1].text for rows in table.groups.values() for row in rows}
    assert lacks["org/whole"] == "nothing" and asked[0] in lacks["org/a"]
    assert f"{len(asked) - 2} subsets" in table.caption


def test_nothing_in_common_is_told(tmp_path):
    asked = subsets()
    write_task(tmp_path, "org/a", MULTI, 0.5, left_out=asked[:1], per_query=False)
    write_task(tmp_path, "org/b", MULTI, 0.5, left_out=asked[1:], per_query=False)
    site = gathered(tmp_path)
    (board,) = boards(site)
    assert board.common(POOLED) == []
    assert all(board.common_value(key, POOLED) is None for key in board.rows)
    assert "nothing can be compared" in tables.common(board, *shown(site)).caption
    assert plot(board, *shown(site)) is None


def test_other_data_are_not_mixed(tmp_path):
    write_task(tmp_path, "org/a", MULTI, 0.5)
    write_task(tmp_path, "org/b", MULTI, 0.6)
    write_task(tmp_path, "org/c", MULTI, 0.9, dataset_revision="b" * 40)
    site = gathered(tmp_path)
    now, other = boards(site)
    assert [key[0] for key in now.rows] == ["org/a", "org/b"]
    assert [key[0] for key in other.rows] == ["org/c"]
    assert other.title.endswith("[other data]: bbbbbbbbbbbb")
    assert {c.model[0] for c in site.comparisons} == {"org/b"}
    assert any("org/c" in said and "different revisions" in said for said in site.refused)
    assert plot(now, *shown(site)) is not None


def test_a_setting_that_was_not_evaluated_leaves_the_others_whole(tmp_path):
    for model in ("org/a", "org/b"):
        write_task(tmp_path, model, MULTI, 0.5)
    write_task(tmp_path, "org/a", "HybridSampleMonolingualRetrieval", 0.5)
    (board,) = boards(gathered(tmp_path))
    assert board.uneven == ()
    (b,) = (key for key in board.rows if key[0] == "org/b")
    assert tables.value(board, b, MAPS[0]).text == "–"
    assert set(board.rows[b]) == {Setting.MULTILINGUAL}


def test_the_comparison_is_over_the_subsets_that_both_have(tmp_path):
    asked = subsets()
    write_task(tmp_path, "org/a", MULTI, 0.5)
    write_task(tmp_path, "org/b", MULTI, 0.6, left_out=asked[:1])
    site = gathered(tmp_path)
    found = [c for c in site.comparisons if c.measure == "map"]
    assert [(c.pools, c.left_out) for c in found] == [(sorted(asked[1:]), asked[:1])]
    scores = {e.model: e.subsets["map"] for e in site.evaluations}
    first = fmean(scores["org/a"][subset] for subset in asked[1:])
    assert found[0].first == pytest.approx(first)


def test_points_stand_where_their_numbers_are(tmp_path):
    for number in range(12):
        write_task(tmp_path, f"org/m{number}", MULTI, 0.4 + number / 30)
    site = gathered(tmp_path)
    (board,) = boards(site)
    drawn = plot(board, *shown(site))
    assert [p.number for p in drawn.points] == list(range(1, 13))
    by_map = sorted(drawn.points, key=lambda p: p.y)
    assert [p.number for p in by_map] == [p.number for p in drawn.points]
    values = {e.model: e.means for e in site.evaluations}
    labels_up = {float(label): y for y, label in drawn.up}
    low, high = min(labels_up), max(labels_up)
    for point in drawn.points:
        value = values[point.title.partition(":")[0]]["map"].value
        share = (value - low) / (high - low)
        assert point.y == pytest.approx(
            labels_up[low] + share * (labels_up[high] - labels_up[low]), abs=0.06
        )
        assert 0 < point.x < 640 and 0 < point.y < 420
    assert board.columns[-1] == DISTANCE
    assert any(point.at for point in drawn.points)


def test_codes_of_languages_may_have_hyphens():
    passages = ["de", "zh-Hans", "Hans", "pt-br"]
    subsets = ["de-zh-Hans", "zh-Hans-de", "zh-Hans-multi", "pt-br-pt-br", "pt-br-de", "fi-multi"]
    assert languages_of(subsets, passages) == ["de", "zh-Hans", "pt-br", "fi"]


def test_collections_of_one_title_are_told_apart(made):
    site = gathered(made.folder)
    same = [c.model_copy(update={"title": "Same"}) for c in site.collections]
    found = boards(site.model_copy(update={"collections": same}))
    models = {model.key: model for model in site.models}
    table = tables.leaderboard(found, models, *shown(site))
    assert sum(map(len, table.groups.values())) == 5
    assert len({board.title for board in found}) == len(found) == 3
