"""The text of the lesson `gradients`, told from its numbers alone."""

from typing import Any

import numpy as np

from experiments.fundamentals.descents import CLIP, METHODS, SURFACES, descend
from experiments.fundamentals.gradients import RATES, STEPS, WEIGHT, ends_of, longest_step, needed_steps
from experiments.fundamentals.lesson import Block, Choice, Figure, Formula, Numbers, Slider, Source, Table, Widget
from experiments.fundamentals.page import show_number as show
from experiments.plotting import BLACK, BLUE, GREY, ORANGE, draw_lines, new_plot


def tell(numbers: Numbers) -> list[Block]:
    """The lesson."""
    return [*_tell_slopes(numbers), *_tell_rates(numbers), *_tell_methods(numbers), *_tell_surfaces(numbers)]


def _tell_slopes(numbers: Numbers) -> list[Block]:
    slopes, single, mistakes = numbers["slopes"], numbers["errors"]["float32"], numbers["mistakes"]
    corner = numbers["corner"]
    return [
        """
        ### A slope is a number

        Change a weight *w* by a little, *h*, and the loss changes by a little. The one divided by the other is the
        slope, and the smaller *h* is, the better it tells how steep the loss is at *w* itself. What the slope comes
        to when *h* shrinks to nothing is called the **derivative** of the loss:
        """,
        Formula(
            r"f'(w) = \lim_{h \to 0}\, \dfrac{f(w + h) - f(w)}{h}",
            "the derivative of f at w: what the change of f divided by the change of w comes to as that one shrinks to 0",
        ),
        """
        There are three ways to get it. **By hand**, with the rules of calculus. For the log loss of a logit *z* whose
        truth is 1, they give the short result *p* − 1, where *p* is the sigmoid of *z*. **By finite differences**:
        compute the loss twice and divide, as in the formula, with a small *h*. It is better to step to both sides:
        """,
        Formula(
            r"f'(w) \approx \dfrac{f(w + h) - f(w - h)}{2 h}",
            "the derivative is about the loss a little above w less the loss a little below w, divided by the distance",
        ),
        """
        Or by **`jax.grad`**, which takes a function and returns another one, its derivative. It applies the rules of
        calculus to the program itself; the next lesson shows how. Here are all three, for the package's log loss of
        the logit *w*, and for its L1 and L2 of three answers *w x* to three targets:
        """,
        Table(
            f"Three slopes at w = {WEIGHT}",
            ("loss", "by hand", "jax.grad", "finite differences, h = 10⁻⁵"),
            [(name, *(_digits(case[way]) for way in ("hand", "jax", "differences"))) for name, case in slopes.items()],
        ),
        f"""
        How small should *h* be? With a large *h* the loss bends between the two points. With a tenth of *h* the error
        of one-sided differences falls to a tenth, that of two-sided ones to a hundredth. But a computer keeps only so
        many digits of a number. When *h* is tiny, the two losses are the same in nearly all digits, and their
        difference is mostly rounding. For that reason the errors below rise again. pix2pix computes with about seven
        digits (**float32**). With these a step of 10⁻⁸ finds no change at all, while the error of `jax.grad` is only
        {show(single["jax"])}.
        """,
        *_error_figures(numbers["errors"]),
        f"""
        Finite differences have another fault. For every weight they compute the loss anew (once, or twice if
        two-sided), so a million weights need a million losses or two for a single step. They are good for checking a
        derivative, and that is what they are used for.

        ### No slope, no learning

        A function is **differentiable** at a place if it has one slope there: looked at closely enough, its curve is
        a straight line. A loss needs slopes that say something. Suppose that real things have large numbers and fakes
        small ones, and that a threshold *w* has to be found between them. Why not simply count the mistakes? Because
        a small change of *w* changes no answer. The share of mistakes is a staircase: flat everywhere, except at the
        jumps, where it has no slope at all. `jax.grad` finds the slope
        {show(np.abs(mistakes["share"]["slopes"]).max())} at all {len(mistakes["thresholds"])} places tried. Descent
        that starts at −2 stays at −2, with {mistakes["share"]["mistakes"]:.0%} of the answers wrong. Log loss on the
        same data, with the logit 3 (*x* − *w*) for a number *x*, is smooth, and descent on it leaves
        {mistakes["log loss"]["mistakes"]:.0%} wrong. This is why pix2pix shows how often its second program is right,
        but trains it with log loss.
        """,
        *_mistake_figures(mistakes),
        f"""
        A single corner does no harm. L1, the size of a difference, has slope {show(corner["package"][0])} left of no
        difference and {show(corner["package"][2])} right of it. At the corner there is no one slope, so a program has
        to choose. This package takes {show(corner["package"][1])}, so that an answer that is right is left alone; the
        absolute value of JAX, the library that all of this is written in, takes {show(corner["absolute"][1])}.
        """,
    ]


def _digits(value: Any) -> str:
    return f"{float(value):.12f}".replace("-", "−")


def _tell_rates(numbers: Numbers) -> list[Block]:
    bowl = numbers["bowl"]
    seen = {
        "Too small": "thirty steps go only part of the way to the bottom",
        "Right": "a few steps reach the bottom",
        "Nearly too large": "the path jumps from side to side and closes in on the bottom",
        "Too large": "the path jumps from side to side, further each time, and leaves the map",
    }
    figures = []
    for index, (title, rest) in enumerate(seen.items()):
        path, caption = bowl["path"][index], f"After thirty steps the loss is {show(bowl['loss'][index][-1])}."
        label, alt = f"rate {show(bowl['rates'][index])}", f"Oval contours. From the upper left {rest}."
        figures.append(_map(numbers, "bowl", {label: path}, f"rate_{index}", title, caption, alt))
    return [
        """
        ### Two weights: a map

        With two weights the loss is a landscape. A map shows it by **contours**: each joins places of the same loss,
        and where they are close together it is steep. The lowest place round about is a **minimum**. The gradient now
        is two slopes, one for each weight; together they point straight uphill, at a right angle to the contour.

        The gradient says in which direction, but not how far. Descent multiplies it by a number, the **learning
        rate**:
        """,
        Formula(
            r"w \leftarrow w - \mathrm{rate} \cdot g",
            "the new weights are the old ones minus the learning rate times g, the gradient",
        ),
        *figures,
        """
        Where does "too large" begin? How fast the slope changes is called the **curvature**. If it is *c* in some
        direction and the weight is *d* from the lowest place, the slope is *c d*, so the next distance is:
        """,
        Formula(
            r"d - \mathrm{rate} \cdot c\, d = (1 - \mathrm{rate} \cdot c)\, d",
            "d minus the rate times the curvature times d is d times 1 minus the rate times the curvature",
        ),
        f"""
        The distance shrinks if the factor is between −1 and 1, so if the rate is below 2 divided by the curvature.
        The largest curvature decides. In this bowl it is {show(bowl["curvature"])}, so the limit is
        {show(bowl["limit"])}. With 0.99 times that rate, 500 steps bring the loss to {show(bowl["below"])}; with 1.01
        times, to {show(bowl["above"])}.
        """,
    ]


def _tell_methods(numbers: Numbers) -> list[Block]:
    adam, pix2pix = numbers["adam"], numbers["pix2pix"]
    first, second = (show(round(float(moved), 6)) for moved in adam["first_step"])
    return [
        """
        ### Three ways to take a step

        What turns gradients into steps is called an **optimizer**. The library *optax* has many. The one above is
        **plain descent**. The second, **momentum**, keeps a running sum *v* of all gradients, in which old ones fade:
        0.9 of the sum is kept at every step. Slopes that point the same way each time add up, and slopes that change
        sign cancel, as for a heavy ball that rolls.
        """,
        Formula(
            r"v \leftarrow 0.9\, v + g \qquad w \leftarrow w - \mathrm{rate} \cdot v",
            "v becomes 0.9 times v plus the gradient; then the weights move against v, times the learning rate",
        ),
        """
        The third, **Adam**, keeps two running averages for each weight: *m* of its slope, and *s* of its slope
        squared. Each weight moves by *m* divided by the square root of *s*, so a weight whose slopes are always large
        takes no larger steps than one whose slopes are always small. The averages start at 0, and a correction makes
        up for that.
        """,
        Formula(
            r"m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad s \leftarrow \beta_2 s + (1 - \beta_2)\, g^2",
            "m keeps a share beta 1 of itself and takes the rest from the gradient; s likewise with beta 2 and its square",
        ),
        Formula(
            r"w \leftarrow w - \mathrm{rate} \cdot \dfrac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \varepsilon}",
            "the weights move by the rate times m over the root of s plus a tiny epsilon, m and s corrected at step t",
        ),
        f"""
        So Adam cares little how large a loss is. At a place where two slopes are {show(adam["first_gradient"][0])}
        and {show(adam["first_gradient"][1])} in size, its first step with a rate of 0.1 moves the weights by {first}
        and {second}. If the bowl's loss is multiplied by a hundred, Adam's path changes by {show(adam["scaled"])} at
        most, while plain descent is {show(adam["scaled_plain"])} away after two steps. *β₁* is 0.9 by default, as in
        the figures below. pix2pix uses Adam with a learning rate of {show(pix2pix["rate"])} and *β₁* =
        {show(pix2pix["b1"])}, which forgets old slopes sooner.
        """,
        Source(descend),
    ]


def _tell_surfaces(numbers: Numbers) -> list[Block]:
    paths, tried, needed = numbers["paths"], numbers["tried"], needed_steps(numbers)
    bumpy, starts, cliff = paths["bumpy"], paths["starts"], paths["cliff"]
    best = {name: {method: float(of[method]["rate"]) for method in METHODS[:3]} for name, of in tried.items()}
    steepest = longest_step(cliff["plain"]["path"]) / RATES["cliff"]["plain"]
    thrown, adam = cliff["plain"]["path"][:, 0].min(), cliff["Adam"]["path"][:, 0]
    return [
        f"""
        ### Bowl, valley, bumps, cliff

        For the first two surfaces we tried 71 learning rates for each method, and kept the one with which it came
        soonest to a hundredth of its distance to the minimum. On the **bowl** plain descent needs {needed["bowl"][0]}
        steps. Momentum needs {needed["bowl"][1]}, because it rolls past and has to come back, and Adam
        {needed["bowl"][2]}: the simplest is sometimes the best.
        """,
        *_pair(
            numbers,
            "bowl",
            tried["bowl"],
            best["bowl"],
            "Momentum and Adam circle around the middle; plain descent does not",
        ),
        f"""
        The **valley** is a hundred times more curved across than along. Its walls set the limit of the learning rate,
        and with so small a rate the way along the floor takes long. Plain descent jumps from wall to wall and then
        creeps: {needed["valley"][0]} steps. With momentum the jumps cancel and the small steps along the floor add
        up: {needed["valley"][1]} steps. Adam gives each weight a scale of its own: {needed["valley"][2]} steps.
        """,
        *_pair(numbers, "valley", tried["valley"], best["valley"], "Plain descent zigzags between the walls, then creeps"),
        f"""
        A **bumpy** surface has many minima, and plain descent ends in one near its start. Four starts end in
        {len(ends_of(starts))} places, with losses from {show(round(float(starts["loss"].min()), 6))} to
        {show(starts["loss"].max())}. The gradient is nearly 0 at all of them, so nothing there tells of a lower
        place. From the first of these starts, momentum rolls over the rim of the first hollow and on to the lowest;
        the other two stay at {show(bumpy["plain"]["loss"][-1])}. That is luck: it knows no more than they do of what
        lies ahead.
        """,
        *_bumpy_figures(numbers),
        f"""
        A **cliff** is a place where the gradient is suddenly huge, here {steepest:.0f}. One plain step from its face
        is longer than the whole map is wide and lands at *w₁* = {show(thrown)}, from where the way back is long. The
        usual answer is to **clip** the gradient: if it is longer than some cap, here {show(CLIP)}, it is shortened to
        that, and keeps its direction. `optax.clip_by_global_norm` does this, and a run of pix2pix can have it too,
        with the setting `clip`. Adam moves no weight by much more than its rate, so it is not thrown. But it
        remembers the huge slopes, and divides by them long after: in its last fifty steps *w₁* changes by
        {show(abs(adam[-1] - adam[-51]))}.
        """,
        *_pair(numbers, "cliff", cliff, RATES["cliff"], "Plain descent and momentum leave the map at the left"),
        Widget(
            "descent",
            "Descend yourself",
            "On the bowl, find the learning rate at which plain descent begins to run away. Then do the same in the "
            "valley, and change the method.",
            [
                Choice("surface", "Surface", [(name, name) for name in SURFACES]),
                Choice("method", "Method", [("plain", "plain descent"), ("momentum", "momentum"), ("Adam", "Adam")]),
                Slider("rate", "Learning rate:", -3, 0.3, 0.05, -0.7, power=True),
                Slider("steps", "Steps:", 0, 60, 1, 20),
            ],
            {
                "starts": {name: surface.start for name, surface in SURFACES.items()},
                "levels": {name: surface.levels for name, surface in SURFACES.items()},
            },
            play="steps",
        ),
    ]


def _error_figures(errors: Numbers) -> list[Figure]:
    w = np.linspace(-4, 3.5, 76)
    figure, axes = new_plot("w", "log loss", title="A slope is that of a straight line")
    value, slope = np.log1p(np.exp(-WEIGHT)), -1 / (1 + np.exp(WEIGHT))
    ends = np.array([WEIGHT - 3, WEIGHT + 2])
    below, above = np.log1p(np.exp(-(WEIGHT - 2))), np.log1p(np.exp(-(WEIGHT + 2)))
    lines = {
        "log loss": (w, np.log1p(np.exp(-w))),
        "slope at w": (ends, value + slope * (ends - WEIGHT)),
        "difference, h = 2": (ends, above + (below - above) / 4 * (WEIGHT + 2 - ends)),
    }
    draw_lines(axes, lines)
    axes.plot(WEIGHT, value, "o", color=BLACK)
    alt = "A falling curve, a line that touches it at w, and a steeper line through two points of it to both sides."
    first = Figure(
        "slope", f"The derivative at w = {WEIGHT} (dot), and a difference over far too large a step.", alt, figure
    )
    figure, axes = new_plot("h", "error of the slope", title="Smaller is better, then worse", xscale="log", yscale="log")
    h = errors["h"]
    lines = {
        "one-sided": (h, errors["float64"]["forward"]),
        "two-sided": (h, errors["float64"]["central"]),
        "two-sided, float32": (h, errors["float32"]["central"]),
    }
    draw_lines(axes, lines)
    alt = (
        "From the right, as h shrinks, the errors fall along straight lines, the two-sided one twice as steeply. "
        "Then they rise again along a ragged line; with float32 much earlier."
    )
    return [first, Figure("errors", "The error of differences, from large steps (right) to tiny ones (left).", alt, figure)]


def _mistake_figures(mistakes: Numbers) -> list[Figure]:
    figures = []
    for name, label, alt in (
        (
            "share",
            "share of mistakes",
            "A staircase, high at both ends and low in the middle; start and end are the same dot.",
        ),
        ("log loss", "log loss", "A smooth curve, high at both ends. Dots go down it from the left to the bottom."),
    ):
        figure, axes = new_plot("threshold w", label, title=f"Descent on the {label}")
        curve, path = mistakes[name]["curve"], mistakes[name]["path"]
        axes.plot(mistakes["thresholds"], curve, color=BLUE)
        axes.plot(path, np.interp(path, mistakes["thresholds"], curve), "o", color=ORANGE, markersize=4, label="descent")
        axes.plot(
            path[:1], np.interp(path[:1], mistakes["thresholds"], curve), "s", color=BLACK, markersize=7, label="start"
        )
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=9)
        figures.append(Figure(name.replace(" ", "_"), f"It ends at w = {show(path[-1])}.", alt, figure))
    return figures


def _bumpy_figures(numbers: Numbers) -> list[Figure]:
    starts, methods = numbers["paths"]["starts"]["path"], numbers["paths"]["bumpy"]
    from_starts = {f"start {index}": path for index, path in enumerate(starts, start=1)}
    from_one = {method: methods[method]["path"] for method in METHODS[:3]}
    alt = "Nine hollows in rows of three. Four paths from four places, each to the middle of a hollow near it."
    first = _map(
        numbers, "bumpy", from_starts, "starts", "Plain descent from four starts", "Each ends in a hollow near.", alt
    )
    alt = "Plain descent and Adam end in the hollow at the left; momentum goes on to the hollow in the middle."
    caption = f"Only momentum leaves the hollow at the left. {_told_rates(RATES['bumpy'])}"
    return [first, _map(numbers, "bumpy", from_one, "bumpy", "Three methods from one start", caption, alt)]


def _told_rates(rates: dict[str, float]) -> str:
    return "Learning rates: " + "; ".join(f"{method} {rate:.3g}" for method, rate in rates.items()) + "."


def _pair(numbers: Numbers, name: str, methods: dict[str, Numbers], rates: dict[str, float], seen: str) -> list[Figure]:
    """Paths of the methods over a surface's contours, and their losses against the step."""
    paths = {method: methods[method]["path"] for method in rates}
    alt = f"Contours with a path for each method. {seen}."
    figure, axes = new_plot("step", "loss", title="Loss after each step", yscale="log")
    draw_lines(axes, {method: (np.arange(len(methods[method]["loss"])), methods[method]["loss"]) for method in rates})
    axes.set_ylim(1e-6, 3 * max(methods[method]["loss"].max() for method in rates))
    ends = "; ".join(f"{method} {show(methods[method]['loss'][-1])}" for method in rates)
    return [
        _map(numbers, name, paths, f"{name}_paths", f"The {name}", f"The first {STEPS} steps. {_told_rates(rates)}", alt),
        Figure(
            f"{name}_loss",
            "Equal distances upwards are equal factors.",
            f"Falling lines. At the last step: {ends}.",
            figure,
        ),
    ]


def _map(
    numbers: Numbers, name: str, paths: dict[str, np.ndarray], file: str, title: str, caption: str, alt: str
) -> Figure:
    """Paths over the contours of a surface."""
    heights = numbers["heights"]
    figure, axes = new_plot("weight w₁", "weight w₂", title=title)
    axes.grid(False)
    levels = SURFACES[name].levels
    axes.contour(heights["across"], heights["up"], heights[name], levels, colors=GREY, linewidths=0.6, zorder=1)
    draw_lines(axes, {label: (path[:, 0], path[:, 1]) for label, path in paths.items()}, markers=True, markersize=3)
    for path in paths.values():
        axes.plot(*path[0], "s", color=BLACK, markersize=7)
    axes.set(xlim=(-3, 3), ylim=(-2, 2), aspect="equal")
    return Figure(file, caption, alt, figure)
