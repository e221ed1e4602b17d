"""ReLU: the bends and the zeros that it makes, and how much gradient gets through many layers of it.

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
QUESTION = "Why do deep networks use such a simple function, and not the sigmoid?"
HOMES = (ops.relu, ops.sigmoid, ops.tanh, generators.unet)

WIDTH, EXAMPLES, DEPTHS, SEEDS = 64, 16, (2, 4, 8, 16, 32), 8
KINDS = {"sigmoid": 1.0, "tanh": 1.0, "ReLU": 2.0, "ReLU, Xavier's": 1.0}
"""Activations, and the mean square of their starting weights, times WIDTH."""
FEW, MANY = 3, 12


def measure(seeds: int = SEEDS, widths: Sequence[int] = (8, 16, 32, 32)) -> Numbers:
    """Measures ReLU, small and deep networks with it, and the decoder of a U-Net of these widths."""
    return {
        "curves": measure_curves(),
        "bends": measure_bends(),
        "decoder": measure_decoder(widths),
        "deep": measure_deep(seeds),
    }


def measure_curves() -> Numbers:
    """Three activations and their slopes."""
    x = jnp.linspace(-4, 4, 161)
    functions = {"relu": ops.relu, "sigmoid": ops.sigmoid, "tanh": ops.tanh}
    result: Numbers = {name: {"y": f(x), "slope": jax.vmap(jax.grad(f))(x)} for name, f in functions.items()}
    return {**result, "x": x, "slope_at_zero": jax.grad(ops.relu)(0.0)}


def measure_bends() -> Numbers:
    """Fits a wave by a hidden layer of few and of many units; the unused units of "few" have output weights of 0."""
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
    """Keeps every tenth point of the curves, which is enough to draw them."""
    thin = {name: {**bends[name], **{key: np.asarray(bends[name][key])[::10] for key in ("y", "slope")}}
            for name in ("few", "many")}  # fmt: skip
    return {"x": bends["x"][::10], "wave": bends["wave"][::10], **thin}


def _watched_upsample(scope: Scope, x: Array, features: int, **options: Any) -> Array:
    """The U-Net's upsampling, which also records the fraction of zeros in both halves of its input."""
    halves = jnp.split(x, 2, axis=-1)  # from the encoder, and from the layer below
    scope.variable("seen", "zeros", jnp.zeros, (2,)).value = jnp.stack([(half == 0).mean() for half in halves])
    return layers.conv_transpose(scope, x, features, **options)


def measure_decoder(widths: Sequence[int]) -> Numbers:
    """The fraction of zeros after each ReLU of the decoder whose input is two stacks, from the innermost outwards."""
    plans, _ = draw_facades(4, size=32)
    unet = network(generators.unet, widths=widths, upsample=_watched_upsample)
    # With keys of the kind "rbg" XLA compiles random numbers in a tenth of the time.
    _, state = unet.init(jax.random.key(0, impl="rbg"), to_values(plans))
    seen = np.stack([state["seen"][f"up{level}"]["zeros"] for level in reversed(range(len(widths) - 1))])
    sides = [32 // 2 ** (level + 1) for level in reversed(range(len(widths) - 1))]
    return {"side": sides, "skip": seen[:, 0], "below": seen[:, 1]}


def measure_deep(seeds: int = SEEDS) -> Numbers:
    """Gradients, sizes and zeros in networks of up to 32 layers, before any training.

    Returns:
        A dict {activation: array} for each key. gradient: mean absolute gradient of each layer's weights,
        (seeds, depths, layers), 0 for layers beyond the depth; size, zeros: mean square and fraction of zeros of each
        layer's outputs, (seeds, layers); switching: fraction of the layer's units that are zero for some inputs and not
        for others, (seeds, layers); moved: fraction of the first layer's weights that one step of 0.1 changes, (seeds,);
        silent: fraction of all units whose weights have no gradient at all, (seeds,).
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
    """The gradient of the first layer divided by the last one's, for each seed."""
    gradient = np.asarray(numbers["gradient"][kind], np.float64)[:, DEPTHS.index(depth)]
    return gradient[:, 0] / gradient[:, depth - 1]


def spread(sizes: np.ndarray) -> np.ndarray:
    """The factor, at least 1, between the mean squares of the first and the last layer's outputs, for each seed."""
    return np.exp(np.abs(np.log(sizes[:, -1] / sizes[:, 0])))


def claims(numbers: Numbers) -> list[Claim]:
    """The claims of the text, with their numbers."""
    return [*_switch_claims(numbers), *_zero_claims(numbers), *_size_claims(numbers), *_gradient_claims(numbers["deep"])]


def _switch_claims(numbers: Numbers) -> list[Claim]:
    few, many = numbers["bends"]["few"], numbers["bends"]["many"]
    slopes = np.unique(numbers["curves"]["relu"]["slope"])
    return [
        Claim("ReLU has only two slopes.", len(slopes), "=", 2),
        Claim("One slope of ReLU is 0.", slopes[0], "=", 0),
        Claim("The other slope of ReLU is 1.", slopes[-1], "=", 1),
        Claim("At exactly zero the package chooses the slope 0.", numbers["curves"]["slope_at_zero"], "=", 0),
        Claim(f"{FEW} units make one more straight piece than bends.", few["pieces"], "=", len(few["bends"]) + 1),
        Claim(f"{MANY} units make one more straight piece than bends.", many["pieces"], "=", len(many["bends"]) + 1),
        Claim(f"{MANY} units have less than a tenth of the loss of {FEW}.", many["loss"] / few["loss"], "<", 0.1),
    ]


def _zero_claims(numbers: Numbers) -> list[Claim]:
    deep, decoder = numbers["deep"], [*numbers["decoder"]["skip"], *numbers["decoder"]["below"]]
    switching = deep["switching"]["ReLU"][:, 0].mean()
    return [
        Claim("Half of the values in a random network of ReLU are zero.", deep["zeros"]["ReLU"].mean(), "=", 0.5, 0.05),
        Claim("Nine of ten units of its first layer are on for some inputs and off for others.", switching, ">", 0.9),
        Claim("A sigmoid makes no zeros.", deep["zeros"]["sigmoid"].max(), "=", 0),
        Claim("Wherever the U-Net's decoder applies ReLU, more than a third is zero.", min(decoder), ">", 1 / 3),
        Claim("Less than two thirds is zero there.", max(decoder), "<", 2 / 3),
    ]


def _size_claims(numbers: Numbers) -> list[Claim]:
    curves, size = numbers["curves"], numbers["deep"]["size"]
    drift, by_xavier = np.median(spread(size["ReLU"])), size["ReLU, Xavier's"]
    shrunk = (by_xavier[:, -1] / by_xavier[:, 0]).max()
    return [
        Claim("The sigmoid's slope is at most a quarter.", curves["sigmoid"]["slope"].max(), "=", 0.25, 1e-6),
        Claim("The slope of tanh is at most 1.", curves["tanh"]["slope"].max(), "=", 1, 1e-6),
        Claim("With He's rule the mean square drifts less than 30 times in 32 layers of ReLU.", drift, "<", 30),
        Claim("With Xavier's rule it shrinks to less than a millionth.", shrunk, "<", 1e-6),
    ]


def _gradient_claims(deep: Numbers) -> list[Claim]:
    reached = {kind: reaching_first(deep, kind, DEPTHS[-1]) for kind in KINDS}
    moved = {kind: deep["moved"][kind] for kind in KINDS}
    return [
        Claim("32 layers of sigmoids leave less than 10⁻¹⁰ of the gradient.", reached["sigmoid"].max(), "<", 1e-10),
        Claim("32 layers of tanh leave at least a hundredth.", reached["tanh"].min(), ">", 0.01),
        Claim("32 layers of ReLU leave at least a hundredth.", reached["ReLU"].min(), ">", 0.01),
        Claim("ReLU enlarges the gradient less than a hundred times.", reached["ReLU"].max(), "<", 100),
        Claim("A step changes no weight of the first of 32 sigmoid layers.", moved["sigmoid"].max(), "=", 0),
        Claim("A step changes more than half of those of the first of 32 ReLU layers.", moved["ReLU"].min(), ">", 0.5),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
