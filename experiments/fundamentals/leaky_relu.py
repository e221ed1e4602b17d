"""Leaky ReLU: units that die of ReLU and those that do not, and why pix2pix uses a slope of 0.2 where it does.

python -m experiments.fundamentals.leaky_relu
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import Scope
from jax import Array

from experiments.fundamentals import relu
from experiments.fundamentals.facades import draw_facades, to_values
from experiments.fundamentals.lesson import Claim, Numbers
from p2p_jax import discriminators, layers, losses, ops
from p2p_jax.network import Network, network

TITLE = "Leaky ReLU: a switch that is never quite off"
QUESTION = "What happens to a unit that is off for everything it sees, and how does a small slope help it?"
HOMES = (ops.leaky_relu, ops.relu, discriminators.patchgan)

SLOPES = {"ReLU": 0.0, "slope 0.01": 0.01, "slope 0.2": 0.2}
UNITS, EXAMPLES = 32, 64
MISTAKE_AT, MISTAKE = 50, -10.0  # the step in which every target is too low, and by how much
SIDE = 32

Weights = dict[str, Array]


def measure(networks: int = 16, steps: int = 1000, widths: Sequence[int] = (8, 16, 32)) -> Numbers:
    """Pushes one unit off, lets units of networks die and come back, and looks into a discriminator of these widths."""
    return {
        "curves": _curves(),
        "single": _single(steps),
        "networks": _networks(networks, steps),
        "deep": _thin_deep(relu.measure_deep()),
        "discriminator": _discriminator(widths),
    }


def _curves() -> Numbers:
    x = jnp.linspace(-4, 4, 81)
    result: Numbers = {"x": x, "like_relu": jnp.abs(ops.leaky_relu(x, 0.0) - ops.relu(x)).max()}
    for name, slope in SLOPES.items():
        y, rise = jax.vmap(jax.value_and_grad(lambda x, slope=slope: ops.leaky_relu(x, slope)))(x)
        result[name] = {"y": y, "slope": rise}
    return result


def _single(steps: int) -> Numbers:
    """One unit whose shift is so low that it is off for every example; it should have given relu(x)."""
    x = jnp.linspace(-1, 1, 41)

    def loss(unit: Array, slope: float) -> Array:
        return losses.l2(ops.leaky_relu(unit[0] * x + unit[1], slope), ops.relu(x))

    def train(slope: float) -> tuple[Array, Array, Array, Array]:
        def step(unit: Array, _: None) -> tuple[Array, tuple[Array, Array, Array]]:
            gradient = jax.grad(loss)(unit, slope)
            return unit - 0.5 * gradient, (unit[1], gradient[1], (unit[0] * x + unit[1] > 0).any())

        unit, (shift, gradient, on) = jax.lax.scan(step, jnp.array([1.0, -2.0]), length=steps)
        return shift, gradient[0], on, loss(unit, slope)

    result: Numbers = {}
    for name, *found in zip(SLOPES, *jax.jit(jax.vmap(train))(jnp.array(list(SLOPES.values()))), strict=True):
        shift, gradient, on, left = (np.asarray(values) for values in found)
        first = int(np.argmax(on)) if on.any() else steps
        result[name] = {
            "shift": shift[::5],
            "first_gradient": gradient,
            "steps_on": on.sum(),
            "first_on": first,
            "loss": left,
        }
        result[name]["shift_then"] = shift[first] if on.any() else shift[-1]
    return result


def _data(networks: int) -> tuple[Array, Array, Weights]:
    """Inputs (EXAMPLES, 2), targets, and the starting weights of every network, by He's rule."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (EXAMPLES, 2)).astype(np.float32)
    weights = {
        "in": random.standard_normal((networks, 2, UNITS), np.float32),
        "shift": np.zeros((networks, UNITS), np.float32),
        "out": random.standard_normal((networks, UNITS), np.float32) * np.float32(np.sqrt(2 / UNITS)),
        "height": np.zeros(networks, np.float32),
    }
    return jnp.asarray(x), jnp.asarray(np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1])), jax.tree.map(jnp.asarray, weights)


def _networks(networks: int, steps: int) -> Numbers:
    """Training with one wrong step, and then for as long again with every slope from where ReLU ended.

    Returns:
        count: of networks; first and again: name to what `_told` tells; living: where the first training with ReLU
        ends, the size of the gradient of the living units' own weights, as a part of that of the last layer's.
    """
    x, y, start = _data(networks)

    def before(weights: Weights) -> Array:
        return x @ weights["in"] + weights["shift"]

    def loss(weights: Weights, slope: float, target: Array) -> Array:
        return losses.l2(ops.leaky_relu(before(weights), slope) @ weights["out"] + weights["height"], target)

    def train(weights: Weights, slope: float, mistakes: Array) -> tuple[Weights, Numbers]:
        def step(weights: Weights, mistake: Array) -> tuple[Weights, Numbers]:
            value, gradient = jax.value_and_grad(loss)(weights, slope, y + mistake)
            none = (gradient["in"] == 0).all(0) & (gradient["shift"] == 0) & (gradient["out"] == 0)
            sizes = {"in": jnp.abs(gradient["in"]).mean(0), "out": jnp.abs(gradient["out"])}
            seen = {"loss": value, "off": (before(weights) <= 0).all(0), "none": none, **sizes}
            return jax.tree.map(lambda w, g: w - 0.1 * g, weights, gradient), seen

        return jax.lax.scan(step, weights, mistakes)

    slopes, mistakes = jnp.array(list(SLOPES.values())), jnp.where(jnp.arange(steps) == MISTAKE_AT, MISTAKE, 0.0)
    run = jax.jit(jax.vmap(jax.vmap(train, (0, None, None)), (None, 0, None)))  # over slopes, then networks
    ends, first = run(start, slopes, mistakes)
    ended = jax.tree.map(lambda leaf: leaf[0], ends)
    ends, again = run(ended, slopes, jnp.zeros(steps))
    changed = (ends["in"] != ended["in"]).any(2) | (ends["shift"] != ended["shift"])
    alive = ~np.asarray(first["none"])[0, :, -1]
    of_in, of_out = (np.asarray(first[name])[0, :, -1][alive].mean() for name in ("in", "out"))
    return {
        "first": _told(first),
        "again": {name: {**told, **_returned(again, changed, i)} for i, (name, told) in enumerate(_told(again).items())},
        "count": networks,
        "living": of_in / of_out,
    }


def _told(seen: Numbers) -> Numbers:
    """Units that are off for every example and units without any gradient, on average over networks, at each step."""
    seen = {name: np.asarray(values) for name, values in seen.items()}
    return {
        name: {
            "off": seen["off"][i].sum(2).mean(0),
            "none": seen["none"][i].sum(2).mean(0),
            "most_without_gradient": seen["none"][i].sum(2).max(),
            "ever_back": _back(seen["off"][i]),
            "loss": np.median(seen["loss"][i, :, -1]),
        }
        for i, name in enumerate(SLOPES)
    }


def _back(off: np.ndarray) -> float:
    """Of the units (networks, steps, units) that were off at some step: the share that was on at some later one."""
    came = (off[:, :-1] & ~off[:, 1:]).any(1)
    return came.sum() / max(off.any(1).sum(), 1)


def _returned(again: Numbers, changed: Array, index: int) -> Numbers:
    """Of the units that were dead when this training began: the share that moved, and that were on at some time."""
    off = np.asarray(again["off"])[index]
    dead = off[:, 0]
    return {"moved": np.asarray(changed)[index][dead].mean(), "returned": (~off.all(1))[dead].mean()}


def _thin_deep(deep: Numbers) -> Numbers:
    """Of the lesson before: what vanishes in 32 layers of sigmoids."""
    reached = relu.reaching_first(deep, "sigmoid", relu.DEPTHS[-1])
    return {"reached": float(np.median(reached)), "silent": deep["silent"]["sigmoid"].mean()}


def _watched_norm(scope: Scope, x: Array, *, train: bool) -> Array:
    """Batch normalisation that also keeps what the activation behind it is given."""
    y = layers.batch_norm(scope, x, train=train)
    scope.variable("seen", "before", jnp.zeros, y.shape).value = y
    return y


def _discriminator(widths: Sequence[int]) -> Numbers:
    """The gradient that a generator gets through a PatchGAN before training, with ReLU and with a slope of 0.2."""
    plans, photos = map(to_values, draw_facades(4, size=SIDE))

    def judge(slope: float | Array) -> Network:
        return network(discriminators.patchgan, widths=widths, norm=_watched_norm, leaky_slope=slope)

    def look(photos: Array, key: Array) -> Numbers:
        params, state = judge(0.2).init(key, jnp.concatenate([plans, photos], axis=-1))

        def loss(photos: Array, slope: Array) -> tuple[Array, Numbers]:
            logits, seen = judge(slope).apply(params, state, jnp.concatenate([plans, photos], axis=-1), train=True)
            return losses.bce.generator(logits), seen["seen"]

        gradient, seen = jax.vmap(jax.grad(loss, has_aux=True), (None, 0))(photos, jnp.array([0.0, 0.2]))
        kernel, bias = params["conv0"]["kernel"], params["conv0"]["bias"]
        first = ops.conv2d(jnp.concatenate([plans, photos], axis=-1), kernel, bias, stride=2, padding=1)
        on = [first > 0, *(seen[f"conv{i}_norm"]["before"][0] > 0 for i in range(1, len(widths)))]
        size = jnp.sqrt(jnp.square(gradient).sum((1, 2, 3, 4)))
        back = ops.leaky_relu(ops.leaky_relu(first, 0.2), 1 / 0.2)
        return {
            "relative_size": size[1] / size[0],
            "pixels_without": (gradient == 0).mean((1, 2, 3, 4)),
            "off": [1 - layer.mean() for layer in on],
            "on": on,
            "error_of_going_back": jnp.abs(back - first).max() / jnp.abs(first).max(),
            "lost_by_relu": ((first != 0) & (ops.relu(first) == 0)).mean(),
        }

    # With keys of the kind "rbg" XLA compiles random numbers in a tenth of the time.
    seen = jax.device_get(jax.jit(look)(photos, jax.random.key(0, impl="rbg")))
    on = seen.pop("on")
    return {**seen, "open": _count_paths(on) / _count_paths([np.ones_like(layer) for layer in on])}


def _count_paths(on: Sequence[np.ndarray]) -> np.ndarray:
    """Paths from values of the pictures to logits, through one unit that is on (n, h, w, features) in each layer."""

    def under_kernels(paths: np.ndarray, stride: int) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(paths, ((0, 0), (1, 1), (1, 1))), (4, 4), (1, 2))
        return windows[:, ::stride, ::stride].sum((-2, -1))

    paths = np.full((1, SIDE, SIDE), 6.0)
    for i, layer in enumerate(on):
        paths = under_kernels(paths, 2 if i < len(on) - 1 else 1) * layer.sum(-1)
    return under_kernels(paths, 1).mean()


def claims(numbers: Numbers) -> list[Claim]:
    """What the text says, with its numbers."""
    curves, single, judge = numbers["curves"], numbers["single"], numbers["discriminator"]
    first, again, deep = numbers["networks"]["first"], numbers["networks"]["again"], numbers["deep"]
    small, large = first["slope 0.01"], first["slope 0.2"]
    return [
        Claim("Below zero the slope is the one that was chosen.", curves["slope 0.2"]["slope"][0], "=", 0.2, 1e-6),
        Claim("Above zero the slope is 1.", curves["slope 0.2"]["slope"][-1], "=", 1),
        Claim("With a slope of zero it is ReLU.", curves["like_relu"], "=", 0),
        Claim("The gradient of the ReLU unit that was pushed off is zero.", single["ReLU"]["first_gradient"], "=", 0),
        Claim("It never comes back: steps at which it is on.", single["ReLU"]["steps_on"], "=", 0),
        Claim("With a slope of 0.2 it is back within 20 steps.", single["slope 0.2"]["first_on"], "<", 20),
        Claim(
            "With 0.01 it takes more than ten times as long.",
            single["slope 0.01"]["first_on"],
            ">",
            10 * single["slope 0.2"]["first_on"],
        ),
        Claim("Before the wrong step no ReLU unit is dead.", first["ReLU"]["none"][MISTAKE_AT], "=", 0),
        Claim("At the end more than five of 32 ReLU units are dead.", first["ReLU"]["none"][-1], ">", 5),
        Claim(
            "The dead ReLU units are just those that are off for every example.",
            first["ReLU"]["none"][-1],
            "=",
            first["ReLU"]["off"][-1],
        ),
        Claim("No dead ReLU unit ever came back.", first["ReLU"]["ever_back"], "=", 0),
        Claim("With a slope of 0.01 no unit was ever without a gradient.", small["most_without_gradient"], "=", 0),
        Claim("With a slope of 0.2 no unit was ever without a gradient.", large["most_without_gradient"], "=", 0),
        Claim(
            "With 0.2 fewer than half as many are off for every example as with ReLU.",
            large["off"][-1] / first["ReLU"]["off"][-1],
            "<",
            0.5,
        ),
        Claim("With ReLU dead units stay as they are: none of them moves.", again["ReLU"]["moved"], "=", 0),
        Claim("With a slope of 0.01 every dead unit moves again.", again["slope 0.01"]["moved"], "=", 1),
        Claim("With a slope of 0.2 every dead unit moves again.", again["slope 0.2"]["moved"], "=", 1),
        Claim("With 0.2 more than one in twenty of them is switched on again.", again["slope 0.2"]["returned"], ">", 0.05),
        Claim(
            "With 0.2 more of them are switched on again than with 0.01.",
            again["slope 0.2"]["returned"],
            ">",
            again["slope 0.01"]["returned"],
        ),
        Claim(
            "The living units' gradient is no smaller than a tenth of the last layer's.",
            numbers["networks"]["living"],
            ">",
            0.1,
        ),
        Claim("In 32 layers of sigmoids no unit is without a gradient.", deep["silent"], "=", 0),
        Claim("But the first layer's is less than 10⁻¹⁰ of the last one's.", deep["reached"], "<", 1e-10),
        Claim("About half of a discriminator's units are off.", np.mean(judge["off"]), "=", 0.5, 0.1),
        Claim(
            f"With ReLU about one in {2 ** len(judge['off'])} paths through it is open.",
            judge["open"],
            "=",
            0.5 ** len(judge["off"]),
            0.1,
        ),
        Claim(
            "The gradient at the picture is shorter with 0.2 than with ReLU, by less than a half.",
            abs(judge["relative_size"] - 0.75),
            "<",
            0.2,
        ),
        Claim("No value of the picture is without a gradient with ReLU.", judge["pixels_without"][0], "=", 0),
        Claim(
            "What it gave can be computed back from a leaky ReLU's output.",
            judge["error_of_going_back"],
            "<",
            1e-5,
        ),
        Claim("ReLU loses more than a quarter of it.", judge["lost_by_relu"], ">", 0.25),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
