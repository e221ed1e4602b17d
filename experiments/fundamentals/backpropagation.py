"""Backpropagation: the slope of the loss for every weight of a network, from one forward and one backward pass.

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
QUESTION = "A network has many weights and makes one mistake. How does each weight learn its part in it?"
HOMES = (step.discriminator_gradients, step.generator_gradients, ops.tanh, losses.binary_cross_entropy)

Params = dict[str, Array]

INPUTS, TARGET = (1.5, 0.5), 0.0
WEIGHTS = {"w": ((0.8, -0.6), (-0.4, 1.0)), "b": (0.1, -0.2), "v": (0.9, -1.1), "c": 0.2}
WIDTHS = (4, 16, 64, 256)
UNITS, STARTS, STEPS = (0, 2, 3, 4, 8), 200, 300


def forward(params: Params, x: Array) -> Params:
    """A network with one hidden layer, from its inputs to its logit.

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
    """The slope of `network_loss` for every value, from the last to the first, for one example x (inputs,)."""
    value = forward(params, x)
    slope = {"z": ops.sigmoid(value["z"]) - target}  # log loss: probability minus target
    slope["c"] = slope["z"]  # a sum: each term gets its slope, unchanged
    slope["v"] = slope["z"] * value["h"]  # a product: each factor gets its slope times the other factor
    slope["h"] = slope["z"] * params["v"]  # the other factor of the same product
    slope["s"] = slope["h"] * (1 - value["h"] ** 2)  # tanh: times its own slope
    slope["b"] = slope["s"]
    slope["w"] = x[:, None] * slope["s"]
    slope["x"] = params["w"] @ slope["s"]  # adds the slopes of the two paths from an input to the loss
    return slope


def finite_differences(function: Callable[[Array], Array], point: Array, distance: float = 0.003) -> Array:
    """The slope of a function for each number of `point` (n,), from two calls of the function for each number."""
    moves = distance * jnp.eye(point.size)
    return jax.vmap(lambda move: (function(point + move) - function(point - move)) / (2 * distance))(moves)


def measure(widths: Sequence[int] = WIDTHS) -> Numbers:
    """Runs a small network forward and back, counts the cost for hidden layers of these widths, and learns XOR."""
    return {
        "layers": measure_layers(),
        "chain": measure_chain(),
        "graph": measure_graph(),
        "cost": measure_cost(widths),
        "xor": measure_xor(),
        "pix2pix": measure_pix2pix(),
    }


def measure_layers() -> Numbers:
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


def measure_chain() -> Numbers:
    """Three functions in a chain: the value and slope of each, and the products of the slopes from the end."""
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


def measure_graph() -> Numbers:
    """A network of two inputs and two hidden units: every value, and the slope of the loss for each."""
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
    """Names each number of the arrays: w of shape (2, 2) becomes w11, w12, w21 and w22."""
    return {
        name + "".join(str(i + 1) for i in index): float(value)
        for name, array in arrays.items()
        for index, value in np.ndenumerate(array)
    }


def measure_cost(widths: Sequence[int]) -> list[Numbers]:
    """The cost of a gradient, in forward passes, for networks of 64 inputs and hidden layers of these widths."""
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
    """The number of floating-point operations of the compiled function, which is not run."""
    analysis = jax.jit(function).lower(*arguments).compile().cost_analysis() or {}
    return float(analysis["flops"])


def measure_xor() -> Numbers:
    """Learns XOR with one layer, and with a hidden layer of a few units from many starts."""
    yes, no = jnp.array([[0.0, 1.0], [1.0, 0.0]]), jnp.array([[0.0, 0.0], [1.0, 1.0]])
    random, width = np.random.default_rng(0), max(UNITS)
    alive = np.arange(width) < np.array(UNITS)[:, None, None]  # a unit whose weights are all zero never changes
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


def measure_pix2pix() -> Numbers:
    """The number of weights of pix2pix's generator, and how often a training step computes a gradient."""
    picture = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    params, _ = jax.eval_shape(network(unet).init, jax.random.key(0), picture)
    homes = (step.discriminator_gradients, step.generator_gradients)
    calls = sum(inspect.getsource(home).count("jax.value_and_grad(") for home in homes)
    return {"weights": count_parameters(params), "calls": calls}


def claims(numbers: Numbers) -> list[Claim]:
    """The claims of the text, with their numbers."""
    return [*_slope_claims(numbers), *_graph_claims(numbers), *_cost_claims(numbers["cost"]), *_xor_claims(numbers)]


def _slope_claims(numbers: Numbers) -> list[Claim]:
    layers, chain = numbers["layers"], numbers["chain"]
    tanh_error = np.abs(layers["tanh_slope"] - (1 - layers["tanh"] ** 2)).max()
    log_error = np.abs(layers["log_loss_slope"] - (layers["probability"] - 1)).max()
    product = chain["products"][0]
    return [
        Claim("Two layers without an activation answer like a single layer.", layers["difference"], "=", 0, 1e-5),
        Claim("With tanh, the best straight line is off by more than a half.", layers["distance_to_line"], ">", 0.5),
        Claim("The slope of tanh is 1 minus its square.", tanh_error, "=", 0, 1e-5),
        Claim("The slope of log loss for its logit is the probability minus the target.", log_error, "=", 0, 1e-5),
        Claim("`jax.grad` returns the product of the three slopes.", product, "=", chain["by_grad"], 1e-5),
        Claim("Finite differences find the product of the three slopes.", product, "=", chain["by_differences"], 1e-3),
    ]


def _graph_claims(numbers: Numbers) -> list[Claim]:
    by_hand, by_grad, by_differences = (numbers["graph"][way] for way in ("by_hand", "by_grad", "by_differences"))
    to_grad = max(abs(by_hand[name] - slope) for name, slope in by_grad.items())
    to_differences = max(abs(by_hand[name] - slope) for name, slope in by_differences.items())
    return [
        Claim("By hand and by `jax.grad` all nine slopes are the same.", to_grad, "=", 0, 1e-6),
        Claim("Finite differences find the same nine slopes.", to_differences, "=", 0, 1e-3),
    ]


def _cost_claims(cost: list[Numbers]) -> list[Claim]:
    passes = np.array([row["backward"] for row in cost])
    with_inputs = max(row["inputs_too"] for row in cost)
    for_each = min(row["differences"] / row["weights"] for row in cost)
    change = passes.max() / passes.min()
    return [
        Claim("One forward and one backward pass cost less than 4 forward passes.", passes.max(), "<", 4),
        Claim("With the slopes for the inputs, too, both cost less than 4.", with_inputs, "<", 4),
        Claim("This cost changes with the number of weights by less than a fifth.", change, "<", 1.2),
        Claim("Two-sided finite differences cost at least 2 passes for every weight.", for_each, ">", 2),
    ]


def _xor_claims(numbers: Numbers) -> list[Claim]:
    xor = numbers["xor"]
    right = min(*xor["yes"], *(1 - xor["no"]))
    return [
        Claim("A single layer ends at log 2 on XOR.", xor["single"][-1], "=", np.log(2), 1e-4),
        Claim("A single layer answers one half to all four points of XOR.", xor["from_half"], "=", 0, 0.01),
        Claim("A hidden layer of four units ends below a tenth of log 2 on XOR.", xor["curve"][-1] / np.log(2), "<", 0.1),
        Claim("With four units each right answer of XOR gets over 95 %.", right, ">", 0.95),
        Claim("With eight units more than 95 % of the starts learn XOR.", xor["learned"][8], ">", 0.95),
        Claim("With two units fewer than 75 % of the starts learn XOR.", xor["learned"][2], "<", 0.75),
        Claim("A start where every weight is zero stays at log 2.", xor["zeros"], "=", np.log(2), 1e-6),
        Claim("A training step of pix2pix computes a gradient twice.", numbers["pix2pix"]["calls"], "=", 2),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
