"""The public face: its names and types agree, it imports quickly, and its functions neither print nor end the process."""

import ast
import importlib
import inspect
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import folder_of_pairs, skip_report
from helpers.torch_runs import RESNET, arrays_of

import p2p_jax
from p2p_jax import Config, Data, Discriminator, Generator, UserError

PUBLIC = [name for names in p2p_jax.NAMES.values() for name in names.split()]
TINY = Config(
    image_size=16,
    steps=2,
    generator=Generator(widths=(2, 2)),
    discriminator=Discriminator(width=2, num_layers=1),
    data=Data(source="procedural", count=8),
)
ZEROS = np.zeros((16, 16, 3), np.uint8)


def typed_imports() -> set[tuple[str, str]]:
    """(module, name) of the imports that only type checkers see; each gives its name to the package."""
    tree = ast.parse(Path(p2p_jax.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    found = [(node.module, alias) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert len(found) == len(block.body)
    assert all(alias.asname == alias.name for _, alias in found)
    return {(str(module), alias.name) for module, alias in found}


def test_names_at_run_time_and_for_type_checkers_agree():
    modules = {("p2p_jax", name) for name in p2p_jax.MODULES}
    names = {(f"p2p_jax.{module}", name) for module, names in p2p_jax.NAMES.items() for name in names.split()}
    assert typed_imports() == modules | names
    assert len(PUBLIC) == len(set(PUBLIC))
    assert dir(p2p_jax) == sorted([*p2p_jax.MODULES, *PUBLIC])


@pytest.mark.parametrize("name", [*p2p_jax.MODULES, *PUBLIC])
def test_every_name_can_be_imported_and_is_documented(name):
    found = getattr(p2p_jax, name)
    text = inspect.getdoc(found) or ""
    assert len(text.split()) >= 3
    assert not text.startswith(f"{name}(")  # the docstring that Python makes for a data class or a named tuple
    assert getattr(importlib.import_module("p2p_jax"), name) is found


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="p2p_jax has no attribute trian"):
        _ = p2p_jax.trian  # pyright: ignore


def test_the_package_says_that_it_is_typed():
    assert Path(p2p_jax.__file__).with_name("py.typed").is_file()


def test_importing_the_package_is_quick_and_imports_neither_jax_nor_tyro():
    code = "import sys, time, p2p_jax; print(time.process_time(), *({'jax', 'tyro'} & set(sys.modules)))"
    tries = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    seconds = [done.stdout.split() for done in tries]
    assert [words[1:] for words in seconds] == [[]] * 3
    assert min(float(words[0]) for words in seconds) < 0.2  # seconds of the CPU, the start of Python included


@pytest.mark.slow
def test_a_whole_run_from_python_prints_nothing(tmp_path, monkeypatch, capsys, caplog):
    skip_report(monkeypatch)
    steps: list[int] = []
    run, pairs = tmp_path / "run", folder_of_pairs(tmp_path / "pairs")
    p2p_jax.train(TINY, run, on_step=lambda step, metrics: steps.append(step))
    translator = p2p_jax.load(run)
    assert translator(ZEROS).shape == ZEROS.shape
    assert len(p2p_jax.translate(translator, pairs, tmp_path / "translated").written) == 6
    figures = p2p_jax.evaluate(run)
    assert (figures.split, figures.pairs, steps) == ("test", 1, [1, 2])
    assert p2p_jax.report(run).is_file()
    assert len(p2p_jax.check_data(pairs).pairs) == 6
    p2p_jax.prepare_data("mine", folder=pairs, data_dir=tmp_path / "prepared")
    p2p_jax.write_state_dict(tmp_path / "g.pth", arrays_of(RESNET))
    assert "resnet" in p2p_jax.import_torch(tmp_path / "g.pth", tmp_path / "imported")
    assert len(p2p_jax.export_torch(run, tmp_path / "exported")) == 2
    assert tuple(capsys.readouterr()) == ("", "")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.slow
def test_a_run_with_a_build_of_its_own_needs_it_in_every_function(tmp_path, monkeypatch):
    skip_report(monkeypatch)
    run, pairs = tmp_path / "run", folder_of_pairs(tmp_path / "pairs", 1)
    build = lambda config: p2p_jax.build(config)._replace(reconstruction=p2p_jax.losses.l2)
    p2p_jax.train(TINY, run, build=build)
    calls = (
        lambda **options: p2p_jax.load(run, **options).step,
        lambda **options: len(p2p_jax.translate(run, pairs / "0.png", tmp_path / "out", **options).written),
        lambda **options: p2p_jax.evaluate(run, **options).pairs,
        lambda **options: p2p_jax.report(run, **options).name,
        lambda **options: len(p2p_jax.export_torch(run, tmp_path / "exported", **options)),
    )
    for call in calls:
        with pytest.raises(UserError, match="give that function as build="):
            call()
    assert [call(build=build) for call in calls] == [2, 1, 1, "index.html", 2]


def refusal(call) -> str:
    """The message with which a call is refused: one line that ends as a sentence."""
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert message[-1] in ".?"
    assert "\n" not in message
    return message


def test_a_mode_that_does_not_exist_is_refused_in_one_sentence(tmp_path):
    message = refusal(lambda: p2p_jax.load(tmp_path, mode="eval"))  # pyright: ignore
    assert message == "the mode eval was given: it must be one of picture, running, reference."


WRONG = {
    "train: no such experiment": (lambda folder: p2p_jax.train("facade", folder / "run"), "no experiment named facade"),
    "train: two lengths": (lambda folder: p2p_jax.train(Config(epochs=9, steps=2, data=TINY.data), folder / "run"), "both"),
    "train: no data": (lambda folder: p2p_jax.train(Config(), folder / "run"), "data.path"),
    "train: no such preset": (lambda folder: p2p_jax.train(TINY, folder / "run", preset="keras"), "no preset keras"),
    "train: empty workdir": (lambda folder: p2p_jax.train(TINY, ""), "the workdir was given an empty path"),
    "report: empty workdir": (lambda folder: p2p_jax.report(" "), "the workdir was given an empty path"),
    "translate: empty output": (lambda folder: p2p_jax.translate(folder, folder, ""), "--output was given an empty path"),
    "export_torch: empty output": (lambda folder: p2p_jax.export_torch(folder, ""), "--output was given an empty path"),
    "import_torch: empty workdir": (lambda folder: p2p_jax.import_torch("a.pth", ""), "--workdir was given an empty path"),
    "prepare_data: empty folder": (
        lambda _: p2p_jax.prepare_data("maps", data_dir=""),
        "--data-dir was given an empty path",
    ),
    "load": (lambda folder: p2p_jax.load(folder), "is not the workdir of a run"),
    "translate": (lambda folder: p2p_jax.translate(folder, folder, folder, batch_size=0), "at least 1"),
    "evaluate": (lambda folder: p2p_jax.evaluate(folder), "is not the workdir of a run"),
    "compare: one run": (lambda folder: p2p_jax.compare([folder]), "a comparison needs at least two runs"),
    "compare: one run twice": (lambda folder: p2p_jax.compare([folder, folder / "."]), "was given twice"),
    "compare: empty output": (lambda folder: p2p_jax.compare([folder], output=""), "--output was given an empty path"),
    "compare": (lambda folder: p2p_jax.compare([folder, folder / "other"]), "is not the workdir of a run"),
    "report": (lambda folder: p2p_jax.report(folder), "is not the workdir of a run"),
    "check_data: no folder": (lambda folder: p2p_jax.check_data(folder / "pairs"), "does not exist"),
    "check_data: no threads": (lambda folder: p2p_jax.check_data(folder, threads=0), "at least 1"),
    "prepare_data: no name": (lambda folder: p2p_jax.prepare_data(), "no set was named"),
    "prepare_data: no such set": (lambda folder: p2p_jax.prepare_data("facade"), "did you mean facades"),
    "import_torch: no files": (lambda folder: p2p_jax.import_torch([], folder), "no files were named"),
    "import_torch: no such file": (lambda folder: p2p_jax.import_torch(folder / "g.pth", folder), "does not exist"),
    "export_torch": (lambda folder: p2p_jax.export_torch(folder, folder), "is not the workdir of a run"),
    "read_state_dict": (lambda folder: p2p_jax.read_state_dict(folder), "is a folder"),
    "write_state_dict": (lambda folder: p2p_jax.write_state_dict(folder / "a", {"x": np.zeros(1, complex)}), "complex128"),
    "from_torch": (lambda folder: p2p_jax.from_torch({}), ""),
    "to_torch": (lambda folder: p2p_jax.to_torch(Generator(skip="add"), {}, {}), "PyTorch original"),
    "apply_preset": (lambda folder: p2p_jax.apply_preset(TINY, "keras"), "no preset keras"),
    "build": (lambda folder: p2p_jax.build(Config(image_size=16, generator=Generator(widths=(2,) * 6))), "halved"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused(name, tmp_path):
    call, words = WRONG[name]
    assert words in refusal(lambda: call(tmp_path))
    assert list(tmp_path.iterdir()) == []  # nothing is left behind
