"""Networks of forks of the PyTorch original against golden values from PyTorch.

`tests/reference/record_forks.py` recorded the golden values in float64. The networks here compute in float32, so the bounds
are like those of `test_networks.py`, relative to the largest value of each array.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import reference_values as values
from helpers.cases import tiers

from p2p_jax import layers, ops
from p2p_jax.network import network
from p2p_jax.ops import convolution
from p2p_jax.pytorch import convert

EXPECTED = {
    "affine_unet": {"norm": "affine_instance", "bias": "reference"},
    "affine_resnet": {"norm": "affine_instance"},
    "affine_patchgan": {"norm": "affine_instance"},
    "affine_pixelgan": {"norm": "affine_instance"},
    "affine_unet_with_statistics": {"norm": "batch", "bias": "all"},
    "cut_resnet": {"norm": "instance", "antialias": "both", "num_blocks": 2, "width": 2},
    "cut_resnet_batch": {"norm": "batch", "antialias": "both", "num_blocks": 1},
    "cut_resnet_affine": {"norm": "affine_instance", "antialias": "both", "num_blocks": 0},
    "cut_resnet_down": {"norm": "instance", "antialias": "down"},
    "cut_resnet_up": {"norm": "batch", "antialias": "up"},
    "cut_patchgan": {"norm": "instance", "antialias": True, "widths": (3, 4, 5, 4)},
    "cut_patchgan_batch": {"norm": "batch", "antialias": True, "num_layers": 1},
    "spectral_resnet": {"architecture": "resnet", "norm": "batch"},
    "spectral_unet": {"architecture": "unet", "norm": "instance"},
    "spectral_unet_old": {"architecture": "unet", "norm": "batch"},
    "spectral_patchgan": {"architecture": "patchgan", "norm": "batch", "bias": "reference"},
    "spectral_pixelgan": {"architecture": "pixelgan", "norm": "batch"},
    "spectral_bare_patchgan": {"norm": "none", "bias": "all", "widths": (3, 4, 5)},
    "spectral_bare_patchgan_new": {"norm": "none", "bias": "reference", "num_layers": 1},
    "spectral_cut": {"antialias": "both", "norm": "instance"},
    "weight_norm_unet": {"architecture": "unet", "norm": "batch"},
    "weight_norm_patchgan": {"architecture": "patchgan", "norm": "instance"},
    "pruned_resnet": {"architecture": "resnet", "norm": "batch"},
}


@cache
def stored() -> dict[str, np.ndarray]:
    with np.load(values.FOLDER / "forks.npz") as file:
        return dict(file)


def nhwc(x):
    return jnp.asarray(x.transpose(0, 2, 3, 1), jnp.float32)


def nchw(x):
    return np.asarray(x).transpose(0, 3, 1, 2)


def test_every_recorded_network_is_tested():
    assert {name.split("/")[0] for name in stored()} - {"ops"} == set(EXPECTED)


@pytest.mark.slow
@pytest.mark.parametrize("name", tiers(EXPECTED, 2))
def test_a_network_of_a_fork_computes_the_same_as_in_pytorch(name, monkeypatch):
    monkeypatch.setattr(convolution, "choose", lambda *_: convolution.NATIVE)  # which compiles fast
    recorded = values.part(stored(), name)
    arrays = values.part(recorded, "state")
    found = convert.from_torch(arrays, statistics="running")
    assert {key: getattr(found.options, key) for key in EXPECTED[name]} == EXPECTED[name]
    # An instance norm that is read as batch norm computes the same from the statistics of each picture.
    trained = convert.from_torch(arrays, statistics="picture" if found.options.bias == "all" else "batch").network
    side = 24 if name == "cut_patchgan" else 16 if "pixelgan" not in name else 8
    x = nhwc(values.uniform(f"forks/{name}/x", 2, found.in_channels, side, side))

    def compute(x):
        y = found.network.apply(found.params, found.state, x, train=False)[0]
        cotangent = nhwc(values.uniform(f"forks/{name}/cotangent", *(y.shape[i] for i in (0, 3, 1, 2))))
        trained_y, vjp = jax.vjp(lambda x: trained.apply(found.params, found.state, x, train=True)[0], x)
        return {"eval": y, "train": trained_y, "d_x": vjp(cotangent)[0]}

    results = {key: values.digest(nchw(value), 128) for key, value in jax.jit(compute)(x).items() if key in recorded}
    for key, bound in {"eval": 1e-5, "train": 1e-5, "d_x": 1e-4}.items():
        if key in recorded:
            values.assert_agree({key: results[key]}, {key: recorded[key]}, bound)


@pytest.mark.parametrize("size", tiers(["5x3", "4x6", "2x2"], slow=2))
@pytest.mark.parametrize(("name", "fn"), [("halve", ops.blur_downsample), ("double", ops.upsample_bilinear)])
def test_antialiasing_equals_cuts_in_value_and_gradient(name, fn, size):
    x = nhwc(values.uniform(f"antialias/{size}", 2, 3, *map(int, size.split("x"))))
    y, vjp = jax.vjp(fn, x)
    (dx,) = vjp(nhwc(values.uniform(f"ops/{name}/{size}/cotangent", *nchw(y).shape)))
    values.assert_agree({"y": nchw(y), "d_x": nchw(dx)}, values.part(stored(), f"ops/{name}/{size}"), 1e-6)


def test_affine_instance_norm_equals_pytorchs_in_value_and_every_gradient():
    x = nhwc(values.uniform("affine/x", 2, 3, 4, 5, low=0.0, high=3.0))
    params = {"scale": values.uniform("affine/weight", 3, low=0.5, high=1.5), "bias": values.uniform("affine/bias", 3)}
    norm = network(partial(layers.instance_norm, affine=True))
    y, vjp = jax.vjp(lambda params, x: norm.apply(params, {}, x, train=True)[0], params, x)
    dparams, dx = vjp(nhwc(values.uniform("ops/affine_instance_norm/cotangent", 2, 3, 4, 5)))
    found = {"y": nchw(y), "d_input": nchw(dx), "d_weight": dparams["scale"], "d_bias": dparams["bias"]}
    values.assert_agree(found, values.part(stored(), "ops/affine_instance_norm"), 1e-5)
