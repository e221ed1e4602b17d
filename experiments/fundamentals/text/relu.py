"""The text of the lesson `relu`, told from its numbers alone."""

import numpy as np

from experiments.fundamentals.lesson import Block, Choice, Figure, Formula, Numbers, Slider, Source, Table, Widget
from experiments.fundamentals.page import show_number as show
from experiments.fundamentals.relu import DEPTHS, EXAMPLES, FEW, KINDS, MANY, WIDTH, reaching_first, spread
from experiments.plotting import BLACK, BLUE, ORANGE, draw_lines, new_plot
from p2p_jax import ops


def tell(numbers: Numbers) -> list[Block]:
    """The lesson."""
    bends, decoder, deep = numbers["bends"], numbers["decoder"], numbers["deep"]
    few, many = bends["few"], bends["many"]
    ratio = {kind: float(np.median(reaching_first(deep, kind, DEPTHS[-1]))) for kind in KINDS}
    factor = ratio["sigmoid"] ** (1 / (DEPTHS[-1] - 1))
    worst = max(
        np.exp(np.abs(np.log(reaching_first(deep, kind, depth)))).max() for kind in ("tanh", "ReLU") for depth in DEPTHS
    )
    shrunk = float(np.median(deep["size"]["ReLU, Xavier's"][:, -1] / deep["size"]["ReLU, Xavier's"][:, 0]))
    return [
        """
        The last lesson had units whose activation was tanh, a smooth curve. The most used activation today is
        simpler. **ReLU** (rectified linear unit) lets through what is above zero, and gives zero for everything else:
        """,
        Formula(r"\mathrm{relu}(x) = \max(0, x)", "relu of x is x where x is above zero, and zero where it is not"),
        f"""
        It is a switch. On, its slope is 1; off, it is 0. At exactly zero there is a corner, and a corner has no
        slope, so one has to be chosen. This package takes {show(numbers["curves"]["slope_at_zero"])}, as most do.
        """,
        *_curve_figures(numbers["curves"]),
        f"""
        ### A broken line

        What can be built of switches? A hidden layer whose units are switched on at different places adds up straight
        pieces: its answer is a broken line. Every unit makes one bend, where it switches. Fitted to a wave, {FEW}
        units gave {show(len(few["bends"]))} bends and {show(few["pieces"])} straight pieces, and an L2 of
        {show(few["loss"])}. With {MANY} units there are {show(len(many["bends"]))} bends between −1 and 1,
        {show(many["pieces"])} pieces, and an L2 of {show(many["loss"])}. Two pieces of equal slope would look like
        one; the slope of the answer, drawn beside it, has as many stairs as there are pieces.
        """,
        *_bend_figures(bends),
        f"""
        ### Many zeros

        A unit that is off gives exactly zero. In a network with random weights that is so for half of all values,
        {float(deep["zeros"]["ReLU"].mean()):.0%} here. Values of which many are zero are called **sparse**. Each
        input has its own set of switches that are on: in the first layer
        {float(deep["switching"]["ReLU"][:, 0].mean()):.0%} of the units are on for some of {EXAMPLES} inputs and off
        for others. A sigmoid makes no zeros ({float(deep["zeros"]["sigmoid"].mean()):.0%}).

        In pix2pix the program that makes pictures has a half that makes small pictures larger, its decoder, of which
        lesson 7 tells more. There every layer begins with ReLU. Each but the first gets two stacks of values: what
        the layer before made, and what was kept from the first half of the program. This is how much of both ReLU
        sets to zero, in a small one with random weights that is given plans of buildings:
        """,
        Table(
            "Share of zeros after the ReLU, before any training",
            ("layer of the decoder", "of what was kept", "of what the layer before made"),
            [
                (f"{i}, given {side} × {side} positions", f"{skip:.0%}", f"{below:.0%}")
                for i, (side, skip, below) in enumerate(
                    zip(decoder["side"], decoder["skip"], decoder["below"], strict=True), start=2
                )
            ],
        ),
        """
        ### Many layers

        By the chain rule of lesson 3, the gradient that reaches the first layer is a product: for each layer on the
        way back it is multiplied by the layer's weights, and by the slope of each unit's activation. For a chain of
        single units, where *h* is what a unit gives, *w* its weight and *f* the activation, it reads
        """,
        Formula(
            r"\dfrac{d h_n}{d h_0} = w_1 f^\prime(w_1 h_0) \cdot w_2 f^\prime(w_2 h_1) \cdots w_n f^\prime(w_n h_{n-1})",
            "how much the last value changes with the first is the product, over all units, of weight times slope",
        ),
        f"""
        The sigmoid's slope is nowhere more than a quarter. Thirty-two layers multiply thirty-two such numbers: even
        if each were a quarter, and the weights 1, there would be {show(0.25**32)} left. Tanh has a slope of 1, but
        only at zero. ReLU has 1 wherever it is on.
        """,
        _slopes_figure(numbers["curves"]),
        Widget(
            "deep_chain",
            "How much gets back through a chain",
            "Press Play to add units, for each activation. Then change the weight: can you save the sigmoid with larger "
            "weights? What does ReLU do with a weight that is not 1?",
            [
                Choice("activation", "Activation:", [("sigmoid", "sigmoid"), ("tanh", "tanh"), ("relu", "ReLU")]),
                Slider("layers", "Units in the chain:", 1, 32, 1, 8),
                Slider("weight", "Every weight:", 0.25, 2, 0.25, 1),
            ],
            play="layers",
        ),
        f"""
        ### How large should the weights be at the start?

        The chain shows that weights matter as much as slopes. A unit with *n* inputs adds *n* products, so random
        weights have to be the smaller the more inputs there are. If the mean of their squares is 1/*n*, the sum is
        about as large as one input. That is **Xavier's** rule, and it suits tanh. ReLU sets half of the values to
        zero, which halves the mean of their squares, so **He's** rule makes up for it with 2/*n*. With Xavier's rule
        31 more layers halve it about 31 times: it shrinks to {show(shrunk)} of what the first layer gave. With He's
        it changes, up or down, by a factor of {show(float(np.median(spread(deep["size"]["ReLU"]))))}.
        """,
        _size_figure(deep),
        f"""
        ### The vanishing gradient

        Now the measurement: networks of 2 to 32 layers with {WIDTH} units each, random weights by these rules
        (Xavier's for the sigmoid too), random inputs and targets, and L2 as the loss. How large is the gradient of
        each layer's weights, compared with the last layer's? With tanh and ReLU no layer is left out: in none of
        these networks do the first and the last differ by more than a factor of {worst:.0f}, and it can go either
        way. With sigmoids each layer gets about {factor:.2f} of what the next one got, and after 32 layers
        {show(ratio["sigmoid"])} is left. This is the **vanishing gradient**.
        """,
        *_gradient_figures(deep),
        Table(
            "The first layer's gradient, as a part of the last layer's (the middle one of several random networks)",
            ("layers", "sigmoid", "tanh", "ReLU"),
            [
                (
                    str(d),
                    *(
                        f"{show(float(f'{np.median(reaching_first(deep, kind, d)):.2g}'))}"
                        for kind in ("sigmoid", "tanh", "ReLU")
                    ),
                )
                for d in DEPTHS
            ],
        ),
        f"""
        What it means for learning: one step of gradient descent with a learning rate of 0.1 changes
        {float(np.median(deep["moved"]["ReLU"])):.0%} of the weights of the first of 32 ReLU layers, and
        {float(np.median(deep["moved"]["sigmoid"])):.0%} of those of the sigmoid network. The change is smaller than
        the last digit that the computer keeps of a number, so the first layers stay as random as they began.

        ReLU alone does not do it: the figures hold for weights of the right size. As training changes them, pix2pix
        keeps values in range by **normalisation** (each channel is brought to mean 0 and a fixed size) and gives
        gradients a shorter way back by the skip connections of lesson 7. It still ends in a tanh, once, since
        pictures have to lie between −1 and 1. And the sigmoid has kept its place where it belongs, at the very end,
        where a probability is wanted.
        """,
        Source(ops.relu),
        Source(ops.sigmoid),
        Source(ops.tanh),
    ]


def _curve_figures(curves: Numbers) -> list[Figure]:
    figure, axes = new_plot("x", "relu(x)", title="The function")
    axes.plot(curves["x"], curves["relu"]["y"], color=BLUE, linewidth=2)
    function = Figure(
        "relu", "Zero, then the input itself.", "Flat at zero left of zero, then a straight line of slope 1.", figure
    )
    figure, axes = new_plot("x", "slope of relu", title="Its slope", ylim=(-0.1, 1.2))
    off = np.asarray(curves["x"]) <= 0
    for side in (off, ~off):
        axes.plot(np.asarray(curves["x"])[side], np.asarray(curves["relu"]["slope"])[side], color=BLUE, linewidth=2)
    axes.plot(0, curves["slope_at_zero"], "o", color=BLACK, label="at exactly zero")
    axes.legend(fontsize=9)
    alt = "The slope is 0 up to zero and jumps to 1; a dot marks that it is 0 at exactly zero."
    return [function, Figure("relu_slope", "Off or on, and nothing between.", alt, figure)]


def _bend_figures(bends: Numbers) -> list[Figure]:
    few, many = f"{FEW} units", f"{MANY} units"
    x = np.asarray(bends["x"])
    figure, axes = new_plot("x", "answer", title="Broken lines", ylim=(-1.3, 2.2), xticks=np.linspace(-1, 1, 5))
    draw_lines(axes, {few: (x, bends["few"]["y"]), many: (x, bends["many"]["y"]), "the wave": (x, bends["wave"])})
    for name, marker, colour in (("few", "o", BLUE), ("many", "s", ORANGE)):
        places = bends[name]["bends"]
        axes.plot(places, np.interp(places, x, bends[name]["y"]), marker, color=colour, markersize=5)
    alt = f"A wave; the answer of {FEW} units follows it in long straight pieces, that of {MANY} units lies nearly on it."
    lines = Figure("bends", "Dots and squares mark where units switch.", alt, figure)
    figure, axes = new_plot("x", "slope of the answer", title="Their slopes are stairs", xticks=np.linspace(-1, 1, 5))
    draw_lines(axes, {few: (x, bends["few"]["slope"]), many: (x, bends["many"]["slope"])}, drawstyle="steps-mid")
    alt = (
        f"Two staircases: one with {bends['few']['pieces']} levels for {FEW} units, "
        f"one with {bends['many']['pieces']} for {MANY}."
    )
    return [lines, Figure("bend_slopes", "Between two bends the slope does not change.", alt, figure)]


def _slopes_figure(curves: Numbers) -> Figure:
    figure, axes = new_plot("x", "slope", title="Slopes of three activations", ylim=(-0.05, 1.3))
    names = {"sigmoid": "sigmoid", "tanh": "tanh", "ReLU": "relu"}
    draw_lines(axes, {label: (curves["x"], curves[name]["slope"]) for label, name in names.items()})
    alt = "The sigmoid's slope is a low hill of height a quarter, tanh's a hill of height 1, ReLU's jumps from 0 to 1."
    return Figure("slopes", "What each unit multiplies a gradient by.", alt, figure)


def _size_figure(deep: Numbers) -> Figure:
    figure, axes = new_plot("layer", "mean square of its outputs", title="32 layers of ReLU", yscale="log")
    layer = np.arange(1, DEPTHS[-1] + 1)
    names = {"He's rule, 2/n": "ReLU", "Xavier's rule, 1/n": "ReLU, Xavier's"}
    draw_lines(axes, {label: (layer, np.median(deep["size"][kind], 0)) for label, kind in names.items()})
    alt = (
        "On a logarithmic scale: with He's rule a nearly level line, "
        "with Xavier's a straight fall to less than a millionth."
    )
    return Figure("sizes", "The scale goes by powers of ten.", alt, figure)


def _gradient_figures(deep: Numbers) -> list[Figure]:
    kinds, last = ("sigmoid", "tanh", "ReLU"), DEPTHS[-1]
    figure, axes = new_plot("layer", "gradient, last layer = 1", title=f"In a network of {last} layers", yscale="log")
    gradients = {kind: np.asarray(deep["gradient"][kind], np.float64)[:, -1] for kind in kinds}
    parts = {kind: np.median(gradient / gradient[:, -1:], 0) for kind, gradient in gradients.items()}
    draw_lines(axes, {kind: (np.arange(1, last + 1), part) for kind, part in parts.items()})
    alt = (
        "From the last layer back to the first, tanh and ReLU stay within two powers of ten of 1; "
        "the sigmoid falls in a straight line to below 10⁻¹⁰."
    )
    by_layer = Figure("gradients", "Read it from right to left, the way the gradient goes.", alt, figure)
    figure, axes = new_plot(
        "layers", "first layer's gradient, last = 1", title="What reaches the first layer", xscale="log", yscale="log"
    )
    reached = {kind: (DEPTHS, [np.median(reaching_first(deep, kind, depth)) for depth in DEPTHS]) for kind in kinds}
    draw_lines(axes, reached, markers=True)
    axes.set_xticks(DEPTHS, [str(depth) for depth in DEPTHS])
    axes.minorticks_off()
    alt = (
        "For 2, 4, 8, 16 and 32 layers, tanh and ReLU stay within two powers of ten of 1; "
        "the sigmoid falls ever more steeply, to below 10⁻¹⁰."
    )
    return [by_layer, Figure("depths", "Among many layers: twice the layers, about twice the powers of ten.", alt, figure)]
