"""The runs to compare: opened, checked that they can be compared picture by picture, and given short names."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.config import Config, Side
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import Dataset, describe_data, open_dataset
from p2p_jax.data.pairs import Pairs
from p2p_jax.errors import UserError
from p2p_jax.evaluation.evaluate import choose_split
from p2p_jax.evaluation.runs import find_data
from p2p_jax.experiment import Experiment
from p2p_jax.workdir.record import load_experiment, read_record


class Candidate(NamedTuple):
    """A run to compare.

    Attributes:
        name: short, and different from the names of the other runs.
        folder: its workdir, or the local copy of it.
        experiment: with its config.
        record: of the run.
        dataset: the pairs that its config names.
    """

    name: str
    folder: Path
    experiment: Experiment
    record: dict[str, Any]
    dataset: Dataset

    @property
    def config(self) -> Config:
        """The config of the run."""
        return self.experiment.config


class Common(NamedTuple):
    """The pictures on which all runs are measured.

    Attributes:
        split: "train", "val" or "test".
        datasets: of each run: the same pairs, read as that run reads its inputs.
        notes: sentences on which pictures these are.
    """

    split: str
    datasets: tuple[Dataset, ...]
    notes: tuple[str, ...]

    def pairs(self, run: int) -> Pairs:
        """The pairs of the split, as a run reads them."""
        return self.datasets[run].splits[self.split]

    @property
    def names(self) -> list[str]:
        """The names of the pairs."""
        return names_of(self.pairs(0))


def names_of(pairs: Pairs) -> list[str]:
    """The names of all pairs of a split."""
    return [pairs.name(index) for index in range(pairs.count())]


def open_runs(
    workdirs: Sequence[str],
    folders: Sequence[Path],
    *,
    data_path: str | Path | None,
    trust: bool,
    build: Callable[[Any], Any] | None,
) -> list[Candidate]:
    """Opens the runs to compare.

    Args:
        workdirs: as they were given.
        folders: the same, or the local copies.
        data_path, trust, build: as for `compare`.

    Raises:
        UserError: there are fewer than two runs, one is given twice, is no workdir, or its data are missing.
    """
    if len(workdirs) < 2:
        given = f"only {workdirs[0]} was given" if workdirs else "no run was given"
        raise UserError(f"{given}: a comparison needs at least two runs.")
    places = [folder.resolve() for folder in folders]
    for place, (workdir, folder) in enumerate(zip(workdirs, places, strict=True)):
        if folder in places[:place]:
            raise UserError(f"{workdir} was given twice: give different runs.")
    found = []
    for name, folder in zip(short_names(workdirs), folders, strict=True):
        experiment = find_data(load_experiment(folder, trust=trust, build=build), folder, data_path)
        found.append(Candidate(name, folder, experiment, read_record(folder), open_dataset(experiment.config)))
    return found


def short_names(workdirs: Sequence[str]) -> list[str]:
    """The last parts of paths, as many of them as are needed to tell the paths apart.

    >>> short_names(["runs/a", "runs/b/"]), short_names(["a/run", "b/run"])
    (['a', 'b'], ['a/run', 'b/run'])
    """
    parts = [[part for part in workdir.split("/") if part] or [workdir] for workdir in workdirs]
    for number in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-number:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return list(workdirs)


def find_common(runs: Sequence[Candidate], split: str | None) -> Common:
    """Chooses the split, and checks that every run can be measured on the same pictures of it.

    The built-in facades depend on the seed of a run. Such runs are measured on those of the first run, which runs with
    another seed have never seen; so only its val and test are fair to all.

    Args:
        runs: at least two.
        split: its name; by default the first that exists of test, val and train in the first run.

    Raises:
        UserError: the targets, their size or the pictures differ, or there is no such split.
    """
    first, *others = runs
    split = choose_split(first.dataset.splits, first.dataset.alone, split, describe_data(first.config.data))
    datasets, drawn = [first.dataset], []
    for run in others:
        _refuse_other_targets(first, run)
        procedural = run.config.data.source == first.config.data.source == "procedural"
        if procedural and run.config.seed != first.config.seed:
            drawn.append(run.name)
        else:
            _refuse_other_pictures(first, run, split)
        data = replace(run.config.data, on_error=first.config.data.on_error)
        if procedural:
            data = replace(data, count=first.config.data.count)
        datasets.append(open_dataset(replace(run.config, seed=first.config.seed, data=data)))
    if drawn and split == "train":
        raise UserError(
            f"the seeds of {first.name} and {drawn[0]} differ, so they were trained on different facades, and the training "
            "pictures of one are new to the other: give --split test."
        )
    notes = (
        "The seed of a run also decides which facades the program draws, for training and for the test. All runs are "
        f"measured on those of {split} that the program draws with the seed of {first.name}, {first.config.seed}.",
    )
    return Common(split, tuple(datasets), notes if drawn else ())


def _refuse_other_targets(first: Candidate, run: Candidate) -> None:
    """Refuses runs whose targets are read in different ways, so that outputs are compared with different pictures."""
    one, other = _reading(first.config), _reading(run.config)
    differing = [name for name in one if one[name] != other[name]]
    if differing:
        name = differing[0]
        raise UserError(
            f"{first.name} and {run.name} cannot be compared picture by picture, because {name} differs ({one[name]} and "
            f"{other[name]}): compare runs with the same targets."
        )


def _reading(config: Config) -> dict[str, Any]:
    """Everything that decides on the targets of a set of files."""
    data, fit = config.data, fit_of_evaluation(config)
    fields = [name for name in vars(Side()) if name != "colour_jitter"]
    return {
        "data.source": data.source,
        "data.direction": data.direction,
        "image_size": "{} x {}".format(*fit.size),
        "data.preprocess": fit.preprocess,
        "data.load_size": "{} x {}".format(*fit.load),
        "data.resize": data.resize,
        "data.tfds_features": data.tfds_features,
        **{f"data.target.{name}": getattr(data.target, name) for name in fields},
    }


def _refuse_other_pictures(first: Candidate, run: Candidate, split: str) -> None:
    """Refuses runs of different data sets, or of other pairs in a split."""
    place = describe_data(run.config.data)
    if run.dataset.fingerprint != first.dataset.fingerprint:
        raise UserError(
            f"{first.name} and {run.name} cannot be compared picture by picture, because their data sets differ "
            f"({describe_data(first.config.data)} and {place}, in the names or sizes of files or in their number): compare "
            "runs of one data set, or give --data-path with the set on which to measure both."
        )
    pairs = run.dataset.splits.get(split)
    if pairs is None or names_of(pairs) != names_of(first.dataset.splits[split]):
        raise UserError(
            f"{first.name} and {run.name} cannot be compared picture by picture, because {split} holds different pairs "
            f"of {place}: they were split off with data.{split}_fraction {_fraction(first, split)} and seed "
            f"{first.config.seed}, and with {_fraction(run, split)} and seed {run.config.seed}; put the pictures of "
            f"{split} into a folder of their own."
        )


def _fraction(run: Candidate, split: str) -> float:
    return getattr(run.config.data, f"{split}_fraction", 0.0)
