"""Stale gradients: forward with the old weights, backward with the new ones, as in Torch with an update in between.

Torch's layers keep the values of the forward pass, but read their weights again in the backward pass. If the discriminator
is updated between the two, the generator's gradients use the new weights with the old values. Pure functions have no such
side effect, so this module reproduces it: every operation runs with the old and with the new weights.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import ClosedJaxpr, Literal


def apply_stale(fn: Callable[[Any, Array], Any], old: Any, new: Any, x: Array) -> Any:
    """Computes `fn(old, x)`; the gradient of x uses the intermediate values of `old` with the params `new`.

    Args:
        fn: `(params, x) -> tree of arrays`. A loop, or a function with a custom gradient, counts as one operation.
        old: params of the forward pass, a tree of arrays.
        new: params of the backward pass, a tree of the same shapes and dtypes.
        x: float array. The result has gradients with respect to `x`, but not to `old` or `new`.

    Returns:
        the result of `fn(old, x)`.
    """
    traced, shapes = jax.make_jaxpr(fn, return_shape=True)(old, x)
    old, new = lax.stop_gradient((jax.tree.leaves(old), jax.tree.leaves(new)))
    params = [_Value(before, after, depends_on_x=False) for before, after in zip(old, new, strict=True)]
    results = _evaluate(traced, [*params, _Value(lax.stop_gradient(x), x, depends_on_x=True)])
    values = [result.live if result.depends_on_x else result.old for result in results]
    return jax.tree.unflatten(jax.tree.structure(shapes), values)


class _Value(NamedTuple):
    """One intermediate value.

    Attributes:
        old: the value with the old params, without a gradient.
        live: if the value depends on x, the value of `old` with a gradient; otherwise the value with the new params.
        depends_on_x: whether the value depends on x.
    """

    old: Any
    live: Any
    depends_on_x: bool


def _evaluate(traced: ClosedJaxpr, arguments: list[_Value]) -> list[_Value]:
    constants = [_Value(constant, constant, depends_on_x=False) for constant in traced.consts]
    known = dict(zip([*traced.jaxpr.constvars, *traced.jaxpr.invars], [*constants, *arguments], strict=True))

    def look_up(atom: Any) -> _Value:
        return _Value(atom.val, atom.val, depends_on_x=False) if isinstance(atom, Literal) else known[atom]

    for equation in traced.jaxpr.eqns:
        inputs = [look_up(atom) for atom in equation.invars]
        if equation.primitive.name in ("jit", "pjit", "checkpoint"):
            inner = equation.params["jaxpr"]
            outputs = _evaluate(inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ()), inputs)
        else:
            outputs = _apply_both(equation, inputs)
        known |= zip(equation.outvars, outputs, strict=True)
    return [look_up(atom) for atom in traced.jaxpr.outvars]


def _apply_both(equation: Any, inputs: list[_Value]) -> list[_Value]:
    def apply(values: list[Any]) -> list[Any]:
        result = equation.primitive.bind(*values, **equation.primitive.get_bind_params(equation.params))
        return result if equation.primitive.multiple_results else [result]

    depends_on_x = any(value.depends_on_x for value in inputs)
    old = apply([value.old for value in inputs])
    new = apply([value.live for value in inputs])
    if depends_on_x:
        new = [_with_gradient(before, after) for before, after in zip(old, new, strict=True)]
    return [_Value(before, after, depends_on_x) for before, after in zip(old, new, strict=True)]


def _with_gradient(value: Array, like: Array) -> Array:
    """Returns `value` with the gradient of `like`."""
    return value + (like - lax.stop_gradient(like)) if jnp.issubdtype(like.dtype, jnp.inexact) else value
