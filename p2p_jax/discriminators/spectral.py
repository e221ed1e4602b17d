"""Spectral normalization of a discriminator's weights."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.network import Network, Params, State

COLLECTION = "spectral_norm"
FIRST_ITERATIONS = 15


def spectral_norm(discriminator: Network) -> Network:
    """Returns a discriminator whose kernels are divided by their largest singular values.

    A kernel (..., features) counts as a matrix of its inputs and its features. The largest singular value is estimated by
    power iteration: 15 iterations at first, and one in each pass in training.

    Args:
        discriminator: whose params have the kernels as leaves with at least 2 dimensions. Its state is a dictionary.

    Returns:
        a network with the same params, whose state has the singular vectors (features,) in addition, in the collection
        `spectral_norm`, by the names of the kernels.

    Source: Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018, algorithm 1.

    Example:
        >>> import jax
        >>> from p2p_jax import discriminators
        >>> from p2p_jax.network import network
        >>> normalized = discriminators.spectral_norm(network(discriminators.pixelgan, width=2))
        >>> _, state = normalized.init(jax.random.key(0), jax.numpy.zeros((1, 16, 16, 6)))
        >>> sorted(state["spectral_norm"])
        ['conv0.kernel', 'conv1.kernel', 'conv2.kernel']
    """

    def init(key: Array, pair: Array) -> tuple[Params, State]:
        key, own = jax.random.split(key)
        params, state = discriminator.init(key, pair)
        vectors = {}
        for i, (name, kernel) in enumerate(_kernels(params).items()):
            vector = _unit(jax.random.normal(jax.random.fold_in(own, i), kernel.shape[-1:], kernel.dtype))
            vectors[name] = lax.fori_loop(0, FIRST_ITERATIONS, lambda _, u, kernel=kernel: _iterate(kernel, u), vector)
        return params, state | {COLLECTION: vectors}

    def apply(params: Params, state: State, pair: Array, *, train: bool, key: Array | None = None) -> tuple[Any, State]:
        vectors = state[COLLECTION]
        if train:
            vectors = {name: _iterate(kernel, vectors[name]) for name, kernel in _kernels(params).items()}
        rest = {name: value for name, value in state.items() if name != COLLECTION}

        def normalize(path: Any, leaf: Array) -> Array:
            return leaf / _largest_singular_value(leaf, vectors[_name(path)]) if leaf.ndim > 1 else leaf

        normalized = jax.tree_util.tree_map_with_path(normalize, params)
        output, rest = discriminator.apply(normalized, rest, pair, train=train, key=key)
        return output, rest | {COLLECTION: vectors}

    return Network(init, apply)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _kernels(params: Params) -> dict[str, Array]:
    """The kernels by their names, as constants."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {_name(path): lax.stop_gradient(leaf) for path, leaf in leaves if leaf.ndim > 1}


def _unit(vector: Array) -> Array:
    return vector / (jnp.linalg.norm(vector) + 1e-12)


def _iterate(kernel: Array, vector: Array) -> Array:
    """One power iteration: a better estimate of the right singular vector (features,)."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return _unit(matrix.T @ _unit(matrix @ vector))


def _largest_singular_value(kernel: Array, vector: Array) -> Array:
    """The norm of the matrix times its singular vector, with a gradient for the kernel alone."""
    matrix, vector = kernel.reshape(-1, kernel.shape[-1]), lax.stop_gradient(vector)
    left = _unit(lax.stop_gradient(matrix) @ vector)
    return left @ (matrix @ vector)
