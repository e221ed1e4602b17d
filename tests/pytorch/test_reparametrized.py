"""Weights under spectral norm, weight norm and pruning; `tests/parity/test_forks.py` compares them with PyTorch."""

import numpy as np
import pytest
from helpers.weights import random_weights

from p2p_jax.config import Generator
from p2p_jax.errors import UserError
from p2p_jax.pytorch import convert
from p2p_jax.pytorch.reparametrized import fold_spectral_norm, with_plain_names

RANDOM = np.random.default_rng(0)
RESNET = Generator("resnet", width=2, num_blocks=1, dropout=0.0)
OLD = ("weight_orig", "weight_u", "weight_v")
NEW = ("parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v")


def vectors(weight, transposed=False):
    """The singular vectors of a weight's largest singular value, and that value."""
    matrix = (weight.swapaxes(0, 1) if transposed else weight).reshape(weight.shape[int(transposed)], -1)
    u, sizes, v = np.linalg.svd(matrix, full_matrices=False)
    return u[:, 0], v[0], sizes[0]


@pytest.mark.parametrize("names", [OLD, NEW], ids=["old", "new"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 4, 4), (4, 4, 3, 3), (1, 1, 1, 1)])
def test_spectral_norm_divides_by_the_largest_singular_value(names, transposed, shape):
    weight = RANDOM.standard_normal(shape).astype(np.float32)
    u, v, size = vectors(weight, transposed)
    arrays = {f"a.b.{name}": array for name, array in zip(names, (weight, u, v), strict=True)}
    found = fold_spectral_norm(with_plain_names(arrays), [("a.b", transposed), ("c", False)])
    assert list(found) == ["a.b.weight"]
    np.testing.assert_allclose(found["a.b.weight"], weight / size, rtol=1e-5)
    assert found["a.b.weight"].dtype == np.float32


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize(
    ("size", "direction"),
    [("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1")],
)
def test_weight_norm_gives_each_slice_its_size(size, direction, axis):
    v = RANDOM.standard_normal((3, 2, 4, 4)).astype(np.float32)
    axes = tuple(i for i in range(4) if i != axis)
    g = RANDOM.uniform(1, 2, [3 if i == axis == 0 else 2 if i == axis == 1 else 1 for i in range(4)])
    found = with_plain_names({f"a.{size}": g, f"a.{direction}": v, "a.bias": np.ones(3)})
    assert set(found) == {"a.weight", "a.bias"}
    np.testing.assert_allclose(np.sqrt(np.square(found["a.weight"]).sum(axes, keepdims=True)), g, rtol=1e-5)
    np.testing.assert_allclose(found["a.weight"] * (v / found["a.weight"]).mean(axes, keepdims=True), v, rtol=1e-4)


def test_pruned_weights_are_zero_where_the_mask_is():
    weight, mask = RANDOM.standard_normal((2, 3, 4, 4)), RANDOM.integers(0, 2, (2, 3, 4, 4))
    arrays = {"a.weight_orig": weight, "a.weight_mask": mask, "a.bias_orig": np.ones(2), "a.bias_mask": np.array([0, 1])}
    found = with_plain_names(arrays)
    np.testing.assert_array_equal(found["a.weight"], weight * mask)
    np.testing.assert_array_equal(found["a.bias"], [0, 1])
    assert len(found) == 2


def test_the_oldest_files_hold_the_result_too():
    weight = RANDOM.standard_normal((2, 3, 4, 4)).astype(np.float32)
    found = with_plain_names({"a.weight_orig": 3 * weight, "a.weight_u": np.ones(2), "a.weight": weight})
    assert list(found) == ["a.weight"]
    assert found["a.weight"] is weight


def changed(name, **changes):
    """A resnet one of whose layers has other tensors."""
    arrays = convert.to_torch(RESNET, *random_weights(RESNET))
    weight = arrays.pop(f"{name}.weight")
    return arrays | {f"{name}.{key}": make(weight) for key, make in changes.items()}


SAME = lambda weight: weight
VECTOR = lambda length: lambda _: np.ones(length, np.float32)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (changed("model.4", weight_orig=SAME), "model.4.weight_orig is in the file without model.4.weight_u"),
        (changed("model.4", weight_orig=SAME, weight_u=VECTOR(4)), "without model.4.weight_u and model.4.weight_v"),
        (
            changed("model.4", weight_orig=SAME, weight_u=VECTOR(3), weight_v=VECTOR(18)),
            "weight_v have 3 and 18 numbers, but the weight needs 4 and 18",
        ),
        (
            changed("model.14", weight_orig=SAME, weight_u=VECTOR(8), weight_v=VECTOR(18)),  # not the axis of PyTorch
            "have 8 and 18 numbers, but the weight needs",
        ),
        (changed("model.4", weight_g=VECTOR((4, 1, 1, 1))), "model.4.weight_v is missing or does not fit"),
        (changed("model.4", weight_g=VECTOR((3, 1, 1, 1)), weight_v=SAME), "model.4.weight_v is missing or does not fit"),
        (changed("model.4", weight_g=VECTOR((1,)), weight_v=SAME), "model.4.weight_v is missing or does not fit"),
        (changed("model.4", weight_orig=SAME, weight_mask=VECTOR((4, 1, 3, 3))), "weight_mask has another shape than"),
        (
            changed("model.4", weight_bar=SAME, weight_u=VECTOR(4), weight_v=VECTOR(18)),
            "model.4.weight_bar belongs to a spectral norm that is not PyTorch's own",
        ),
        (
            changed("model.4", **{"parametrizations.weight.original": SAME, "parametrizations.weight.0.base": SAME}),
            "model.4.parametrizations.weight.0.base belongs to a parametrization that is neither",
        ),
        (changed("model.4", weight_u=VECTOR(4), weight_v=VECTOR(18)), "model.4.weight"),
    ],
)
def test_incomplete_and_unknown_tensors_are_refused(arrays, words):
    with pytest.raises(UserError, match=words) as caught:
        convert.from_torch(arrays)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("vector", [np.zeros(4), np.full(4, np.nan), np.full(4, np.inf)])
def test_a_singular_value_of_zero_or_none_gives_values_that_are_not_finite(vector):
    arrays = changed("model.4", weight_orig=SAME, weight_u=lambda _: vector, weight_v=VECTOR(18))
    found = convert.from_torch(arrays)
    assert not np.isfinite(found.params["down0"]["kernel"]).any()
