"""The work of a function: its multiply-adds, counted in its jaxpr and not in a compiled program.

Sub-functions are counted, too. Of a `cond` the last branch counts: `lax.platform_dependent` puts the default there,
which is XLA's own convolutions. Equal operations on the same values count once, and operations without a use do not
count, as in compiled programs: a convolution's backward pass may return gradients that are not used.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

Value = int
"""The number of a value: equal numbers are equal values."""

SUBFUNCTIONS = ("jaxpr", "call_jaxpr", "fun_jaxpr")


class Graph(NamedTuple):
    """The operations so far.

    Attributes:
        known: {(operation, the values it read): its results}.
        makers: for each value its operation: FLOPs, the values read, and its first result, which identifies the operation.
    """

    known: dict[Any, list[Value]]
    makers: list[tuple[int, tuple[Value, ...], Value]]


def count_flops(function: Callable[..., Any], *args: Any) -> int:
    """Returns 2 x the multiply-adds of all convolutions and matrix products in one call of a function.

    Args:
        function: a function of arrays; it is traced, never run.
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
    """Adds the operations of a jaxpr to the graph, and returns its outputs for these inputs."""
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


def _compute(graph: Graph, operation: Any, results: int, read: Sequence[Value], flops: int) -> list[Value]:
    """Returns the results of an operation: new values, or those of the same operation on the same values."""
    key = (operation, tuple(read))
    if key not in graph.known:
        first = len(graph.makers)
        graph.known[key] = [_new_value(graph, flops, read, first) for _ in range(results)]
    return graph.known[key]


def _apply(graph: Graph, eqn: Any, read: list[Value]) -> list[Value]:
    name, params = eqn.primitive.name, eqn.params
    if name == "cond":
        return _walk(graph, params["branches"][-1], read[1:])
    if name in ("scan", "while"):
        # Operations inside are not compared with those outside. How often a `while` runs is unknown: it counts once.
        flops = params.get("length", 1) * _count(params["jaxpr" if name == "scan" else "body_jaxpr"])
        return _compute(graph, (name, id(eqn)), len(eqn.outvars), read, flops)
    inner = next((params[key] for key in SUBFUNCTIONS if isinstance(params.get(key), ClosedJaxpr | Jaxpr)), None)
    if inner is not None:
        return _walk(graph, inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ()), read)
    operation = (name, str(sorted(params.items(), key=lambda item: item[0])))
    return _compute(graph, operation, len(eqn.outvars), read, _flops(eqn))


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
        flops *= _count_products(*sizes)
    return flops


def _count_products(size: int, taps: int, results: int) -> int:
    """Returns how many products of an input value and a kernel tap one axis of a convolution needs.

    Any two of input position, tap and output position determine the third, so the smallest product of two sizes bounds the
    count. Zeros that dilation inserts therefore do not count, and a convolution and both of its gradients, which have the
    same three sizes in other roles, count the same. Products with padding count, because im2col computes them.
    """
    return min(size * taps, taps * results, size * results)
