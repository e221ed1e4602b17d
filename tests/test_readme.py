"""The documents: their examples run, their links, commands and options exist, and the README stays short."""

import ast
import contextlib
import importlib.util
import inspect
import io
import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest
from helpers.house import ROOMS
from helpers.runs import folder_of_pairs, skip_report
from helpers.weights import random_weights

import p2p_jax
from p2p_jax import step
from p2p_jax.cli import data, main
from p2p_jax.config import Discriminator, Generator

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
EXTENDING = ROOT / "p2p_jax" / "EXTENDING.md"
CONVERSION = ROOT / "p2p_jax" / "pytorch" / "README.md"
LOG = ROOT / "experiments" / "LOG.md"
GUIDES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "p2p_jax").rglob("*.md"))]
GUIDES += [ROOT / "experiments" / "README.md", ROOT / "experiments" / "launch" / "README.md", LOG]

COMMANDS = ["train", "translate", "evaluate", "compare", "report", "summary", "import-torch", "export-torch", "bench"]
COMMANDS += [f"data {name}" for name in data.COMMANDS]
OF_OTHER_PROGRAMS = {"--dry-run", "--eval", "--metadata-cache-ttl-secs", "--no_dropout", "--rename-dir-limit"}

for_each_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(guide: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", guide.read_text(), re.DOTALL | re.MULTILINE)


def python_block(guide: Path, part: str) -> str:
    """The only Python example of a guide that has some part."""
    (found,) = (block for block in blocks(guide, "python") if part in block)
    return found


def prose(guide: Path) -> str:
    """The text of a guide without its code blocks."""
    return re.sub(r"^```.*?^```", "", guide.read_text(), flags=re.DOTALL | re.MULTILINE)


def join_continued(text: str) -> str:
    return re.sub(r" *\\\n *", " ", text)


def commands_of(guide: Path) -> list[list[str]]:
    """The words after `p2p-jax` of each command in a guide's shell blocks, indented lines and backticks."""
    lines = [line for block in blocks(guide, "sh") for line in join_continued(block).splitlines()]
    lines += re.findall(r"^    (.*p2p-jax .*)$", join_continued(prose(guide)), re.MULTILINE)
    lines += re.findall(r"`(p2p-jax [^`]*)`", prose(guide))
    tails = [match[1] for line in lines if (match := re.search(r"(?:^|[/ ])p2p-jax (\w.*|--.*)", line.split("# ")[0]))]
    words = [shlex.split(re.split(r" [&|]", tail)[0]) for tail in tails]
    return [each for each in words if not set(each) & {"COMMAND", "NAME", "TOOL", "--version"} and each[0] != "--help"]


def name_of(words: list[str]) -> str:
    """The command of a command line, such as "data check"."""
    return " ".join(words[:2] if words[0] == "data" and "…" not in words else words[:1])


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """{command: the options that its help names}."""
    found = {}
    for command in COMMANDS:
        printed, target = io.StringIO(), ["pix2pix"] if command in ("train", "summary") else []
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main([*command.split(), *target, "--help-all"])
        found[command] = {*re.findall(r"^  (?=-)(.*)$", printed.getvalue(), re.MULTILINE)}
        found[command] = {word for line in found[command] for word in re.findall(r"(?<![\w-])--?[a-z][\w.-]*", line)}
        assert found[command], command
    return found


def test_the_first_two_commands_do_everything():
    first, second = (join_continued(block).strip() for block in blocks(README, "sh")[:2])
    install = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt"
    assert first == f"{install} . && .venv/bin/p2p-jax train quickstart"
    assert second == f'{install} -e ".[test]" && .venv/bin/python -m pytest'


def test_ci_takes_the_whole_test_command_from_the_readme():
    (line,) = re.findall(r"^command=.*README\.md.*$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    found = subprocess.run(["bash", "-c", f'{line}; echo "$command"'], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == join_continued(blocks(README, "sh")[1]).strip()


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 120


@pytest.mark.parametrize("guide", [README, EXTENDING], ids=lambda path: path.name)
def test_lines_of_code_are_at_most_80_columns_wide(guide):
    assert [line for block in blocks(guide, r"\w*") for line in block.splitlines() if len(line) > 80] == []


@for_each_guide
def test_links_lead_to_files(guide):
    links = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", guide.read_text())
    targets = [(link or source).partition("#")[0] for link, source in links]
    relative = [target for target in targets if target and not target.startswith("http")]
    assert [target for target in relative if not (guide.parent / target).exists()] == []


def test_the_readme_leads_to_every_guide():
    linked = {(ROOT / target).resolve() for target in re.findall(r"\]\(([\w./-]+)\)", README.read_text())}
    assert set(GUIDES) - {README} <= linked


@for_each_guide
def test_commands_and_their_options_exist(guide, options):
    for words in commands_of(guide):
        if name_of(words) != "data":
            assert name_of(words) in options, words
            typed = {word for word in words if re.match(r"--?[a-z]", word)} - {"--help", "--help-all"}
            assert typed <= options[name_of(words)], words


@for_each_guide
def test_options_in_the_text_exist(guide, options):
    named = {option for span in re.findall(r"`(-[^`]*)`", prose(guide)) for option in re.findall(r"--[a-z][\w.-]+", span)}
    known = set().union(*options.values(), OF_OTHER_PROGRAMS, {"--help", "--help-all"})
    groups = {option.rpartition(".")[0] for option in known}
    assert named <= known | groups


@for_each_guide
def test_modules_of_commands_exist(guide):
    modules = set(re.findall(r"python -m (experiments[\w.]*\w)", guide.read_text())) - {"experiments.NAME"}
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


def test_commands_are_found():
    assert sum(len(commands_of(guide)) for guide in GUIDES) > 30


def test_contributing_has_the_table_of_rooms():
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## Rooms")[1].split("## ")[0]
    rows = re.findall(r"^\| `([\w/]+)` \| .* \| *(.*) \|$", text, re.MULTILINE)
    assert [(room, sorted(re.findall(r"`([\w/]+)`", allowed))) for room, allowed in rows] == [
        (room, sorted(allowed)) for room, allowed in ROOMS.items()
    ]


def test_the_quoted_training_step_is_the_code():
    quoted = python_block(README, "discriminator_gradients(")
    outer = ast.parse(textwrap.dedent(inspect.getsource(step.make_train_step)))
    (real,) = (node for node in ast.walk(outer) if isinstance(node, ast.FunctionDef) and node.name == "train_step")
    assert [ast.unparse(line) for line in ast.parse(quoted).body] == [ast.unparse(line) for line in real.body]
    assert len(real.body) == 8


@pytest.mark.slow
def test_the_python_example_trains_translates_and_evaluates(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    skip_report(monkeypatch)
    folder_of_pairs(tmp_path / "pictures", 3)
    folder_of_pairs(tmp_path / "new_pictures", 2)
    text = python_block(README, "evaluate(")
    assert "epochs=100" in text
    networks = {"generator": Generator(widths=(2, 2)), "discriminator": Discriminator(width=2, num_layers=1)}
    names = {"networks": networks}
    exec(text.replace("epochs=100", "image_size=16, epochs=1, **networks"), names)
    assert len(list((tmp_path / "translated").iterdir())) == 2
    assert "psnr" in capsys.readouterr().out
    assert names["translator"](np.zeros((1, 16, 16, 3), np.uint8)).shape == (1, 16, 16, 3)


@pytest.fixture(
    scope="module", params=[README, pytest.param(EXTENDING, marks=pytest.mark.slow)], ids=["readme", "extending"]
)
def experiment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an example."""
    path = tmp_path_factory.mktemp(request.param.stem) / "my_experiment.py"
    text = python_block(request.param, "# my_experiment.py")
    path.write_text(text)
    return path


@pytest.mark.slow
def test_the_examples_of_an_experiment_train_and_translate(experiment, tmp_path, capsys):
    workdir, small = (
        tmp_path / "run",
        ("--image-size", "32", "--data.count", "8", "--discriminator.width", "4", "--generator.width", "4"),
    )
    assert main(["train", str(experiment), "--workdir", str(workdir), "--steps", "2", *small]) == 0
    assert (workdir / "report" / "index.html").is_file()
    assert p2p_jax.load(workdir)(np.zeros((1, 32, 32, 3), np.uint8)).shape == (1, 32, 32, 3)


def test_the_examples_of_an_experiment_have_the_layers_that_they_name(experiment, request, capsys):
    assert main(["summary", str(experiment)]) == 0
    shown = capsys.readouterr().out
    if "readme" in request.node.callspec.id:
        assert "conv3_norm" in shown  # of the discriminator that sees shifted pairs
    else:
        assert "down2_block" in shown  # the attention block
        assert "merge0" in shown  # the gated skip
        assert re.search(r"│ b +│ +│ 256 +│", shown)  # the hand-written discriminator's second kernel: 4 x 4 x 16 x 1


@pytest.mark.slow
def test_the_example_of_conversion_writes_the_same_file(tmp_path, monkeypatch):
    options = Generator("resnet", width=2, num_blocks=0, dropout=0.0)
    monkeypatch.chdir(tmp_path)
    p2p_jax.write_state_dict("latest_net_G.pth", p2p_jax.to_torch(options, *random_weights(options)))
    names = {"inputs": np.zeros((1, 16, 16, 3), np.float32)}
    exec(python_block(CONVERSION, "from_torch"), names)
    assert names["outputs"].shape == (1, 16, 16, 3)
    assert Path("copy_net_G.pth").read_bytes() == Path("latest_net_G.pth").read_bytes()
    exec(python_block(CONVERSION, "import_torch"), names)
    assert Path("exported/latest_net_G.pth").read_bytes() == Path("latest_net_G.pth").read_bytes()
