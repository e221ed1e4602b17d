"""The text of the lesson `losses`, told from its numbers alone."""

import numpy as np
from jax import Array

from experiments.fundamentals.lesson import Block, Choice, Figure, Formula, Numbers, Pictures, Slider, Source, Table, Widget
from experiments.fundamentals.losses import PRICES, WRONG_LOGIT
from experiments.fundamentals.page import show_number as show
from experiments.plotting import BLACK, BLUE, ORANGE, draw_lines, new_plot
from p2p_jax import losses


def tell(numbers: Numbers) -> list[Block]:
    """The lesson."""
    line, clouds, told = numbers["line"], numbers["clouds"], numbers["curves"]["of_probability"]
    race, centre, edges = numbers["race"], numbers["centre"], numbers["edges"]
    slope, height = (float(v) for v in line["path"][-1])
    return [
        """
        A program that learns begins with guesses. A **loss** is a function that takes its answers and the right ones
        and returns one number: how wrong it was. Learning means changing the program's own numbers, its **weights**
        (also called **parameters**), until the loss is small. Nothing else tells the program what we want, so the
        choice of the loss is the choice of what is learned.

        ### A line through points

        Take forty points that lie near a line. The program's answer at *x* is *w x + b*, with two weights. The usual
        loss for numbers is the mean of the squared differences, called **mean squared error** or **L2**:
        """,
        Formula(
            r"\mathrm{L2} = \dfrac{1}{n} \sum_{i=1}^{n} (\mathrm{answer}_i - \mathrm{target}_i)^2",
            "the mean, over all n answers, of the difference to the target, squared",
        ),
        f"""
        How does the loss change when *w* grows a little? That is the loss's slope in the direction of *w*. The slopes
        for all weights together are the **gradient**. Taking a small step against it, again and again, is **gradient
        descent**; the next lesson is all about it. Here it starts with *w* = *b* = 0, and the loss falls from
        {show(line["loss"][0])} to {show(line["loss"][-1])}. It cannot reach zero, for no line goes through all the
        points. The line it ends with, *w* = {slope:.3f} and *b* = {height:.3f}, is the one that algebra gives.
        """,
        _line_figure(line),
        _loss_figure("line_loss", line["loss"], "L2", "The loss of the line after each step."),
        """
        ### Yes or no

        Often the right answer is a yes or a no: is this picture real or is it fake? The program should then answer
        with a **probability** *p* between 0 (surely fake) and 1 (surely real). It computes some number *z* first,
        which may be of any size and is called a **logit**, and squeezes it with the **sigmoid** function:
        """,
        Formula(r"p = \mathrm{sigmoid}(z) = \dfrac{1}{1 + e^{-z}}", "p is 1 divided by 1 plus e to the minus z"),
        """
        A logit of 0 is a probability of one half, and large logits of either sign are nearly certain. The loss for
        probabilities is the **log loss**, also called **binary cross-entropy**: minus the logarithm of the
        probability that was given to what turned out to be true. (In this course log is always the natural logarithm,
        to the base e, which is about 2.718.)
        """,
        Formula(r"-\log p \quad \mathrm{if\ it\ was\ real}", "minus the logarithm of p, if it was real"),
        Formula(r"-\log (1 - p) \quad \mathrm{if\ it\ was\ fake}", "minus the logarithm of 1 minus p, if it was fake"),
        Table(
            "What an answer costs when the picture was real",
            ("probability of real", "log loss"),
            [(f"{p:g}", value) for p, value in told.items()],
        ),
        """
        Being unsure costs little, and being right and sure almost nothing. Being **sure and wrong** has no upper
        limit: each time the answer is ten times surer, it costs another log 10, which is about 2.3.
        """,
        Widget(
            "log_loss",
            "Move a guess, and see what it costs",
            "Say that it is surely real when it was fake. Then look at how steep each curve is where you stand.",
            [
                Choice("truth", "The picture was", [("real", "real"), ("fake", "fake")]),
                Slider("logit", "Logit of the answer:", -8, 8, 0.1, -3),
            ],
        ),
        f"""
        Two clouds of points, one standing for real pictures and one for fakes, are separated by a line when their
        logit is *w₁ x₁ + w₂ x₂ + b* and the log loss is made small by descent. After sixty steps
        {clouds["accuracy"]:.0%} of the points are on the right side. The loss used here is the very one that
        pix2pix's second program, which tells real pictures from fakes, is trained with.
        """,
        _clouds_figure(clouds),
        _loss_figure("clouds_loss", clouds["loss"], "log loss", "The log loss after each step."),
        f"""
        ### Why not squared error for yes and no?

        Suppose that the program is nearly certain and wrong: its logit is {show(WRONG_LOGIT)}, but the picture is
        real. Squared error after a sigmoid sees a flat plain there: the sigmoid hardly moves when the logit does, so
        the slope is only {show(race["squared"]["slope_at_start"])}. The slope of log loss is
        {show(race["log"]["slope_at_start"])}. With the same steps, log loss needs
        {race["log"]["steps_to_90_percent"]} of them to get from there to an answer of 90 % real, squared error
        {race["squared"]["steps_to_90_percent"]}. It learns slowest where it is most wrong.
        """,
        *_slope_figures(numbers),
        """
        ### What L1 and L2 prefer

        **L1** is the mean of the differences without their signs:
        """,
        Formula(
            r"\mathrm{L1} = \dfrac{1}{n} \sum_{i=1}^{n} \left| \mathrm{answer}_i - \mathrm{target}_i \right|",
            "the mean, over all n answers, of the size of the difference to the target",
        ),
        f"""
        Five flats cost {", ".join(f"{price:g}" for price in PRICES)}. Which single guess has the smallest loss?
        Descent finds {show(centre["l2"]["found"])} with L2, which is the **mean** (the sum divided by five), and
        {float(centre["l1"]["found"]):.1f} with L1, which is the **median** (the one in the middle). The expensive
        flat pulls the mean towards it, because a large difference counts much more when it is squared.
        """,
        Widget(
            "best_guess",
            "One guess for five prices",
            "Find the lowest point of each curve. What do you read there?",
            [Slider("guess", "Guess:", 0, 10, 0.1, 6)],
            {"prices": PRICES.tolist()},
        ),
        """
        The same happens to pictures. Below, a dark wall ends somewhere in front of a bright sky, and the program is
        not told where. So it has to give one picture as the answer to all of them. For every pixel L2 takes the mean
        of what was seen there, which is a grey between wall and sky: a blur. L1 takes the median, which is wall or
        sky and nothing between, so there is an edge.
        """,
        Pictures(
            "edges",
            "Three of the targets, and the single picture with the smallest loss, found by descent on its pixels.",
            "Three pictures with a sharp edge at different places; the answer of L2 goes from dark to bright gradually "
            "over a third of its width, the answer of L1 has one sharp edge.",
            {
                **{f"target {i}": [picture] for i, picture in enumerate(edges["examples"], start=1)},
                "best for L2": [edges["l2"]["picture"]],
                "best for L1": [edges["l1"]["picture"]],
            },
        ),
        _edges_figure(edges),
        """
        This is why pix2pix compares pictures with L1 and not with L2: "as L1 encourages less blurring", its authors
        write (Isola et al. 2017, section 3.1). Less, not none: the last lesson shows what is still missing, and what
        fills it.
        """,
        Source(losses.l1),
        Source(losses.l2),
        Source(losses.binary_cross_entropy),
    ]


def _line_figure(line: Numbers) -> Figure:
    figure, axes = new_plot("x", "y", title="Descent finds the line")
    axes.plot(line["x"], line["y"], "o", color=BLACK, markersize=4, label="points")
    paths = {
        f"after {step} steps": (line["x"], line["path"][step][0] * line["x"] + line["path"][step][1]) for step in (0, 3, 60)
    }
    draw_lines(axes, paths)
    alt = (
        "Forty points near a rising line. The first answer is flat at zero, after three steps it rises, "
        "after sixty it goes through the points."
    )
    return Figure("line", "The answers before the first step, after three, and after sixty.", alt, figure)


def _loss_figure(name: str, values: Array, label: str, caption: str) -> Figure:
    figure, axes = new_plot("step", label, title="The loss goes down")
    axes.plot(np.asarray(values), color=BLUE)
    axes.set_ylim(bottom=0)
    alt = f"The loss falls from {show(values[0])}, steeply at first and then ever more slowly, to {show(values[-1])}."
    return Figure(name, caption, alt, figure)


def _clouds_figure(clouds: Numbers) -> Figure:
    figure, axes = new_plot("x₁", "x₂", title="A line between two clouds")
    for points, marker, colour, label in ((clouds["real"], "o", BLUE, "real"), (clouds["fake"], "^", ORANGE, "fake")):
        axes.plot(points[:, 0], points[:, 1], marker, color=colour, markersize=5, label=label)
    across, up, height = clouds["weights"]
    x = np.array([-3.0, 3.0])
    axes.plot(x, -(across * x + height) / up, color=BLACK, label="p = 1/2")
    axes.set_ylim(-3, 3)
    axes.legend(fontsize=9)
    alt = (
        "Round points at the upper right, triangles at the lower left, and a falling line between them; "
        "nearly all are on their side of it."
    )
    return Figure("clouds", "On the line the answer is one half.", alt, figure)


def _slope_figures(numbers: Numbers) -> list[Figure]:
    curves, race = numbers["curves"], numbers["race"]
    x = curves["logit"]
    figure, axes = new_plot("logit (the truth is: real)", "slope of the loss", title="How hard each loss pulls")
    draw_lines(axes, {"log loss": (x, curves["log_slope"]), "squared error": (x, curves["squared_slope"])})
    axes.axvline(WRONG_LOGIT, color=BLACK, linewidth=1)
    alt = (
        "The slope of log loss goes from minus one at the left to zero at the right. That of squared error is near zero "
        "at both ends, with a dip to minus 0.3 in between."
    )
    slopes = Figure("slopes", "At the left the answer is sure and wrong; the thin line marks a logit of −6.", alt, figure)
    figure, axes = new_plot("step", "probability given to the truth", title="From the same wrong answer", ylim=(0, 1))
    lines = {
        name: (np.arange(60), race[key]["probability"]) for name, key in (("log loss", "log"), ("squared error", "squared"))
    }
    draw_lines(axes, lines)
    alt = (
        "With log loss the probability rises to more than 0.9 within twenty steps; "
        "with squared error it stays near zero for all sixty."
    )
    return [slopes, Figure("race", "The first sixty steps of both, with a step size of 1.", alt, figure)]


def _edges_figure(edges: Numbers) -> Figure:
    figure, axes = new_plot("column of pixels", "brightness, −1 to 1", title="One row of the two answers")
    axes.step(np.arange(32), edges["l2"]["row"], where="mid", color=ORANGE, linestyle="--", label="L2: the mean")
    axes.step(np.arange(32), edges["l1"]["row"], where="mid", color=BLUE, label="L1: the median")
    axes.legend(fontsize=9)
    alt = "L1's row jumps from dark to bright within one pixel; L2's climbs in many small steps over thirteen pixels."
    return Figure(
        "edge_rows",
        "The step of L1 is nearly as high as the wall's edge; its wiggles are the last steps of descent. L2 has spread it.",
        alt,
        figure,
    )
