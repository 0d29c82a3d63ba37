import json
import math

import numpy as np
import pytest
import torch

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


@pytest.mark.parametrize(
    ("setting", "same"),
    [
        ({"alpha": np.float32(0.5)}, {"alpha": 0.5}),
        ({"alpha": np.int64(1)}, {"alpha": 1.0}),
        ({"alpha": torch.tensor(0.25)}, {"alpha": 0.25}),
        ({"alpha": np.array([[0, 1.0], [9, 0.5]])}, {"alpha": [[0, 1.0], [9, 0.5]]}),
        ({"alpha": torch.tensor([[0, 1.0], [9, 0.5]])}, {"alpha": [[0, 1.0], [9, 0.5]]}),
        ({"alpha": zip([0, 9], [1, 0.5], strict=True)}, {"alpha": [[0, 1.0], [9, 0.5]]}),
        ({"language_weights": np.int32(2)}, {"language_weights": 2.0}),
        ({"languages": np.array(["en", "de"])}, {"languages": ["en", "de"]}),
        ({"languages": (code for code in ("en", "de", "en"))}, {"languages": ["en", "de"]}),
        ({"languages": {"en", "de", "th"}}, {"languages": ["de", "en", "th"]}),
    ],
)
def test_scalars_of_other_libraries_become_plain_values(setting, same):
    plan = BatchPlan(**setting)
    assert plan == BatchPlan(**same) and json.loads(json.dumps(plan.settings())) == plan.settings()
    assert plan.settings() == BatchPlan(**same).settings()


@pytest.mark.parametrize(
    "setting",
    [
        *({"alpha": value} for value in (None, True, "0.5", math.nan, {}, [], [0.5], [[0, None]])),
        *({"alpha": value} for value in ([[0, True]], [[math.inf, 1]], np.array([0.5]), "ab")),
        *({"alpha": value} for value in (torch.tensor(True), {0: 1.0, 9: 0.5}, [[0, "1.0"]])),
        *({"language_weights": value} for value in (None, True, "2", [1, 2], math.inf, -1)),
        *({"languages": value} for value in ("en", "", [], (), 3, True, ["en", None], [["en"]])),
        *({"method": value} for value in (None, True, ["hybrid"])),
        *({"crosslingual": value} for value in (None, True, "mix")),
    ],
    ids=str,
)
def test_values_of_wrong_type_are_refused_with_what_is_expected(setting):
    (key,) = setting
    with pytest.raises(ValueError, match=rf"^{key} is .* not ") as caught:
        BatchPlan(**setting)
    assert type(caught.value) is ValueError
