"""Summary of a network: the output shape and the number of parameters of each layer."""

from typing import NamedTuple

import jax
from jax import Array

from p2p_jax.network import Network, count_parameters


class Row(NamedTuple):
    """One layer.

    Attributes:
        name: of the layer.
        shape: of its output, or None if it is unknown.
        parameters: number of learned values.
    """

    name: str
    shape: tuple[int, ...] | None
    parameters: int


def summarize(net: Network, *inputs: Array | jax.ShapeDtypeStruct) -> list[Row]:
    """Lists the layers of a network in the order in which they run, without computing anything.

    Layers are recognised by `jax.named_scope`, which Flax sets. For a hand-written network without such names, the rows
    are the top-level names of its params, without shapes.

    Args:
        net: the network.
        *inputs: the network's inputs, as arrays or as shapes and dtypes.

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators, summarize
        >>> from p2p_jax.network import network
        >>> pair = jax.ShapeDtypeStruct((1, 256, 256, 6), "float32")
        >>> summarize(network(discriminators.pixelgan), pair)[0]
        Row(name='conv0', shape=(1, 256, 256, 64), parameters=448)
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
    # Layers without parameters (a merge, dropout) have a scope but no entry in the params.
    rows = [Row(name, shape, parameters.pop(name, 0)) for name, shape in shapes.items()]
    return rows + [Row(name, None, count) for name, count in parameters.items()]
