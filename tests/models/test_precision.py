"""How fast a device computes in another type; what a run makes of it is tested in training."""

import pytest
import torch

from mteb_hybrid.models.precision import native_bf16, relative_speed


def test_a_product_that_cannot_be_computed_has_no_speed():
    # A tensor on `meta` has no numbers, so that the product ends in an error.
    assert relative_speed(torch.bfloat16, torch.device("meta")) == 0
    assert relative_speed(torch.float32, torch.device("cpu")) == pytest.approx(1, rel=0.9)


def test_what_cannot_be_computed_is_not_native():
    assert native_bf16(torch.device("meta")) == (False, "this meta cannot compute in bf16")
