"""The text of the lesson `leaky_relu`, told from its numbers alone."""

import numpy as np

from experiments.fundamentals import relu
from experiments.fundamentals.leaky_relu import EXAMPLES, MISTAKE, MISTAKE_AT, SLOPES, UNITS
from experiments.fundamentals.lesson import Block, Figure, Formula, Numbers, Slider, Source, Table, Widget
from experiments.fundamentals.page import show_number as show
from experiments.plotting import BLACK, draw_lines, new_plot
from p2p_jax import discriminators, ops


def tell(numbers: Numbers) -> list[Block]:
    """The lesson."""
    single, networks, deep, judge = (numbers[key] for key in ("single", "networks", "deep", "discriminator"))
    first, again = networks["first"], networks["again"]
    return [
        """
        A switch that is off can be a trap. The gradient of a ReLU unit is zero for every example for which it is off.
        If it is off for **every** example of the training data, then it has no gradient at all: no step changes its
        weights, so it stays off, for ever. Such a unit is **dead**. It gives zero whatever it is given, and the
        network is smaller by one.

        The remedy is a switch that is never quite off. **Leaky ReLU** gives *a* times *x* below zero, with a small
        slope *a*:
        """,
        Formula(
            r"\mathrm{leaky\_relu}(x) = \max(x, \; a \, x), \qquad 0 \leq a \leq 1",
            "the larger of x and a times x, where a is between 0 and 1",
        ),
        *_curve_figures(numbers["curves"]),
        Widget(
            "leaky_slope",
            "How leaky?",
            "Stand left of zero, and try slopes of 0, 0.01, 0.2 and 1. What is left of a gradient that meets "
            "several units that are off? And what is lost with a slope of 1?",
            [
                Slider("slope", "Slope below zero:", 0, 1, 0.01, 0.2),
                Slider("x", "Input x:", -4, 4, 0.1, -2),
                Slider("layers", "Units on the way, all given x:", 1, 8, 1, 3),
            ],
        ),
        f"""
        ### One unit

        A single unit gives the activation of *w x + b*, with *x* between −1 and 1. It should give relu(*x*), which
        *w* = 1 and *b* = 0 would do, but it was pushed to *b* = −2, where *w x + b* is negative for all *x*. With
        ReLU its gradient is {show(single["ReLU"]["first_gradient"])}, and nothing happens. With a slope of 0.2 the
        gradient in the direction of *b* is {show(single["slope 0.2"]["first_gradient"])}, and after
        {show(single["slope 0.2"]["first_on"])} steps the unit is on for some *x*. With 0.01 it is
        {show(single["slope 0.01"]["first_gradient"])}: the same way back takes
        {show(single["slope 0.01"]["first_on"])} steps.
        """,
        _single_figure(single),
        f"""
        ### A network in which units die

        How do units get there? By steps that are too large. Here {networks["count"]} networks with one hidden layer
        of {UNITS} units learn a hilly surface from {EXAMPLES} points, by gradient descent. Once, in step
        {MISTAKE_AT}, all targets are too low by {show(-MISTAKE)}; before and after all is well. That step throws the
        weights far off, so the loss is large, and so are the next steps. We count the units that are off for every
        example: with ReLU there are {show(first["ReLU"]["off"][MISTAKE_AT])} at the wrong step and
        {show(round(float(first["ReLU"]["off"][MISTAKE_AT + 10]), 1))} ten steps later. They have no gradient: they
        are dead. With a slope those that are off still have one.
        """,
        _off_figure("off", "One wrong step, and what it leaves", first, f"On average over {networks['count']} networks."),
        Table(
            f"Of {UNITS} units, on average: off for every example (before the wrong step, at the end); without a gradient",
            ("", "off before", "off at the end", "no gradient at the end", "L2 at the end"),
            [
                (
                    name,
                    *(show(round(float(v), 1)) for v in (t["off"][MISTAKE_AT], t["off"][-1], t["none"][-1])),
                    show(round(float(t["loss"]), 4)),
                )
                for name, t in first.items()
            ],
        ),
        f"""
        Of the ReLU units that were ever off for all examples, {float(first["ReLU"]["ever_back"]):.0%} came back; with
        a slope of 0.01 it was {float(first["slope 0.01"]["ever_back"]):.0%}, and with 0.2
        {float(first["slope 0.2"]["ever_back"]):.0%}.

        ### Can the dead come back?

        Now take the ReLU networks as they are after that, dead units and all, exchange the activation, and go on
        training. With ReLU {float(again["ReLU"]["moved"]):.0%} of the dead units move at all. With a slope of 0.01
        {float(again["slope 0.01"]["moved"]):.0%} do, and {float(again["slope 0.01"]["returned"]):.0%} are on again
        for some example at some time. With 0.2 it is {float(again["slope 0.2"]["moved"]):.0%} and
        {float(again["slope 0.2"]["returned"]):.0%}. A slope does not switch every unit on again, and need not: what
        one that stays left of zero gives still changes with its input, only less, and its weights still learn.
        """,
        _off_figure("again", "Going on from the ReLU networks", again, "All three start from the same weights."),
        """
        ### Another trouble than the vanishing gradient

        In both, gradients are missing, but they are two different troubles. Dying is the fate of single units, for
        all examples at once; it happens in a network of one hidden layer, and the units beside it get all that they
        need. The vanishing gradient of the last lesson is the fate of whole layers: every unit still gets something,
        but next to nothing, and the more layers lie behind it the less. ReLU helped there, and brought the dying with
        it.
        """,
        Table(
            "Both, measured",
            ("", "units with no gradient at all", "gradient of the others in the first layer, last layer = 1"),
            [
                (
                    "one hidden layer of ReLU, after the wrong step",
                    f"{first['ReLU']['none'][-1] / UNITS:.0%}",
                    show(round(float(networks["living"]), 2)),
                ),
                (
                    f"{relu.DEPTHS[-1]} layers of sigmoids, at the start",
                    f"{float(deep['silent']):.0%}",
                    show(float(f"{deep['reached']:.2g}")),
                ),
            ],
        ),
        f"""
        ### Why pix2pix uses 0.2, and where

        pix2pix has two programs. One makes pictures; its first half, the encoder, makes them smaller and smaller. The
        other, the discriminator, tells real pictures from made ones. ReLU would set
        {float(judge["lost_by_relu"]):.0%} of what this discriminator's first convolution (lesson 6) gives to zero,
        and what is not passed on there is gone for what comes after. From the output of leaky ReLU all of it can be
        computed back: divide what is negative by 0.2.

        And the program that makes pictures learns from the discriminator alone whether they look real: its gradient
        has to come all the way back through it. So we put plans and photos of drawn buildings through the package's
        discriminator, a small one with random weights, and take the gradient of the loss with respect to the photo.
        In its {len(judge["off"])} layers with an activation {
            ", ".join(f"{float(share):.0%}" for share in judge["off"])
        } of the units are off. A path from a value of the picture to the answer is open only if the unit
        on it is on in every layer: with ReLU that is {float(judge["open"]):.1%} of all paths, with leaky ReLU it is
        every one.

        That does not make the gradient larger. With 0.2 it is {float(judge["relative_size"]):.2f} times as long as
        with ReLU, and even with ReLU {float(judge["pixels_without"][0]):.0%} of the picture's values are without any,
        since many paths lead to each. So at the start the size of the gradient is no reason for a slope. What the
        slope buys is what the experiments above showed: no unit can fall silent for good, while the two programs
        learn against each other and what is asked of each keeps changing. (A slope of 0.01 bought little there; 0.2
        did.)

        That much is measured here; the rest is custom. The authors of pix2pix took their layers from an earlier work,
        DCGAN (Radford et al. 2016), whose authors report that leaky ReLU worked well in the discriminator, and set
        its slope to 0.2. In pix2pix all ReLUs of the encoder and of the discriminator are leaky with 0.2, and those
        of the decoder are not (Isola et al. 2017, appendix 6.1). Why 0.2 and not another number is not measured here.
        Try one: `leaky_slope` is an option of both networks.
        """,
        Source(ops.leaky_relu),
        Source(discriminators.patchgan),
    ]


def _curve_figures(curves: Numbers) -> list[Figure]:
    x = curves["x"]
    figure, axes = new_plot("x", "output", title="Three activations")
    draw_lines(axes, {name: (x, curves[name]["y"]) for name in SLOPES})
    alt = "All three are the same line above zero. Below it ReLU is flat, 0.01 nearly so, and 0.2 falls gently."
    function = Figure("leaky", "Left of zero they differ.", alt, figure)
    figure, axes = new_plot("x", "slope", title="Their slopes", ylim=(-0.1, 1.2))
    draw_lines(axes, {name: (x, curves[name]["slope"]) for name in SLOPES})
    alt = "Above zero all slopes are 1. Below they are 0, 0.01 and 0.2."
    return [function, Figure("leaky_slopes", "0.01 can hardly be told from 0 here; it is not the same.", alt, figure)]


def _single_figure(single: Numbers) -> Figure:
    figure, axes = new_plot("step", "b", title="A unit that was pushed off")
    draw_lines(axes, {name: (5 * np.arange(len(found["shift"])), found["shift"]) for name, found in single.items()})
    back = [found for found in single.values() if found["steps_on"]]
    axes.plot([found["first_on"] for found in back], [found["shift_then"] for found in back], "o", color=BLACK)
    alt = (
        "With a slope of 0.2 b rises from minus two to near zero almost at once, with 0.01 slowly at first; "
        "with ReLU it stays at minus two. Dots mark where the two come back."
    )
    return Figure("single", "A dot: the first step with which the unit is on for some *x*.", alt, figure)


def _off_figure(name: str, title: str, told: Numbers, caption: str) -> Figure:
    figure, axes = new_plot("step", f"units off for every example, of {UNITS}", title=title, ylim=(0, UNITS))
    draw_lines(axes, {key: (10 * np.arange(len(found["off"][::10])), found["off"][::10]) for key, found in told.items()})
    ends = ", ".join(f"{show(round(float(found['off'][-1]), 1))} with {key}" for key, found in told.items())
    begins = show(round(float(told["ReLU"]["off"][0]), 1))
    return Figure(name, caption, f"Three lines that begin at {begins} units; at the end there are {ends}.", figure)
