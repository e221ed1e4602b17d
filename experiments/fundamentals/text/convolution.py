"""The text of the lesson `convolution`, told from its numbers alone."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from experiments.fundamentals.convolution import KERNELS
from experiments.fundamentals.lesson import Block, Choice, Figure, Formula, Numbers, Pictures, Slider, Source, Table, Widget
from experiments.fundamentals.page import show_number as show
from experiments.plotting import new_plot
from p2p_jax import layers, ops
from p2p_jax.ops.cpu import im2col


def tell(numbers: Numbers) -> list[Block]:
    """The lesson."""
    return [
        *_tell_kernels(numbers),
        *_tell_sizes(numbers),
        *_tell_channels(numbers["channels"]),
        *_tell_matrix(numbers["matrix"]),
        *_tell_transposed(numbers),
        *_tell_learned(numbers["learned"]),
        Source(ops.conv2d),
        Source(im2col.conv),
        Source(im2col.extract_patches),
        Source(ops.conv2d_transpose),
        Source(layers.resize_conv),
    ]


def _tell_kernels(numbers: Numbers) -> list[Block]:
    kernels, moves = numbers["kernels"], numbers["moves"]
    rough = kernels["roughness"]
    return [
        """
        In lesson 3 a unit had a weight for each of its inputs. For pictures that is wasteful: a window looks like a
        window wherever it is. A **convolution** uses one small block of weights, the **kernel**, at all places. It
        lies on a part of the picture, each weight is multiplied by the pixel under it, and the sum is one number of
        the result. Then the kernel moves on by one pixel. The result is a picture of its own, the **feature map**: it
        says how well each place fits the kernel.
        """,
        Formula(
            r"y_{i,j} = \sum_{a} \sum_{b} k_{a,b} \, x_{i+a,\,j+b}",
            "the feature map y in row i, column j is the sum, over all places a, b of the kernel k, of weight times the "
            "pixel of the picture x that lies under it",
        ),
        """
        (In mathematics the kernel is turned by half a circle first. Programs that learn leave that out: they would
        only learn it turned.)
        """,
        Widget(
            "sliding_kernel",
            "A kernel slides over a picture",
            "The picture is the corner of a window in a wall, with greys from 0 (black) to 9 (white). Press Play, or move "
            "the position. Where does each kernel answer with a large number, where with 0?",
            [
                Choice("kernel", "Kernel", [(name, name) for name in reversed(KERNELS)]),
                Slider("position", "Position:", 1, 64, 1, 30),
            ],
            {"picture": kernels["window"], "kernels": {name: kernel.tolist() for name, kernel in KERNELS.items()}},
            play="position",
        ),
        f"""
        What a kernel does is in its weights. Nine weights of 1/9 take the mean of a neighbourhood, which is a
        **blur**: the mean difference between neighbouring pixels goes from {show(rough["picture"])} to
        {show(rough["blur"])}. A kernel with 5 in the middle and −1 beside it pushes a pixel away from its neighbours,
        and the difference rises to {show(rough["sharpen"])}. Both have weights that add up to 1, so a picture of one
        grey stays as it is. The weights of an **edge kernel** add up to 0. That for upright (vertical) edges
        subtracts what is on its left from what is on its right, that for lying (horizontal) ones what is above from
        what is below, and both answer 0 where nothing changes.
        """,
        Pictures(
            "kernels",
            "A grey photo and its feature maps for the four kernels of the box above. In the last two, mid grey is 0, "
            "bright is above it and dark below.",
            "A house; the same softened; the same with hard, grainy edges; a grey picture with bright and dark lines at "
            "the left and right sides of windows and walls only; one with lines at their upper and lower sides only.",
            {"picture": [kernels["picture"]], **_columns(KERNELS, kernels["maps"])},
        ),
        f"""
        Because the same weights are used everywhere, **moving the picture moves the feature map** and changes nothing
        else. Below, a cut from the photo and another one 8 columns further to the right: where both see the same part
        of the house, the maps differ by at most {show(moves["error"])}. What was learned in one place is known in
        all.
        """,
        Pictures(
            "moves",
            "Two cuts from the photo, 8 columns apart, and their maps of upright edges.",
            "The house and its edges, and both again, moved to the left by a sixth of the picture.",
            {
                **_columns(("picture", "feature map"), (moves["cuts"][0], moves["maps"][0])),
                **_columns(("moved picture", "its feature map"), (moves["cuts"][1], moves["maps"][1])),
            },
        ),
    ]


def _columns(titles: Iterable[str], pictures: Iterable[np.ndarray]) -> dict[str, list[np.ndarray]]:
    return {title: [picture] for title, picture in zip(titles, pictures, strict=True)}


def _tell_sizes(numbers: Numbers) -> list[Block]:
    sizes, moves, corner = numbers["sizes"], numbers["moves"], numbers["borders"]
    return [
        """
        ### Padding and stride

        A kernel of 3 has no place for its middle at the border, so the feature map is two pixels smaller than the
        picture. **Padding** puts rows and columns around the picture first. A **stride** of 2 moves the kernel by two
        pixels at a time, so that the map has about half as many rows and columns. For a side of n pixels, a kernel of
        k, padding p and stride s, the map's side is
        """,
        Formula(
            r"\left\lfloor \dfrac{n + 2p - k}{s} \right\rfloor + 1",
            "n plus 2 p minus k, divided by s, rounded down, plus 1",
        ),
        Widget(
            "output_size",
            "How many places are there?",
            "The picture is grey, its padding white. Dots mark the upper left corner of each place of the window; the "
            "first place has a blue line around it, the second a dashed one. Find settings that halve the side, that keep "
            "it, and that leave pixels over.",
            [
                Slider("size", "Side of the picture n:", 2, 12, 1, 8),
                Slider("kernel", "Kernel k:", 1, 5, 1, 4),
                Slider("stride", "Stride s:", 1, 3, 1, 2),
                Slider("padding", "Padding p:", 0, 2, 1, 1),
            ],
        ),
        Table(
            "What becomes of a side of 64 pixels",
            ("kernel", "stride", "padding", "side of the feature map"),
            sizes["table"],
        ),
        f"""
        A kernel of 4, stride 2 and padding 1 halve a picture exactly: so pix2pix makes its pictures smaller. This run
        compared the rule with the package for {show(sizes["checked"])} combinations, and {show(sizes["wrong"])}
        differed.

        A stride has a price. With a stride of 2, moving the picture by 2 moves the map by 1 (difference
        {show(moves["halved_by_2"])}), but moving it by 1 gives another map (difference {show(moves["halved_by_1"])}),
        because the kernel now visits other pixels.

        The padding has to hold something. Usually that is zeros, which are mid grey here, and they leak into the
        border: a white picture, all 1, has a corner of {show(corner["zeros"])} when it is blurred with a kernel of 5.
        If the padding is a mirror image of the picture, the corner stays at {show(corner["mirror"])}.
        """,
    ]


def _tell_channels(channels: Numbers) -> list[Block]:
    return [
        """
        ### Channels in, channels out

        A photo has three channels. Its kernel then has three layers of weights, one for each; the three sums are
        added up to one feature map. For more feature maps there are more such kernels. So the weights of a
        convolution are an array with four axes: rows, columns, channels in, channels out.
        """,
        Formula(
            r"y_{i,j,o} = \beta_o + \sum_{a} \sum_{b} \sum_{c} k_{a,b,c,o} \, x_{si+a,\,sj+b,\,c}",
            "feature map o, in row i, column j, is a weight beta of its own, plus the sum, over the places a, b of the "
            "kernel and the channels c, of weight times pixel; s is the stride",
        ),
        """
        Even a kernel of 1 × 1 pixel is useful: it mixes the channels of each pixel. With three channels in and two
        out it has the shape (1, 1, 3, 2). Here the first map is the mean of red, green and blue; the second is half
        of red minus blue.
        """,
        Pictures(
            "channels",
            "One convolution of 1 × 1 makes two feature maps of one photo.",
            "A colour photo of a house; the same in grey; a map where the blue sky is dark and the brown door is bright.",
            {
                "three channels in": [channels["photo"]],
                **_columns(("out: mean", "out: red minus blue"), channels["mixed"]),
            },
        ),
        f"""
        How much is saved? pix2pix's first layer makes 64 feature maps of {channels["out"]} × {channels["out"]} from a
        photo of 64 × 64 with kernels of 4 × 4. That takes {show(channels["weights"])} weights. A **dense** layer, in
        which every output has a weight for every input, would need {show(channels["dense"])}.
        """,
    ]


def _tell_matrix(matrix: Numbers) -> list[Block]:
    figure, axes = new_plot("pixel of the picture", "pixel of the feature map", title="The matrix of a convolution")
    drawn = axes.imshow(matrix["matrix"], cmap="cividis", aspect="auto")
    figure.colorbar(drawn, ax=axes, label="weight")
    axes.grid(False)
    banded = Figure(
        "matrix",
        "A kernel with the weights 1 to 9 on a picture of 5 × 5 pixels, numbered row by row from 0.",
        "Nine rows of 25 numbers. Three bands of three weights go down to the right, each row one step further than the "
        "one above, with a jump after every third row; everything else is 0.",
        figure,
    )
    figure, axes = new_plot("place in the window", "pixel of the feature map", title="The windows, laid flat")
    _draw_numbers(axes, matrix["windows"])
    flat = Figure(
        "windows",
        "Each row is one window of a picture whose pixels are numbered 1 to 25.",
        "Nine rows of nine numbers; the first row is 1, 2, 3, 6, 7, 8, 11, 12, 13, the next one each number plus 1.",
        figure,
    )
    return [
        f"""
        ### The same as one matrix product

        A convolution multiplies pixels by weights and adds, so it can be written as a **matrix**, a table with one
        row for each output and one column for each input. To find a column, give the convolution a picture that is 1
        in one pixel and 0 elsewhere. The first figure was made so. It is a dense layer's table of weights, but
        {matrix["zeros"]:.0%} of it are 0 and the others are the same {matrix["weights"]} weights in every row, one
        step further each time.

        Nobody multiplies by all these zeros. Instead, the windows are copied into the rows of a table, as in the
        second figure, and multiplied by the kernel as one column of nine numbers. The result is the same (largest
        difference {show(matrix["windows_error"])}). This is how the package computes on a CPU, for matrix products
        are what computers do fastest; with more feature maps the kernel simply has more columns.
        """,
        banded,
        flat,
    ]


def _draw_numbers(axes: Any, table: np.ndarray) -> None:
    """A table as an image with its values written in."""
    axes.imshow(table, cmap="cividis", aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        colour = "black" if value > (table.min() + table.max()) * 0.45 else "white"
        axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=10, color=colour)
    axes.grid(False)


def _tell_transposed(numbers: Numbers) -> list[Block]:
    transposed, board, doubled = numbers["transposed"], numbers["checkerboard"], numbers["sizes"]["doubled"]
    figures = []
    for k, alt in (
        ("3", "The numbers 1 and 2 alternate in every second row, 2 and 4 in the others: a checkerboard."),
        ("4", "Inside all numbers are 4; along the border 2, and 1 in the corners."),
    ):
        figure, axes = new_plot("column", "row", title=f"Kernel {k}, stride 2")
        _draw_numbers(axes, board["counts"][k])
        figures.append(Figure(f"counts_{k}", "How many inputs reach each pixel of the output.", alt, figure))
    return [
        """
        ### Back to a larger picture: transposed convolution

        pix2pix makes pictures smaller and then larger again. Making them larger is done by the **transposed
        convolution**: it takes the matrix above with rows and columns exchanged. Where a convolution gathers a window
        into one pixel, this one spreads each pixel over a window, as the kernel times its value, and adds what
        overlaps. The stride is now the distance between the places of two neighbours, and the padding is what is cut
        off at the border, so the side is
        """,
        Formula(r"(n - 1) \, s - 2p + k", "n minus 1, times s, minus 2 p, plus k"),
        f"""
        With kernel 4, stride 2 and padding 1, a side of 32 becomes {doubled}.
        """,
        Pictures(
            "spread",
            "A picture of 4 × 4 pixels with one and with two white ones, and the 8 × 8 that each becomes.",
            "One white pixel becomes a soft spot of four by four pixels; two neighbours become two such spots that run "
            "into each other.",
            {
                **_columns(("one pixel", "spread"), (transposed["spots"][0], transposed["spread"][0])),
                **_columns(("two pixels", "they overlap"), (transposed["spots"][1], transposed["spread"][1])),
            },
        ),
        f"""
        This does not undo a convolution: a picture that was made smaller has lost something. But it is the way back
        that gradients take: in the backward pass of a convolution they go through its transpose. There is a check for
        that. Convolve some *x*, multiply by some *y*, pixel by pixel, and add up. Then *x* times the transposed
        convolution of *y* has to add up to the same. Here, with random numbers, these are {show(transposed["forth"])}
        and {show(transposed["back"])}.

        ### The checkerboard

        Spread a picture whose pixels are all 1 with a kernel whose weights are all 1. Each output then counts how
        many inputs reach it. With a kernel of 3 and a stride of 2 the counts are 1, 2 and 4, in a pattern: the
        **checkerboard** that is seen in many generated pictures. (Here a last row and column were added, to make the
        side even.) With a kernel of 4, a multiple of the stride, the count is 4 everywhere but at the border.
        pix2pix's kernels have 4 rows and columns.
        """,
        *figures,
        f"""
        An even count is not yet an even picture, for each of the four pixels in a square of 2 × 2 gets other weights
        of the kernel. For 200 random kernels of 4 on a picture of ones, the spread of these four is
        {board["uneven"]["4"]:.0%} of the usual size of a pixel (spread and size as roots of mean squares). Some
        kernels of 4 make no pattern, such as that of the soft spots above ({board["uneven"]["ramp"]:.0%}), but
        weights like these have to be learned. **Repeating** every pixel in both directions, and then convolving with
        a stride of 1, uses the same weights everywhere and makes none whatever they are:
        {board["uneven"]["repeated"]:.0%} (Odena et al., Deconvolution and Checkerboard Artifacts, Distill 2016). This
        package can do either.
        """,
        Pictures(
            "checkerboard",
            "What becomes of a picture of 6 × 6 ones with the first random kernel of each size. Mid grey is 0.",
            "Both transposed convolutions give a repeating pattern of squares; the third picture is even, but for its "
            "border, where the padding is zeros.",
            _columns(("transposed, kernel 3", "transposed, kernel 4", "repeated, convolved"), board["pictures"].values()),
        ),
    ]


def _tell_learned(learned: Numbers) -> list[Block]:
    before, after = learned["shares"]
    words = {"colour": "colour", "rows": "lie", "columns": "stand"}
    titles = [f"{words[kind]} {i % 2 + 1}: {share:.0%}" for i, (kind, share) in enumerate(learned["shown"])]
    names = {
        "colour": ("the same in all places (a colour)", 1),
        "rows": ("from row to row (stripes that lie)", 3),
        "columns": ("from column to column (stripes that stand)", 3),
        "rest": ("the rest", 9),
    }
    return [
        f"""
        ### What a first layer learns

        Nobody wrote kernels for pix2pix: they begin as small random numbers, and descent finds them. Here a small
        **U-Net**, the network that lesson 7 takes apart, learned for {learned["steps"]} steps to turn photos of
        buildings into their plans; its L1 fell from {show(learned["l1"][0])} to {show(learned["l1"][1])}. Its first
        layer has kernels of 4 × 4 pixels with three channels, which can be shown as colours.
        """,
        """
        A kernel can be taken apart: into a part that is the same in all its places (a colour), one that changes only
        from row to row (stripes that lie), one that changes only from column to column (stripes that stand), and the
        rest. The squares of the parts add up to those of the kernel. By chance, the rest would have 9 of 16 parts.
        """,
        Pictures(
            "learned",
            "Six kernels and their feature maps: for each of the three parts, the two kernels with the largest share of it "
            "after training. Mid grey is 0; each picture is scaled to its own largest value.",
            "Before training the kernels are coloured noise. Afterwards the first two vary least in themselves, two have "
            "stripes that lie, and two have stripes that stand.",
            {
                title: [rows[j + i] for j in (0, 6) for rows in (learned["kernels"], learned["maps"])]
                for i, title in enumerate(titles)
            },
            ("kernel before", "its map", "kernel after", "its map"),
        ),
        Table(
            "How the squares of all first-layer weights divide",
            ("part of the kernels", "by chance", "before", "after"),
            [
                (name, f"{parts / 16:.0%}", f"{before[key]:.0%}", f"{after[key]:.0%}")
                for key, (name, parts) in names.items()
            ],
        ),
        """
        Training has left little of the rest. The layer now asks which colour a place has, and whether something
        begins or ends there. Its edges are lying or upright because those of the drawn buildings are: a network
        learns what its pictures hold.
        """,
    ]
