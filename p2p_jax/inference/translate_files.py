"""Translating files: finds and resizes the pictures, translates them, and writes each result at its picture's size."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from p2p_jax.config import Data, Side
from p2p_jax.data.fit import Fit, plan, to_canvas
from p2p_jax.data.ignored import fill_unknown, known_pixels
from p2p_jax.data.layout import find_inputs
from p2p_jax.data.listing import list_content
from p2p_jax.data.pairs import read_input_half
from p2p_jax.data.palettes import read_palette
from p2p_jax.data.pictures import of_file, suffix_for, write_picture
from p2p_jax.data.set_inputs import find_set_inputs
from p2p_jax.data.sides import DTYPES, read_side, resize_side, stored_channels
from p2p_jax.errors import UserError
from p2p_jax.inference.translate import Translator


class Inputs(NamedTuple):
    """The picture, or the stacked pictures, from which one result is made.

    Attributes:
        files: one picture, or, if the network stacks several pictures, all of them in order.
        name: path of the result below the output folder; its suffix is replaced.
        is_pair: whether the file is a side-by-side picture, one half of which is the input.
    """

    files: tuple[Path, ...]
    name: Path
    is_pair: bool = False


class Listed(NamedTuple):
    """The inputs among files and folders.

    Attributes:
        inputs: in order.
        notes: what the user should know about the folders, in sentences.
    """

    inputs: list[Inputs]
    notes: list[str]


def find_pictures(inputs: Sequence[Path], data: Data = Data(), *, as_is: bool = False) -> Listed:
    """Lists all pictures among files and in folders and their sub-folders.

    Of a folder that is laid out as for training only the inputs are listed. If the network's input has several stacked
    pictures, each given folder must hold folders A1, A2, … (B1, B2, … with BtoA) with pictures of the same names, or
    pictures whose names end in _A1, _A2, ….

    Args:
        inputs: files and folders.
        data: the options of the data of the run.
        as_is: list all pictures of folders that are laid out as for training, too.

    Raises:
        UserError: there are no inputs, an input is missing or is a folder without pictures, or two results would have the
            same name.
    """
    if not inputs:
        raise UserError("no pictures were named: give pictures or folders after the workdir.")
    several = len(data.input.channels)
    letter = "A" if data.direction == "AtoB" else "B"
    found, notes = list[Inputs](), list[str]()
    for path in inputs:
        if several > 1:
            parts = [f"{letter}{number}" for number in range(1, several + 1)]
            found += [Inputs(tuple(one[part] for part in parts), Path(name)) for name, one in find_inputs(path, parts)]
        elif path.is_dir():
            listed = _list_folder(path, letter, as_is)
            found += listed.inputs
            notes += listed.notes
        elif path.is_file():
            found.append(Inputs((path,), Path(path.name)))
        else:
            raise UserError(f"{path} does not exist: give a picture or a folder of pictures.")
    _refuse_equal_names(found)
    return Listed(found, notes)


def _list_folder(folder: Path, letter: str, as_is: bool) -> Listed:
    content = list_content(folder)
    if not content.pictures:
        extra = f" (it holds {'; '.join(content.passed_over)})" if content.passed_over else ""
        raise UserError(f"the folder {folder} holds no pictures{extra}: give a folder of PNG, JPEG, WebP, BMP or TIFF.")
    notes = [f"Not used in {folder}: {'; '.join(content.passed_over)}."] if content.passed_over else []
    if not as_is and (files := find_set_inputs(folder, letter)):
        notes.append(
            f"{folder} is laid out as for training: its {len(files)} inputs are translated, and its targets are not; "
            "--as-is translates all pictures."
        )
        return Listed([Inputs((file,), file.relative_to(folder), is_pair) for file, is_pair in files], notes)
    return Listed([Inputs((file,), file.relative_to(folder)) for file in content.pictures], notes)


def _refuse_equal_names(found: Sequence[Inputs]) -> None:
    seen: dict[Path, Path] = {}
    for one in found:
        first, *others = one.files
        key = one.name if others else one.name.with_suffix("")
        if key in seen:
            raise UserError(f"{seen[key]} and {first} would both be written as {key}: translate them separately.")
        seen[key] = first


def results_of(files: Sequence[Inputs], output: Path, target: Side, suffix: str | None) -> dict[Path, Inputs]:
    """Returns the file that `translate_files` writes for each of the inputs, in their order.

    Args:
        files: from `find_pictures`.
        output: folder of the results.
        target: options of the side that is written.
        suffix: as for `translate_files`.
    """
    ending = suffix or choose_suffix(target)
    results = {}
    for one in files:
        place = output / one.name
        kept = place if len(one.files) > 1 else place.with_suffix("")
        results[kept.with_name(kept.name + ending)] = one
    return results


def choose_suffix(target: Side) -> str:
    """The suffix of results: .png, or .tiff if PNG cannot hold the values of the side."""
    channels, dtype = (3, np.uint8) if target.palette else (stored_channels(target), DTYPES[target.depth])
    return suffix_for(np.empty((0, 0, channels), dtype))


class _Placed(NamedTuple):
    """An input at the size for the network; all sizes are (height, width) in pixels.

    Attributes:
        pixels: its stored values, padded or resized to that size.
        resized: the part of `pixels` that the picture fills, from the upper left.
        own: the size of the picture in its file.
    """

    pixels: np.ndarray
    resized: tuple[int, int]
    own: tuple[int, int]


def translate_files(
    translator: Translator,
    results: Mapping[Path, Inputs],
    *,
    batch_size: int = 8,
    native: bool = False,
    seed: int = 0,
    clip: bool = False,
    on_unreadable: Callable[[str], Any] | None = None,
) -> Iterator[Path]:
    """Translates files one batch at a time. Each result has the size and the name of its picture.

    Args:
        translator: from `load`.
        results: {file to write: its input}, from `results_of`. Files that exist are replaced: see `files.outputs`.
        batch_size: pictures at once; changes the results only in mode "reference", whose dropout depends on the batches.
        native: keep the scale instead of resizing to the size of training and back.
        seed: of the dropout in mode "reference".
        clip: whether values beyond the range of training become the nearest ones in it; otherwise such pictures count as
            unreadable.
        on_unreadable: called with a sentence about each unreadable picture, which is then skipped; with None the first one
            raises UserError.

    Yields:
        each file written.

    Raises:
        UserError: a picture cannot be read, or the format cannot hold a result.
    """
    fit = translator.fit._replace(preprocess="none", uncropped=True) if native else translator.fit
    at_once = batch_size if fit.fixed else 1
    files = list(results.items())
    for start in range(0, len(files), at_once):
        chunk, placed = [], []
        for path, one in files[start : start + at_once]:
            try:
                placed.append(_place(one, fit, translator.data, clip))
                chunk.append(path)
            except UserError as error:
                if on_unreadable is None:
                    raise
                on_unreadable(str(error))
        if not placed:
            continue
        if fit.fixed:
            # The last batch is padded with copies, so that one compiled program translates all batches.
            filled = np.stack([item.pixels for item in placed] + [placed[-1].pixels] * (batch_size - len(placed)))
            made = translator(filled, seed=seed + start)[: len(chunk)]
        else:
            made = [translator.native(placed[0].pixels, seed=seed + start)]
        for path, item, result in zip(chunk, placed, made, strict=True):
            write_picture(path, _undo(result, item, translator.data.target))
            yield path


def _place(inputs: Inputs, fit: Fit, data: Data, clip: bool) -> _Placed:
    encoded = [of_file(file) for file in inputs.files]
    if inputs.is_pair:
        pictures = read_input_half(encoded[0], data, clip=clip)
    else:
        pictures = read_side(encoded, data.input, option=None, transparency="drop", clip=clip)
    if data.input.ignore is not None:
        pictures = [(name, fill_unknown(pixels, known_pixels(pixels, data.input), data.input)) for name, pixels in pictures]
    first, own = pictures[0][0], pictures[0][1].shape[:2]
    for name, pixels in pictures:
        if pixels.shape[:2] != own:
            raise UserError(f"{first} and {name} differ in size: stacked pictures must have the same size.")
    sizes = plan(fit, own, first)
    placed = [
        to_canvas(resize_side(pixels, sizes.resized, data.input, data.resize), sizes.canvas, (0, 0))
        for _, pixels in pictures
    ]
    return _Placed(np.concatenate(placed, axis=-1), sizes.resized, own)


def _undo(result: np.ndarray, item: _Placed, target: Side) -> np.ndarray:
    """Resizes a result to the size of its picture, and converts classes of a palette to their colours."""
    height, width = item.resized
    result = resize_side(result[:height, :width], item.own, target, "bicubic")
    return read_palette(target.palette)[result[..., 0]] if target.palette else result
