"""Values and figures of the lesson `convolution`, from its numbers alone."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.fundamentals.convolution import KERNELS
from experiments.fundamentals.lesson import Choice, Controls, Grid, Numbers, Rows, Slider, Told
from experiments.plotting import new_plot

# For each part of a kernel: its name in the table, its title above pictures, its sixteenths of a random kernel.
PARTS = {
    "colour": ("the same in all positions (a colour)", "colour", 1),
    "rows": ("from row to row (horizontal stripes)", "horizontal", 3),
    "columns": ("from column to column (vertical stripes)", "vertical", 3),
    "rest": ("the rest", "rest", 9),
}


def tell(numbers: Numbers) -> Told:
    """The values and parts that the lesson's Markdown names."""
    kernels, channels, board, learned = (numbers[name] for name in ("kernels", "channels", "checkerboard", "learned"))
    photo = {"three channels in": [channels["photo"]]}
    board_titles = ("transposed, kernel 3", "transposed, kernel 4", "repeated, convolved")
    parts = {
        "sliding_kernel": _control_kernel(kernels),
        "kernels": Grid({"picture": [kernels["picture"]], **_columns(KERNELS, kernels["maps"])}),
        "moves": _show_moves(numbers["moves"]),
        "output_size": _control_sizes(),
        "sizes": list(numbers["sizes"]["table"]),
        "channels": Grid({**photo, **_columns(("out: mean", "out: red minus blue"), channels["mixed"])}),
        "matrix": _draw_matrix(numbers["matrix"]),
        "windows": _draw_windows(numbers["matrix"]),
        "spread": _show_spread(numbers["transposed"]),
        "counts_3": _draw_counts(board, "3"),
        "counts_4": _draw_counts(board, "4"),
        "checkerboard": Grid(_columns(board_titles, board["pictures"].values())),
        "learned": _show_learned(learned),
        "parts": _list_parts(learned),
    }
    return Told({**_tell_maps(numbers), **_tell_matrices(numbers)}, parts)


def _tell_maps(numbers: Numbers) -> dict[str, Any]:
    rough, moves, sizes = numbers["kernels"]["roughness"], numbers["moves"], numbers["sizes"]
    return {
        "rough_picture": rough["picture"],
        "rough_blur": rough["blur"],
        "rough_sharpen": rough["sharpen"],
        "move_error": moves["error"],
        "halved_by_2": moves["halved_by_2"],
        "halved_by_1": moves["halved_by_1"],
        "checked": sizes["checked"],
        "wrong": sizes["wrong"],
        "doubled": sizes["doubled"],
        "corner_zeros": numbers["borders"]["zeros"],
        "corner_mirror": numbers["borders"]["mirror"],
        "out": numbers["channels"]["out"],
        "layer_weights": numbers["channels"]["weights"],
        "dense_weights": numbers["channels"]["dense"],
    }


def _tell_matrices(numbers: Numbers) -> dict[str, Any]:
    matrix, transposed, learned = numbers["matrix"], numbers["transposed"], numbers["learned"]
    uneven = numbers["checkerboard"]["uneven"]
    return {
        "matrix_zeros": matrix["zeros"],
        "matrix_weights": matrix["weights"],
        "windows_error": matrix["windows_error"],
        "sum_forth": transposed["forth"],
        "sum_back": transposed["back"],
        "uneven": uneven["4"],
        "uneven_ramp": uneven["ramp"],
        "uneven_repeated": uneven["repeated"],
        "steps": learned["steps"],
        "l1_start": learned["l1"][0],
        "l1_end": learned["l1"][1],
    }


def _columns(titles: Iterable[str], pictures: Iterable[np.ndarray]) -> dict[str, list[np.ndarray]]:
    return {title: [picture] for title, picture in zip(titles, pictures, strict=True)}


def _control_kernel(kernels: Numbers) -> Controls:
    return Controls(
        [
            Choice("kernel", "Kernel", [(name, name) for name in reversed(KERNELS)]),
            Slider("position", "Position:", 1, 64, 1, 30),
        ],
        {"picture": kernels["window"], "kernels": {name: kernel.tolist() for name, kernel in KERNELS.items()}},
        play="position",
    )


def _control_sizes() -> Controls:
    return Controls(
        [
            Slider("size", "Side of the picture n:", 2, 12, 1, 8),
            Slider("kernel", "Kernel k:", 1, 5, 1, 4),
            Slider("stride", "Stride s:", 1, 3, 1, 2),
            Slider("padding", "Padding p:", 0, 2, 1, 1),
        ]
    )


def _show_moves(moves: Numbers) -> Grid:
    (cut, moved), (edges, moved_edges) = moves["cuts"], moves["maps"]
    titles = ("picture", "feature map", "moved picture", "its feature map")
    return Grid(_columns(titles, (cut, edges, moved, moved_edges)))


def _show_spread(transposed: Numbers) -> Grid:
    (one, two), (spread_one, spread_two) = transposed["spots"], transposed["spread"]
    titles = ("one pixel", "its result", "two pixels", "their result")
    return Grid(_columns(titles, (one, spread_one, two, spread_two)))


def _show_learned(learned: Numbers) -> Grid:
    pictures = (learned["kernels"], learned["maps"])
    titles = [f"{PARTS[part][1]} {i % 2 + 1}: {fraction:.0%}" for i, (part, fraction) in enumerate(learned["shown"])]
    columns = {title: [rows[first + i] for first in (0, 6) for rows in pictures] for i, title in enumerate(titles)}
    return Grid(columns, ("kernel before", "its map", "kernel after", "its map"))


def _list_parts(learned: Numbers) -> Rows:
    before, after = learned["fractions"]
    return [
        (words, f"{sixteenths / 16:.0%}", f"{before[part]:.0%}", f"{after[part]:.0%}")
        for part, (words, _, sixteenths) in PARTS.items()
    ]


def _draw_matrix(matrix: Numbers) -> Figure:
    figure, axes = new_plot("pixel of the picture", "pixel of the feature map", title="The matrix of a convolution")
    drawn = axes.imshow(matrix["matrix"], cmap="cividis", aspect="auto")
    figure.colorbar(drawn, ax=axes, label="weight")
    axes.grid(False)
    return figure


def _draw_windows(matrix: Numbers) -> Figure:
    figure, axes = new_plot("position in the window", "pixel of the feature map", title="The windows as rows")
    _draw_numbers(axes, matrix["windows"])
    return figure


def _draw_counts(board: Numbers, kernel: str) -> Figure:
    figure, axes = new_plot("column", "row", title=f"Kernel {kernel}, stride 2")
    _draw_numbers(axes, board["counts"][kernel])
    return figure


def _draw_numbers(axes: Axes, table: np.ndarray) -> None:
    """Draws a table as an image, with each value in its cell."""
    axes.imshow(table, cmap="cividis", aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        colour = "black" if value > (table.min() + table.max()) * 0.45 else "white"
        axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=10, color=colour)
    axes.grid(False)
