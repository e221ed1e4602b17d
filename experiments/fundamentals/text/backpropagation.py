"""The text of the lesson `backpropagation`, told from its numbers alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.fundamentals.backpropagation import STARTS, STEPS, backward_by_hand, forward, network_loss
from experiments.fundamentals.lesson import Block, Choice, Figure, Formula, Numbers, Slider, Source, Table, Widget
from experiments.fundamentals.page import show_number as show
from experiments.plotting import BLACK, BLUE, ORANGE, draw_lines, new_plot
from p2p_jax import ops, step

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

# Where each value of the graph is drawn, in inches from the left and from the top, and what it is called.
NODES = {
    "x1": (0.75, 0.4, "input"), "x2": (3.85, 0.4, "input"),
    "s1": (0.75, 2.3, "sum"), "s2": (3.85, 2.3, "sum"),
    "h1": (0.75, 3.4, "tanh"), "h2": (3.85, 3.4, "tanh"),
    "z": (2.3, 4.85, "logit"), "loss": (2.3, 5.95, "log"),
}  # fmt: skip
LABELS = {
    "w11": (0.75, 1.4), "w12": (1.68, 1.0), "w21": (2.92, 1.0), "w22": (3.85, 1.4), "b1": (2.06, 2.12), "b2": (2.54, 2.48),
    "v1": (1.45, 4.12), "v2": (3.15, 4.12), "c": (3.95, 4.85),
}  # fmt: skip
ARROWS = ("x1 s1", "x1 s2", "x2 s1", "x2 s2", "b1 s1", "b2 s2", "s1 h1", "s2 h2", "h1 z", "h2 z", "c z", "z loss")


def tell(numbers: Numbers) -> list[Block]:
    """The lesson."""
    layers, chain, graph, cost, xor = (numbers[name] for name in ("layers", "chain", "graph", "cost", "xor"))
    by_hand, by_grad, by_differences = graph["by_hand"], graph["by_grad"], graph["by_differences"]
    blame = max(by_grad, key=lambda name: abs(by_grad[name]))
    constants = {name: round(value, 6) for name, value in graph["values"].items() if name in (*LABELS, "x1", "x2")}
    weights = numbers["pix2pix"]["weights"]
    return [
        """
        So far, a program's answer was one sum: each input times a weight, added up. A **network** is made of many
        such sums. Each is called a **unit**. Units that read the same inputs stand side by side and make up a
        **layer**, and the next layer reads the results of the one before. A layer between the inputs and the last one
        is called a **hidden layer**, for its results are not seen from outside.

        ### Why sums alone are not enough

        Sums of sums are sums. However many layers there are, the answer could be had from a single one with other
        weights. So each sum is followed by a function that bends, the **activation**. A classic one is **tanh**, a
        relative of the sigmoid that goes from −1 to 1, which is also how pix2pix keeps its pictures in that range.
        """,
        Formula(
            r"h = \mathrm{tanh}(s), \quad s = w_1 x_1 + w_2 x_2 + b",
            "a hidden unit's value h is the tanh of a sum s: input times weight, for both inputs, plus b",
        ),
        f"""
        Below, a network of one input and three hidden units is drawn twice with the same weights. Without an
        activation its answers lie on a straight line, and they are those of one layer, to within
        {show(layers["difference"])}, which is rounding. With tanh they bend: even the straight line that fits them
        best is off by {show(layers["distance_to_line"])} somewhere.
        """,
        *_layer_figures(layers),
        """
        ### The chain rule

        Descent needs the slope of the loss by every weight. But most weights do not touch the loss: they change a
        sum, which changes a tanh, which changes the next sum, and so on. Slopes in a row multiply, as gears do. If
        *u* grows three times as fast as *x*, and *h* half as fast as *u*, then *h* grows one and a half times as fast
        as *x*. That is the **chain rule**:
        """,
        Formula(
            r"\dfrac{dL}{dx} = \dfrac{dL}{dh} \cdot \dfrac{dh}{du} \cdot \dfrac{du}{dx}",
            "the slope of L by x is the slope of L by h, times that of h by u, times that of u by x",
        ),
        f"""
        Here are three functions in a row, begun at *x* = {show(chain["values"][0])}. First read the results down to
        the loss *L*. Then read the last column **up**: it begins with the slope of the last function, and each row
        multiplies what stands below by its own slope. At the top stands the slope of the loss by *x*.
        """,
        _chain_table(chain),
        f"""
        For the three functions at once, `jax.grad` finds {show(chain["by_grad"])}. Finite differences, which only try
        out what happens, find {show(chain["by_differences"])}.

        ### Forward and back through a network

        A **computational graph** shows what is computed from what. The one below is a network of two inputs, two
        hidden units and one answer, and it has {len(by_grad)} weights; *w₁₂* leads from input 1 to unit 2. The
        **forward pass** goes from the inputs to the loss and keeps every value. The right answer is "no", but the
        network gives "yes" a probability of {show(graph["values"]["p"])}, so the loss is
        {show(graph["values"]["loss"])}.

        The **backward pass** begins at the loss, whose slope by itself is 1, and goes to the inputs. At every place
        it writes the slope of the loss by the value there, from the slope below. To do so, it needs four rules:

        - **Loss:** the slope of log loss by the logit is the probability minus the truth, which is 1 for yes and 0
        for no. - **Sum:** what was added gets the slope of the sum, unchanged. - **Product:** each factor gets the
        slope of the product times the other factor. - **Tanh:** the sum above it gets the slope of *h* times 1 −
        *h*².

        If two ways lead from a value to the loss, as from each input, the slopes that come back along them are added.
        """,
        _graph_figure("forward", graph, backward=False),
        _graph_figure("backward", graph, backward=True),
        f"""
        These slopes say who is to blame, and how much. Of the weights, {_name(blame)} has the steepest, with
        {show(by_grad[blame])}. As it is {"positive, a smaller" if by_grad[blame] > 0 else "negative, a larger"}
        {_name(blame)} would make the loss smaller. The slopes by all weights together are the gradient, and to
        compute it in this way is called **backpropagation**.
        """,
        Widget(
            "blame",
            "Move a weight, and see who is blamed",
            "What are the slopes of w₁₁ and b₁ when v₁ is 0, so that nobody listens to the first unit? What is the slope "
            "of w₁₁ when its input is 0? And when w₁₁ is so large that h₁ is nearly 1?",
            [
                Slider("x1", "Input x₁:", -2, 2, 0.1, constants["x1"]),
                Slider("w11", "Weight w₁₁:", -4, 4, 0.1, constants["w11"]),
                Slider("v1", "Weight v₁:", -3, 3, 0.1, constants["v1"]),
                Choice("truth", "The right answer is", [("no", "no"), ("yes", "yes")]),
            ],
            constants,
        ),
        """
        ### By hand, and in one line

        `backward_by_hand` below is the backward pass written out, rule by rule. Nobody writes this for a large
        network: JAX follows the computation, knows the slope of each basic step, and applies the chain rule from the
        end. Then it is one line:

        ```python
        jax.grad(network_loss)(params, x, target)
        ```
        """,
        Source(forward),
        Source(network_loss),
        Source(backward_by_hand),
        Table(
            "The slope of the loss by each weight, found in three ways",
            ("weight", "by hand", "`jax.grad`", "finite differences"),
            [(_name(name), *(way[name] for way in (by_hand, by_grad, by_differences))) for name in LABELS],
        ),
        f"""
        ### Why backwards

        Two-sided finite differences need two forward passes for each weight. Backpropagation needs one forward pass
        and one backward pass for **all** of them. Counted in additions and multiplications, both passes together cost
        {show(cost[-1]["backward"])} times a forward pass for a network of {show(cost[-1]["weights"])} weights, and
        {show(cost[0]["backward"])} times for one of {show(cost[0]["weights"])}. If the slopes by the inputs are
        wanted too, as in a layer with others before it, it is {show(cost[-1]["inputs_too"])} times. The network of
        pix2pix that makes the pictures has {show(weights)} weights: finite differences would take {show(2 * weights)}
        forward passes for a single step.
        """,
        _cost_figure(cost),
        f"""
        ### A network that learns XOR

        **XOR** is the question "is exactly one of the two inputs 1?". The points with "yes" lie on one diagonal of a
        square and the points with "no" on the other, so no straight line parts them, and a single layer knows only
        straight lines. Gradient descent does its best with it and ends at a loss of {show(xor["single"][-1])}, which
        is log 2: it answers one half to everything. With a hidden layer of four units, the same descent with the same
        learning rate and slopes by backpropagation comes to {show(xor["curve"][-1])}.
        """,
        *_xor_figures(xor),
        f"""
        The start matters. If all weights begin at zero, the slopes by *w* and *b* are products with *v* = 0, and
        those by *v* are products with *h* = 0: no unit is ever to blame for anything, and the loss stays at
        {show(xor["zeros"])}. So the weights begin as random numbers. With few units, some of these starts get stuck:
        """,
        Table(
            f"How many of {STARTS} random starts came to a loss below 0.1 in {STEPS} steps",
            ("hidden units", "starts that learned XOR"),
            [(units, f"{float(share):.1%}") for units, share in xor["learned"].items()],
        ),
        f"""
        ### In pix2pix

        pix2pix trains two networks: one makes pictures and one judges them. A step of training, in `p2p_jax/step.py`,
        calls `jax.value_and_grad`, which returns the loss along with its gradient, {numbers["pix2pix"]["calls"]}
        times: once for each network. The second time it goes back through **both**: the slopes by the picture that
        the judge was shown tell the other network what to draw differently.
        """,
        Source(step.discriminator_gradients),
        Source(step.generator_gradients),
        Source(ops.tanh),
    ]


def _name(name: str) -> str:
    return name.translate(SUBSCRIPTS)


def _short(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _chain_table(chain: Numbers) -> Table:
    functions = (("u = 3x", "du/dx", "dL/dx"), ("h = tanh(u)", "dh/du", "dL/du"), ("L = (h − 1)²", "dL/dh", "dL/dh"))
    columns = zip(functions, chain["values"][1:], chain["slopes"], chain["products"], strict=True)
    rows = [
        (function.replace(" ", "\N{NO-BREAK SPACE}"), value, f"{own} = {show(slope)}", f"{total} = {show(product)}")
        for (function, own, total), value, slope, product in columns
    ]
    return Table(
        "Down: the values. Up: the slopes, multiplied", ("function", "result", "its own slope", "slope of L"), rows
    )


def _layer_figures(layers: Numbers) -> list[Figure]:
    x = layers["x"]
    figure, axes = new_plot("sum s", "", title="tanh and its slope", ylim=(-1.1, 1.5))
    draw_lines(axes, {"tanh(s)": (x, layers["tanh"]), "its slope, 1 − tanh(s)²": (x, layers["tanh_slope"])})
    alt = (
        "tanh rises from nearly minus one to nearly one, steeply in the middle. Its slope is a bump: one at zero, nearly "
        "zero at both ends."
    )
    tanh = Figure("tanh", "Far from zero tanh is flat.", alt, figure)
    figure, axes = new_plot("input x", "answer", title="The same weights, three hidden units")
    draw_lines(axes, {"without activation": (x, layers["two_layers"]), "with tanh": (x, layers["bent"])})
    alt = "Without activation the answers are a straight, rising line; with tanh they rise, fall and rise again."
    return [tanh, Figure("layers", "Only the activation lets a network bend.", alt, figure)]


def _graph_figure(name: str, graph: Numbers, *, backward: bool) -> Figure:
    """The graph with its values, or with its values and slopes; arrows in the direction of the pass."""
    figure, axes = new_plot("", "", size=(4.6, 6.4), xlim=(0, 4.6), ylim=(6.3, 0.1))
    axes.set_title("Backward: slopes of the loss, upwards" if backward else "Forward: values, downwards", fontsize=11)
    axes.set_axis_off()
    places, half_height = NODES | LABELS, 0.21 if backward else 0.12
    for start, end in map(str.split, ARROWS):
        _draw_arrow(axes, places[start], places[end], half_height, backward)
    frame = {"boxstyle": "square,pad=0.4", "facecolor": "white", "edgecolor": BLACK}
    bare = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
    for key, (x, y, *kind) in places.items():
        words = f"{' '.join((*kind, _name(key)))} = {_short(graph['values'][key])}"
        words += f"\nslope {_short(graph['by_hand'][key])}" if backward else ""
        axes.text(x, y, words, ha="center", va="center", fontsize=9.5, bbox=frame if kind else bare, zorder=3)
    shown = ", ".join(f"{_name(key)} {_short(graph['by_hand' if backward else 'values'][key])}" for key in places)
    alt = "A graph of two inputs, two sums, a tanh of each, a logit and a loss, with the weights between them. "
    if backward:
        caption = "The second line everywhere: the slope of the loss by the value in the first."
        return Figure(name, caption, f"{alt}Dashed arrows lead up from the loss. Slopes: {shown}.", figure)
    caption = "On its way to a sum, a value is multiplied by the weight on the arrow."
    return Figure(name, caption, f"{alt}Arrows lead down from the inputs. Values: {shown}.", figure)


def _draw_arrow(axes: Axes, start: Sequence[Any], end: Sequence[Any], half_height: float, backward: bool) -> None:
    """From one place to another, or the other way; what is nearly level is joined at its sides."""
    (x0, y0), (x1, y1) = start[:2], end[:2]
    across = np.sign(x1 - x0)
    if abs(y1 - y0) < 0.3:
        tail, head = (x0 + 0.43 * across, y0), (x1 - 0.62 * across, y0 + 0.6 * (y1 - y0))
    else:
        half_height += 0.05  # of the frame
        tail, head = (x0 + 0.3 * across, y0 + half_height), (x1 - 0.3 * across, y1 - half_height)
    style = {"color": ORANGE, "linestyle": "--"} if backward else {"color": BLUE, "linestyle": "-"}
    tail, head = (head, tail) if backward else (tail, head)
    axes.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.3, **style})


def _cost_figure(cost: list[Numbers]) -> Figure:
    figure, axes = new_plot(
        "weights of the network", "cost, in forward passes", title="What one gradient costs", xscale="log", yscale="log"
    )
    weights = [row["weights"] for row in cost]
    lines = {
        "finite differences": (weights, [row["differences"] for row in cost]),
        "backpropagation": (weights, [row["backward"] for row in cost]),
    }
    draw_lines(axes, lines, markers=True)
    axes.set_ylim(bottom=1)
    alt = (
        f"Both axes by powers of ten. Finite differences rise from {show(cost[0]['differences'])} to "
        f"{show(cost[-1]['differences'])} forward passes; backpropagation stays at about {cost[-1]['backward']:.0f}."
    )
    return Figure("cost", "Both axes go by powers of ten. Backpropagation's line is level.", alt, figure)


def _xor_figures(xor: Numbers) -> list[Figure]:
    figure, axes = new_plot("step", "log loss", title="Learning XOR")
    steps = np.arange(len(xor["curve"]))
    draw_lines(axes, {"hidden layer of four units": (steps, xor["curve"]), "single layer": (steps, xor["single"])})
    axes.set_ylim(bottom=0)
    alt = (
        f"The loss of the single layer settles at {show(xor['single'][-1])} and stays there; that of the network with a "
        f"hidden layer falls to {show(xor['curve'][-1])}."
    )
    curves = Figure("xor_loss", "The single layer settles at log 2.", alt, figure)
    figure, axes = new_plot("input x₁", "input x₂", title=f"Probability of yes, after {STEPS} steps", aspect="equal")
    axes.grid(visible=False)
    extent = (-0.5, 1.5, -0.5, 1.5)
    image = axes.imshow(xor["plane"], cmap="gray", vmin=0, vmax=1, origin="lower", extent=extent)
    lines = axes.contour(xor["plane"], [0.5], colors=ORANGE, origin="lower", extent=extent)
    for label in axes.clabel(lines, fmt="1/2", fontsize=9):
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    for points, marker, label in ((((0, 1), (1, 0)), "o", "yes"), (((0, 0), (1, 1)), "^", "no")):
        axes.plot(
            *np.transpose(points), marker, color="white", markeredgecolor=BLUE, markeredgewidth=2, markersize=9, label=label
        )
    axes.legend(fontsize=9, framealpha=0.9, loc="upper left")
    figure.colorbar(image, ax=axes, shrink=0.9)
    alt = (
        "A dark band from the lower left to the upper right holds the two triangles, at (0, 0) and (1, 1); at both "
        "sides of it, beyond a contour at one half, lie bright regions with the round points, at (0, 1) and (1, 0)."
    )
    return [
        curves,
        Figure("xor_plane", "The answer over the whole plane; the four points are all that it was shown.", alt, figure),
    ]
