"""Leaky ReLU: units that die with ReLU, the slope that keeps them alive, and where pix2pix uses a slope of 0.2.

python -m experiments.fundamentals.leaky_relu
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.fundamentals import relu
from experiments.fundamentals.lesson import Claim, Numbers
from experiments.fundamentals.open_paths import measure_discriminator
from p2p_jax import discriminators, losses, ops

TITLE = "Leaky ReLU: a switch that is never quite off"
QUESTION = "What happens to a unit that is off for every example, and how does a small slope help?"
HOMES = (ops.leaky_relu, ops.relu, discriminators.patchgan)

SLOPES = {"ReLU": 0.0, "slope 0.01": 0.01, "slope 0.2": 0.2}
UNITS, EXAMPLES = 32, 64
MISTAKE_AT, MISTAKE = 50, -10.0  # the step with wrong targets, and the error added to them

Weights = dict[str, Array]


def measure(networks: int = 16, steps: int = 1000, widths: Sequence[int] = (8, 16, 32)) -> Numbers:
    """Trains a unit that starts off, trains networks whose units die, and measures a discriminator of these widths."""
    return {
        "curves": measure_curves(),
        "single": measure_single(steps),
        "networks": measure_networks(networks, steps),
        "deep": _thin_deep(relu.measure_deep()),
        "discriminator": measure_discriminator(widths),
    }


def measure_curves() -> Numbers:
    """Leaky ReLU and its slope for three slopes, and its difference from ReLU for a slope of 0."""
    x = jnp.linspace(-4, 4, 81)
    result: Numbers = {"x": x, "like_relu": jnp.abs(ops.leaky_relu(x, 0.0) - ops.relu(x)).max()}
    for name, slope in SLOPES.items():
        y, rise = jax.vmap(jax.value_and_grad(lambda x, slope=slope: ops.leaky_relu(x, slope)))(x)
        result[name] = {"y": y, "slope": rise}
    return result


def measure_single(steps: int) -> Numbers:
    """Trains one unit, with each slope, from a shift at which it is off for every example; its target is relu(x)."""
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


def start_networks(networks: int) -> tuple[Array, Array, Weights]:
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


def measure_networks(networks: int, steps: int) -> Numbers:
    """Trains networks with one wrong step; then continues from the final ReLU weights with every slope.

    Returns:
        count: number of networks; first, again: {slope: numbers of `_summarize`} for the two trainings; living: at the end
        of the first training with ReLU, the mean gradient of the living units' input weights, divided by that of their
        output weights.
    """
    x, y, start = start_networks(networks)

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
        "first": _summarize(first),
        "again": {
            name: {**found, **_returned(again, changed, i)} for i, (name, found) in enumerate(_summarize(again).items())
        },
        "count": networks,
        "living": of_in / of_out,
    }


def _summarize(seen: Numbers) -> Numbers:
    """For each slope: the mean numbers of units off for every example and of units without a gradient, at each step."""
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
    """The fraction of the units (networks, steps, units) that were off at some step and on at a later one."""
    came = (off[:, :-1] & ~off[:, 1:]).any(1)
    return came.sum() / max(off.any(1).sum(), 1)


def _returned(again: Numbers, changed: Array, index: int) -> Numbers:
    """Of the units that were dead when this training began, the fractions that moved and that were on at some time."""
    off = np.asarray(again["off"])[index]
    dead = off[:, 0]
    return {"moved": np.asarray(changed)[index][dead].mean(), "returned": (~off.all(1))[dead].mean()}


def _thin_deep(deep: Numbers) -> Numbers:
    """From the previous lesson: the gradient left after 32 layers of sigmoids, and the fraction of units without one."""
    reached = relu.reaching_first(deep, "sigmoid", relu.DEPTHS[-1])
    return {"reached": float(np.median(reached)), "silent": deep["silent"]["sigmoid"].mean()}


def claims(numbers: Numbers) -> list[Claim]:
    """The claims of the text, with their numbers."""
    return [
        *_slope_claims(numbers["curves"]),
        *_single_claims(numbers["single"]),
        *_dying_claims(numbers["networks"]["first"]),
        *_again_claims(numbers["networks"]["again"]),
        *_vanishing_claims(numbers),
        *_discriminator_claims(numbers["discriminator"]),
    ]


def _slope_claims(curves: Numbers) -> list[Claim]:
    return [
        Claim("Below zero the slope is the chosen one.", curves["slope 0.2"]["slope"][0], "=", 0.2, 1e-6),
        Claim("Above zero the slope is 1.", curves["slope 0.2"]["slope"][-1], "=", 1),
        Claim("With a slope of zero leaky ReLU is ReLU.", curves["like_relu"], "=", 0),
    ]


def _single_claims(single: Numbers) -> list[Claim]:
    first_on = {name: found["first_on"] for name, found in single.items()}
    return [
        Claim("The gradient of the ReLU unit that starts off is zero.", single["ReLU"]["first_gradient"], "=", 0),
        Claim("It never comes back: steps at which it is on.", single["ReLU"]["steps_on"], "=", 0),
        Claim("With a slope of 0.2 the unit is back within 20 steps.", first_on["slope 0.2"], "<", 20),
        Claim("With 0.01 it takes more than ten times as long.", first_on["slope 0.01"], ">", 10 * first_on["slope 0.2"]),
    ]


def _dying_claims(first: Numbers) -> list[Claim]:
    none, off = first["ReLU"]["none"], first["ReLU"]["off"]
    small, large = first["slope 0.01"], first["slope 0.2"]
    compared = large["off"][-1] / off[-1]
    return [
        Claim("Before the wrong step no ReLU unit is dead.", none[MISTAKE_AT], "=", 0),
        Claim("At the end more than five of 32 ReLU units are dead.", none[-1], ">", 5),
        Claim("The dead ReLU units are exactly those that are off for every example.", none[-1], "=", off[-1]),
        Claim("No dead ReLU unit ever came back.", first["ReLU"]["ever_back"], "=", 0),
        Claim("With a slope of 0.01 no unit was ever without a gradient.", small["most_without_gradient"], "=", 0),
        Claim("With a slope of 0.2 no unit was ever without a gradient.", large["most_without_gradient"], "=", 0),
        Claim("With 0.2 fewer than half as many are off for every example as with ReLU.", compared, "<", 0.5),
    ]


def _again_claims(again: Numbers) -> list[Claim]:
    moved = {name: found["moved"] for name, found in again.items()}
    small, large = again["slope 0.01"]["returned"], again["slope 0.2"]["returned"]
    return [
        Claim("With ReLU no dead unit moves.", moved["ReLU"], "=", 0),
        Claim("With a slope of 0.01 every dead unit moves again.", moved["slope 0.01"], "=", 1),
        Claim("With a slope of 0.2 every dead unit moves again.", moved["slope 0.2"], "=", 1),
        Claim("With 0.2 more than one in twenty dead units is on again.", large, ">", 0.05),
        Claim("With 0.2 more dead units are on again than with 0.01.", large, ">", small),
    ]


def _vanishing_claims(numbers: Numbers) -> list[Claim]:
    living, deep = numbers["networks"]["living"], numbers["deep"]
    return [
        Claim("The living units' gradient is at least a tenth of the last layer's.", living, ">", 0.1),
        Claim("In 32 layers of sigmoids no unit is without a gradient.", deep["silent"], "=", 0),
        Claim("But the first layer's is less than 10⁻¹⁰ of the last one's.", deep["reached"], "<", 1e-10),
    ]


def _discriminator_claims(judge: Numbers) -> list[Claim]:
    layers, shorter = len(judge["off"]), abs(judge["relative_size"] - 0.75)
    return [
        Claim("About half of a discriminator's units are off.", np.mean(judge["off"]), "=", 0.5, 0.1),
        Claim(f"With ReLU about one in {2**layers} paths through it is open.", judge["open"], "=", 0.5**layers, 0.1),
        Claim("The gradient at the picture is shorter with 0.2 than with ReLU, by less than a half.", shorter, "<", 0.2),
        Claim("With ReLU no value of the picture is without a gradient.", judge["pixels_without"][0], "=", 0),
        Claim("The input of a leaky ReLU can be computed from its output.", judge["error_of_going_back"], "<", 1e-5),
        Claim("ReLU loses more than a quarter of it.", judge["lost_by_relu"], ">", 0.25),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
