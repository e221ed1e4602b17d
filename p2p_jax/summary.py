"""What a network is made of: each layer's output shape and number of parameters."""

from typing import NamedTuple

import jax
from jax import Array

from p2p_jax.network import Network, count_parameters


class Row(NamedTuple):
    """One layer: its name, the shape of its output (None where it cannot be told) and its parameters."""

    name: str
    shape: tuple[int, ...] | None
    parameters: int


def summarize(net: Network, *inputs: Array | jax.ShapeDtypeStruct) -> list[Row]:
    """Lists the layers of a network in the order in which they run; computes nothing.

    Layers are told apart by `jax.named_scope`, which Flax sets; a hand-written network without such names shows its
    parameters by the top-level names of its tree, without shapes.

    Args:
        net: the network.
        inputs: arrays, or shapes and dtypes, of one batch.
    """
    key = jax.random.key(0)
    params, state = jax.eval_shape(net.init, key, *inputs)
    parameters = {name: count_parameters(tree) for name, tree in params.items()} if isinstance(params, dict) else {}
    jaxpr = jax.make_jaxpr(lambda p, s, *x: net.apply(p, s, *x, train=False)[0])(params, state, *inputs)
    shapes: dict[str, tuple[int, ...]] = {}
    for equation in jaxpr.jaxpr.eqns:
        layer = str(equation.source_info.name_stack).split("/")[0]
        if layer:
            shapes.pop(layer, None)
            shapes[layer] = equation.outvars[0].aval.shape
    # Scopes that only group arithmetic (a function jitted inside JAX) are no layers of the network.
    rows = [Row(name, shape, parameters.pop(name, 0)) for name, shape in shapes.items()]
    return rows + [Row(name, None, count) for name, count in parameters.items()]
