"""Using a trained generator: pictures in, pictures out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from PIL import Image

from p2p_jax import checkpoint, experiment
from p2p_jax.data.augment import to_float
from p2p_jax.data.pictures import is_picture, read_picture, resize
from p2p_jax.network import Network

Mode = Literal["picture", "running", "reference"]
LARGEST_MULTIPLE = 4096


def make_translate(generator: Network, mode: Mode = "picture") -> Callable[[Any, Any, Array, Array], Array]:
    """Makes the jitted function `(params, state, key, pictures) -> pictures` of a generator.

    Every picture goes through by itself, so that its result does not depend on what else is in the batch.

    Args:
        generator: the network.
        mode: "picture" and "running": no dropout (which statistics are used is the network's own matter); "reference":
            dropout as in training, each picture with a key of its own, and truncation to whole numbers.

    Returns:
        a function of params, state, a key and pictures, (n, h, w, c) uint8 to (n, h, w, c') uint8.
    """

    def one(params: Any, state: Any, key: Array, picture: Array) -> Array:
        dropout_key = key if mode == "reference" else None
        fake, _ = generator.apply(params, state, to_float(picture)[None], train=False, key=dropout_key)
        value = (fake[0].astype(jnp.float32) + 1) * 127.5
        return jnp.clip(value if mode == "reference" else jnp.round(value), 0, 255).astype(jnp.uint8)

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
        image_size: pixels a side that it was trained at.
        input_channels: of the pictures it takes.
        step: of the checkpoint.
        native_by_default: whether files are translated at their own scale if nothing else is said.
    """

    params: Any
    state: Any
    apply: Callable[[Any, Any, Array, Array], Array]
    image_size: int
    input_channels: int
    step: int
    native_by_default: bool = False
    _multiples: dict[tuple[int, int], int] = field(default_factory=dict, repr=False)

    def __call__(self, pictures: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Translates pictures at the size they have.

        Args:
            pictures: (n, h, w, c) or (h, w, c), uint8.
            seed: of the dropout in mode "reference"; unused in the others.

        Returns:
            uint8, the same but for the channels.

        Raises:
            ValueError: wrong dtype, number of axes or channels, or a size that the network cannot take.
        """
        pictures = np.asarray(pictures)
        if pictures.dtype != np.uint8 or pictures.ndim not in (3, 4) or pictures.shape[-1] != self.input_channels:
            raise ValueError(
                f"the translator was given {pictures.dtype} of shape {pictures.shape}: it expects uint8 (n, h, w, "
                f"{self.input_channels}) or (h, w, {self.input_channels})."
            )
        single = pictures.ndim == 3
        batch = pictures[None] if single else pictures
        made = np.asarray(self.apply(self.params, self.state, jax.random.key(seed), jnp.asarray(batch)))
        return made[0] if single else made

    def native(self, picture: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Translates one picture (h, w, c) uint8 at its own scale: mirrored to a size the network takes, cut off again.

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
        picture = jax.ShapeDtypeStruct((1, height, width, self.input_channels), jnp.uint8)
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
    apply = make_translate(model.generator, mode)
    return Translator(params, state, apply, config.image_size, config.data.input_channels, step, config.native)


def find_pictures(inputs: list[Path]) -> list[tuple[Path, Path]]:
    """All pictures of files and folders (with their sub-folders): (file, its path below the folder given).

    Raises:
        ValueError: there are no inputs, one is missing or is a folder without pictures, or two results would have the same
            name.
    """
    if not inputs:
        raise ValueError("no pictures were named: give pictures or folders after the workdir.")
    found: list[tuple[Path, Path]] = []
    for path in inputs:
        if path.is_dir():
            below = sorted(file for file in path.rglob("*") if file.is_file() and is_picture(file))
            if not below:
                raise ValueError(f"the folder {path} holds no pictures: give a folder of PNG, JPEG, WebP, BMP or TIFF.")
            found += [(file, file.relative_to(path)) for file in below]
        elif path.is_file():
            found.append((path, Path(path.name)))
        else:
            raise ValueError(f"{path} does not exist: give a picture or a folder of pictures.")
    seen: dict[Path, Path] = {}
    for file, name in found:
        key = name.with_suffix("")
        if key in seen:
            raise ValueError(f"{seen[key]} and {file} would both be written as {key}: translate them separately.")
        seen[key] = file
    return found


def translate_files(
    translator: Translator,
    files: list[tuple[Path, Path]],
    output: Path,
    *,
    batch_size: int = 8,
    native: bool = False,
    suffix: str = ".png",
    seed: int = 0,
) -> Iterator[Path]:
    """Translates files one batch at a time and writes each result, at its picture's own size, under its own name.

    Args:
        translator: from `load`.
        files: from `find_pictures`.
        output: folder of the results.
        batch_size: pictures at once; does not change the results (but for "reference", whose dropout follows the order).
        native: keep the scale instead of resizing to the size of training and back.
        suffix: of the files written, which chooses their format.
        seed: of the dropout in mode "reference".

    Yields:
        each file written.

    Raises:
        ValueError: a picture cannot be read, or a result would replace its own input.
    """
    if translator.input_channels not in (1, 3):
        raise ValueError(
            f"the network takes pictures of {translator.input_channels} channels, but files are read with 1 or 3: call "
            "p2p_jax.load(workdir) from Python, on arrays."
        )
    for start in range(0, len(files), 1 if native else batch_size):
        chunk = files[start : start + (1 if native else batch_size)]
        targets = [(output / name).with_suffix(suffix) for _, name in chunk]
        for (file, _), target in zip(chunk, targets, strict=True):
            if target.resolve() == file.resolve():
                raise ValueError(f"{target} would replace its own input: give another --output folder.")
        pictures = [read_picture(file, channels=translator.input_channels, transparency="drop") for file, _ in chunk]
        if native:
            made = [translator.native(resize(pictures[0], (pictures[0].height, pictures[0].width)), seed=seed + start)]
        else:
            side = (translator.image_size, translator.image_size)
            batch = np.stack([resize(picture, side) for picture in pictures])
            # Filled up to whole batches, so that one compiled program serves them all.
            filled = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(chunk), axis=0)])
            made = translator(filled, seed=seed + start)[: len(chunk)]
        if made[0].shape[-1] not in (1, 3):
            raise ValueError(
                f"the network makes pictures of {made[0].shape[-1]} channels, but files are written with 1 or 3: call "
                "p2p_jax.load(workdir) from Python, on arrays."
            )
        for picture, result, target in zip(pictures, made, targets, strict=True):
            image = Image.fromarray(result.squeeze(-1) if result.shape[-1] == 1 else result)
            if image.size != picture.size:
                image = image.resize(picture.size, Image.Resampling.BICUBIC)
            target.parent.mkdir(parents=True, exist_ok=True)
            image.save(target)
            yield target
