"""Metrics of label maps, computed from a confusion matrix that may be summed over pictures and processes.

Source: Long, Shelhamer and Darrell, Fully Convolutional Networks for Semantic Segmentation, 2015, section 5. As in the
authors' code, a class without pixels does not count in means over classes.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array


def confusion(picture: Array, target: Array, known: Array | None = None, *, classes: int) -> Array:
    """Numbers of pixels of every true class that have been given every class.

    Args:
        picture, target: (n, h, w, 1) integers, the numbers of the classes. A pixel does not count if its class or its
            target's is not in 0 to classes - 1.
        known: (n, h, w, 1), the weight of each pixel, or None if all pixels are known.
        classes: number of classes.

    Returns:
        (n, classes, classes) float32, exact up to 2**24 pixels of a picture: rows are the true classes, columns the given
        ones; all 0 if no pixel is known.
    """
    given, true = (jnp.asarray(numbers, jnp.int32).reshape(len(numbers), -1) for numbers in (picture, target))
    inside = (given >= 0) & (given < classes) & (true >= 0) & (true < classes)
    weight = inside.astype(jnp.float32)
    weight = weight if known is None else weight * jnp.asarray(known, jnp.float32).reshape(weight.shape)
    place = jnp.where(inside, true * classes + given, 0)
    counts = jnp.zeros((len(given), classes**2), jnp.float32).at[jnp.arange(len(given))[:, None], place].add(weight)
    return counts.reshape(-1, classes, classes)


def pixel_accuracy(confusion: Array) -> Array:
    """Fraction of the pixels whose class is right.

    Args:
        confusion: (..., classes, classes), see `confusion`.

    Returns:
        (...) float in [0, 1]; NaN if no pixel is known.
    """
    return _pixel_accuracy(*counts(confusion))


def class_accuracy(confusion: Array) -> Array:
    """Mean accuracy: the fraction of right pixels of each true class, as mean over the classes that occur in targets.

    Args:
        confusion: (..., classes, classes), see `confusion`.

    Returns:
        (...) float in [0, 1]; NaN if no pixel is known.
    """
    return _class_accuracy(*counts(confusion))


def iou(confusion: Array) -> Array:
    """Mean intersection over union: as mean over the classes that occur in targets or results.

    Args:
        confusion: (..., classes, classes), see `confusion`.

    Returns:
        (...) float in [0, 1]; NaN if no pixel is known.
    """
    return _iou(*counts(confusion))


def frequency_weighted_iou(confusion: Array) -> Array:
    """Intersection over union, as mean over the classes weighted by their pixels in the targets.

    Args:
        confusion: (..., classes, classes), see `confusion`.

    Returns:
        (...) float in [0, 1]; NaN if no pixel is known.
    """
    return _frequency_weighted_iou(*counts(confusion))


def counts(confusion: Array) -> tuple[Array, Array, Array]:
    """For every class the pixels that are right, those of the targets, and those of the results: (..., classes) each."""
    confusion = jnp.asarray(confusion)
    return jnp.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1), confusion.sum(-2)


def _pixel_accuracy(right: Any, true: Any, given: Any) -> Any:
    return right.sum(-1) / true.sum(-1)


def _class_accuracy(right: Any, true: Any, given: Any) -> Any:
    return _ratio(right, true).sum(-1) / (true > 0).sum(-1)


def _iou(right: Any, true: Any, given: Any) -> Any:
    union = true + given - right
    return _ratio(right, union).sum(-1) / (union > 0).sum(-1)


def _frequency_weighted_iou(right: Any, true: Any, given: Any) -> Any:
    return (true * _ratio(right, true + given - right)).sum(-1) / true.sum(-1)


def _ratio(part: Any, whole: Any) -> Any:
    """The quotient, and 0 where the whole is 0, where the part is 0 too."""
    return part / (whole + (whole == 0))


FROM_COUNTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "pixel_accuracy": _pixel_accuracy,
    "class_accuracy": _class_accuracy,
    "iou": _iou,
    "frequency_weighted_iou": _frequency_weighted_iou,
}
"""The same metrics of the three results of `counts`, for arrays of JAX or NumPy."""
