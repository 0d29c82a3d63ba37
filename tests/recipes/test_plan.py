import numpy as np
import pytest

from mteb_hybrid.recipes.plan import BatchPlan


def test_a_schedule_is_linear_between_its_points_and_constant_outside():
    plan = BatchPlan(alpha=[[10, 1.0], [20, 0.5]])
    steps = np.array([0.0, 10, 15, 20, 99])
    assert plan.alpha_at(steps).tolist() == [1.0, 1.0, 0.75, 0.5, 0.5]
    assert BatchPlan(alpha=0.3).alpha_at(np.array([7.0])).tolist() == [0.3]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"alpha": 1.5}, "0 to 1, not 1.5"),
        ({"alpha": [[0, 0.5], [0, 0.2]]}, "must increase"),
        ({"alpha": []}, "points such as"),
        ({"alpha": [0.5, 0.2]}, "points such as"),
        ({"method": "x-x"}, "'mixed' or 'shuffle', not 'x-x'"),
        ({"crosslingual": "one"}, "not 'one'"),
        ({"language_weights": 0}, "temperature above 0"),
        ({"language_weights": "rows"}, "not 'rows'"),
    ],
)
def test_settings_out_of_range_are_refused(setting, said):
    with pytest.raises(ValueError, match=said):
        BatchPlan(**setting)


def test_settings_are_plain_values_that_make_the_same_plan():
    plan = BatchPlan(alpha=((0, 1.0), (5, 0.5)), languages=("en", "de"), language_weights=2.0)
    assert plan.settings() == {
        "method": "hybrid",
        "alpha": [[0.0, 1.0], [5.0, 0.5]],
        "language_weights": 2.0,
        "crosslingual": "mixed",
        "languages": ["en", "de"],
    }
    assert BatchPlan(**plan.settings()).settings() == plan.settings()


def test_weights_follow_the_sizes_as_far_as_they_are_asked_to():
    sizes = np.array([90.0, 10.0, 0.0])
    assert BatchPlan().weights(sizes).tolist() == [0.5, 0.5, 0.0]
    assert BatchPlan(language_weights="size").weights(sizes).tolist() == [0.9, 0.1, 0.0]
    # 90 and 10 to the power 1/2 are 3:1.
    assert np.allclose(BatchPlan(language_weights=2.0).weights(sizes), [0.75, 0.25, 0.0])
    assert BatchPlan().weights(np.zeros(2)).tolist() == [0.0, 0.0]
