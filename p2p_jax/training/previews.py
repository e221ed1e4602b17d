"""Sample grids and validation during training."""

from collections.abc import Callable

from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.devices import processes
from p2p_jax.evaluation import evaluate
from p2p_jax.evaluation.samples import sample_columns, save_grid
from p2p_jax.state import TrainState
from p2p_jax.training.run import Run, Submit, translate_with

SAMPLES = 6


def validate(run: Run, state: TrainState) -> dict[str, float]:
    """Returns figures on the validation split; {} if there is none."""
    if "val" not in run.dataset.splits:
        return {}
    config = run.experiment.config
    translate = translate_with(run, state)
    figures = evaluate.score(
        run.dataset.splits["val"], translate, fit_of_evaluation(config), config.data.target, count=config.val_pictures
    )
    return {f"val_{name}": value for name, value in figures.items()}


def make_sampler(run: Run, submit: Submit) -> Callable[[TrainState, int], None]:
    """Returns a function that draws the sample grid of a step from fixed pairs and writes it in the background."""
    config = run.experiment.config
    pairs = run.dataset.splits[evaluate.sample_split(run.dataset.splits)]
    number = min(SAMPLES, pairs.count()) if processes.is_first() else 0
    examples = [pairs.read(index, fit_of_evaluation(config)) for index in range(number)]

    def draw_samples(state: TrainState, step: int) -> None:
        translate = translate_with(run, state)
        if not processes.is_first():
            return
        made = evaluate.translate_all(translate, examples)
        path = run.workdir / "samples" / f"step_{step:08d}.png"
        submit(lambda: save_grid(path, sample_columns(examples, made, config.data)))

    return draw_samples
