"""What a report begins with: a sentence, a picture, and the measures that matter."""

import numpy as np
import pytest

from mteb_hybrid.report import headline as first_table
from mteb_hybrid.report import landmarks
from mteb_hybrid.report.message import message
from mteb_hybrid.results.intervals import map_interval
from mteb_hybrid.retrieval.views import Setting
from results.conftest import HOSTILE, model_of, summarised, write_task


@pytest.fixture(scope="module")
def mlqa(made):
    return summarised(made.folder)["MLQA-R"]


def test_the_picture_has_the_numbers_of_the_table(mlqa):
    picture = message(mlqa).picture
    (axes,) = picture.figure.axes
    drawn = {line.get_label().partition("\n")[0]: line.get_ydata() for line in axes.lines}
    models = [model_of(mlqa, name) for name in ("org/first", "org/second")]
    for model in models:
        expected = [model.cells[setting, "map"].value for setting in Setting]
        np.testing.assert_array_equal(drawn[model.label], expected)
    assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] <= 1
    assert [row[0] for row in picture.numbers.rows] == ["org/first", "org/second"]
    assert f"Not drawn, as subsets are missing: {HOSTILE}." in picture.about


def test_the_sentence_is_of_what_is_whole(mlqa, made, tmp_path):
    said = message(mlqa).sentence
    best = model_of(mlqa, "org/second").cells[Setting.MULTILINGUAL, "map"].value
    assert said.startswith(
        f"On MLQA-R, searching in all languages at once, org/second reaches a map of {best:.3f}, "
    )
    assert "within one language; org/first" in said
    sample = summarised(made.folder)["sample (not a benchmark)"]
    assert message(sample).sentence.startswith("On the sample, which is no benchmark, ")
    write_task(tmp_path, "a/a", "MLQARMultilingualRetrieval", 0.5, left_out=("en-multi",))
    (part,) = summarised(tmp_path).values()
    assert message(part).picture is None
    assert message(part).sentence == (
        "On MLQA-R, no setting is complete; how many subsets a mean has stands behind it."
    )


def test_models_are_ranked_on_the_data_of_today(tmp_path):
    models = {"a/low": 0.5, "a/high": 0.6, "a/middle": 0.55}
    for model, skill in models.items():
        write_task(tmp_path, model, "MLQARMonolingualRetrieval", skill)
    task, old = "MLQARMonolingualRetrieval", {"dataset_revision": "b" * 40}
    write_task(tmp_path, "a/old", task, 0.9, **old)
    (found,) = summarised(tmp_path).values()
    said = message(found).sentence
    assert "a/high reaches a map of 0.700, the highest of 3 models on today's data; the l" in said
    assert "the lowest, a/low, reaches 0.600." in said and "a/old" not in said
    for model, skill in models.items():
        write_task(tmp_path, model, task, skill, **old)
    (found,) = summarised(tmp_path).values()
    assert "a/old reaches a map of 1.000 [other data], the highest" in message(found).sentence
    write_task(tmp_path, "a/older", task, 0.85, dataset_revision="c" * 40)
    (found,) = summarised(tmp_path).values()
    said = message(found).sentence
    assert "a/old reaches a map of 1.000 [other data], the highest of 4 models on one rev" in said
    write_task(tmp_path, "a/low", task, 0.5)
    (found,) = summarised(tmp_path).values()
    assert message(found).sentence.endswith(" a map of 0.600; the others are on other data.")


@pytest.mark.parametrize("old", ["Monolingual", "Multilingual"])
def test_no_difference_is_taken_between_revisions_of_the_data(old, tmp_path):
    for setting in ("Monolingual", "Multilingual"):
        revision = "b" * 40 if setting == old else None
        task = f"MLQAR{setting}Retrieval"
        write_task(tmp_path, "a/b", task, 0.5, dataset_revision=revision)
    (found,) = summarised(tmp_path).values()
    said = message(found).sentence
    assert "in all languages at once, a/b reaches" in said and "within one language" not in said


def test_pools_with_queries_of_their_own_are_not_set_against_each_other(mlqa, monkeypatch):
    assert "within one language" in message(mlqa).sentence
    monkeypatch.setattr(type(mlqa.card.source), "same_queries", False)
    said = message(mlqa).sentence
    assert "org/second reaches a map of " in said and "within one language" not in said


def test_intervals_are_a_bootstrap_over_questions(mlqa):
    """A slow one, which draws questions and averages anew, of the values per query themselves."""
    model = model_of(mlqa, "org/first")
    for setting in (Setting.MONOLINGUAL, Setting.MULTILINGUAL):
        frame = model.queries[setting].filter(measure="map")
        pools = [
            dict(part.select("group", "value").iter_rows())
            for (_,), part in frame.group_by("pool", maintain_order=True)
        ]
        groups = sorted({group for pool in pools for group in pool})
        random = np.random.default_rng(1)
        means = []
        for _ in range(2000):
            drawn = random.choice(groups, len(groups))
            means.append(np.mean([np.mean([pool[group] for group in drawn]) for pool in pools]))
        low, high = map_interval(model, setting)
        assert low < model.cells[setting, "map"].value < high
        np.testing.assert_allclose((low, high), np.percentile(means, [2.5, 97.5]), atol=2e-3)
    assert map_interval(model_of(mlqa, HOSTILE), Setting.MULTILINGUAL) is None


@pytest.mark.parametrize(("pool", "relevant"), [(40, 1), (40, 7), (5, 5)])
def test_chance_is_what_a_random_order_gets(pool, relevant):
    random = np.random.default_rng(0)
    precision, distance = [], []
    for _ in range(4000):
        ranks = np.sort(random.permutation(pool)[:relevant]) + 1
        precision.append(np.mean(np.arange(1, relevant + 1) / ranks))
        distance.append(ranks[-1] - ranks[0])
    assert landmarks.random_map(pool, relevant) == pytest.approx(np.mean(precision), abs=0.01)
    assert landmarks.random_distance(pool, relevant) == pytest.approx(np.mean(distance), rel=0.02)


def test_an_ideal_model_and_chance_stand_below(made, mlqa):
    sample = summarised(made.folder)["sample (not a benchmark)"]
    ideal, chance = first_table.headline(sample).landmarks
    assert ideal == (landmarks.IDEAL, "1", "1", "1", "0", "10")
    assert chance[0] == landmarks.CHANCE and float(chance[5]) > 800 and float(chance[3]) < 0.02
    assert first_table.headline(mlqa).measures["Mo. map"] == "map"


def test_chance_is_known_of_a_collection_that_nobody_counted(made, monkeypatch):
    sample = summarised(made.folder)["sample (not a benchmark)"]
    known = first_table.headline(sample).landmarks
    monkeypatch.setattr(landmarks, "task_name", lambda *_: "NoSuchRetrieval")
    assert first_table.headline(sample).landmarks == known


def test_marks_are_explained_where_they_occur(made, mlqa):
    sample = summarised(made.folder)["sample (not a benchmark)"]
    assert first_table.headline(sample).caption == "sample (not a benchmark): means over subsets."
    caption = first_table.headline(mlqa).caption
    for mark in ("(k/m)", "[top k]", "[other data]"):
        assert mark in caption
    assert "[x% of queries]" not in caption


def test_every_other_measure_has_one_group(made):
    sample = summarised(made.folder)["sample (not a benchmark)"]
    tables = first_table.bias(sample)
    assert [table.key for _, table in tables] == [
        *("bias-distance", "bias-preference", "bias-exposure", "bias-consistency"),
    ]
    names = [name for _, table in tables for name in table.measures.values()]
    assert len(names) == len(set(names)) > 12 and "rank_distance" not in names
