"""A trained generator as a function of pictures."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from p2p_jax.config import Data, Side
from p2p_jax.data.fit import Fit, fit_of_translation
from p2p_jax.data.sides import DTYPES, stored_channels
from p2p_jax.data.values import decode, encode
from p2p_jax.errors import UserError
from p2p_jax.network import Network
from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.bucket.fetch import local_folder
from p2p_jax.workdir.record import load_experiment

Mode = Literal["picture", "running", "reference"]


LARGEST_MULTIPLE = 4096


def make_translate(
    generator: Network, mode: Mode = "picture", *, input: Side = Side(), target: Side = Side()
) -> Callable[[Any, Any, Array, Array], Array]:
    """Makes the jitted function `(params, state, key, pictures) -> pictures` of a generator.

    Every picture is translated alone, so its result does not depend on the rest of the batch.

    Args:
        generator: the network.
        mode: "picture" and "running": no dropout (the network itself decides which statistics it uses); "reference":
            dropout as in training, with another key for each picture, and truncation to whole numbers.
        input, target: the options of both sides.

    Returns:
        a function of params, state, a key and pictures. It converts stored values (see `data.sides`) of inputs
        (n, h, w, c) to those of targets (n, h, w, c'); both are uint8 by default.
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
        data: the options of the data, with the kinds of pictures on both sides.
        fit: how pictures are resized.
        step: of the checkpoint.
        native_by_default: whether files are translated at their own scale unless the caller chooses.
    """

    params: Any = field(repr=False)
    state: Any = field(repr=False)
    apply: Callable[[Any, Any, Array, Array], Array] = field(repr=False)
    data: Data
    fit: Fit
    step: int
    native_by_default: bool = False
    _multiples: dict[tuple[int, int], int] = field(default_factory=dict, repr=False)

    @property
    def input_channels(self) -> int:
        """Channels of the stored values of an input."""
        return stored_channels(self.data.input)

    def __call__(self, pictures: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Translates pictures at the size they have.

        Args:
            pictures: (n, h, w, c) or (h, w, c), stored values: uint8, or uint16 or float32 for deeper sides; for a one-hot
                side the class numbers, with c = 1.
            seed: of the dropout in mode "reference"; unused in the others.

        Returns:
            stored values of the target, with the same number of axes.

        Raises:
            UserError: wrong dtype, number of axes or channels, or a size that the network does not accept.
        """
        pictures, dtype, channels = np.asarray(pictures), np.dtype(DTYPES[self.data.input.depth]), self.input_channels
        if pictures.dtype != dtype or pictures.ndim not in (3, 4) or pictures.shape[-1] != channels:
            raise UserError(
                f"the translator was given {pictures.dtype} of shape {pictures.shape}: it expects {dtype} (n, h, w, "
                f"{channels}) or (h, w, {channels})."
            )
        single = pictures.ndim == 3
        batch = pictures[None] if single else pictures
        made = np.asarray(self.apply(self.params, self.state, jax.random.key(seed), jnp.asarray(batch)))
        return made[0] if single else made

    def native(self, picture: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Translates one picture (h, w, c) at its own scale.

        The picture is padded, by mirroring, to a size that the network accepts, and the result is cropped to its size.

        Raises:
            UserError: as for `__call__`, or no multiple up to 4096 pixels suits the network.
        """
        height, width = picture.shape[:2]
        multiple = self._find_multiple(height, width)
        pads = ((0, -height % multiple), (0, -width % multiple), (0, 0))
        made = self(np.pad(picture, pads, mode="reflect"), seed=seed)
        return made[:height, :width]

    def _find_multiple(self, height: int, width: int) -> int:
        """The smallest power of two such that the network keeps the size of a picture padded to multiples of it."""
        if (height, width) not in self._multiples:
            multiple = 1
            while not self._fits(height + -height % multiple, width + -width % multiple):
                multiple *= 2
                if multiple > LARGEST_MULTIPLE:
                    raise UserError(f"the network accepts no size near {height} x {width} pixels: resize the picture.")
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
    workdir: str | Path,
    *,
    checkpoint_step: int | str = "latest",
    mode: Mode = "picture",
    trust: bool = False,
    build: Callable[[Any], Any] | None = None,
) -> Translator:
    """Loads the translator that a run has trained.

    Args:
        workdir: of the run; a folder, or its URL in a bucket.
        checkpoint_step: "latest", "best" or a step number.
        mode: "picture": batch norm uses the statistics of each picture alone, there is no dropout, and results are
            deterministic; "running": the running statistics of training, no dropout (the PyTorch original's `--eval`);
            "reference": the statistics of each picture, with dropout, as the PyTorch original tests by default.
        trust: run the experiment file in the workdir although somebody else put it there.
        build: the function `(config) -> Pix2Pix` that was given to `train`, if the run was trained from Python with one.

    Raises:
        UserError: the folder is no workdir, has no such checkpoint, or holds code that is not trusted, or there is no such
            mode.

    Example:
        >>> import numpy as np
        >>> import p2p_jax
        >>> translator = p2p_jax.load("runs/tiny")
        >>> translator(np.zeros((1, 16, 16, 3), np.uint8)).shape
        (1, 16, 16, 3)
    """
    if mode not in get_args(Mode):
        raise UserError(f"the mode {mode} was given: it must be one of {', '.join(get_args(Mode))}.")
    with local_folder(workdir) as folder:
        found = load_experiment(folder, trust=trust, build=build)
        config = found.config
        statistics = "running" if mode == "running" else "batch"
        model = found.build(replace(config, generator=replace(config.generator, statistics=statistics)))
        params, state, step = checkpoint.restore_params(folder, checkpoint_step, best_metric=config.best_metric)
    apply = make_translate(model.generator, mode, input=config.data.input, target=config.data.target)
    return Translator(params, state, apply, config.data, fit_of_translation(config), step, config.native)
