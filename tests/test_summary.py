"""The summary of a network's layers."""

import jax
import jax.numpy as jnp
import pytest

from p2p_jax import discriminators, generators
from p2p_jax.network import Network, count_parameters, network
from p2p_jax.summary import summarize


def picture(size, channels, count=1):
    return jax.ShapeDtypeStruct((count, size, size, channels), jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fn", "x"),
    [
        (generators.unet, picture(256, 3)),
        (generators.encoder_decoder, picture(256, 3)),
        (generators.resnet, picture(64, 3)),
        (discriminators.patchgan, picture(70, 6)),
        (discriminators.pixelgan, picture(8, 6)),
    ],
)
def test_the_parameters_of_all_rows_sum_to_the_networks_and_every_layer_has_a_shape(fn, x):
    net = network(fn)
    rows = summarize(net, x)
    params, _ = jax.eval_shape(net.init, jax.random.key(0), x)
    assert sum(row.parameters for row in rows) == count_parameters(params)
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert set(params) <= set(names)
    assert all(row.shape is not None for row in rows)


def test_rows_hold_each_layers_output_shape_and_parameters_in_running_order():
    rows = {row.name: row[1:] for row in summarize(network(generators.unet), picture(256, 3, count=2))}
    assert rows["down0"] == ((2, 128, 128, 64), 16 * 3 * 64)
    assert rows["down7"] == ((2, 1, 1, 512), 16 * 512 * 512)
    assert rows["up7_norm"] == ((2, 2, 2, 512), 1024)
    assert rows["merge6"] == ((2, 2, 2, 1024), 0)
    assert rows["up0"] == ((2, 256, 256, 3), 16 * 128 * 3 + 3)
    order = [name for name in rows if name.startswith(("down", "up")) and "norm" not in name]
    assert order == [f"down{i}" for i in range(8)] + [f"up{i}" for i in reversed(range(8))]


def test_a_network_written_by_hand_shows_its_parameters_without_shapes():
    def apply(params, state, x, *, train, key=None):
        return x * params["scale"] + params["more"]["shift"], state

    net = Network(lambda key, x: ({"scale": jnp.ones(x.shape[-1]), "more": {"shift": jnp.zeros(())}}, {}), apply)
    assert {tuple(row) for row in summarize(net, picture(8, 3))} == {("scale", None, 3), ("more", None, 1)}


def test_named_scopes_of_a_network_written_by_hand_are_its_layers():
    def apply(params, state, x, *, train, key=None):
        with jax.named_scope("scale"):
            x = x[..., :1] * params["scale"]
        return x, state

    net = Network(lambda key, x: ({"scale": jnp.ones(5)}, {}), apply)
    assert [tuple(row) for row in summarize(net, picture(8, 3))] == [("scale", (1, 8, 8, 5), 5)]
