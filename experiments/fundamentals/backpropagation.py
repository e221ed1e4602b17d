"""Backpropagation: the slope of the loss by every weight of a network, from one pass forward and one back.

python -m experiments.fundamentals.backpropagation
"""

import inspect
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from experiments.fundamentals.descents import descend
from experiments.fundamentals.lesson import Claim, Numbers
from p2p_jax import losses, ops, step
from p2p_jax.generators import unet
from p2p_jax.network import count_parameters, network

TITLE = "Backpropagation: who is to blame, and how much"
QUESTION = "A network has many weights and makes one mistake. How does each weight learn its share of it?"
HOMES = (step.discriminator_gradients, step.generator_gradients, ops.tanh, losses.binary_cross_entropy)

Params = dict[str, Array]

INPUTS, TARGET = (1.5, 0.5), 0.0
WEIGHTS = {"w": ((0.8, -0.6), (-0.4, 1.0)), "b": (0.1, -0.2), "v": (0.9, -1.1), "c": 0.2}
WIDTHS = (4, 16, 64, 256)
UNITS, STARTS, STEPS = (0, 2, 3, 4, 8), 200, 300


def forward(params: Params, x: Array) -> Params:
    """A network with one hidden layer: all that it computes on the way to its logit.

    Args:
        params: w (inputs, units), b (units,), v (units,) and c ().
        x: (..., inputs).

    Returns:
        The sums s (..., units), the hidden values h (..., units) and the logit z (...).
    """
    s = x @ params["w"] + params["b"]
    h = ops.tanh(s)
    return {"s": s, "h": h, "z": h @ params["v"] + params["c"]}


def network_loss(params: Params, x: Array, target: float) -> Array:
    """The log loss of the network's answers."""
    return losses.binary_cross_entropy(forward(params, x)["z"], target)


def backward_by_hand(params: Params, x: Array, target: float) -> Params:
    """The slope of `network_loss` by every value, from the last to the first, for one example x (inputs,)."""
    value = forward(params, x)
    slope = {"z": ops.sigmoid(value["z"]) - target}  # log loss: probability minus truth
    slope["c"] = slope["z"]  # a sum hands its slope on, unchanged, to all that was added
    slope["v"] = slope["z"] * value["h"]  # a product hands it on times the other factor
    slope["h"] = slope["z"] * params["v"]  # so for its other factor
    slope["s"] = slope["h"] * (1 - value["h"] ** 2)  # tanh hands it on times its own slope
    slope["b"] = slope["s"]
    slope["w"] = x[:, None] * slope["s"]
    slope["x"] = params["w"] @ slope["s"]  # there are two ways from an input to the loss: they are added up
    return slope


def finite_differences(function: Callable[[Array], Array], point: Array, distance: float = 0.003) -> Array:
    """The slopes of a function by every number of point (n,), from two calls of the function for each."""
    moves = distance * jnp.eye(point.size)
    return jax.vmap(lambda move: (function(point + move) - function(point - move)) / (2 * distance))(moves)


def measure(widths: Sequence[int] = WIDTHS) -> Numbers:
    """Goes through a small network forward and back, counts what that costs for hidden layers so wide, and learns XOR."""
    return {
        "layers": _layers(),
        "chain": _chain(),
        "graph": _graph(),
        "cost": _cost(widths),
        "xor": _xor(),
        "pix2pix": _pix2pix(),
    }


def _layers() -> Numbers:
    """A network of one input and three hidden units, with and without its activation."""
    params = {"w": jnp.array([[1.5, -2.0, 1.0]]), "b": jnp.array([1.5, 1.0, -2.0]), "v": jnp.array([1.0, 0.8, 1.2])}
    params["c"] = jnp.array(0.3)
    x = np.linspace(-3, 3, 61, dtype=np.float32)

    @jax.jit
    def run(params: Params, x: Array) -> Params:
        w, b, v, c = (params[name] for name in "wbvc")
        return {
            "two_layers": (x[:, None] @ w + b) @ v + c,
            "one_layer": x[:, None] @ (w @ v) + (b @ v + c),
            "bent": forward(params, x[:, None])["z"],
            "tanh": ops.tanh(x),
            "tanh_slope": jax.vmap(jax.grad(ops.tanh))(x),
            "log_loss_slope": jax.vmap(jax.grad(lambda z: losses.binary_cross_entropy(z, 1.0)))(x),
            "probability": ops.sigmoid(x),
        }

    curves = {name: np.asarray(curve) for name, curve in run(params, jnp.asarray(x)).items()}
    line = np.polyval(np.polyfit(x, curves["bent"], 1), x)
    difference = np.abs(curves["two_layers"] - curves["one_layer"]).max()
    return {"x": x, **curves, "difference": difference, "distance_to_line": np.abs(curves["bent"] - line).max()}


def _chain() -> Numbers:
    """Three functions in a row: each with its value and its own slope, and the products of the slopes from the end."""
    functions = (lambda x: 3 * x, ops.tanh, lambda h: losses.l2(h, jnp.ones_like(h)))

    def whole(x: Array) -> Array:
        return functions[2](functions[1](functions[0](x)))

    @jax.jit
    def run(x: Array) -> Numbers:
        values, slopes = [x], []
        for function in functions:
            slopes.append(jax.grad(function)(values[-1]))
            values.append(function(values[-1]))
        by_differences = finite_differences(lambda x: whole(x[0]), x[None])[0]
        return {"values": values, "slopes": slopes, "by_grad": jax.grad(whole)(x), "by_differences": by_differences}

    result = run(jnp.array(0.2))
    return {**result, "products": np.cumprod(np.array(result["slopes"])[::-1])[::-1]}


def _graph() -> Numbers:
    """A network of two inputs and two hidden units: every value, and every slope of the loss."""
    params, x = {name: jnp.array(value) for name, value in WEIGHTS.items()}, jnp.array(INPUTS)
    flat, unravel = ravel_pytree(params)

    @jax.jit
    def run() -> tuple[Params, ...]:
        values = {"x": x, **params, **forward(params, x), "p": ops.sigmoid(forward(params, x)["z"])}
        values["loss"] = network_loss(params, x, TARGET)
        by_differences = unravel(finite_differences(lambda flat: network_loss(unravel(flat), x, TARGET), flat))
        slopes = {"loss": jnp.ones(()), **backward_by_hand(params, x, TARGET)}
        return values, slopes, jax.grad(network_loss)(params, x, TARGET), by_differences

    names = ("values", "by_hand", "by_grad", "by_differences")
    return dict(zip(names, map(name_each, run()), strict=True))


def name_each(arrays: Mapping[str, Array]) -> dict[str, float]:
    """The numbers of arrays under names of their own: w of shape (2, 2) gives w11, w12, w21 and w22."""
    return {
        name + "".join(str(i + 1) for i in index): float(value)
        for name, array in arrays.items()
        for index, value in np.ndenumerate(array)
    }


def _cost(widths: Sequence[int]) -> list[Numbers]:
    """What gradients cost, counted in forward passes, for networks of 64 inputs and ever more hidden units."""
    result = []
    for width in widths:
        params = {"w": np.ones((64, width), np.float32), "b": np.ones(width, np.float32)}
        params |= {"v": params["b"], "c": np.ones((), np.float32)}
        flat, unravel = ravel_pytree(params)

        def loss(flat: Array, x: Array, unravel: Callable[[Array], Params] = unravel) -> Array:
            return network_loss(unravel(flat), x, 1.0)

        x = np.ones((32, 64), np.float32)
        once = count_operations(loss, flat, x)
        costs = {
            "backward": count_operations(jax.value_and_grad(loss), flat, x),
            "inputs_too": count_operations(jax.value_and_grad(loss, argnums=(0, 1)), flat, x),
            "differences": count_operations(lambda f, x, loss=loss: finite_differences(lambda f: loss(f, x), f), flat, x),
        }
        result.append({"weights": flat.size, **{name: cost / once for name, cost in costs.items()}})
    return result


def count_operations(function: Callable[..., object], *arguments: Array | np.ndarray) -> float:
    """How many additions, multiplications and the like the compiled function does; it is not run."""
    analysis = jax.jit(function).lower(*arguments).compile().cost_analysis() or {}
    return float(analysis["flops"])


def _xor() -> Numbers:
    """Learns "exactly one of the two" with one layer, and with a hidden layer of a few units from many starts."""
    yes, no = jnp.array([[0.0, 1.0], [1.0, 0.0]]), jnp.array([[0.0, 0.0], [1.0, 1.0]])
    random, width = np.random.default_rng(0), max(UNITS)
    alive = np.arange(width) < np.array(UNITS)[:, None, None]  # units whose weights are all zero get slopes of zero
    w = random.standard_normal((1, STARTS, 2, width)) * alive[:, :, None]
    v = random.standard_normal((1, STARTS, width)) * alive
    zero = np.zeros((len(UNITS), STARTS, width))
    starts = np.concatenate([zero, np.zeros((len(UNITS), STARTS, 1)), v, w.reshape(*v.shape[:2], -1)], axis=-1)
    _, unravel = ravel_pytree({"b": zero[0, 0], "c": np.zeros(()), "v": v[0, 0], "w": w[0, 0]})
    judge, descent = losses.bce.discriminator, optax.sgd(1.0)

    def loss(answer: Callable[[Array], Array]) -> Array:
        return (judge(answer(yes), True) + judge(answer(no), False)) / 2

    @jax.jit
    def run(starts: Array, line: Array) -> tuple[Array, ...]:
        def learn(start: Array) -> tuple[Array, Array]:
            path, values = descend(lambda f: loss(lambda x: forward(unravel(f), x)["z"]), descent, start, STEPS)
            return path[-1], values

        path, single = descend(lambda f: loss(lambda x: x @ f[:2] + f[2]), descent, line, STEPS)
        from_half = jnp.abs(ops.sigmoid(jnp.concatenate([yes, no]) @ path[-1, :2] + path[-1, 2]) - 0.5).max()
        return single, from_half, *jax.vmap(jax.vmap(learn))(starts)

    single, from_half, found, curves = run(jnp.asarray(starts), jnp.array([1.0, -0.5, 0.2]))
    params = unravel(found[UNITS.index(4), 0])
    side = jnp.linspace(-0.5, 1.5, 61)
    plane = ops.sigmoid(forward(params, jnp.stack(jnp.meshgrid(side, side), axis=-1))["z"])
    return {
        "single": single,
        "from_half": from_half,
        "zeros": curves[0, 0, -1],
        "curve": curves[UNITS.index(4), 0],
        "learned": dict(zip(UNITS[1:], (np.asarray(curves[1:, :, -1]) < 0.1).mean(axis=1), strict=True)),
        "plane": np.round(np.asarray(plane, float), 3),
        "yes": ops.sigmoid(forward(params, yes)["z"]),
        "no": ops.sigmoid(forward(params, no)["z"]),
    }


def _pix2pix() -> Numbers:
    picture = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    params, _ = jax.eval_shape(network(unet).init, jax.random.key(0), picture)
    homes = (step.discriminator_gradients, step.generator_gradients)
    calls = sum(inspect.getsource(home).count("jax.value_and_grad(") for home in homes)
    return {"weights": count_parameters(params), "calls": calls}


def claims(numbers: Numbers) -> list[Claim]:
    """What the text says, with its numbers."""
    layers, chain, graph, cost, xor = (numbers[name] for name in ("layers", "chain", "graph", "cost", "xor"))
    tanh_error = np.abs(layers["tanh_slope"] - (1 - layers["tanh"] ** 2)).max()
    log_error = np.abs(layers["log_loss_slope"] - (layers["probability"] - 1)).max()
    changes = np.array([row["backward"] for row in cost])
    by_hand, by_grad, by_differences = graph["by_hand"], graph["by_grad"], graph["by_differences"]
    to_grad = max(abs(by_hand[name] - slope) for name, slope in by_grad.items())
    to_differences = max(abs(by_hand[name] - slope) for name, slope in by_differences.items())
    return [
        Claim("Two layers without an activation answer as a single one does.", layers["difference"], "=", 0, 1e-5),
        Claim("With tanh, the best straight line is off by more than a half.", layers["distance_to_line"], ">", 0.5),
        Claim("The slope of tanh is 1 minus its square.", tanh_error, "=", 0, 1e-5),
        Claim("The slope of log loss by its logit is the probability minus the truth.", log_error, "=", 0, 1e-5),
        Claim(
            "The product of the three slopes is what `jax.grad` says.", chain["products"][0], "=", chain["by_grad"], 1e-5
        ),
        Claim(
            "The product of the three slopes is what finite differences say.",
            chain["products"][0],
            "=",
            chain["by_differences"],
            1e-3,
        ),
        Claim("By hand and by `jax.grad` all nine slopes are the same.", to_grad, "=", 0, 1e-6),
        Claim("Finite differences find the same nine slopes.", to_differences, "=", 0, 1e-3),
        Claim("A pass forward and one back cost less than 4 passes forward.", changes.max(), "<", 4),
        Claim(
            "Less than 4 as well when the slopes by the inputs are wanted too.",
            max(row["inputs_too"] for row in cost),
            "<",
            4,
        ),
        Claim(
            "The number of weights changes what a gradient costs, in forward passes, by less than a fifth.",
            changes.max() / changes.min(),
            "<",
            1.2,
        ),
        Claim(
            "Two-sided finite differences cost at least 2 passes for every weight.",
            min(row["differences"] / row["weights"] for row in cost),
            ">",
            2,
        ),
        Claim("A single layer ends at log 2 on XOR.", xor["single"][-1], "=", np.log(2), 1e-4),
        Claim("A single layer answers one half to all four points of XOR.", xor["from_half"], "=", 0, 0.01),
        Claim("A hidden layer of four units ends below a tenth of log 2 on XOR.", xor["curve"][-1] / np.log(2), "<", 0.1),
        Claim(
            "Four hidden units give more than 95 % to each right answer of XOR.",
            min(*xor["yes"], *(1 - xor["no"])),
            ">",
            0.95,
        ),
        Claim("With eight units more than 95 % of the starts learn XOR.", xor["learned"][8], ">", 0.95),
        Claim("With two units fewer than 75 % of the starts learn XOR.", xor["learned"][2], "<", 0.75),
        Claim("A start where every weight is zero stays at log 2.", xor["zeros"], "=", np.log(2), 1e-6),
        Claim("A training step of pix2pix asks for gradients twice.", numbers["pix2pix"]["calls"], "=", 2),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
