"""Slopes by hand, by differences and by `jax.grad`, and what descent makes of them on four surfaces.

python -m experiments.fundamentals.gradients
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from experiments.fundamentals.descents import CLIP, METHODS, SURFACES, Loss, descend, make_optimizer
from experiments.fundamentals.lesson import Claim, Numbers
from p2p_jax import losses, ops, step
from p2p_jax.config import Optimizer

TITLE = "Gradients: which way is down"
QUESTION = "How does a program find out in which direction to change its weights, and how far should it go?"
HOMES = (step.discriminator_gradients, losses.binary_cross_entropy, losses.l1, losses.l2, Optimizer)

WEIGHT = 0.7  # where slopes are taken
X, Y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 7.0])
STEPS = 100

STARTS = ((-2.7, 1.2), (-2.4, -1.7), (0.6, -0.7), (2.7, 1.7))  # for plain descent on the bumpy surface
# Each step of momentum is followed by those it leaves behind, ten times its size in all: hence its smaller rates.
RATES = {
    "bumpy": {"plain": 0.1, "momentum": 0.05, "Adam": 0.1},
    "cliff": {"plain": 0.5, "momentum": 0.05, "Adam": 0.2, "plain, clipped": 0.5},
}


def _log_loss(w: Array) -> Array:
    return losses.binary_cross_entropy(w, 1.0)


@jax.jit
def _slopes() -> Numbers:
    """Of three losses of one weight: by hand, by `jax.grad`, and by differences."""
    w, h = jnp.array(WEIGHT), 1e-5
    off = w * X - Y
    cases: list[tuple[str, Loss, Array]] = [
        ("log loss", _log_loss, ops.sigmoid(w) - 1),
        ("L2", lambda w: losses.l2(w * X, jnp.asarray(Y)), 2 / 3 * (off * X).sum()),
        ("L1", lambda w: losses.l1(w * X, jnp.asarray(Y)), 1 / 3 * (jnp.sign(off) * X).sum()),
    ]
    return {
        name: {"hand": hand, "jax": jax.grad(loss)(w), "differences": (loss(w + h) - loss(w - h)) / (2 * h)}
        for name, loss, hand in cases
    }


def _errors() -> Numbers:
    """How far differences are from the slope of log loss, for steps of 0.1 down to 1e-12."""
    h = np.logspace(-1, -12, 34)
    slope = -1 / (1 + np.exp(WEIGHT))

    @jax.jit
    def find(w: Array, h: Array) -> tuple[Array, Array, Array]:
        forward = jax.vmap(lambda h: (_log_loss(w + h) - _log_loss(w)) / h)(h)
        central = jax.vmap(lambda h: (_log_loss(w + h) - _log_loss(w - h)) / (2 * h))(h)
        return forward, central, jax.grad(_log_loss)(w)

    result: Numbers = {"h": h}
    for dtype in ("float64", "float32"):
        found = jax.device_get(find(jnp.array(WEIGHT, dtype), jnp.asarray(h, dtype)))
        forward, central, exact = (np.abs(np.asarray(value, np.float64) - slope) for value in found)
        result[dtype] = {"forward": forward, "central": central, "jax": float(exact)}
    return result


def _mistakes() -> Numbers:
    """A threshold between two groups of numbers, by descent on the share of mistakes and on log loss."""
    random = np.random.default_rng(3)
    real, fake = random.standard_normal(30) * 0.8 + 1, random.standard_normal(30) * 0.8 - 1

    def share(w: Array) -> Array:
        return jnp.where(real < w, 0.5, 0.0).mean() + jnp.where(fake > w, 0.5, 0.0).mean()

    def log_loss(w: Array) -> Array:
        judge = losses.bce.discriminator
        return (judge(3 * (real - w), True) + judge(3 * (fake - w), False)) / 2

    @jax.jit
    def look(start: Array, thresholds: Array) -> Numbers:
        result: Numbers = {"thresholds": thresholds}
        for name, loss in (("share", share), ("log loss", log_loss)):
            path, _ = descend(loss, optax.sgd(0.2), start, 60)
            curve, slopes = jax.vmap(jax.value_and_grad(loss))(thresholds)
            result[name] = {"curve": curve, "slopes": slopes, "path": path, "mistakes": share(path[-1])}
        return result

    return look(jnp.array(-2.0), jnp.linspace(-3, 3, 241))


@jax.jit
def _corner() -> Numbers:
    """The slope of L1 and of JAX's absolute value left of, at and right of no difference."""
    differences = jnp.array([-0.1, 0.0, 0.1])
    slopes = {"package": jax.grad(lambda d: losses.l1(d, jnp.zeros(()))), "absolute": jax.grad(jnp.abs)}
    return {name: jax.vmap(slope)(differences) for name, slope in slopes.items()}


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
    """What Adam makes of a loss a hundred times as high, and of its first step."""
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
    """On the bowl and in the valley: each method with whichever of 71 learning rates gets near the minimum soonest."""
    rates = np.logspace(-3, 0.5, 71)
    result: Numbers = {}
    for name, shown in (("bowl", 81), ("valley", 251)):
        loss, start, _ = SURFACES[name]

        def race(rate: Array, loss: Loss = loss, start: tuple[float, float] = start) -> dict[str, tuple[Array, Array]]:
            return {method: descend(loss, make_optimizer(method, rate), start, 400) for method in METHODS[:3]}

        result[name] = {}
        for method, (path, value) in jax.device_get(jax.jit(jax.vmap(race))(rates)).items():
            needed = [_steps_needed(one) for one in path]
            best = int(np.argmin(needed))
            curves = {"path": np.round(path[best, : STEPS + 1], 6), "loss": value[best, :shown]}
            result[name][method] = {"rate": rates[best], "steps": needed[best], **curves}
    return result


def _steps_needed(path: np.ndarray) -> int:
    """After how many steps the minimum at (0, 0) is a hundred times nearer than at the start, and stays so."""
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.hypot(path[:, 0], path[:, 1])
        near = distance < distance[0] / 100
    return len(path) - int(np.argmax(~near[::-1]))


def _heights() -> Numbers:
    """Of the surfaces on a grid, (across, up) each, for their contours."""
    across, up = np.linspace(-3, 3, 49), np.linspace(-2, 2, 33)
    heights = jax.jit(lambda grid: {name: surface.loss(grid).round(3) for name, surface in SURFACES.items()})
    return {"across": across, "up": up, **heights(np.stack(np.meshgrid(across, up)))}


def _pix2pix() -> Numbers:
    return {"rate": Optimizer().learning_rate, "b1": Optimizer().beta1}


PARTS: dict[str, Callable[[], Numbers]] = {
    "slopes": _slopes,
    "errors": _errors,
    "mistakes": _mistakes,
    "corner": _corner,
    "bowl": _bowl,
    "tried": _tried,
    "paths": _paths,
    "adam": _adam,
    "heights": _heights,
    "pix2pix": _pix2pix,
}


def measure(parts: Sequence[str] = tuple(PARTS)) -> Numbers:
    """Slopes in three ways, and descents on a count of mistakes and on four surfaces.

    In float64 throughout: small differences need its digits, and the box to try things in computes with it.

    Args:
        parts: what to measure; a test measures one alone.
    """
    with jax.enable_x64(True):
        return {name: jax.device_get(PARTS[name]()) for name in parts}


def claims(numbers: Numbers) -> list[Claim]:
    """What the text says, with its numbers."""
    return [*_slope_claims(numbers), *_map_claims(numbers), *_method_claims(numbers)]


def _slope_claims(numbers: Numbers) -> list[Claim]:
    slopes, errors, mistakes = numbers["slopes"], numbers["errors"], numbers["mistakes"]
    one_sided, two_sided = errors["float64"]["forward"], errors["float64"]["central"]
    lost = errors["float32"]["central"][21] / abs(slopes["log loss"]["hand"])
    share, log = mistakes["share"], mistakes["log loss"]
    left, corner, right = numbers["corner"]["package"]
    return [
        Claim("`jax.grad` gives the slope that was worked out by hand.", _apart(slopes, "jax"), "<", 1e-13),
        Claim("Differences with h = 10⁻⁵ agree with it to nine digits.", _apart(slopes, "differences"), "<", 1e-9),
        Claim("With a tenth of h one-sided differences are ten times as exact.", one_sided[0] / one_sided[3], "=", 10, 0.5),
        Claim("Two-sided ones are a hundred times as exact.", two_sided[0] / two_sided[3], "=", 100, 1),
        Claim("At h = 10⁻¹² rounding has spoilt them again.", two_sided[-1] / two_sided.min(), ">", 1000),
        Claim("With float32 and h = 10⁻⁸ all of the slope is lost.", lost, "=", 1, 1e-6),
        Claim("`jax.grad` loses nothing that float32 can hold.", errors["float32"]["jax"], "<", 1e-7),
        Claim("The share of mistakes has slope 0 wherever we look.", np.abs(share["slopes"]).max(), "=", 0),
        Claim("Descent on it does not move at all.", share["path"][-1], "=", share["path"][0]),
        Claim("Descent on log loss leaves less than a tenth of the answers wrong.", log["mistakes"], "<", 0.1),
        Claim("Left of its corner L1 has slope −1.", left, "=", -1),
        Claim("Right of its corner L1 has slope 1.", right, "=", 1),
        Claim("At the corner of L1 the package takes a slope of 0.", corner, "=", 0),
    ]


def _apart(slopes: Numbers, way: str) -> float:
    """The largest distance from the slope by hand, as a share of it."""
    return max(abs(float(case[way] / case["hand"]) - 1) for case in slopes.values())


def _map_claims(numbers: Numbers) -> list[Claim]:
    bowl, needed = numbers["bowl"], needed_steps(numbers)
    small, right, nearly, large = (float(loss[-1] / loss[0]) for loss in bowl["loss"])
    bumpy, starts, cliff = numbers["paths"]["bumpy"], numbers["paths"]["starts"], numbers["paths"]["cliff"]
    longest = {method: longest_step(of["path"]) for method, of in cliff.items()}
    allowed = RATES["cliff"]["plain, clipped"] * CLIP
    return [
        Claim("The bowl's largest curvature is 2.", bowl["curvature"], "=", 2, 1e-9),
        Claim("The smallest rate leaves more than a tenth of the loss after thirty steps.", small, ">", 0.1),
        Claim("The right one leaves less than a millionth.", right, "<", 1e-6),
        Claim("Just below the limit the loss still falls.", nearly, "<", 0.01),
        Claim("Just above it, it grows.", large, ">", 1),
        Claim("A hundredth below the limit, 500 steps reach the bottom.", bowl["below"], "<", 1e-6),
        Claim("A hundredth above it, they leave the bowl for good.", bowl["above"], ">", 1e6),
        Claim("On the bowl plain descent needs the fewest steps.", needed["bowl"][0], "<", min(needed["bowl"][1:])),
        Claim(
            "In the valley momentum needs less than half of its steps.", needed["valley"][1] / needed["valley"][0], "<", 0.5
        ),
        Claim(
            "In the valley Adam needs less than half of the steps of plain descent.",
            needed["valley"][2] / needed["valley"][0],
            "<",
            0.5,
        ),
        Claim("Four starts on the bumps end in four places.", len(ends_of(starts)), "=", 4),
        Claim("At each of them the gradient is nearly 0.", starts["steepness"].max(), "<", 1e-4),
        Claim("From the first start plain descent stays above the lowest minimum.", bumpy["plain"]["loss"][-1], ">", 0.5),
        Claim("Adam stays there too.", bumpy["Adam"]["loss"][-1], ">", 0.5),
        Claim("Momentum rolls on to the lowest.", bumpy["momentum"]["loss"][-1], "<", 0.01),
        Claim("At the cliff one step of plain descent is longer than the map is wide.", longest["plain"], ">", 6),
        Claim("No clipped step is longer than the rate times the cap.", longest["plain, clipped"], "<", allowed + 1e-5),
        Claim("Clipped, descent ends at the bottom.", cliff["plain, clipped"]["loss"][-1], "<", 0.001),
    ]


def longest_step(path: np.ndarray) -> float:
    """The length of the longest step."""
    return float(np.hypot(*np.diff(path, axis=0).T).max())


def needed_steps(numbers: Numbers) -> dict[str, list[int]]:
    """Steps of plain descent, momentum and Adam to the minimum, by surface."""
    return {name: [int(of[method]["steps"]) for method in METHODS[:3]] for name, of in numbers["tried"].items()}


def ends_of(starts: Numbers) -> set[tuple[float, ...]]:
    """The different places where descents from several starts end, to two digits."""
    return {tuple(end) for end in np.round(starts["path"][:, -1], 2) + 0.0}


def _method_claims(numbers: Numbers) -> list[Claim]:
    adam, pix2pix = numbers["adam"], numbers["pix2pix"]
    path = numbers["paths"]["cliff"]["Adam"]["path"]
    widest, crept = np.abs(np.diff(path, axis=0)).max(), abs(path[-1, 0] - path[-51, 0])
    return [
        Claim(
            "Adam's first step moves the weight with the small slope by the rate.", adam["first_step"][0], "=", 0.1, 1e-6
        ),
        Claim("It moves the one with the large slope as far.", adam["first_step"][1], "=", 0.1, 1e-6),
        Claim("A hundred times the loss leaves Adam's path as it was.", adam["scaled"], "<", 1e-6),
        Claim("It throws plain descent far away in two steps.", adam["scaled_plain"], ">", 100),
        Claim(
            "Adam moves no weight much further than the rate, even at the cliff.", widest / RATES["cliff"]["Adam"], "<", 1.2
        ),
        Claim("After the cliff Adam creeps: in its last fifty steps w₁ changes little.", crept, "<", 0.2),
        Claim("pix2pix sets Adam's learning rate to 0.0002.", pix2pix["rate"], "=", 0.0002),
        Claim("pix2pix sets Adam's β₁ to 0.5.", pix2pix["b1"], "=", 0.5),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
