"""A network is a pair of pure functions, its only interface to the rest of the program."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.core
import jax
from jax import Array

Params = Any
State = Any


class Network(NamedTuple):
    """Two pure functions, written with Flax scopes, linen, nnx, equinox or plain JAX.

    Attributes:
        init: `(key, *inputs) -> (params, state)`. `params` is learned; the forward pass changes `state`, which is {} if
            there is none. Both are trees of arrays.
        apply: `(params, state, *inputs, train: bool, key=None) -> (output, state)`. `train` says whether the state is
            updated; noise (dropout) acts only if a key is given.
    """

    init: Callable[..., tuple[Params, State]]
    apply: Callable[..., tuple[Any, State]]


def network(fn: Callable[..., Any], /, **config: Any) -> Network:
    """Makes a Network from a scope function.

    Args:
        fn: `(scope, *inputs, train, **config) -> output`.
        **config: fixed arguments of `fn`.

    Example:
        >>> from p2p_jax.generators import unet
        >>> from p2p_jax.layers import instance_norm
        >>> from p2p_jax.network import network
        >>> generator = network(unet, norm=instance_norm)
    """
    body = partial(fn, **config)

    @jax.jit
    def init(key: Array, *inputs: Array) -> tuple[Params, State]:
        _, variables = flax.core.init(partial(body, train=False))({"params": key}, *inputs)
        state = dict(variables)
        return state.pop("params", {}), state

    def apply(params: Params, state: State, *inputs: Array, train: bool, key: Array | None = None) -> tuple[Any, State]:
        rngs = {} if key is None else {"dropout": key}
        run = flax.core.apply(partial(body, train=train), mutable=list(state) if train else False)
        result = run({"params": params, **state}, *inputs, rngs=rngs)
        return (result[0], dict(result[1])) if train else (result, state)

    return Network(init, apply)


def count_parameters(params: Params) -> int:
    """Returns the number of learned values in a tree of arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
