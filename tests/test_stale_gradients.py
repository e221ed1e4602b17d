"""Stale gradients against Torch's way, layer by layer.

The backward pass by hand is NumPy: every layer keeps the values of the forward pass and reads its weights again.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.naive import naive_conv2d, naive_conv2d_transpose
from jax import lax

from p2p_jax import discriminators, layers
from p2p_jax.network import network
from p2p_jax.ops import convolution
from p2p_jax.stale_gradients import apply_stale

jit = jax.jit
NORMS = {"batch": layers.batch_norm, "instance": layers.instance_norm, "none": layers.no_norm}
PICTURES = np.random.default_rng(0).standard_normal((2, 16, 16, 3))
WEIGHTS = np.random.default_rng(1).standard_normal((2, 2, 2, 1))
STRIDES = (2, 2, 1, 1)


@pytest.fixture(scope="module", autouse=True)
def native_convolutions():
    """The convolutions of a GPU, which compile faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "choose", lambda *_: convolution.NATIVE)
        yield


def loss_of(logits):
    return (jax.nn.softplus(logits) * WEIGHTS).sum()


# --------------------------------------------------------------------------------------------------------------------
# Torch's modules: forward keeps values for backward, and backward reads the weights as they are at that time


class Convolution:
    def __init__(self, name, stride):
        self.name, self.stride = name, stride

    def forward(self, p, x):
        weights = p[self.name]
        return naive_conv2d(x, weights["kernel"], weights.get("bias", 0.0), stride=self.stride, padding=1)

    def backward(self, p, gradient):
        kernel = p[self.name]["kernel"].transpose(3, 0, 1, 2)
        return naive_conv2d_transpose(gradient, kernel, stride=self.stride, padding=1)


class Norm:
    def __init__(self, name, axes):
        self.name, self.axes = name, axes

    def forward(self, p, x):
        centred = x - x.mean(self.axes, keepdims=True)
        self.deviation = np.sqrt(x.var(self.axes, keepdims=True) + 1e-5)
        self.normal = centred / self.deviation
        affine = p.get(self.name, {"scale": 1.0, "bias": 0.0})
        return self.normal * affine["scale"] + affine["bias"]

    def backward(self, p, gradient):
        gradient = gradient * p.get(self.name, {"scale": 1.0})["scale"]
        mean = partial(np.mean, axis=self.axes, keepdims=True)
        return (gradient - mean(gradient) - self.normal * mean(gradient * self.normal)) / self.deviation


class LeakyReLU:
    def forward(self, _p, x):
        self.positive = x > 0
        return np.where(self.positive, x, 0.2 * x)

    def backward(self, _p, gradient):
        return np.where(self.positive, gradient, 0.2 * gradient)


def modules(norm):
    axes = {"batch": (0, 1, 2), "instance": (1, 2)}.get(norm)
    for i, stride in enumerate(STRIDES):
        yield Convolution(f"conv{i}", stride)
        if axes and 0 < i < len(STRIDES) - 1:
            yield Norm(f"conv{i}_norm", axes)
        if i < len(STRIDES) - 1:
            yield LeakyReLU()


def by_modules(norm, old, new, x):
    """Runs Torch's forward with `old` and, after an update in place, backward with `new`: (logits, gradient of x)."""
    network = list(modules(norm))
    for module in network:
        x = module.forward(old, x)
    gradient = WEIGHTS / (1 + np.exp(-x))
    for module in reversed(network):
        gradient = module.backward(new, gradient)
    return x, gradient


@pytest.fixture(scope="module", params=NORMS)
def patchgan(request):
    """Returns (norm, old params, new params, results of `apply_stale` and of the network from one program)."""
    net = network(discriminators.patchgan, widths=(2, 3, 4), norm=NORMS[request.param])
    random = np.random.default_rng(2)
    with jax.enable_x64(True):
        shapes, state = jax.eval_shape(net.init, jax.random.key(0), PICTURES)
        old = jax.tree.map(lambda leaf: random.standard_normal(leaf.shape) * 0.4, shapes)
        new = jax.tree.map(lambda leaf: leaf + random.standard_normal(leaf.shape) * 0.2, old)
        state = jax.tree.map(lambda leaf: np.ones(leaf.shape), state)

        def discriminate(params, x):
            return net.apply(params, state, x, train=True)[0]

        @jit
        def found(old, new, x):
            gradients = jax.grad(lambda *all: loss_of(apply_stale(discriminate, *all)), argnums=(0, 1, 2))(old, new, x)
            ordinary = jax.grad(lambda params, x: loss_of(discriminate(params, x)), argnums=1)
            return {
                "value": apply_stale(discriminate, old, new, x),
                "old value": discriminate(old, x),
                "gradient": gradients[2],
                "gradient of params": gradients[:2],
                "same": jax.grad(lambda x: loss_of(apply_stale(discriminate, old, old, x)))(x),
                "ordinary": {"old": ordinary(old, x), "new": ordinary(new, x)},
            }

        return request.param, old, new, jax.device_get(found(old, new, PICTURES))


@pytest.mark.slow
def test_the_value_equals_the_old_networks_bit_for_bit(patchgan):
    norm, old, new, found = patchgan
    assert found["value"].dtype == np.float64
    np.testing.assert_array_equal(found["value"], found["old value"])
    np.testing.assert_allclose(found["value"], by_modules(norm, old, new, PICTURES)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_with_the_same_params_the_gradient_is_the_ordinary_one(patchgan):
    norm, old, _, found = patchgan
    np.testing.assert_allclose(found["same"], found["ordinary"]["old"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found["same"], by_modules(norm, old, old, PICTURES)[1], rtol=1e-11, atol=1e-13)


@pytest.mark.slow
def test_the_gradient_goes_through_new_weights_at_old_values_as_in_torchs_modules(patchgan):
    norm, old, new, found = patchgan
    _, gradient = by_modules(norm, old, new, PICTURES)
    np.testing.assert_allclose(found["gradient"], gradient, rtol=1e-11, atol=1e-13)
    for ordinary in found["ordinary"].values():  # the gradient of neither network
        assert abs(ordinary - gradient).max() > 0.05 * abs(gradient).max()


def test_the_params_have_no_gradient(patchgan):
    leaves = jax.tree.leaves(patchgan[3]["gradient of params"])
    assert len(leaves) == 2 * len(jax.tree.leaves(patchgan[1]))
    assert all((leaf == 0).all() for leaf in leaves)


# --------------------------------------------------------------------------------------------------------------------
# Other functions: w2 tanh(w1 x), whose stale gradient is w2' w1' (1 - tanh(w1 x)^2)

OLD, NEW, X = (0.7, 1.3), (-0.4, 2.1), 0.9
VALUE = OLD[1] * np.tanh(OLD[0] * X)
GRADIENT = NEW[1] * NEW[0] * (1 - np.tanh(OLD[0] * X) ** 2)


def two_layers(params, x):
    return params[1] * jnp.tanh(params[0] * x)


def gradient_of(fn, old=OLD, new=NEW, x=X):
    return jax.value_and_grad(lambda x: apply_stale(fn, old, new, x))(x)


@pytest.mark.parametrize(
    "fn",
    [
        two_layers,
        jax.jit(two_layers),
        lambda params, x: jax.jit(lambda w, h: w * h)(params[1], jax.jit(jnp.tanh)(params[0] * x)),
        jax.jit(lambda params, x: jax.jit(two_layers)(params, x)),
    ],
)
@pytest.mark.parametrize("outside", [lambda f: f, jax.jit])
def test_jitted_functions_are_entered_and_the_result_can_be_jitted(fn, outside):
    with jax.enable_x64(True):
        value, gradient = outside(partial(gradient_of, fn))()
    np.testing.assert_allclose([value, gradient], [VALUE, GRADIENT], rtol=1e-14)


def test_values_of_the_enclosing_function_are_constants_traced_or_not():
    def run(factor, x):
        value, gradient = gradient_of(lambda params, x: factor * two_layers(params, x) + factor, x=x)
        return value, gradient

    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(run)(3.0, X), [3 * VALUE + 3, 3 * GRADIENT], rtol=1e-14)


def test_a_tree_keeps_its_structure_and_its_old_values():
    def fn(params, x):
        hidden = jnp.tanh(params[0] * x)
        return {
            "scales": [hidden, params[1] * hidden],
            "weight": params[1] * 2,
            "x": x,
            "constant": jnp.ones(()),
            "none": (),
        }

    with jax.enable_x64(True):
        found = apply_stale(fn, OLD, NEW, X)
        expected = fn(OLD, X)
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        jax.tree.map(np.testing.assert_array_equal, found, expected)
        gradients = jax.jacobian(partial(apply_stale, fn, OLD, NEW))(X)
    hidden = NEW[0] * (1 - np.tanh(OLD[0] * X) ** 2)
    np.testing.assert_allclose(jax.tree.leaves(gradients), [0, hidden, NEW[1] * hidden, 0, 1], rtol=1e-14)


def test_values_without_a_gradient_are_the_old_ones():
    """Masks, indices, counts and branches that depend on both: the gradient follows the path of the old values."""

    def fn(params, x):
        hidden = params["w"] * x
        mask = hidden > params["threshold"]
        largest = jnp.argmax(hidden)
        count = mask.sum() + params["count"]
        branch = lax.cond(hidden[0] > 0.0, lambda h: 2.0 * h, lambda h: 5.0 * h, hidden[0])
        chosen = jnp.where(mask, hidden, 0.1 * hidden).sum() * count
        return {"sum": chosen + hidden[largest] + branch, "mask": mask, "largest": largest, "count": count}

    x = np.array([1.0, -2.0, 3.0])
    old = {"w": np.array([1.0, 1.0, 1.0]), "threshold": np.array(0.0), "count": np.array(4)}
    new = {"w": np.array([-7.0, -11.0, -13.0]), "threshold": np.array(-30.0), "count": np.array(9)}
    with jax.enable_x64(True):

        def total(x):
            result = apply_stale(fn, old, new, x)
            return result["sum"], result

        (value, result), gradient = jit(jax.value_and_grad(total, has_aux=True))(x)
    assert result["mask"].tolist() == [True, False, True]
    assert (int(result["largest"]), int(result["count"])) == (2, 6)
    assert float(value) == pytest.approx((1 - 0.2 + 3) * 6 + 3 + 2)
    # The count depends on x through the mask, so it is no weight, and the gradients have its old value 6.
    np.testing.assert_allclose(gradient, [(6 + 2) * -7, 0.1 * 6 * -11, (6 + 1) * -13])


def test_bfloat16_values_keep_their_dtype():
    with jax.enable_x64(True):
        old, new = (tuple(jnp.bfloat16(w) for w in weights) for weights in (OLD, NEW))
        value, gradient = gradient_of(two_layers, old, new, jnp.bfloat16(X))
        assert value == two_layers(old, jnp.bfloat16(X))
    assert (value.dtype, gradient.dtype) == (jnp.bfloat16, jnp.bfloat16)
    assert float(gradient) == pytest.approx(GRADIENT, rel=0.03)
