"""Gradients: slopes by hand, by finite differences and by `jax.grad`, and descent with them on four surfaces.

python -m experiments.fundamentals.gradients
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from experiments.fundamentals import slopes
from experiments.fundamentals.descents import CLIP, METHODS, SURFACES, Loss, descend, make_optimizer
from experiments.fundamentals.lesson import Claim, Numbers
from p2p_jax import losses, step
from p2p_jax.config import Optimizer

TITLE = "Gradients: which way is down"
QUESTION = "How does a program find out in which direction to change its weights, and how far should it go?"
HOMES = (step.discriminator_gradients, losses.binary_cross_entropy, losses.l1, losses.l2, Optimizer)

STEPS = 100

STARTS = ((-2.7, 1.2), (-2.4, -1.7), (0.6, -0.7), (2.7, 1.7))  # for plain descent on the bumpy surface
# With momentum 0.9 each gradient adds up to ten times its size over the later steps, so the rates are smaller.
RATES = {
    "bumpy": {"plain": 0.1, "momentum": 0.05, "Adam": 0.1},
    "cliff": {"plain": 0.5, "momentum": 0.05, "Adam": 0.2, "plain, clipped": 0.5},
}


def _bowl() -> Numbers:
    """Plain descent with learning rates that are too small, right, nearly too large and too large."""
    loss, start, _ = SURFACES["bowl"]
    curvature = np.linalg.eigvalsh(jax.jit(jax.hessian(loss))(jnp.asarray(start))).max()
    limit = 2 / curvature
    rates = limit * np.array([0.02, 0.4, 0.95, 1.05, 0.99, 1.01])
    path, value = jax.jit(jax.vmap(lambda rate: descend(loss, make_optimizer("plain", rate), start, 500)))(rates)
    ends = {"curvature": curvature, "limit": limit, "below": value[4, -1], "above": value[5, -1]}
    return {**ends, "rates": rates[:4], "path": path[:4, :31], "loss": value[:4, :31]}


@jax.jit
def _paths() -> Numbers:
    """Every method on the bumpy surface and on the cliff, and plain descent from several starts."""
    result: Numbers = {}
    for name, rates in RATES.items():
        loss, start, _ = SURFACES[name]
        found = {method: descend(loss, make_optimizer(method, rate), start, STEPS) for method, rate in rates.items()}
        result[name] = {method: {"path": jnp.round(path, 6), "loss": value} for method, (path, value) in found.items()}
    loss, plain = SURFACES["bumpy"].loss, make_optimizer("plain", RATES["bumpy"]["plain"])
    path, value = jax.vmap(lambda start: descend(loss, plain, start, STEPS))(jnp.asarray(STARTS))
    steepness = jnp.linalg.norm(jax.vmap(jax.grad(loss))(path[:, -1]), axis=-1)
    return {**result, "starts": {"path": jnp.round(path, 6), "loss": value[:, -1], "steepness": steepness}}


@jax.jit
def _adam() -> Numbers:
    """Adam's first step, and how far the paths of Adam and of plain descent change if the loss is multiplied by 100."""
    loss, start, _ = SURFACES["bowl"]
    steep, steep_start, _ = SURFACES["valley"]

    def path(loss: Loss, optimizer: optax.GradientTransformation, start: tuple[float, float] = start) -> Array:
        return descend(loss, optimizer, start, STEPS)[0]

    adam, plain = path(loss, make_optimizer("Adam", 0.1)), path(loss, make_optimizer("plain", 0.1))
    high, high_plain = (path(lambda w: 100 * loss(w), make_optimizer(m, 0.1)) for m in ("Adam", "plain"))
    first = path(steep, make_optimizer("Adam", 0.1), steep_start)[:2]
    return {
        "scaled": jnp.abs(adam - high).max(),
        "scaled_plain": jnp.abs(plain - high_plain)[2].max(),
        "first_step": jnp.abs(first[1] - first[0]),
        "first_gradient": jnp.abs(jax.grad(steep)(jnp.asarray(steep_start))),
    }


def _tried() -> Numbers:
    """Each method on the bowl and in the valley, with the one of 71 learning rates that needs the fewest steps."""
    rates = np.logspace(-3, 0.5, 71)
    result: Numbers = {}
    for name, shown in (("bowl", 81), ("valley", 251)):
        loss, start, _ = SURFACES[name]

        def race(rate: Array, loss: Loss = loss, start: tuple[float, float] = start) -> dict[str, tuple[Array, Array]]:
            return {method: descend(loss, make_optimizer(method, rate), start, 400) for method in METHODS[:3]}

        result[name] = {}
        for method, (path, value) in jax.device_get(jax.jit(jax.vmap(race))(rates)).items():
            needed = [count_steps_needed(one) for one in path]
            best = int(np.argmin(needed))
            curves = {"path": np.round(path[best, : STEPS + 1], 6), "loss": value[best, :shown]}
            result[name][method] = {"rate": rates[best], "steps": needed[best], **curves}
    return result


def count_steps_needed(path: np.ndarray) -> int:
    """The number of steps of a path (steps + 1, 2) until it has covered 99 % of the distance to (0, 0) for good."""
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.hypot(path[:, 0], path[:, 1])
        near = distance < distance[0] / 100
    return len(path) - int(np.argmax(~near[::-1]))


def _heights() -> Numbers:
    """The losses of the surfaces on a grid, for their contours."""
    across, up = np.linspace(-3, 3, 49), np.linspace(-2, 2, 33)
    heights = jax.jit(lambda grid: {name: surface.loss(grid).round(3) for name, surface in SURFACES.items()})
    return {"across": across, "up": up, **heights(np.stack(np.meshgrid(across, up)))}


def _pix2pix() -> Numbers:
    return {"rate": Optimizer().learning_rate, "b1": Optimizer().beta1}


PARTS: dict[str, Callable[[], Numbers]] = {
    "slopes": slopes.measure_slopes,
    "errors": slopes.measure_errors,
    "mistakes": slopes.measure_mistakes,
    "corner": slopes.measure_corner,
    "bowl": _bowl,
    "tried": _tried,
    "paths": _paths,
    "adam": _adam,
    "heights": _heights,
    "pix2pix": _pix2pix,
}


def measure(parts: Sequence[str] = tuple(PARTS)) -> Numbers:
    """Measures slopes in three ways, and descends on the fraction of mistakes and on four surfaces.

    All of it is computed in float64: small differences need its digits, and the page's widget computes with it.

    Args:
        parts: names of what to measure.
    """
    with jax.enable_x64(True):
        return {name: jax.device_get(PARTS[name]()) for name in parts}


def longest_step(path: np.ndarray) -> float:
    """The length of the longest step of a path (steps + 1, 2)."""
    return float(np.hypot(*np.diff(path, axis=0).T).max())


def needed_steps(numbers: Numbers) -> dict[str, list[int]]:
    """Steps of plain descent, momentum and Adam to the minimum, by surface."""
    return {name: [int(of[method]["steps"]) for method in METHODS[:3]] for name, of in numbers["tried"].items()}


def ends_of(starts: Numbers) -> set[tuple[float, ...]]:
    """The points where descents from several starts end, to two digits."""
    return {tuple(end) for end in np.round(starts["path"][:, -1], 2) + 0.0}


def claims(numbers: Numbers) -> list[Claim]:
    """The claims of the text, with their numbers."""
    return [
        *_slope_claims(numbers),
        *_loss_claims(numbers),
        *_rate_claims(numbers["bowl"]),
        *_step_claims(numbers),
        *_surface_claims(numbers["paths"]),
        *_adam_claims(numbers),
    ]


def _slope_claims(numbers: Numbers) -> list[Claim]:
    found, errors = numbers["slopes"], numbers["errors"]
    one_sided, two_sided = errors["float64"]["forward"], errors["float64"]["central"]
    lost = errors["float32"]["central"][21] / abs(found["log loss"]["hand"])
    error = {
        way: max(abs(float(case[way] / case["hand"]) - 1) for case in found.values()) for way in ("jax", "differences")
    }
    return [
        Claim("`jax.grad` returns the slope that was computed by hand.", error["jax"], "<", 1e-13),
        Claim("Differences with h = 10⁻⁵ agree with it to nine digits.", error["differences"], "<", 1e-9),
        Claim("An h ten times smaller divides the one-sided error by 10.", one_sided[0] / one_sided[3], "=", 10, 0.5),
        Claim("An h ten times smaller divides the two-sided error by 100.", two_sided[0] / two_sided[3], "=", 100, 1),
        Claim("At h = 10⁻¹² rounding has made the error large again.", two_sided[-1] / two_sided.min(), ">", 1000),
        Claim("With float32 and h = 10⁻⁸ all of the slope is lost.", lost, "=", 1, 1e-6),
        Claim("`jax.grad` is as exact as float32 allows.", errors["float32"]["jax"], "<", 1e-7),
    ]


def _loss_claims(numbers: Numbers) -> list[Claim]:
    fraction, log = numbers["mistakes"]["fraction"], numbers["mistakes"]["log loss"]
    left, corner, right = numbers["corner"]["package"]
    return [
        Claim("The fraction of mistakes has slope 0 at all points tried.", np.abs(fraction["slopes"]).max(), "=", 0),
        Claim("Descent on the fraction of mistakes does not move.", fraction["path"][-1], "=", fraction["path"][0]),
        Claim("Descent on log loss leaves less than a tenth of the answers wrong.", log["mistakes"], "<", 0.1),
        Claim("Left of its corner L1 has slope −1.", left, "=", -1),
        Claim("Right of its corner L1 has slope 1.", right, "=", 1),
        Claim("At the corner of L1 the package chooses a slope of 0.", corner, "=", 0),
    ]


def _rate_claims(bowl: Numbers) -> list[Claim]:
    small, right, nearly, large = (float(loss[-1] / loss[0]) for loss in bowl["loss"])
    return [
        Claim("The bowl's largest curvature is 2.", bowl["curvature"], "=", 2, 1e-9),
        Claim("The smallest rate leaves more than a tenth of the loss after thirty steps.", small, ">", 0.1),
        Claim("The right rate leaves less than a millionth.", right, "<", 1e-6),
        Claim("Just below the limit the loss still falls.", nearly, "<", 0.01),
        Claim("Just above the limit the loss grows.", large, ">", 1),
        Claim("A hundredth below the limit, 500 steps reach the bottom.", bowl["below"], "<", 1e-6),
        Claim("A hundredth above the limit, 500 steps leave the bowl.", bowl["above"], ">", 1e6),
    ]


def _step_claims(numbers: Numbers) -> list[Claim]:
    bowl, valley = (needed_steps(numbers)[name] for name in ("bowl", "valley"))
    return [
        Claim("On the bowl plain descent needs the fewest steps.", bowl[0], "<", min(bowl[1:])),
        Claim("In the valley momentum needs less than half of plain descent's steps.", valley[1] / valley[0], "<", 0.5),
        Claim("In the valley Adam needs less than half of plain descent's steps.", valley[2] / valley[0], "<", 0.5),
    ]


def _surface_claims(paths: Numbers) -> list[Claim]:
    bumpy, starts, cliff = paths["bumpy"], paths["starts"], paths["cliff"]
    longest = {method: longest_step(found["path"]) for method, found in cliff.items()}
    allowed = RATES["cliff"]["plain, clipped"] * CLIP
    return [
        Claim("Four starts on the bumps end in four places.", len(ends_of(starts)), "=", 4),
        Claim("At each of them the gradient is nearly 0.", starts["steepness"].max(), "<", 1e-4),
        Claim("From the first start plain descent stays above the lowest minimum.", bumpy["plain"]["loss"][-1], ">", 0.5),
        Claim("Adam stays above it too.", bumpy["Adam"]["loss"][-1], ">", 0.5),
        Claim("Momentum rolls on to the lowest minimum.", bumpy["momentum"]["loss"][-1], "<", 0.01),
        Claim("At the cliff one step of plain descent is longer than the map is wide.", longest["plain"], ">", 6),
        Claim("No clipped step is longer than the rate times the limit.", longest["plain, clipped"], "<", allowed + 1e-5),
        Claim("With clipping, descent ends at the bottom.", cliff["plain, clipped"]["loss"][-1], "<", 0.001),
    ]


def _adam_claims(numbers: Numbers) -> list[Claim]:
    adam, pix2pix = numbers["adam"], numbers["pix2pix"]
    path = numbers["paths"]["cliff"]["Adam"]["path"]
    widest, crept = np.abs(np.diff(path, axis=0)).max() / RATES["cliff"]["Adam"], abs(path[-1, 0] - path[-51, 0])
    first, second = adam["first_step"]
    return [
        Claim("Adam's first step moves the weight with the small slope by the rate.", first, "=", 0.1, 1e-6),
        Claim("It moves the weight with the large slope as far.", second, "=", 0.1, 1e-6),
        Claim("Multiplying the loss by 100 leaves Adam's path unchanged.", adam["scaled"], "<", 1e-6),
        Claim("It moves plain descent far away within two steps.", adam["scaled_plain"], ">", 100),
        Claim("Even at the cliff Adam moves a weight by little more than the rate.", widest, "<", 1.2),
        Claim("After the cliff Adam creeps: in its last fifty steps w₁ changes little.", crept, "<", 0.2),
        Claim("pix2pix sets Adam's learning rate to 0.0002.", pix2pix["rate"], "=", 0.0002),
        Claim("pix2pix sets Adam's β₁ to 0.5.", pix2pix["b1"], "=", 0.5),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
