"""Converting networks of the PyTorch original; tests/parity compares their numbers with PyTorch's."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.weights import network_of, random_weights

from p2p_jax.config import Discriminator, Generator
from p2p_jax.errors import UserError
from p2p_jax.pytorch import convert

GENERATORS = {
    "unet": Generator("unet", width=2, widths=(2, 4, 4)),
    "unet of other widths": Generator("unet", width=3, widths=(3, 2, 5, 4)),
    "unet with dropout": Generator("unet", width=2, widths=(2, 2, 2, 2, 2, 2), dropout=0.5),
    "resnet": Generator("resnet", width=2, num_blocks=2),
    "resnet without dropout": Generator("resnet", width=2, num_blocks=1, dropout=0.0),
    "resnet without blocks": Generator("resnet", width=2, num_blocks=0, dropout=0.0),
    "anti-aliased resnet": Generator("resnet", width=2, num_blocks=2, antialias="both"),
    "resnet anti-aliased down": Generator("resnet", width=2, num_blocks=1, dropout=0.0, antialias="down"),
    "resnet anti-aliased up": Generator("resnet", width=2, num_blocks=0, dropout=0.0, antialias="up"),
}
DISCRIMINATORS = {
    **{f"patchgan of {n}": Discriminator("patchgan", num_layers=n, width=2) for n in (1, 2, 3, 5)},
    "patchgan of other widths": Discriminator("patchgan", num_layers=2, width=3, widths=(3, 2, 5)),
    "anti-aliased patchgan of 1": Discriminator("patchgan", num_layers=1, width=2, antialias=True),
    "anti-aliased patchgan of 3": Discriminator("patchgan", width=3, widths=(3, 2, 5, 4), antialias=True),
    "pixelgan": Discriminator("pixelgan", width=2),
}
NORMS = ("batch", "instance", "affine_instance", "none")
ALL = [(name, norm) for name in (*GENERATORS, *DISCRIMINATORS) for norm in NORMS]


def options_of(name, norm="batch"):
    options = replace((GENERATORS | DISCRIMINATORS)[name], norm=norm)
    if isinstance(options, Generator) and options.architecture == "unet" and len(options.widths) < 6:
        options = replace(options, dropout=0.0)  # no level of it has any
    return options


def state_dict(name, norm="batch", **options):
    chosen = options_of(name, norm)
    return convert.to_torch(chosen, *random_weights(chosen, **options), counts=5)


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        np.asarray(x).tobytes() == np.asarray(y).tobytes() and x.shape == y.shape
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.mark.parametrize(("name", "norm"), tiers(ALL, 5, slow=20, several=True))
def test_a_network_is_recognised_and_converted_back_bit_for_bit(name, norm):
    options = options_of(name, norm)
    params, state = random_weights(options, in_channels=5, out_channels=2)
    arrays = convert.to_torch(options, params, state, counts=7)
    found = convert.from_torch(arrays)
    assert found.options == options
    assert found.in_channels == 5
    assert found.out_channels == (2 if name in GENERATORS else 1)
    assert same((found.params, found.state), (params, state))
    back = convert.to_torch(found.options, found.params, found.state, counts=found.counts)
    assert list(back) == list(arrays)
    assert all(back[key].tobytes() == arrays[key].tobytes() and back[key].dtype == arrays[key].dtype for key in arrays)
    assert all(array.flags["C_CONTIGUOUS"] for array in back.values())


def test_the_converted_network_computes_the_same():
    options = options_of("unet")
    params, state = random_weights(options)
    x = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)), jnp.float32)
    expected = network_of(options).apply(params, state, x, train=False)[0]
    found = convert.from_torch(convert.to_torch(options, params, state))
    np.testing.assert_array_equal(found.network.apply(found.params, found.state, x, train=False)[0], expected)


def test_running_statistics_are_used_where_they_are_asked_for():
    options = options_of("patchgan of 1")
    params, state = random_weights(options)
    state = jax.tree.map(np.abs, state)
    arrays = convert.to_torch(options, params, state)
    x = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)), jnp.float32)
    running = convert.from_torch(arrays, statistics="running")
    expected = network_of(replace(options, statistics="running")).apply(params, state, x, train=False)[0]
    np.testing.assert_array_equal(running.network.apply(running.params, running.state, x, train=False)[0], expected)
    assert running.options == options
    batch = convert.from_torch(arrays).network.apply(params, state, x, train=False)[0]
    assert not np.allclose(batch, expected)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("name", ["unet", "pixelgan"])
def test_prefixes_are_dropped(name, prefix):
    arrays = state_dict(name)
    found = convert.from_torch({prefix + key: array for key, array in arrays.items()})
    assert same(found.params, convert.from_torch(arrays).params)


def test_a_prefix_on_only_some_names_is_refused():
    arrays = state_dict("unet")
    first = next(iter(arrays))
    with pytest.raises(UserError, match="no network of the PyTorch original"):
        convert.from_torch({f"module.{first}": arrays.pop(first), **arrays})


@pytest.mark.parametrize(("name", "norms"), [("unet", 3), ("resnet", 3), ("patchgan of 3", 3), ("pixelgan", 1)])
def test_old_instance_norm_files_lose_their_running_statistics(name, norms):
    arrays = state_dict(name, "instance")
    keys = {key.rsplit(".", 1)[0] for key in state_dict(name) if key.endswith("running_var")}
    assert len(keys) >= norms
    old = arrays | {f"{key}.{kind}": np.ones(3, np.float32) for key in keys for kind in convert.STATISTICS}
    found = convert.from_torch(old)
    assert found.options.norm == "instance"
    assert same((found.params, found.state), convert.from_torch(arrays)[1:3])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_precisions_become_float32(dtype):
    arrays = {key: array.astype(dtype) if array.dtype == np.float32 else array for key, array in state_dict("unet").items()}
    found = convert.from_torch(arrays)
    assert {leaf.dtype for leaf in jax.tree.leaves((found.params, found.state))} == {np.dtype(np.float32)}
    key = "model.model.0.weight"
    np.testing.assert_array_equal(convert.to_torch(found.options, found.params, found.state)[key], arrays[key])


def test_counts_of_batches_are_kept_for_each_layer_and_may_be_missing():
    arrays = state_dict("unet")
    names = [key for key in arrays if key.endswith(convert.COUNT)]
    arrays |= {name: np.asarray(i, np.int64) for i, name in enumerate(names)}
    found = convert.from_torch(arrays)
    assert found.counts == {name.removesuffix(f".{convert.COUNT}"): i for i, name in enumerate(names)}
    back = convert.to_torch(found.options, found.params, found.state, counts=found.counts)
    assert [int(back[name]) for name in names] == list(range(len(names)))
    oldest = convert.from_torch({key: array for key, array in arrays.items() if key not in names})
    assert set(oldest.counts.values()) == {0}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["anti-aliased resnet", "anti-aliased patchgan of 3", "resnet anti-aliased up"])
def test_filters_other_than_cuts_are_refused(name):
    arrays = state_dict(name)
    filters = [key for key in arrays if key.endswith(".filt")]
    assert filters
    for key in filters:
        shifted = np.roll(arrays[key], 1, -1)
        with pytest.raises(UserError, match=f"{key} is not CUT's filter"):
            convert.from_torch(arrays | {key: shifted})
        with pytest.raises(UserError, match=f"{key} has the shape"):
            convert.from_torch(arrays | {key: arrays[key][..., :2]})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet", "resnet", "anti-aliased resnet", "patchgan of 3", "pixelgan"])
def test_batch_norm_after_convolutions_with_a_bias_is_read(name):
    options = replace(options_of(name), bias="all")
    params, state = random_weights(options)
    regular = state_dict(name)
    arrays = {key: array for key, array in state_dict(name, "affine_instance").items() if key not in regular} | regular
    found = convert.from_torch(arrays)
    assert found.options == options
    assert jax.tree.structure((found.params, found.state)) == jax.tree.structure((params, state))
    with pytest.raises(UserError, match="bias all, but the PyTorch original has reference"):
        convert.to_torch(found.options, found.params, found.state)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_a_patchgan_built_without_norm_layers_is_read(layers, bias):
    widths = tuple(range(2, layers + 3))
    shapes = [(b, a, 4, 4) for a, b in zip((6, *widths), (*widths, 1), strict=True)]
    arrays = {f"model.{2 * i}.weight": np.ones(shape, np.float32) for i, shape in enumerate(shapes)}
    biased = range(len(shapes)) if bias else (0, len(shapes) - 1)
    arrays |= {f"model.{2 * i}.bias": np.ones(shapes[i][0], np.float32) for i in biased}
    for names in (arrays, dict(reversed(arrays.items()))):
        options = convert.from_torch(names).options
        assert (options.norm, options.bias, options.num_layers) == ("none", "all" if bias else "reference", layers)


def test_the_dropout_rate_is_an_argument():
    arrays = state_dict("unet with dropout")
    assert convert.from_torch(arrays).options.dropout == 0.5
    assert convert.from_torch(arrays, dropout=0.2).options.dropout == 0.2
    assert convert.from_torch(state_dict("resnet"), dropout=0.2).options.dropout == 0.2
    assert convert.from_torch(state_dict("resnet without dropout"), dropout=0.2).options.dropout == 0.0


def changed(arrays, change):
    arrays = dict(arrays)
    change(arrays)
    return arrays


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("unet", lambda a: a.clear(), "holds no tensors"),
        (
            "unet",
            lambda a: a.update({"model.model.0.weight": np.zeros((2, 0, 4, 4))}),
            "model.model.0.weight is not the kernel",
        ),
        ("unet", lambda a: a.update({"model.model.3.bias": np.zeros(3, np.int32)}), "holds int32"),
        ("unet", lambda a: a.update({"x\n" + "y" * 300: np.zeros(3)}), r"x\\n"),
        ("unet", lambda a: a.pop("model.model.0.weight"), "no network of the PyTorch original"),
        ("unet", lambda a: a.pop("model.model.3.bias"), "model.model.3.bias is missing"),
        ("unet", lambda a: a.pop("model.model.1.model.2.running_mean"), "model.model.1.model.2.running_mean is missing"),
        ("unet", lambda a: a.pop("model.model.3.weight"), "model.model.3.weight is not the kernel"),
        ("unet", lambda a: a.update({"model.extra.weight": np.zeros(3)}), "model.extra.weight is in the file"),
        ("unet", lambda a: a.update({"model.model.3.bias": np.zeros(4)}), r"model.model.3.bias has the shape \(4,\)"),
        ("unet", lambda a: a.update({"model.model.0.weight": np.zeros(4)}), "model.model.0.weight is not the kernel"),
        ("resnet", lambda a: a.pop("model.11.conv_block.6.weight"), "model.11.conv_block.6.weight is missing"),
        ("resnet", lambda a: a.pop("model.19.weight"), "model.19.weight is not the kernel"),
        ("patchgan of 3", lambda a: a.pop("model.11.weight"), "a changed network|another network"),
        ("patchgan of 3", lambda a: a.pop("model.5.weight"), "a changed network|another network"),
        ("pixelgan", lambda a: a.pop("net.5.weight"), "net.5.weight is missing"),
    ],
)
def test_unknown_names_and_shapes_are_refused(name, change, words):
    with pytest.raises(UserError, match=words) as caught:
        convert.from_torch(changed(state_dict(name), change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("unet", {"skip": "concat_decoder_first"}, "generator.skip concat_decoder_first"),
        ("unet", {"skip": "add"}, "generator.skip add"),
        ("unet", {"leaky_slope": 0.3}, "generator.leaky_slope 0.3"),
        ("unet", {"post_activation": True}, "generator.post_activation True"),
        ("unet", {"norm_epsilon": 1e-3}, "generator.norm_epsilon 0.001"),
        ("unet", {"upsample": "resize"}, "generator.upsample resize"),
        ("unet", {"bottleneck_norm": True}, "generator.bottleneck_norm True"),
        ("unet", {"architecture": "encoder_decoder"}, "encoder_decoder"),
        ("patchgan of 1", {"architecture": "segmentation"}, "no segmentation discriminator"),
        ("patchgan of 1", {"bias": "all"}, "discriminator.bias all"),
        ("patchgan of 1", {"leaky_slope": 0.3}, "discriminator.leaky_slope 0.3"),
    ],
)
def test_options_that_the_pytorch_original_lacks_are_refused(name, changes, words):
    options = replace(options_of(name), **changes)
    with pytest.raises(UserError, match=words):
        convert.to_torch(options, *random_weights(options_of(name)))


@pytest.mark.parametrize(
    "changes", [{"norm_momentum": 0.99}, {"norm_stddev": 0.0}, {"remat": True}, {"statistics": "picture"}]
)
def test_options_that_matter_only_in_training_are_ignored(changes):
    options = options_of("unet")
    assert convert.to_torch(replace(options, **changes), *random_weights(options))


def test_a_network_with_other_layers_is_refused():
    options = options_of("unet")
    params, state = random_weights(options)
    with pytest.raises(UserError, match="no layer for down1_block"):
        convert.to_torch(options, params | {"down1_block": {}}, state)
    with pytest.raises(UserError, match="lacks up1"):
        convert.to_torch(options, {name: part for name, part in params.items() if name != "up1"}, state)


@pytest.mark.parametrize("name", ["unet", "patchgan of 1"])
def test_a_network_that_is_too_deep_is_refused_before_it_is_built(name):
    arrays = {"unet": {"model.model.0.weight": np.zeros((1, 3, 4, 4))}, "patchgan of 1": {}}[name]
    if name == "unet":
        arrays |= {f"model.model.1{'.model.3' * i}.model.1.weight": np.zeros((1, 1, 4, 4)) for i in range(40)}
    else:
        arrays |= {f"model.{i}.weight": np.zeros((1, 6 if i == 0 else 1, 4, 4)) for i in (0, *range(2, 80, 3))}
    with pytest.raises(UserError, match="at most 12"):
        convert.from_torch(arrays)
