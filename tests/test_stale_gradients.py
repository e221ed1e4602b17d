"""A forward pass with old weights and a backward pass through new ones, against Torch's own way: layer by layer.

The backward pass by hand is NumPy: every layer keeps the values it computed and looks its weights up again.
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
    """As on a GPU: they compile faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "choose", lambda *_: convolution.NATIVE)
        yield


def loss_of(logits):
    return (jax.nn.softplus(logits) * WEIGHTS).sum()


# --------------------------------------------------------------------------------------------------------------------
# Torch's modules: forward keeps what backward needs, backward takes the weights as they are then


class Convolution:
    def __init__(self, name, stride):
        self.name, self.stride = name, stride

    def forward(self, p, x):
        weights = p[self.name]
        return naive_conv2d(x, weights["kernel"], weights.get("bias", 0.0), stride=self.stride, padding=1)

    def backward(self, p, slope):
        kernel = p[self.name]["kernel"].transpose(3, 0, 1, 2)
        return naive_conv2d_transpose(slope, kernel, stride=self.stride, padding=1)


class Norm:
    def __init__(self, name, axes):
        self.name, self.axes = name, axes

    def forward(self, p, x):
        centred = x - x.mean(self.axes, keepdims=True)
        self.deviation = np.sqrt(x.var(self.axes, keepdims=True) + 1e-5)
        self.normal = centred / self.deviation
        affine = p.get(self.name, {"scale": 1.0, "bias": 0.0})
        return self.normal * affine["scale"] + affine["bias"]

    def backward(self, p, slope):
        slope = slope * p.get(self.name, {"scale": 1.0})["scale"]
        mean = partial(np.mean, axis=self.axes, keepdims=True)
        return (slope - mean(slope) - self.normal * mean(slope * self.normal)) / self.deviation


class LeakyReLU:
    def forward(self, _p, x):
        self.positive = x > 0
        return np.where(self.positive, x, 0.2 * x)

    def backward(self, _p, slope):
        return np.where(self.positive, slope, 0.2 * slope)


def modules(norm):
    axes = {"batch": (0, 1, 2), "instance": (1, 2)}.get(norm)
    for i, stride in enumerate(STRIDES):
        yield Convolution(f"conv{i}", stride)
        if axes and 0 < i < len(STRIDES) - 1:
            yield Norm(f"conv{i}_norm", axes)
        if i < len(STRIDES) - 1:
            yield LeakyReLU()


def by_modules(norm, old, new, x):
    """Torch's forward with `old`, an update in place, backward with `new`: (logits, slope by x)."""
    network = list(modules(norm))
    for module in network:
        x = module.forward(old, x)
    slope = WEIGHTS / (1 + np.exp(-x))
    for module in reversed(network):
        slope = module.backward(new, slope)
    return x, slope


@pytest.fixture(scope="module", params=NORMS)
def patchgan(request):
    """(norm, old params, new params, what one compiled program says of `apply_stale` and of the network itself)."""
    net = network(discriminators.patchgan, widths=(2, 3, 4), norm=NORMS[request.param])
    random = np.random.default_rng(2)
    with jax.enable_x64(True):
        shapes, state = jax.eval_shape(net.init, jax.random.key(0), PICTURES)
        old = jax.tree.map(lambda leaf: random.standard_normal(leaf.shape) * 0.4, shapes)
        new = jax.tree.map(lambda leaf: leaf + random.standard_normal(leaf.shape) * 0.2, old)
        state = jax.tree.map(lambda leaf: np.ones(leaf.shape), state)

        def judge(params, x):
            return net.apply(params, state, x, train=True)[0]

        @jit
        def found(old, new, x):
            slopes = jax.grad(lambda *all: loss_of(apply_stale(judge, *all)), argnums=(0, 1, 2))(old, new, x)
            ordinary = jax.grad(lambda params, x: loss_of(judge(params, x)), argnums=1)
            return {
                "value": apply_stale(judge, old, new, x),
                "old value": judge(old, x),
                "slope": slopes[2],
                "slope by params": slopes[:2],
                "same": jax.grad(lambda x: loss_of(apply_stale(judge, old, old, x)))(x),
                "ordinary": {"old": ordinary(old, x), "new": ordinary(new, x)},
            }

        return request.param, old, new, jax.device_get(found(old, new, PICTURES))


def test_the_value_is_exactly_the_old_networks(patchgan):
    norm, old, new, found = patchgan
    assert found["value"].dtype == np.float64
    np.testing.assert_array_equal(found["value"], found["old value"])
    np.testing.assert_allclose(found["value"], by_modules(norm, old, new, PICTURES)[0], rtol=1e-12, atol=1e-12)


def test_with_the_same_params_the_slope_is_the_ordinary_one(patchgan):
    norm, old, _, found = patchgan
    np.testing.assert_allclose(found["same"], found["ordinary"]["old"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found["same"], by_modules(norm, old, old, PICTURES)[1], rtol=1e-11, atol=1e-13)


def test_the_slope_goes_through_new_weights_at_old_values_as_torchs_modules_do(patchgan):
    norm, old, new, found = patchgan
    _, slope = by_modules(norm, old, new, PICTURES)
    np.testing.assert_allclose(found["slope"], slope, rtol=1e-11, atol=1e-13)
    for ordinary in found["ordinary"].values():  # neither network's own
        assert abs(ordinary - slope).max() > 0.05 * abs(slope).max()


def test_nothing_flows_back_to_the_params(patchgan):
    leaves = jax.tree.leaves(patchgan[3]["slope by params"])
    assert len(leaves) == 2 * len(jax.tree.leaves(patchgan[1]))
    assert all((leaf == 0).all() for leaf in leaves)


# --------------------------------------------------------------------------------------------------------------------
# Functions of other forms: w2 tanh(w1 x), whose stale slope is w2' w1' (1 - tanh(w1 x)^2)

OLD, NEW, X = (0.7, 1.3), (-0.4, 2.1), 0.9
VALUE = OLD[1] * np.tanh(OLD[0] * X)
SLOPE = NEW[1] * NEW[0] * (1 - np.tanh(OLD[0] * X) ** 2)


def two_layers(params, x):
    return params[1] * jnp.tanh(params[0] * x)


def slope_of(fn, old=OLD, new=NEW, x=X):
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
def test_jitted_parts_are_looked_into_and_all_of_it_can_be_jitted(fn, outside):
    with jax.enable_x64(True):
        value, slope = outside(partial(slope_of, fn))()
    np.testing.assert_allclose([value, slope], [VALUE, SLOPE], rtol=1e-14)


def test_values_from_around_are_constants_traced_or_not():
    def run(factor, x):
        value, slope = slope_of(lambda params, x: factor * two_layers(params, x) + factor, x=x)
        return value, slope

    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(run)(3.0, X), [3 * VALUE + 3, 3 * SLOPE], rtol=1e-14)


def test_a_tree_comes_back_as_it_is_with_old_values_wherever_they_come_from():
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
        slopes = jax.jacobian(partial(apply_stale, fn, OLD, NEW))(X)
    hidden = NEW[0] * (1 - np.tanh(OLD[0] * X) ** 2)
    np.testing.assert_allclose(jax.tree.leaves(slopes), [0, hidden, NEW[1] * hidden, 0, 1], rtol=1e-14)


def test_numbers_without_a_slope_are_the_old_ones():
    """Masks, places, counts and branches that depend on both: where the old values went, the slope goes back."""

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

        (value, result), slope = jit(jax.value_and_grad(total, has_aux=True))(x)
    assert result["mask"].tolist() == [True, False, True]
    assert (int(result["largest"]), int(result["count"])) == (2, 6)
    assert float(value) == pytest.approx((1 - 0.2 + 3) * 6 + 3 + 2)
    # The count is a factor, but no weight: it depends on x through the mask, so the slopes too have its old value 6.
    np.testing.assert_allclose(slope, [(6 + 2) * -7, 0.1 * 6 * -11, (6 + 1) * -13])


def test_narrow_values_keep_their_type():
    with jax.enable_x64(True):
        old, new = (tuple(jnp.bfloat16(w) for w in weights) for weights in (OLD, NEW))
        value, slope = slope_of(two_layers, old, new, jnp.bfloat16(X))
        assert value == two_layers(old, jnp.bfloat16(X))
    assert (value.dtype, slope.dtype) == (jnp.bfloat16, jnp.bfloat16)
    assert float(slope) == pytest.approx(SLOPE, rel=0.03)
