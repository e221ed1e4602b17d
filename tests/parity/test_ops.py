"""Operations and layers against golden values from PyTorch, in float32; resizing and reading against Pillow.

`tests/reference/record.py` recorded the golden values, with gradients. Differences are relative to the largest value of an
array.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import reference_values as values
from helpers.formulations import computed_by
from PIL import Image

from p2p_jax import layers, ops
from p2p_jax.config import Data, Side
from p2p_jax.data.fit import Fit
from p2p_jax.data.pairs import RecordedPairs
from p2p_jax.data.records import FileRecords
from p2p_jax.network import network
from p2p_jax.ops import convolution

jit = jax.jit


@pytest.fixture(scope="module")
def stored():
    return values.load("ops")


def nhwc(x):
    return jnp.asarray(x.transpose(0, 2, 3, 1))


def nchw(x):
    return np.asarray(x).transpose(0, 3, 1, 2)


def pull_back(fn, name, *inputs):
    """Returns the value of a function of pictures, and its gradients for the recording's random cotangent."""
    y, vjp = jax.vjp(fn, *inputs)
    cotangent = values.uniform(f"{name}/cotangent", *(y.shape[i] for i in ((0, 3, 1, 2) if y.ndim == 4 else (0,))))
    return y, vjp(nhwc(cotangent) if y.ndim == 4 else jnp.asarray(cotangent))


@pytest.mark.parametrize("name", values.CONVOLUTIONS)
def test_conv2d_equals_pytorchs_in_both_formulations(name, stored):
    h, w, kh, kw, channels, features, stride, padding = values.CONVOLUTIONS[name]
    name = f"conv2d/{name}"
    x, kernel = values.uniform(f"{name}/x", 2, channels, h, w), values.uniform(f"{name}/kernel", features, channels, kh, kw)
    inputs = nhwc(x), jnp.asarray(kernel.transpose(2, 3, 1, 0)), jnp.asarray(values.uniform(f"{name}/bias", features))
    options = {"stride": stride, "padding": padding}
    ours = partial(pull_back, partial(ops.conv2d, **options), name)
    both = jit(lambda *inputs: [fn(*inputs) for fn in (ours, computed_by(convolution.NATIVE, ours))])(*inputs)
    for y, (dx, dkernel, dbias) in both:
        found = {"y": nchw(y), "d_x": nchw(dx), "d_kernel": dkernel.transpose(3, 2, 0, 1), "d_bias": dbias}
        values.assert_agree(found, values.part(stored, name), 1e-6)


@pytest.mark.parametrize("name", values.TRANSPOSED)
def test_conv2d_transpose_equals_pytorchs_in_both_formulations(name, stored):
    h, w, kh, kw, channels, features, stride, padding, extra = values.TRANSPOSED[name]
    name = f"conv2d_transpose/{name}"
    x, kernel = values.uniform(f"{name}/x", 2, channels, h, w), values.uniform(f"{name}/kernel", channels, features, kh, kw)
    inputs = nhwc(x), jnp.asarray(kernel.transpose(0, 2, 3, 1)), jnp.asarray(values.uniform(f"{name}/bias", features))
    options = {"stride": stride, "padding": padding}
    ours = partial(pull_back, partial(ops.conv2d_transpose, output_padding=extra, **options), name)
    both = jit(lambda *inputs: [fn(*inputs) for fn in (ours, computed_by(convolution.NATIVE, ours))])(*inputs)
    for y, (dx, dkernel, dbias) in both:
        found = {"y": nchw(y), "d_x": nchw(dx), "d_kernel": dkernel.transpose(0, 3, 1, 2), "d_bias": dbias}
        values.assert_agree(found, values.part(stored, name), 1e-6)


@pytest.mark.parametrize("pad", [1, 3])
def test_reflect_pad_equals_pytorchs(pad, stored):
    name = f"reflect_pad/{pad}"
    y, (dx,) = pull_back(partial(ops.reflect_pad, pad=pad), name, nhwc(values.uniform(f"{name}/x", 2, 3, 5, 4)))
    values.assert_agree({"y": nchw(y), "d_input": nchw(dx)}, values.part(stored, name), 1e-6)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "tanh", "sigmoid"])
def test_activation_equals_pytorchs_also_at_zero_and_far_from_it(name, stored):
    y, (dx,) = pull_back(getattr(ops, name), name, jnp.asarray(values.LOGITS))
    expected = values.part(stored, name)
    values.assert_agree({"y": y, "d_input": dx}, expected, 1e-6)
    # each value by itself, however small: one of the probabilities is 2e-22
    np.testing.assert_allclose(y, expected["y"], rtol=1e-5)


@pytest.mark.parametrize("name", values.NORMALISED)
def test_batch_norm_equals_pytorchs_with_both_kinds_of_statistics_and_in_its_updates(name, stored):
    shape, middle = values.NORMALISED[name]
    sizes = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), shape[1:2])
    drawn = values.weights(f"batch_norm/{name}", sizes)
    x = nhwc(values.uniform(f"normalised/{name}", *shape, low=middle - 2, high=middle + 1))
    params = {"scale": drawn["weight"], "bias": drawn["bias"]}
    state = {"batch_stats": {"mean": drawn["running_mean"], "var": drawn["running_var"]}}
    trained, tested = network(layers.batch_norm), network(partial(layers.batch_norm, statistics="running"))

    def compute(params, state, x):
        _, once = trained.apply(params, state, x, train=True)
        _, twice = trained.apply(params, once, 0.5 * x, train=True)
        results = {}
        for mode, net in (("train", trained), ("eval", tested)):
            run = lambda params, x, net=net, mode=mode: net.apply(params, state, x, train=mode == "train")[0]
            results[mode] = pull_back(run, f"batch_norm_{mode}/{name}", params, x)
        return results, (once, twice)

    results, running = jit(compute)(params, state, x)
    for mode, (y, (dparams, dx)) in results.items():
        found = {"y": nchw(y), "d_input": nchw(dx), "d_weight": dparams["scale"], "d_bias": dparams["bias"]}
        for calls, new in enumerate(running if mode == "train" else (), 1):
            found |= {f"{key}_{calls}": value for key, value in new["batch_stats"].items()}
        values.assert_agree(found, values.part(stored, f"batch_norm_{mode}/{name}"), 1e-5)


@pytest.mark.parametrize("name", [name for name in values.NORMALISED if name != "one_pixel"])
def test_instance_norm_equals_pytorchs(name, stored):
    shape, middle = values.NORMALISED[name]
    x = nhwc(values.uniform(f"normalised/{name}", *shape, low=middle - 2, high=middle + 1))
    run = lambda x: network(layers.instance_norm).apply({}, {}, x, train=True)[0]
    y, (dx,) = jit(lambda x: pull_back(run, f"instance_norm/{name}", x))(x)
    values.assert_agree({"y": nchw(y), "d_input": nchw(dx)}, values.part(stored, f"instance_norm/{name}"), 1e-5)


def test_no_norm_is_the_identity():
    x = nhwc(values.uniform("no_norm", 2, 3, 4, 5))
    y, (dx,) = pull_back(lambda x: network(layers.no_norm).apply({}, {}, x, train=True)[0], "no_norm", x)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(nchw(dx), values.uniform("no_norm/cotangent", 2, 3, 4, 5))


# --------------------------------------------------------------------------------------------------------------------
# Pillow

RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


@pytest.mark.parametrize("method", RESAMPLING)
@pytest.mark.parametrize("size", [(43, 37), (11, 9), (16, 41), (17, 23)])
def test_resize_equals_pillows_on_floats(method, size):
    x = values.uniform("resize", 2, 17, 23, 3, low=0, high=255)
    y = np.asarray(ops.resize(jnp.asarray(x), size, method))
    assert y.shape == (2, *size, 3)
    expected = np.empty(y.shape)
    for i in range(2):
        for channel in range(3):
            picture = Image.fromarray(np.ascontiguousarray(x[i, :, :, channel]))
            assert picture.mode == "F"
            expected[i, :, :, channel] = picture.resize(size[::-1], RESAMPLING[method])
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 * 255)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("channels", [(3, 3), (1, 3)])
@pytest.mark.parametrize(("mode", "ending"), [("RGB", "png"), ("RGB", "jpg"), ("L", "png"), ("P", "png")])
@pytest.mark.parametrize("load_size", [43, 20])
def test_a_pair_is_read_bit_for_bit_as_by_the_pytorch_original(tmp_path, direction, channels, mode, ending, load_size):
    both = values.uniform("pair", 31, 2 * 32, 3, low=0, high=256).astype(np.uint8)
    path = tmp_path / f"pair.{ending}"
    Image.fromarray(both).convert(mode).save(path)
    sides = {name: Side(channels=(count,)) for name, count in zip(("input", "target"), channels, strict=True)}
    pairs = RecordedPairs(FileRecords([("pair", {"pair": path})]), Data(direction=direction, **sides))
    pair = pairs.read(0, Fit("resize_and_crop", (load_size, load_size), (load_size, load_size)))
    found = (pair["input"], pair["target"])

    opened = Image.open(path).convert("RGB")
    width, height = opened.size
    halves = [opened.crop((0, 0, width // 2, height)), opened.crop((width // 2, 0, width, height))]
    for half, count, array in zip(halves if direction == "AtoB" else halves[::-1], channels, found, strict=True):
        half = half.convert("L") if count == 1 else half
        expected = np.asarray(half.resize((load_size, load_size), Image.Resampling.BICUBIC))
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, expected.reshape(load_size, load_size, count))
