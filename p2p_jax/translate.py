"""Using a trained generator: pictures in, pictures out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from p2p_jax import checkpoint, experiment
from p2p_jax.config import Data, Side
from p2p_jax.data.fit import Fit, fit_of_translation, plan, to_canvas
from p2p_jax.data.layout import find_inputs
from p2p_jax.data.palettes import read_palette
from p2p_jax.data.pictures import is_picture, of_file, suffix_for, write_picture
from p2p_jax.data.sides import DTYPES, read_side, resize_side, stored_channels
from p2p_jax.data.values import decode, encode
from p2p_jax.network import Network

Mode = Literal["picture", "running", "reference"]
LARGEST_MULTIPLE = 4096


def make_translate(
    generator: Network, mode: Mode = "picture", *, input: Side = Side(), target: Side = Side()
) -> Callable[[Any, Any, Array, Array], Array]:
    """Makes the jitted function `(params, state, key, pictures) -> pictures` of a generator.

    Every picture goes through by itself, so that its result does not depend on what else is in the batch.

    Args:
        generator: the network.
        mode: "picture" and "running": no dropout (which statistics are used is the network's own matter); "reference":
            dropout as in training, each picture with a key of its own, and truncation to whole numbers.
        input, target: what both sides are.

    Returns:
        a function of params, state, a key and pictures: stored values (see `data.sides`) of inputs (n, h, w, c) to those
        of targets (n, h, w, c'), uint8 where nothing else was said.
    """

    def one(params: Any, state: Any, key: Array, picture: Array) -> Array:
        dropout_key = key if mode == "reference" else None
        fake, _ = generator.apply(params, state, encode(input, picture)[None], train=False, key=dropout_key)
        return decode(target, fake[0], truncate=mode == "reference")

    def translate(params: Any, state: Any, key: Array, pictures: Array) -> Array:
        keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(pictures.shape[0]))
        return jax.vmap(one, (None, None, 0, 0))(params, state, keys, pictures)

    return jax.jit(translate)


@dataclass(frozen=True)
class Translator:
    """A trained generator as a function of arrays.

    Attributes:
        params, state: of the generator.
        apply: `(params, state, key, pictures) -> pictures`, jitted.
        data: what both sides are.
        fit: how pictures are brought to size.
        step: of the checkpoint.
        native_by_default: whether files are translated at their own scale if nothing else is said.
    """

    params: Any
    state: Any
    apply: Callable[[Any, Any, Array, Array], Array]
    data: Data
    fit: Fit
    step: int
    native_by_default: bool = False
    _multiples: dict[tuple[int, int], int] = field(default_factory=dict, repr=False)

    @property
    def input_channels(self) -> int:
        """Channels of the stored values that it takes."""
        return stored_channels(self.data.input)

    def __call__(self, pictures: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Translates pictures at the size they have.

        Args:
            pictures: (n, h, w, c) or (h, w, c), stored values: uint8, of deeper sides uint16 or float32; of a one-hot
                side the numbers of the classes, c 1.
            seed: of the dropout in mode "reference"; unused in the others.

        Returns:
            stored values of the target, the same axes.

        Raises:
            ValueError: wrong dtype, number of axes or channels, or a size that the network cannot take.
        """
        pictures, dtype, channels = np.asarray(pictures), np.dtype(DTYPES[self.data.input.depth]), self.input_channels
        if pictures.dtype != dtype or pictures.ndim not in (3, 4) or pictures.shape[-1] != channels:
            raise ValueError(
                f"the translator was given {pictures.dtype} of shape {pictures.shape}: it expects {dtype} (n, h, w, "
                f"{channels}) or (h, w, {channels})."
            )
        single = pictures.ndim == 3
        batch = pictures[None] if single else pictures
        made = np.asarray(self.apply(self.params, self.state, jax.random.key(seed), jnp.asarray(batch)))
        return made[0] if single else made

    def native(self, picture: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Translates one picture (h, w, c) at its own scale: mirrored to a size the network takes, cut off again.

        Raises:
            ValueError: as for calling it, or no multiple up to 4096 pixels suits the network.
        """
        height, width = picture.shape[:2]
        multiple = self._find_multiple(height, width)
        pads = ((0, -height % multiple), (0, -width % multiple), (0, 0))
        made = self(np.pad(picture, pads, mode="reflect"), seed=seed)
        return made[:height, :width]

    def _find_multiple(self, height: int, width: int) -> int:
        """The smallest power of two such that the network takes, and gives back, the size filled up to it."""
        if (height, width) not in self._multiples:
            multiple = 1
            while not self._fits(height + -height % multiple, width + -width % multiple):
                multiple *= 2
                if multiple > LARGEST_MULTIPLE:
                    raise ValueError(f"the network takes no picture of about {height} x {width} pixels.")
            self._multiples[height, width] = multiple
        return self._multiples[height, width]

    def _fits(self, height: int, width: int) -> bool:
        picture = jax.ShapeDtypeStruct((1, height, width, self.input_channels), DTYPES[self.data.input.depth])
        try:
            made = jax.eval_shape(self.apply, self.params, self.state, jax.random.key(0), picture)
        except (ValueError, TypeError):
            return False
        return made.shape[1:3] == (height, width)


def load(
    workdir: str | Path, *, checkpoint_step: int | str = "latest", mode: Mode = "picture", trust: bool = False
) -> Translator:
    """Loads the translator that a run has trained.

    Args:
        workdir: of the run.
        checkpoint_step: "latest", "best" or a step number.
        mode: "picture": statistics of each picture by itself, no dropout, deterministic; "running": the running
            statistics of training (the reference's --eval); "reference": as the reference tests, with dropout.
        trust: run an experiment file that somebody else put into the workdir.

    Raises:
        ValueError: the folder is no workdir, has no such checkpoint, or holds code that is not trusted.
    """
    workdir = Path(workdir)
    found = experiment.load(workdir, trust=trust)
    config = found.config
    statistics = "running" if mode == "running" else "batch"
    model = found.build(replace(config, generator=replace(config.generator, statistics=statistics)))
    params, state, step = checkpoint.restore_params(workdir, checkpoint_step, best_metric=config.best_metric)
    apply = make_translate(model.generator, mode, input=config.data.input, target=config.data.target)
    return Translator(params, state, apply, config.data, fit_of_translation(config), step, config.native)


class Inputs(NamedTuple):
    """What one result is made from.

    Attributes:
        files: a picture, or where the network's input is stacked of several, each of them in order.
        name: path of the result below the output folder; its ending is replaced.
    """

    files: tuple[Path, ...]
    name: Path


def find_pictures(inputs: Sequence[Path], data: Data = Data()) -> list[Inputs]:
    """All pictures of files and folders, with their sub-folders.

    Where the network's input has several pictures, each folder given holds folders A1, A2, … (B1, B2, … with BtoA) of
    the same names, or names that end in _A1, _A2, ….

    Raises:
        ValueError: there are no inputs, one is missing or is a folder without pictures, or two results would have the same
            name.
    """
    if not inputs:
        raise ValueError("no pictures were named: give pictures or folders after the workdir.")
    several = len(data.input.channels)
    letter = "A" if data.direction == "AtoB" else "B"
    found: list[Inputs] = []
    for path in inputs:
        if several > 1:
            parts = [f"{letter}{number}" for number in range(1, several + 1)]
            found += [Inputs(tuple(one[part] for part in parts), Path(name)) for name, one in find_inputs(path, parts)]
        elif path.is_dir():
            below = sorted(file for file in path.rglob("*") if file.is_file() and is_picture(file))
            if not below:
                raise ValueError(f"the folder {path} holds no pictures: give a folder of PNG, JPEG, WebP, BMP or TIFF.")
            found += [Inputs((file,), file.relative_to(path)) for file in below]
        elif path.is_file():
            found.append(Inputs((path,), Path(path.name)))
        else:
            raise ValueError(f"{path} does not exist: give a picture or a folder of pictures.")
    seen: dict[Path, Path] = {}
    for files, name in found:
        key = name if several > 1 else name.with_suffix("")
        if key in seen:
            raise ValueError(f"{seen[key]} and {files[0]} would both be written as {key}: translate them separately.")
        seen[key] = files[0]
    return found


class _Placed(NamedTuple):
    """An input brought to size: its values, where they lie on the canvas, and the size of the picture, in pixels."""

    pixels: np.ndarray
    resized: tuple[int, int]
    own: tuple[int, int]


def translate_files(
    translator: Translator,
    files: Sequence[Inputs],
    output: Path,
    *,
    batch_size: int = 8,
    native: bool = False,
    suffix: str | None = None,
    seed: int = 0,
    on_unreadable: Callable[[str], Any] | None = None,
) -> Iterator[Path]:
    """Translates files one batch at a time and writes each result, at its picture's own size, under its own name.

    Args:
        translator: from `load`.
        files: from `find_pictures`.
        output: folder of the results.
        batch_size: pictures at once; does not change the results (but for "reference", whose dropout follows the order).
        native: keep the scale instead of resizing to the size of training and back.
        suffix: of the files written, which chooses their format; None for .png, or .tiff where that cannot hold them.
        seed: of the dropout in mode "reference".
        on_unreadable: called with what is wrong with a picture, which is then left out; None stops at the first.

    Yields:
        each file written.

    Raises:
        ValueError: a picture cannot be read, or a result would replace its own input.
    """
    fit = translator.fit._replace(preprocess="none", whole=True) if native else translator.fit
    at_once = batch_size if fit.fixed else 1
    for start in range(0, len(files), at_once):
        chunk, placed = [], []
        for one in files[start : start + at_once]:
            try:
                placed.append(_place(one, fit, translator.data))
                chunk.append(one)
            except ValueError as error:
                if on_unreadable is None:
                    raise
                on_unreadable(str(error))
        if not placed:
            continue
        if fit.fixed:
            # Filled up to whole batches, so that one compiled program serves them all.
            filled = np.stack([item.pixels for item in placed] + [placed[-1].pixels] * (batch_size - len(placed)))
            made = translator(filled, seed=seed + start)[: len(chunk)]
        else:
            made = [translator.native(placed[0].pixels, seed=seed + start)]
        for one, item, result in zip(chunk, placed, made, strict=True):
            yield _write(output / one.name, one, _undo(result, item, translator.data.target), suffix)


def _place(inputs: Inputs, fit: Fit, data: Data) -> _Placed:
    pictures = read_side([of_file(file) for file in inputs.files], data.input, option=None, transparency="drop")
    first, own = pictures[0][0], pictures[0][1].shape[:2]
    for name, pixels in pictures:
        if pixels.shape[:2] != own:
            raise ValueError(f"{first} and {name} differ in size: pictures that are stacked need the same.")
    sizes = plan(fit, own, first)
    placed = [
        to_canvas(resize_side(pixels, sizes.resized, data.input, data.resize), sizes.canvas, (0, 0))
        for _, pixels in pictures
    ]
    return _Placed(np.concatenate(placed, axis=-1), sizes.resized, own)


def _undo(result: np.ndarray, item: _Placed, target: Side) -> np.ndarray:
    """The result at the size of its picture, classes in their colours."""
    height, width = item.resized
    result = resize_side(result[:height, :width], item.own, target, "bicubic")
    return read_palette(target.palette)[result[..., 0]] if target.palette else result


def _write(place: Path, inputs: Inputs, result: np.ndarray, suffix: str | None) -> Path:
    kept = place if len(inputs.files) > 1 else place.with_suffix("")
    target = kept.with_name(kept.name + (suffix or suffix_for(result)))
    if any(target.resolve() == file.resolve() for file in inputs.files):
        raise ValueError(f"{target} would replace its own input: give another --output folder.")
    write_picture(target, result)
    return target
