"""Complete networks against golden values from PyTorch: same names, weights and pictures, same results.

`tests/reference/record.py` recorded the golden values. Dropout keeps a checkerboard on both sides, which reveals a missing
or misplaced one; `tests/ops/test_activations.py` tests that dropout is random.

Bounds in float32: the golden values are float64, so the differences are p2p_jax's rounding, relative to the largest value
of each array. The bound is 10 times PyTorch's own rounding, which record.py measured as 1.3e-6 (U-Net), 2.8e-6 (ResNet),
1.4e-6 (PatchGAN) and 2e-7 (PixelGAN) in the forward pass, where the bound is at most 1e-5, and as 8e-6, 6e-6, 4e-6 and 3e-7
in gradients. That of p2p_jax is similar: at most 2e-6 and 1.4e-5. In float64 both agree to 2e-14; the bound is 1e-9.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import reference_values as values
from helpers.cases import tiers

from p2p_jax import discriminators, generators, layers, ops
from p2p_jax.network import count_parameters, network
from p2p_jax.ops import convolution
from p2p_jax.pytorch import convert

jit = jax.jit


@pytest.fixture(scope="module")
def stored():
    return values.load("networks")


@pytest.fixture(autouse=True)
def fixed_dropout(monkeypatch):
    keep = lambda _key, x, rate: x * values.checkerboard(x.shape).astype(x.dtype) / (1 - rate)
    monkeypatch.setattr(ops, "dropout", keep)


def use_native_convolutions(monkeypatch):
    """Uses the convolutions of a GPU, which compile twice as fast; `test_ops.py` compares the CPU's formulations too."""
    monkeypatch.setattr(convolution, "choose", lambda *_: convolution.NATIVE)


def build(name, **batch_norm):
    """Builds the network of a recording."""
    kind, norm, _, _, options = values.NETWORKS[name]
    norms = {"batch": partial(layers.batch_norm, **batch_norm), "instance": layers.instance_norm, "none": layers.no_norm}
    shared = {"norm": norms[norm]}
    if kind == "PatchGan":
        return network(discriminators.patchgan, widths=options["widths"], **shared)
    if kind == "PixelGan":
        return network(discriminators.pixelgan, width=options["width"], **shared)
    shared |= {"out_channels": options.get("out_channels", 3)}
    dropout = options.get("dropout", 0.5)
    if kind == "Unet":
        rates = generators.unet_dropout_rates(options["widths"], dropout)
        return network(generators.unet, widths=options["widths"], dropout_rates=rates, **shared)
    blocks = options.get("blocks", 9)
    return network(generators.resnet, width=options["width"], num_blocks=blocks, dropout_rate=dropout, **shared)


def nhwc(x):
    return x.transpose(0, 2, 3, 1)


def nchw(x):
    return np.asarray(x).transpose(0, 3, 1, 2)


def float32_bounds(stored, kind):
    """Returns bounds of the forward pass and the gradients: 10 times PyTorch's largest rounding in networks of a kind."""
    noise = np.max([stored[f"{other}/noise"] for other in values.NETWORKS if values.NETWORKS[other][0] == kind], axis=0)
    return min(10 * noise[0], 1e-5), 10 * noise[1]


@pytest.mark.parametrize("name", tiers(values.NETWORKS, slow=6))
def test_network_equals_pytorchs_in_value_statistics_and_every_gradient(name, stored, monkeypatch, record_property):
    kind, _, dtype, shape, options = values.NETWORKS[name]
    if name not in ("unet_64_batch", "patchgan_3_batch"):
        use_native_convolutions(monkeypatch)
    shapes = values.shapes(stored, name)
    drawn = values.weights(name, shapes, gain=values.GAINS[kind])
    converted = convert.from_torch(drawn, dropout=options.get("dropout", 0.5))
    # The converter's network computes in float32, and it must be the recorded one.
    trained = converted.network if dtype == "float32" else build(name)
    tested = build(name, statistics="running")

    def compute(params, state, x, cotangent):
        def weighed_sum(params, x):
            y, new = trained.apply(params, state, x, train=True, key=jax.random.key(0))
            return (y * cotangent).sum(), (y, new)

        gradients, (y, new) = jax.grad(weighed_sum, (0, 1), has_aux=True)(params, x)
        return tested.apply(params, state, x, train=False)[0], y, new, gradients

    with jax.enable_x64(dtype == "float64"):
        params, state = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (converted.params, converted.state))
        x = jnp.asarray(nhwc(values.uniform(f"{name}/x", *shape)), dtype)
        size = jax.eval_shape(partial(tested.apply, train=False), params, state, x)[0].shape
        cotangent = nhwc(values.uniform(f"{name}/cotangent", *(size[i] for i in (0, 3, 1, 2))))
        y_test, y, new, gradients = jax.device_get(jit(compute)(params, state, x, jnp.asarray(cotangent, dtype)))
    assert y.dtype == dtype

    found = convert.to_torch(converted.options, params, new)
    assert {key: np.shape(value) for key, value in found.items()} == shapes
    assert list(found) == list(shapes)
    forward = {"eval": nchw(y_test), "train": nchw(y)}
    forward |= {key: value for key, value in found.items() if "running" in key}
    by_name = convert.to_torch(converted.options, gradients[0], new)
    by_name = {key: value for key, value in by_name.items() if "running" not in key and "tracked" not in key}
    bounds = float32_bounds(stored, kind) if dtype == "float32" else (1e-9, 1e-9)
    results = {"forward": forward, "gradients": {"x": nchw(gradients[1]), **by_name}}
    for (part, arrays), bound in zip(results.items(), bounds, strict=True):
        digests = {key: values.digest(value) for key, value in arrays.items()}
        difference = values.assert_agree(digests, values.part(stored, f"{name}/{part}"), bound)
        record_property(part, f"{difference:.1e}, bound {bound:.1e}")


@pytest.mark.slow
def test_unet_256_of_54_million_parameters_equals_pytorchs(stored, record_property):
    shapes = values.shapes(stored, "unet_256_whole")
    converted = convert.from_torch(values.weights("unet_256_whole", shapes, spread=0.02), dropout=0.0)
    assert count_parameters(converted.params) == 54_413_955
    x = jnp.asarray(nhwc(values.uniform("unet_256_whole/x", 1, 3, 256, 256)))
    y, new = jit(partial(converted.network.apply, train=True))(converted.params, converted.state, x)
    by_name = convert.to_torch(converted.options, converted.params, new)
    found = {"train": nchw(y), **{key: value for key, value in by_name.items() if "running" in key}}
    bound = min(10 * stored["unet_256_whole/noise"], 1e-5)
    digests = {key: values.digest(value, 128) for key, value in found.items()}
    difference = values.assert_agree(digests, values.part(stored, "unet_256_whole/forward"), bound)
    record_property("forward", f"{difference:.1e}, bound {bound:.1e}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fn", "channels", "config"),
    [
        (generators.unet, 3, {"widths": (32, 32)}),
        (generators.resnet, 3, {"width": 16, "num_blocks": 1, "norm": layers.no_norm}),
        (discriminators.patchgan, 6, {"widths": (32, 32)}),
    ],
)
def test_initial_values_have_the_pytorch_originals_distribution(fn, channels, config):
    x = jnp.zeros((1, 8, 8, channels))
    params, state = jax.device_get(jit(network(fn, **config).init)(jax.random.key(0), x))
    norms = [name for name in params if name.endswith("_norm")]
    assert set(norms) == set(state.get("batch_stats", {}))
    for name, layer in params.items():
        for key, value in layer.items():
            if key == "bias":
                np.testing.assert_array_equal(value, 0, err_msg=name)
                continue
            mean = 1.0 if name in norms else 0.0
            # 5 standard errors of the mean and of the standard deviation
            assert abs(value.mean() - mean) < 5 * 0.02 / value.size**0.5, name
            assert abs(value.std() - 0.02) < 5 * 0.02 / (2 * value.size) ** 0.5, name
    for layer in state.get("batch_stats", {}).values():
        np.testing.assert_array_equal(layer["mean"], 0)
        np.testing.assert_array_equal(layer["var"], 1)
