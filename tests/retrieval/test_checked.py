"""What models return: refused where it cannot be ranked, and brought to one kind where it can."""

import numpy as np
import pytest
import scipy.sparse
import torch

from mteb_hybrid.retrieval.checked import EncoderError, checked_vectors
from mteb_hybrid.retrieval.embeddings import TextVectors


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.zeros(3), r"shape \(3,\) for 3 texts; expected \(3, dimensions\)"),
        (np.zeros((2, 4)), r"shape \(2, 4\)"),
        (torch.zeros(3, 4, 5), r"shape \(3, 4, 5\)"),
        (np.array([[0, 1], [np.nan, 1], [0, 1]]), "infinity for 1 of 3 texts; the first is 'b'"),
        (torch.tensor([[0, 1], [0, 1], [torch.inf, 1]]), "the first is 'c'"),
        (torch.full((3, 2), torch.nan, dtype=torch.bfloat16), "3 of 3 texts"),
    ],
)
def test_bad_vectors_are_refused(vectors, said):
    with pytest.raises(EncoderError, match=said):
        checked_vectors(vectors, ["a", "b", "c"])


def sparse(kind):
    return torch.eye(3).to_sparse() if kind == "torch" else scipy.sparse.csr_array(np.eye(3))


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (None, "None"),
        ("abc", "a str"),
        ({"dense": 1}, "a dict"),
        ([], r"vectors of shape \(0,\)"),
        (np.zeros((3, 0)), r"vectors of shape \(3, 0\)"),
        ([[1.0, 2], [1], [1, 2]], "a list of 3 list of lengths 1, 2"),
        (([1.0], [1.0, 2], [3]), "a tuple of 3 list of lengths 1, 2"),
        ([torch.zeros(2), torch.zeros(3), torch.zeros(2)], "a list of 3 Tensor of lengths 2, 3"),
        (["a", "b", "c"], "a list of 3 str"),
        (np.array([["a"], ["b"], ["c"]]), r"shape \(3, 1\) \(ndarray of <U1\)"),
        (np.zeros((3, 2), complex), r"shape \(3, 2\) \(ndarray of complex128\)"),
        (torch.zeros(3, 2, dtype=torch.complex64), r"shape \(3, 2\) \(Tensor of torch.complex64"),
        (np.array([[None], [1], [2]]), r"shape \(3, 1\) \(ndarray of object\)"),
        (sparse("scipy"), r"shape \(3, 3\) \(csr_array of float64\)"),
        (sparse("torch"), r"shape \(3, 3\) \(Tensor of torch.float32\)"),
        (np.zeros((4, 2)), r"shape \(4, 2\)"),
    ],
)
def test_what_is_no_matrix_is_refused_with_the_name_of_the_model(vectors, said):
    expected = rf"^the model org/own returned .*{said}.* for 3 texts; expected .*\(3, dimensions\)"
    with pytest.raises(EncoderError, match=expected):
        checked_vectors(vectors, ["a", "b", "c"], "org/own")
    with pytest.raises(EncoderError, match=expected):
        TextVectors("org/own").get(["a", "b", "c"], [("a", "b", "c")], lambda texts: vectors)


@pytest.mark.parametrize(
    "vectors",
    [
        torch.tensor([[1, 2], [3, 4]], dtype=torch.bfloat16),
        [torch.tensor([1, 2], dtype=torch.bfloat16), torch.tensor([3, 4], dtype=torch.bfloat16)],
        torch.tensor([[1, 2], [3, 4]], dtype=torch.int8),
        torch.tensor([[1.0, 2], [3, 4]], requires_grad=True),
        np.array([[1, 2], [3, 4]]),
        np.array([[1, 2], [3, 4]], np.longdouble),
        ((1, 2), (3, 4)),
        [np.array([1, 2]), np.array([3, 4])],
    ],
)
def test_numbers_of_any_type_work(vectors):
    found = checked_vectors(vectors, ["a", "b"])
    assert np.asarray(found).tolist() == [[1, 2], [3, 4]]
    assert np.asarray(found).dtype in (np.float32, np.float64)


@pytest.mark.parametrize(
    "vectors",
    [
        np.full((2, 2048), 60, dtype=np.float16),
        torch.full((2, 2048), 60, dtype=torch.float16),
        torch.full((2, 2048), 60, dtype=torch.bfloat16),
        np.full((2, 64), 3e38, dtype=np.float32),
        np.full((2, 64), 1e308),
        np.full((2, 64), -128, dtype=np.int8),
    ],
)
def test_finite_vectors_are_accepted_whatever_their_sum(vectors):
    assert checked_vectors(vectors, ["a", "b"]) is not None
    if vectors.dtype in (np.int8, torch.int8):
        return
    vectors[1, 7] = float("-inf")
    vectors[1, 8] = float("inf")
    with pytest.raises(EncoderError, match="1 of 2 texts; the first is 'b'"):
        checked_vectors(vectors, ["a", "b"])
