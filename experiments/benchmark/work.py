"""How much there is to compute: the multiply-adds of a function, counted from its jaxpr and not from what a compiler made.

Every sub-function is walked into; of a `cond` its last branch counts, which `lax.platform_dependent` makes the default one
(XLA's own convolutions). What is computed twice from the same values counts once and what nobody reads not at all, as a
compiler does it: a convolution's backward pass may offer gradients that nobody wants.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

Value = int
"""A value by its number: equal numbers are equal values."""

SUBFUNCTIONS = ("jaxpr", "call_jaxpr", "fun_jaxpr")


class Graph(NamedTuple):
    """What was computed so far.

    Attributes:
        known: {what was computed, from which values: the values it gave}.
        makers: for each value its operation: FLOPs, the values read, and the first value given, which names it.
    """

    known: dict[Any, list[Value]]
    makers: list[tuple[int, tuple[Value, ...], Value]]


def count_flops(function: Callable[..., Any], *args: Any) -> int:
    """2 x multiply-adds of all convolutions and products in one call of a function.

    Args:
        function: of arrays; it is traced, never run.
        args: arrays or `jax.ShapeDtypeStruct`s.
    """
    return _count(jax.make_jaxpr(function)(*args))


def _count(closed: ClosedJaxpr) -> int:
    graph = Graph({}, [])
    inputs = [_new_value(graph) for _ in closed.jaxpr.invars]
    waiting = _walk(graph, closed, inputs)
    seen: set[Value] = set()
    total = 0
    while waiting:
        flops, read, name = graph.makers[waiting.pop()]
        if name not in seen:
            seen.add(name)
            total += flops
            waiting += read
    return total


def _new_value(graph: Graph, flops: int = 0, read: Sequence[Value] = (), first: Value | None = None) -> Value:
    number = len(graph.makers)
    graph.makers.append((flops, tuple(read), number if first is None else first))
    return number


def _walk(graph: Graph, closed: ClosedJaxpr, inputs: Sequence[Value]) -> list[Value]:
    """The values that a jaxpr gives for these inputs, each operation added to the graph."""
    jaxpr = closed.jaxpr
    values: dict[Any, Value] = dict(zip(jaxpr.invars, inputs, strict=True))
    for variable, constant in zip(jaxpr.constvars, closed.consts, strict=True):
        values[variable] = _compute(graph, ("constant", id(constant)), 1, (), 0)[0]
    for eqn in jaxpr.eqns:
        read = [_read(graph, values, atom) for atom in eqn.invars]
        values.update(zip(eqn.outvars, _apply(graph, eqn, read), strict=True))
    return [_read(graph, values, atom) for atom in jaxpr.outvars]


def _read(graph: Graph, values: dict[Any, Value], atom: Any) -> Value:
    if isinstance(atom, Literal):
        return _compute(graph, ("literal", str(atom.val), str(atom.aval)), 1, (), 0)[0]
    return values[atom]


def _compute(graph: Graph, what: Any, results: int, read: Sequence[Value], flops: int) -> list[Value]:
    """The values of an operation: new ones, or those it gave when it was first done."""
    key = (what, tuple(read))
    if key not in graph.known:
        first = len(graph.makers)
        graph.known[key] = [_new_value(graph, flops, read, first) for _ in range(results)]
    return graph.known[key]


def _apply(graph: Graph, eqn: Any, read: list[Value]) -> list[Value]:
    name, params = eqn.primitive.name, eqn.params
    if name == "cond":
        return _walk(graph, params["branches"][-1], read[1:])
    if name in ("scan", "while"):
        # Opaque: nothing inside is shared with what is outside. How often a `while` runs is not known: it counts once.
        flops = params.get("length", 1) * _count(params["jaxpr" if name == "scan" else "body_jaxpr"])
        return _compute(graph, (name, id(eqn)), len(eqn.outvars), read, flops)
    inner = next((params[key] for key in SUBFUNCTIONS if isinstance(params.get(key), ClosedJaxpr | Jaxpr)), None)
    if inner is not None:
        return _walk(graph, inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ()), read)
    what = (name, str(sorted(params.items(), key=lambda item: item[0])))
    return _compute(graph, what, len(eqn.outvars), read, _flops(eqn))


def _flops(eqn: Any) -> int:
    if eqn.primitive.name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        shape = eqn.invars[0].aval.shape
        return 2 * math.prod(eqn.outvars[0].aval.shape) * math.prod(shape[axis] for axis in contracted)
    if eqn.primitive.name == "conv_general_dilated":
        return _convolution_flops(eqn)
    return 0


def _convolution_flops(eqn: Any) -> int:
    params, (left, right) = eqn.params, (variable.aval.shape for variable in eqn.invars[:2])
    numbers, result = params["dimension_numbers"], eqn.outvars[0].aval.shape
    flops = 2 * result[numbers.out_spec[0]] * result[numbers.out_spec[1]] * right[numbers.rhs_spec[1]]
    for axis in range(2, len(result)):
        sizes = left[numbers.lhs_spec[axis]], right[numbers.rhs_spec[axis]], result[numbers.out_spec[axis]]
        flops *= _meetings(*sizes)
    return flops


def _meetings(size: int, taps: int, results: int) -> int:
    """How often, along one axis, a value of the input meets a tap of the kernel in a result.

    Any two of the three name the third, so the least product of two is all that can meet: zeros that dilation puts in are
    none of them, and a convolution and both of its gradients, which are the same three in other roles, come out equal.
    Padding counts, as whoever multiplies whole patches computes it.
    """
    return min(size * taps, taps * results, size * results)
