"""The text of the lesson `skip_connections`, told from its numbers alone."""

from collections.abc import Sequence

import numpy as np

from experiments.fundamentals.lesson import Block, Figure, Numbers, Pictures, Source, Table
from experiments.fundamentals.page import show_number as show
from experiments.fundamentals.skip_connections import NAMES
from experiments.plotting import BLACK, ORANGE, draw_lines, new_plot
from p2p_jax import layers


def tell(numbers: Numbers) -> list[Block]:
    """The lesson."""
    u, tower, size, widths = numbers["unet"], numbers["encoder_decoder"], numbers["size"], numbers["widths"]
    whole = numbers["cut"][0]
    worst = max(numbers["cut"][:-1], key=lambda result: float(result["l1"]))
    first = {name: sizes[0] for name, sizes in numbers["gradients"]["without a norm"].items()}
    return [
        f"""
        A **label map** is a plan of a picture: each colour names a thing. In the plans of buildings here, called
        **facades**, dark blue is what lies around, mid blue the wall, light blue windows and doors, yellow blinds,
        and red pillars and shops. Turning a label map into a photo means understanding it first: this is a window,
        that is the sky. One window of a kernel, 4 x 4 pixels, sees too little for that. So the network convolves with
        stride 2, again and again, and the picture shrinks until one position has seen all of it. This half is called
        the **encoder**, and its last and smallest output the **bottleneck**: here {widths[-1]} numbers, for a picture
        of {size} x {size} pixels with {3 * size * size:,} numbers. The other half, the **decoder**, goes the same way
        back with transposed convolutions. The two together are an **encoder-decoder**: a tower that one descends and
        climbs again.

        All that the decoder is told of the places of windows is in those {widths[-1]} numbers. But the encoder knew
        more: its first outputs are large and full of edges. The **U-Net** builds bridges. At every height of the
        tower but the top and the bottom, the encoder's output is also handed straight across to the decoder, which
        gets it as additional channels. These are the **skip connections**.
        """,
        _tower_figure(size, widths),
        """
        In the package the two differ in one function, which says what to do where a bridge arrives: `concat` puts the
        channels behind each other, `no_skip` drops what came across.
        """,
        Source(layers.concat),
        Source(layers.no_skip),
        f"""
        ### Bridges for the gradient

        The gradient goes the way of the values, backwards. Without bridges it reaches the encoder's first layer only
        through the whole tower, up and down. Below, no network has been trained yet, and the weights begin as small
        random numbers, as they do in pix2pix. With bridges the first layer's gradient is
        {show(first["unet"])}; without them it is {show(first["encoder_decoder"])}. Plain descent
        would never move such a layer, and even Adam, which evens out sizes, divides it by an ε that is larger.

        There is a second remedy, and pix2pix has it too: the normalisation of lesson 4, or **norm**, behind nearly
        every convolution shifts and scales each channel so that its mean is 0 and its variance 1. (The usual one is
        **batch norm**; here it looks at one picture at a time.) What has been made small by small weights is made
        large again, gradient included, and both towers get gradients of like size. So today's reason for the bridges
        is another one.
        """,
        _gradient_figure(numbers, "without a norm"),
        _gradient_figure(numbers, "with a norm"),
        f"""
        ### Bridges for detail

        Both networks, with a norm, learn to turn label maps into photos of the built-in facades: the same pairs in
        the same order, {numbers["steps"]} steps, L1 as the loss, Adam. To be fair to the tower, it was
        made a little wider: it has {tower["parameters"]:,} weights, the U-Net {u["parameters"]:,}. Then both are
        shown label maps that they have not seen.
        """,
        Pictures(
            "side_by_side",
            "Label maps that were not trained on, and what each network makes of them.",
            "Six rows. The encoder-decoder draws nearly the same smooth brown block each time, without windows. "
            "The U-Net draws each building with its own windows, doors and roof, slightly blurred.",
            {
                "label map": numbers["labels"],
                "encoder-decoder": tower["pictures"],
                "U-Net": u["pictures"],
                "photo": numbers["photos"],
            },
        ),
        f"""
        The tower has learned what all facades have in common, a brown block under a blue sky, and hardly what makes
        this one different from that one. The U-Net has put every window in its place. In numbers, over
        {numbers["tested"]} pictures: L1 as in lesson 1; **SSIM**, the structural similarity, which compares
        brightness, contrast and pattern in small windows and is 1 for equal pictures; and **sharpness**, which is
        here how much neighbouring pixels differ, as a share of what they do in the photos.
        """,
        Table(
            "On label maps that were not trained on",
            ("", "L1 (lower is better)", "SSIM (higher is better)", "sharpness"),
            [
                (name, *(numbers[net.__name__][figure] for figure in ("l1", "ssim", "sharpness")))
                for name, net in NAMES.items()
            ],
        ),
        _curve_figure(numbers),
        f"""
        ### Cutting bridges

        What does each bridge carry? The first is the outermost, with the largest pictures; the last leads to the
        innermost level. Take the trained U-Net and cut one of them: what comes across is set to zero, and everything
        else stays as it is. Cutting the {worst["bridge"]} one hurts most: L1 rises from {show(whole["l1"])} to
        {show(worst["l1"])}. The innermost one carries next to nothing here. With all of them cut, the decoder has to
        work with what came through the bottleneck, which it never learned to do alone.
        """,
        Pictures(
            "cut",
            "The first picture of above after a cut, without any training after it.",
            f"With no bridge cut there is a clear facade. It changes most when the {worst['bridge']} bridge is cut; "
            "with all of them cut, what is left is blotches of brown and blue.",
            {result["bridge"]: [result["picture"]] for result in numbers["cut"]},
        ),
        Table(
            "Cut bridge, and what is left",
            ("cut", "L1", "SSIM"),
            [(result["bridge"], result["l1"], result["ssim"]) for result in numbers["cut"]],
        ),
    ]


def _tower_figure(size: int, widths: Sequence[int]) -> Figure:
    figure, axes = new_plot("", "", size=(4.6, 4.2))
    axes.set_axis_off()
    depth = len(widths)
    for row in range(depth + 1):
        side = size >> row
        channels = 3 if row == 0 else widths[row - 1]
        label, y = f"{side} × {side} × {channels}", -row
        for x in (0.0, 1.0) if row < depth else (0.5,):
            style = {"boxstyle": "round", "facecolor": "white", "edgecolor": BLACK}
            axes.text(x, y, label, ha="center", va="center", fontsize=10, bbox=style)
        if row < depth:
            for x, inner in ((0.0, 0.28), (1.0, 0.72)):
                start, end = (x, y - 0.25), (inner if row == depth - 1 else x, y - 0.75)
                start, end = (start, end) if x == 0 else (end, start)
                axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": BLACK})
        if 0 < row < depth:
            arrow = {"arrowstyle": "->", "color": ORANGE, "linestyle": "--", "linewidth": 1.6}
            axes.annotate("", (0.72, y), (0.28, y), arrowprops=arrow)
            axes.text(0.5, y + 0.12, "bridge", ha="center", fontsize=9, color=ORANGE)
    axes.set(xlim=(-0.3, 1.3), ylim=(-depth - 0.4, 0.8))
    axes.text(0, 0.5, "encoder ↓", ha="center", fontsize=10)
    axes.text(1, 0.5, "decoder ↑", ha="center", fontsize=10)
    alt = (
        f"Boxes in the shape of a U. At the left the encoder goes down from {size} x {size} x 3 in {depth} halvings to "
        f"1 x 1 x {widths[-1]} at the bottom, at the right the decoder goes up again; dashed arrows lead across at every "
        "height but the first and the last."
    )
    return Figure("tower", "Height × width × channels of what flows through. Dashed arrows are the bridges.", alt, figure)


def _gradient_figure(numbers: Numbers, norm: str) -> Figure:
    figure, axes = new_plot("layer of the encoder", "size of its gradient", title=norm.capitalize(), yscale="log")
    sizes = {name: numbers["gradients"][norm][generator.__name__] for name, generator in NAMES.items()}
    draw_lines(axes, {name: (np.arange(1, len(size) + 1), size) for name, size in sizes.items()}, markers=True)
    ends = "; ".join(f"{name} {show(size[0])} in the first, {show(size[-1])} in the last" for name, size in sizes.items())
    caption = (
        "Root of the mean square of the gradient in each layer's kernel, before training. The scale goes by powers of ten."
    )
    alt = f"Size of the gradient by layer, on a scale of powers of ten. {ends}."
    return Figure(f"gradients_{norm.replace(' ', '_')}", caption, alt, figure)


def _curve_figure(numbers: Numbers) -> Figure:
    figure, axes = new_plot("step", "L1, mean of 25 steps", title="Training")
    lines = {}
    for name, net in NAMES.items():
        means = np.asarray(numbers[net.__name__]["curve"]).reshape(-1, 25).mean(axis=1)
        lines[name] = (25 * (np.arange(len(means)) + 1), means)
    draw_lines(axes, lines)
    axes.set_ylim(bottom=0)
    ends = ", ".join(f"{name} from {show(y[0])} to {show(y[-1])}" for name, (_, y) in lines.items())
    return Figure("training", "The U-Net's loss falls faster and farther.", f"L1 over the steps: {ends}.", figure)
