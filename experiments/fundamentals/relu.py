"""ReLU, a switch: what it does to a curve, how many zeros it makes, and how gradients get through many layers of it.

python -m experiments.fundamentals.relu
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.core import Scope
from jax import Array

from experiments.fundamentals.facades import draw_facades, to_values
from experiments.fundamentals.lesson import Claim, Numbers
from p2p_jax import generators, layers, losses, ops
from p2p_jax.network import network

TITLE = "ReLU: a switch"
QUESTION = "Why do deep networks use a function as plain as this one, and not the sigmoid?"
HOMES = (ops.relu, ops.sigmoid, ops.tanh, generators.unet)

WIDTH, EXAMPLES, DEPTHS, SEEDS = 64, 16, (2, 4, 8, 16, 32), 8
KINDS = {"sigmoid": 1.0, "tanh": 1.0, "ReLU": 2.0, "ReLU, Xavier's": 1.0}
"""Activations, and by how much the mean square of their starting weights exceeds 1 / WIDTH."""
FEW, MANY = 3, 12


def measure(seeds: int = SEEDS, widths: Sequence[int] = (8, 16, 32, 32)) -> Numbers:
    """Looks at the function, at small and deep networks of it, and at the decoder of a U-Net of these widths."""
    return {"curves": _curves(), "bends": _bends(), "decoder": _decoder(widths), "deep": deep(seeds)}


def _curves() -> Numbers:
    x = jnp.linspace(-4, 4, 161)
    functions = {"relu": ops.relu, "sigmoid": ops.sigmoid, "tanh": ops.tanh}
    result: Numbers = {name: {"y": f(x), "slope": jax.vmap(jax.grad(f))(x)} for name, f in functions.items()}
    return {**result, "x": x, "slope_at_zero": jax.grad(ops.relu)(0.0)}


def _bends() -> Numbers:
    """A wave fitted by a hidden layer of few and of many units; the rest of the units of "few" weigh nothing."""
    x = jnp.linspace(-1, 1, 2001)
    wave = jnp.sin(4.5 * x)
    counts = jnp.array([FEW, MANY])

    def answer(weights: dict[str, Array], x: Array) -> Array:
        return ops.relu(weights["in"] * x[..., None] + weights["shift"]) @ weights["out"] + weights["height"]

    def fit(count: Array) -> tuple[Array, Array, Array, Array]:
        unit = jnp.arange(MANY)
        used, place, side = unit < count, (2 * unit + 1) / count - 1, 1.0 - 2 * (unit % 2)
        start = {"in": side, "shift": -side * place, "out": jnp.zeros(MANY), "height": jnp.zeros(())}
        optimizer = optax.adam(0.02)

        def loss(weights: dict[str, Array]) -> Array:
            return losses.l2(answer({**weights, "out": weights["out"] * used}, x[::20]), wave[::20])

        def step(carry: tuple, _: None) -> tuple[tuple, None]:
            weights, state = carry
            updates, state = optimizer.update(jax.grad(loss)(weights), state)
            return (optax.apply_updates(weights, updates), state), None

        (weights, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=1500)
        weights = {**weights, "out": weights["out"] * used}
        bends = jnp.where(used, -weights["shift"] / weights["in"], 2.0)
        return answer(weights, x), jax.vmap(jax.grad(answer, 1), (None, 0))(weights, x), bends, loss(weights)

    result: Numbers = {"x": x, "wave": wave}
    for name, y, slope, bends, loss in zip(("few", "many"), *jax.jit(jax.vmap(fit))(counts), strict=True):
        slope, bends = np.asarray(slope), np.asarray(bends)
        jumps = np.abs(np.diff(slope)) > 1e-3
        inside = np.sort(bends[np.abs(bends) < 1])
        result[name] = {"y": y, "slope": slope, "pieces": 1 + jumps.sum(), "bends": inside, "loss": loss}
    return _thin(result)


def _thin(bends: Numbers) -> Numbers:
    """Every tenth point of the curves is enough to draw them."""
    thin = {name: {**bends[name], **{key: np.asarray(bends[name][key])[::10] for key in ("y", "slope")}}
            for name in ("few", "many")}  # fmt: skip
    return {"x": bends["x"][::10], "wave": bends["wave"][::10], **thin}


def _watched_upsample(scope: Scope, x: Array, features: int, **options: Any) -> Array:
    """The U-Net's own way up, which also notes how much the ReLU before it has set to zero in both halves of its input."""
    halves = jnp.split(x, 2, axis=-1)  # what was kept from the encoder, and what the layer below made
    scope.variable("seen", "zeros", jnp.zeros, (2,)).value = jnp.stack([(half == 0).mean() for half in halves])
    return layers.conv_transpose(scope, x, features, **options)


def _decoder(widths: Sequence[int]) -> Numbers:
    """Share of zeros after each ReLU that is given two stacks of values, from the innermost outwards."""
    plans, _ = draw_facades(4, size=32)
    unet = network(generators.unet, widths=widths, upsample=_watched_upsample)
    # With keys of the kind "rbg" XLA compiles random numbers in a tenth of the time.
    _, state = unet.init(jax.random.key(0, impl="rbg"), to_values(plans))
    seen = np.stack([state["seen"][f"up{level}"]["zeros"] for level in reversed(range(len(widths) - 1))])
    sides = [32 // 2 ** (level + 1) for level in reversed(range(len(widths) - 1))]
    return {"side": sides, "skip": seen[:, 0], "below": seen[:, 1]}


def deep(seeds: int = SEEDS) -> Numbers:
    """Gradients, sizes and zeros in networks of up to 32 layers before any training.

    Returns:
        gradient: name to mean size of the gradient of each layer's weights, (seeds, depths, layers), 0 for layers that
        a depth lacks; size and zeros: name to mean square and share of zeros of each layer's outputs, (seeds, layers);
        switching: share of the layer's units that are zero for some inputs and not for others, the same shape; moved:
        name to the share of the first layer's weights that one step of 0.1 changes, (seeds,); silent: name to the share
        of units, of all 32 layers, whose weights have no gradient at all, (seeds,).
    """
    depths, layer_of = jnp.array(DEPTHS), jnp.arange(DEPTHS[-1])
    random = np.random.default_rng(0)
    shapes = {"weights": (DEPTHS[-1], WIDTH, WIDTH), "x": (EXAMPLES, WIDTH), "readout": (WIDTH,), "target": (EXAMPLES,)}
    drawn = {name: random.standard_normal((seeds, *shape), np.float32) for name, shape in shapes.items()}

    def loss(weights: Array, given: dict[str, Array], kind: Array, depth: Array) -> tuple[Array, tuple[Array, ...]]:
        def layer(h: Array, indexed: tuple[Array, Array]) -> tuple[Array, tuple[Array, ...]]:
            index, w = indexed
            active = jax.lax.switch(kind, (ops.sigmoid, ops.tanh, ops.relu), h @ w)
            h = jnp.where(index < depth, active, h)
            off = h == 0
            return h, (jnp.square(h).mean(), off.mean(), (off.any(0) & ~off.all(0)).mean())

        h, seen = jax.lax.scan(layer, given["x"], (layer_of, weights))
        return losses.l2(h @ given["readout"] / WIDTH**0.5, given["target"]), seen

    def one(given: dict[str, Array], kind: Array, square: Array) -> tuple[Array, ...]:
        weights = given["weights"] * jnp.sqrt(square / WIDTH)
        slopes = jax.vmap(jax.grad(loss, has_aux=True), (None, None, None, 0))
        gradient, (size, zeros, switching) = slopes(weights, given, kind, depths)
        moved = (weights[0] - 0.1 * gradient[-1, 0] != weights[0]).mean()
        silent = (gradient[-1] == 0).all(1).mean()
        return jnp.abs(gradient).mean((2, 3)), size[-1], zeros[-1], switching[-1], moved, silent

    kinds, squares = jnp.array([0, 1, 2, 2]), jnp.array(list(KINDS.values()))
    found = jax.jit(lambda all_: jax.lax.map(lambda given: jax.vmap(one, (None, 0, 0))(given, kinds, squares), all_))(drawn)
    return {
        name: {kind: np.asarray(values)[:, i] for i, kind in enumerate(KINDS)}
        for name, values in zip(("gradient", "size", "zeros", "switching", "moved", "silent"), found, strict=True)
    }


def reaching_first(numbers: Numbers, kind: str, depth: int) -> np.ndarray:
    """The gradient of the first layer as a part of the last one's, for each seed."""
    gradient = np.asarray(numbers["gradient"][kind], np.float64)[:, DEPTHS.index(depth)]
    return gradient[:, 0] / gradient[:, depth - 1]


def spread(sizes: np.ndarray) -> np.ndarray:
    """How often as large, or as small, as at the first layer the last one's outputs are: a factor of 1 or more."""
    return np.exp(np.abs(np.log(sizes[:, -1] / sizes[:, 0])))


def claims(numbers: Numbers) -> list[Claim]:
    """What the text says, with its numbers."""
    curves, bends, deep = numbers["curves"], numbers["bends"], numbers["deep"]
    few, many = bends["few"], bends["many"]
    ratio = {kind: reaching_first(deep, kind, DEPTHS[-1]) for kind in KINDS}
    slopes = np.unique(curves["relu"]["slope"])
    zeros = [*numbers["decoder"]["skip"], *numbers["decoder"]["below"]]
    return [
        Claim("ReLU has two slopes only.", len(slopes), "=", 2),
        Claim("One slope of ReLU is 0.", slopes[0], "=", 0),
        Claim("The other slope of ReLU is 1.", slopes[-1], "=", 1),
        Claim("At exactly zero the slope is taken to be 0.", curves["slope_at_zero"], "=", 0),
        Claim(f"{FEW} units make as many straight pieces as bends, and one.", few["pieces"], "=", len(few["bends"]) + 1),
        Claim(f"{MANY} units make as many straight pieces as bends, and one.", many["pieces"], "=", len(many["bends"]) + 1),
        Claim(f"{MANY} units have less than a tenth of the loss of {FEW}.", many["loss"] / few["loss"], "<", 0.1),
        Claim("Half of a random network's values are zero.", deep["zeros"]["ReLU"].mean(), "=", 0.5, 0.05),
        Claim(
            "Nine of ten units of its first layer are on for some inputs and off for others.",
            deep["switching"]["ReLU"][:, 0].mean(),
            ">",
            0.9,
        ),
        Claim("A sigmoid makes no zeros.", deep["zeros"]["sigmoid"].max(), "=", 0),
        Claim("More than a third is zero wherever the U-Net's decoder applies ReLU.", min(zeros), ">", 1 / 3),
        Claim("Less than two thirds is zero there.", max(zeros), "<", 2 / 3),
        Claim("The sigmoid's slope is at most a quarter.", curves["sigmoid"]["slope"].max(), "=", 0.25, 1e-6),
        Claim("The slope of tanh is at most 1.", curves["tanh"]["slope"].max(), "=", 1, 1e-6),
        Claim(
            "With He's weights the mean square changes less than thirtyfold in 32 layers of ReLU.",
            np.median(spread(deep["size"]["ReLU"])),
            "<",
            30,
        ),
        Claim(
            "With Xavier's weights it shrinks to less than a millionth.",
            (deep["size"]["ReLU, Xavier's"][:, -1] / deep["size"]["ReLU, Xavier's"][:, 0]).max(),
            "<",
            1e-6,
        ),
        Claim(
            "Through 32 layers of sigmoids less than 10⁻¹⁰ of the gradient is left, in each of several networks.",
            ratio["sigmoid"].max(),
            "<",
            1e-10,
        ),
        Claim("Through 32 layers of tanh at least a hundredth is left.", ratio["tanh"].min(), ">", 0.01),
        Claim("Through 32 layers of ReLU at least a hundredth is left.", ratio["ReLU"].min(), ">", 0.01),
        Claim("It is not more than a hundredfold.", ratio["ReLU"].max(), "<", 100),
        Claim("A step changes no weight of the first of 32 sigmoid layers.", deep["moved"]["sigmoid"].max(), "=", 0),
        Claim(
            "A step changes more than half of the weights of the first of 32 ReLU layers.",
            deep["moved"]["ReLU"].min(),
            ">",
            0.5,
        ),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
