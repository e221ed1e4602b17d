"""The examples in docstrings run as they stand there, in a folder with a finished run, pairs, pictures and a .pth file."""

import ast
import doctest
import importlib
import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.runs import folder_of_pairs, skip_report
from helpers.torch_runs import RESNET, arrays_of

import p2p_jax
from p2p_jax import losses, ops

pytestmark = pytest.mark.slow

ROOT = Path(p2p_jax.__file__).parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def find_examples() -> dict[str, str]:
    """The docstrings that hold an example, by module and function."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        if ">>>" in (text := path.read_text()):
            module = ".".join((ROOT.name, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and ">>>" in (ast.get_docstring(node) or ""):
                    found[f"{module}:{node.name}"] = ast.get_docstring(node)
    return found


EXAMPLES = find_examples()
TRAIN = "p2p_jax.training.train:train"


def run_example(name: str) -> None:
    """Runs the example of one docstring; a failure shows what was expected and what came out."""
    module = importlib.import_module(name.partition(":")[0])
    # What an example imports itself is all that it may use, as when a reader pastes it.
    variables = {} if "import " in EXAMPLES[name] else dict(vars(module))
    example = doctest.DocTestParser().get_doctest(EXAMPLES[name], variables, name, module.__file__, 0)
    assert example.examples
    report: list[str] = []
    doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(example, out=report.append)
    assert not report, "".join(report)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder of all examples; the example of `train` makes runs/tiny, which other examples use."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        skip_report(patch)
        folder_of_pairs(folder / "pairs")
        (folder / "new_pictures").mkdir()
        for name in ("0.png", "1.png"):
            shutil.copy(folder / "pairs" / name, folder / "new_pictures" / name)
        p2p_jax.write_state_dict("latest_net_G.pth", arrays_of(RESNET))
        run_example(TRAIN)
        yield folder


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name, folder):
    if name != TRAIN:  # which the fixture has run
        run_example(name)
    assert (folder / "runs" / "tiny" / "checkpoints" / "2").is_dir()


def test_every_public_function_has_an_example():
    public = [name for names in p2p_jax.NAMES.values() for name in names.split()]
    functions = [getattr(p2p_jax, name) for name in public if inspect.isfunction(getattr(p2p_jax, name))]
    assert len(functions) > 20
    for module in (ops, losses):
        functions += [each for name, each in vars(module).items() if callable(each) and is_own_function(each, name)]
    # `init_train_state` is in the example of `make_train_step`, which needs it.
    shown = {each: f"{each.__name__}(" in EXAMPLES["p2p_jax.step.train_step:make_train_step"] for each in functions}
    assert [each.__name__ for each in functions if ">>>" not in (each.__doc__ or "") and not shown[each]] == []


def is_own_function(each: object, name: str) -> bool:
    """Whether a name of a module is a public function of this package, also one with derivatives of its own."""
    home = getattr(each, "__module__", "")
    return home.startswith("p2p_jax.") and not name.startswith("_") and not inspect.isclass(each)


def test_an_example_that_is_wrong_is_found(monkeypatch):
    monkeypatch.setitem(EXAMPLES, "p2p_jax.losses:l1", ">>> 1 + 1\n3\n")
    with pytest.raises(AssertionError, match=r"Expected:\s+3\s+Got:\s+2"):
        run_example("p2p_jax.losses:l1")
