"""Random smooth displacements of pictures."""

import jax
import jax.numpy as jnp
from jax import Array


def displace(key: Array, x: Array, strength: float, *, knots: int = 5) -> Array:
    """Moves the pixels of each picture along a random smooth field, and takes the nearest pixel, so that no value is new.

    Each picture has its own field: displacements at the knots of a coarse grid, which are interpolated linearly.

    Args:
        key: a `jax.random.key`; the same key draws the same fields.
        x: (n, h, w, c), any dtype. Places beyond an edge have the values of the edge.
        strength: the largest displacement, as a fraction of the height and of the width, at least 0. At 0 nothing moves.
            Above 1 / (2 knots) a field may fold, so that some regions appear twice.
        knots: of the grid, along each side.

    Returns:
        the shape and dtype of `x`.

    Source: Katiyar and Khoreva, Improving Augmentation and Evaluation Schemes for Semantic Image Synthesis, 2020, who warp
    the shapes in label maps. The field is that of Simard et al., Best Practices for Convolutional Neural Networks Applied
    to Visual Document Analysis, 2003, with a grid in place of a Gaussian.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> labels = jnp.arange(16).reshape(1, 4, 4, 1)
        >>> bool((ops.displace(jax.random.key(0), labels, 0.0) == labels).all())
        True
    """
    n, height, width, _ = x.shape
    coarse = jax.random.uniform(key, (n, 2, knots, knots), minval=-strength, maxval=strength)
    field = jax.image.resize(coarse, (n, 2, height, width), "linear", antialias=False)
    rows = _nearest(jnp.arange(height)[:, None], height * field[:, 0], height)
    columns = _nearest(jnp.arange(width)[None], width * field[:, 1], width)
    return jax.vmap(lambda picture, row, column: picture[row, column])(x, rows, columns)


def _nearest(place: Array, displacement: Array, size: int) -> Array:
    """The nearest indices of displaced places, within the picture."""
    return jnp.clip(jnp.round(place + displacement), 0, size - 1).astype(jnp.int32)
