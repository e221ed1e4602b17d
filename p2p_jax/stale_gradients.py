"""A forward pass with old weights whose backward pass meets new ones: what an update between the two leaves in Torch.

Torch's layers keep the values they computed, but look their weights up again on the way back. Where the discriminator is
updated between its forward and its backward pass, the generator learns through the new weights at the old values. Pure
functions have no such accidents, so this one is spelled out: every operation is done with the old and the new weights.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import ClosedJaxpr, Literal


def apply_stale(fn: Callable[[Any, Array], Any], old: Any, new: Any, x: Array) -> Any:
    """The value of `fn(old, x)`, with the slope by x that its operations have at those values under `new`.

    Args:
        fn: `(params, x) -> tree of arrays`. A loop, or a function with a gradient of its own, counts as one operation.
        old: params of the values.
        new: params of the slopes; the same tree of shapes and dtypes.
        x: what the result is differentiated by; nothing flows back into either params.

    Returns:
        what `fn(old, x)` returns.
    """
    traced, shapes = jax.make_jaxpr(fn, return_shape=True)(old, x)
    old, new = lax.stop_gradient((jax.tree.leaves(old), jax.tree.leaves(new)))
    params = [_Value(before, after, by_x=False) for before, after in zip(old, new, strict=True)]
    results = _evaluate(traced, [*params, _Value(lax.stop_gradient(x), x, by_x=True)])
    values = [result.live if result.by_x else result.old for result in results]
    return jax.tree.unflatten(jax.tree.structure(shapes), values)


class _Value(NamedTuple):
    """One intermediate value.

    Attributes:
        old: under the old params.
        live: what depends on the params alone, under the new ones; what depends on x, with the value of `old` and a slope.
        by_x: whether it depends on x.
    """

    old: Any
    live: Any
    by_x: bool


def _evaluate(traced: ClosedJaxpr, arguments: list[_Value]) -> list[_Value]:
    constants = [_Value(constant, constant, by_x=False) for constant in traced.consts]
    known = dict(zip([*traced.jaxpr.constvars, *traced.jaxpr.invars], [*constants, *arguments], strict=True))

    def look_up(atom: Any) -> _Value:
        return _Value(atom.val, atom.val, by_x=False) if isinstance(atom, Literal) else known[atom]

    for equation in traced.jaxpr.eqns:
        inputs = [look_up(atom) for atom in equation.invars]
        if equation.primitive.name in ("jit", "pjit", "checkpoint"):
            inner = equation.params["jaxpr"]
            outputs = _evaluate(inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ()), inputs)
        else:
            outputs = _do_both(equation, inputs)
        known |= zip(equation.outvars, outputs, strict=True)
    return [look_up(atom) for atom in traced.jaxpr.outvars]


def _do_both(equation: Any, inputs: list[_Value]) -> list[_Value]:
    def do(values: list[Any]) -> list[Any]:
        result = equation.primitive.bind(*values, **equation.primitive.get_bind_params(equation.params))
        return result if equation.primitive.multiple_results else [result]

    by_x = any(value.by_x for value in inputs)
    old = do([value.old for value in inputs])
    new = do([value.live for value in inputs])
    if by_x:
        new = [_with_slope(before, after) for before, after in zip(old, new, strict=True)]
    return [_Value(before, after, by_x) for before, after in zip(old, new, strict=True)]


def _with_slope(value: Array, like: Array) -> Array:
    """`value`, with the slope of `like`."""
    return value + (like - lax.stop_gradient(like)) if jnp.issubdtype(like.dtype, jnp.inexact) else value
