"""The layout of the code: which room may import which, how long files and functions are, what may never move.

    python tests/test_house.py [CHECKOUT]     # prints the counts, of this checkout or of another one

A room is a module directly in `p2p_jax/`, or a folder there with all that lies below it; the folders of `data/` that are
named in `ROOMS` are rooms of their own.
"""

import ast
import importlib
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

# What each room may import, besides itself: only rooms above it in this table. CONTRIBUTING.md explains the rooms.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "config": {"errors"},
    "console": set(),
    "signals": {"errors"},
    "ops": set(),
    "network": set(),
    "losses": set(),
    "schedules": set(),
    "optimizers": set(),
    "accumulation": set(),
    "stale_gradients": set(),
    "state": set(),
    "layers": {"ops"},
    "generators": {"layers", "ops"},
    "discriminators": {"layers", "ops"},
    "step": {"accumulation", "losses", "network", "stale_gradients", "state"},
    "summary": {"network"},
    "pix2pix": {"config", "discriminators", "generators", "layers", "losses", "network", "optimizers", "schedules", "step"},
    "experiment": {"config", "errors", "pix2pix"},
    "data": {"config", "errors"},
    "data/doctor": {"data", "errors"},
    "data/sets": {"data", "errors"},
    "data/tools": {"console", "data", "errors"},
    "devices": {"config", "errors", "network", "step"},
    "workdir": {"config", "console", "devices", "errors", "experiment", "generators", "signals", "state"},
    "evaluation": {"config", "data", "devices", "errors", "experiment", "workdir"},
    "inference": {"config", "data", "errors", "network", "workdir"},
    "pytorch": {
        "config", "discriminators", "errors", "experiment", "generators", "network", "pix2pix", "workdir",
    },
    "training": {
        "config", "console", "data", "devices", "errors", "evaluation", "experiment", "inference", "signals", "state",
        "step", "workdir",
    },
    "cli": {
        "config", "console", "data", "data/doctor", "data/sets", "data/tools", "devices", "errors", "evaluation",
        "experiment", "inference", "pytorch", "signals", "summary", "training", "workdir",
    },
}  # fmt: skip

CORE = ("ops", "network", "losses", "schedules", "optimizers", "accumulation", "stale_gradients", "state", "layers")
CORE += ("generators", "discriminators", "step")

FLAT_FILES = 18
FILE_LINES = 300
FUNCTION_LINES = 40


class Import(NamedTuple):
    """An import of a module by another one, lazy ones included."""

    of: str
    by: str


class Function(NamedTuple):
    """A function and its lines, its docstring left out."""

    place: str
    lines: int


def find_modules(root: Path, package: str) -> dict[str, Path]:
    """The modules of a package by their dotted names."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """(module, name) of every import in a file, in functions too; imports for type checkers alone are left out."""
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)


def internal_imports(modules: dict[str, Path], package: str) -> set[Import]:
    """Which module of a package imports which other one. `from package import module` is an import of that module."""
    found = set()
    for by, path in modules.items():
        for module, name in imported_names(ast.parse(path.read_text())):
            of = f"{module}.{name}" if f"{module}.{name}" in modules else module
            if of in modules and of not in (by, package):
                found.add(Import(of, by))
    return found


def room_of(module: str) -> str:
    """The room of a module of p2p_jax; the package itself, the public face, is the empty one."""
    parts = module.split(".")[1:]
    return "/".join(parts[:2]) if "/".join(parts[:2]) in ROOMS else "".join(parts[:1])


def find_circles(imports: set[Import]) -> list[list[str]]:
    """Groups of modules that import each other in a circle."""
    above: dict[str, set[str]] = {}
    for each in imports:
        above.setdefault(each.by, set()).add(each.of)
    reached = {module: _reach(module, above) for module in above}
    circles = {tuple(sorted(m for m in reached if m in reached[start] and start in reached[m])) for start in above}
    return [list(circle) for circle in sorted(circles) if circle]


def _reach(start: str, above: dict[str, set[str]]) -> set[str]:
    found, left = set(), [start]
    while left:
        for module in above.get(left.pop(), set()) - found:
            found.add(module)
            left.append(module)
    return found


def count_floors(imports: set[Import]) -> int:
    """Floors of the rooms: each room lies above all that it imports. Rooms in a circle lie beside each other."""
    above: dict[str, set[str]] = {}
    for each in imports:
        if room_of(each.of) != room_of(each.by) and room_of(each.by):
            above.setdefault(room_of(each.by), set()).add(room_of(each.of))
    reached = {room: _reach(room, above) for room in above}
    floors: dict[str, int] = {}

    def floor(room: str, seen: frozenset[str] = frozenset()) -> int:
        if room not in floors:
            below = [r for r in above.get(room, set()) if r not in seen and room not in reached.get(r, set())]
            floors[room] = 1 + max((floor(r, seen | {room}) for r in below), default=0)
        return floors[room]

    return max(map(floor, above), default=0)


def functions_of(path: Path, root: Path) -> Iterator[Function]:
    """All functions of a file, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = node.body[0] if ast.get_docstring(node) is not None else None
            told = docstring.end_lineno - docstring.lineno + 1 if docstring else 0  # pyright: ignore
            lines = (node.end_lineno or 0) - node.lineno + 1 - told
            yield Function(f"{path.relative_to(root)}:{node.lineno} {node.name}", lines)


def count(root: Path) -> dict[str, object]:
    """The counts of a checkout."""
    modules = find_modules(root, "p2p_jax")
    imports = internal_imports(modules, "p2p_jax")
    paths = [*modules.values(), *find_modules(root, "experiments").values()]
    longest_file = max(paths, key=lambda path: len(path.read_text().splitlines()))
    longest_function = max((each for path in paths for each in functions_of(path, root)), key=lambda each: each.lines)
    circles = find_circles(imports)
    up = [each for each in imports if not may_import(each)]
    return {
        "rooms": len({room_of(module) for module in modules} - {""}),
        "floors": count_floors(imports),
        "circles of files": f"{len(circles)}, of {', '.join(str(len(c)) for c in circles)} files" if circles else 0,
        "imports that run up": len(up),
        "files directly in p2p_jax/": len(list((root / "p2p_jax").glob("*.py"))),
        "longest file": f"{len(longest_file.read_text().splitlines())} lines, {longest_file.relative_to(root)}",
        "longest function": f"{longest_function.lines} lines, {longest_function.place}",
        "files over 300 lines": sum(len(path.read_text().splitlines()) > FILE_LINES for path in paths),
        "functions over 40 lines": sum(each.lines > FUNCTION_LINES for path in paths for each in functions_of(path, root)),
    }


def may_import(each: Import) -> bool:
    """Whether the table allows an import. The public face may import everything."""
    of, by = room_of(each.of), room_of(each.by)
    return by in ("", of) or of in ROOMS.get(by, set())


@pytest.fixture(scope="module")
def modules() -> dict[str, Path]:
    return find_modules(ROOT, "p2p_jax")


@pytest.fixture(scope="module")
def imports(modules) -> set[Import]:
    return internal_imports(modules, "p2p_jax")


def test_the_counts_are_printed(capsys):
    for name, value in count(ROOT).items():
        print(f"{name:28} {value}")
    assert "floors" in capsys.readouterr().out


def test_every_room_is_in_the_table_and_in_contributing(modules):
    rooms = {room_of(module) for module in modules} - {""}
    assert rooms == set(ROOMS)
    told = (ROOT / "CONTRIBUTING.md").read_text()
    assert [room for room in ROOMS if f"`{room}`" not in told] == []


def test_the_table_has_no_circle():
    order = list(ROOMS)
    for room, allowed in ROOMS.items():
        assert all(order.index(other) < order.index(room) for other in allowed), room
    try:
        TopologicalSorter(ROOMS).prepare()
    except CycleError as error:
        pytest.fail(str(error))


def test_a_room_imports_only_from_the_rooms_that_the_table_allows(imports):
    assert sorted(f"{each.by} imports {each.of}" for each in imports if not may_import(each)) == []


def test_the_table_allows_no_more_than_is_used(imports):
    used = {(room_of(each.by), room_of(each.of)) for each in imports}
    unused = [(room, other) for room, allowed in ROOMS.items() for other in allowed if (room, other) not in used]
    assert unused == []


def test_no_files_import_each_other_in_a_circle(imports):
    assert find_circles(imports) == []


def test_circles_are_found():
    assert find_circles({Import("a", "b"), Import("b", "c"), Import("c", "a"), Import("a", "d")}) == [["a", "b", "c"]]


def outside(modules: dict[str, Path], wanted: str) -> dict[str, set[str]]:
    """{module: rooms' files that import it} for a library, given by the start of its dotted name."""
    found: dict[str, set[str]] = {}
    for by, path in modules.items():
        for module, name in imported_names(ast.parse(path.read_text())):
            full = module if name is None else f"{module}.{name}"
            if full == wanted or full.startswith(f"{wanted}."):
                found.setdefault(by, set()).add(full)
    return found


def test_the_core_imports_jax_flax_optax_and_numpy_alone(modules):
    allowed = {"jax", "flax", "optax", "numpy", "p2p_jax", *sys.stdlib_module_names}
    for by, path in modules.items():
        if room_of(by) in CORE:
            libraries = {module.split(".")[0] for module, _ in imported_names(ast.parse(path.read_text()))}
            assert libraries <= allowed, by


def test_only_networks_know_scopes_of_flax(modules):
    rooms = {room_of(by) for by in outside(modules, "flax.core")}
    assert rooms <= {"layers", "generators", "discriminators", "network"}


def test_only_checkpoint_imports_orbax(modules):
    assert set(outside(modules, "orbax")) == {"p2p_jax.workdir.checkpoint"}


def test_config_errors_and_the_public_face_import_no_jax(modules):
    importing = {room_of(by) for by in outside(modules, "jax")}
    assert not importing & {"config", "errors", ""}


def test_the_package_never_imports_experiments(modules):
    assert outside(modules, "experiments") == {}
    assert [by for by, path in modules.items() if '"experiments.' in path.read_text()] == []


def test_only_the_command_line_reads_argv(modules):
    for by, path in modules.items():
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        names |= {node.arg for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.arg)}
        assert room_of(by) == "cli" or "argv" not in names, by
    assert {room_of(by) for by in outside(modules, "tyro")} <= {"cli", "config"}


def test_files_are_short(modules):
    paths = [*modules.values(), *find_modules(ROOT, "experiments").values(), *find_modules(ROOT, "tests").values()]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in paths}
    assert {path: count for path, count in lines.items() if count > FILE_LINES} == {}
    assert len(list((ROOT / "p2p_jax").glob("*.py"))) <= FLAT_FILES


def test_functions_are_short(modules):
    paths = [*modules.values(), *find_modules(ROOT, "experiments").values()]
    functions = [each for path in paths for each in functions_of(path, ROOT)]
    assert [each for each in functions if each.lines > FUNCTION_LINES] == []


# Runs keep a copy of their experiment.py, locked by a hash: what such a file may import can never move or lose its name.
FROZEN = {
    "p2p_jax.cli": "main run_command run_experiment",
    "p2p_jax.config": (
        "Augment Bias Config Data Discriminator Generator Loss Norm Optimizer Side Size Statistics as_size count_channels "
        "count_classes load_size resolve resolve_group_sizes resolve_length runtime settle_groups steps_per_unit"
    ),
    "p2p_jax.discriminators": "patchgan patchgan_widths pixelgan",
    "p2p_jax.generators": (
        "UNET_128 UNET_256 UNET_64 encoder_decoder resnet unet unet_dropout_rates unet_widths"
    ),
    "p2p_jax.layers": (
        "Block Init Merge Norm add batch_norm concat concat_decoder_first cond conv conv_transpose dropout gated "
        "instance_norm needs_bias no_norm no_skip normal remat resize_conv scan self_attention zeros"
    ),
    "p2p_jax.losses": (
        "Adversarial Logits bce bce_with_epsilon binary_cross_entropy gradient_penalty hinge l1 l2 least_squares "
        "smooth_labels wasserstein weigh_generator"
    ),
    "p2p_jax.network": "Network Params State count_parameters network",
    "p2p_jax.ops": (
        "concat_channels conv2d conv2d_transpose dropout leaky_relu moments normalize reflect_pad relu resize sigmoid "
        "standardize tanh upsample_nearest"
    ),
    "p2p_jax.optimizers": "adam",
    "p2p_jax.pix2pix": "build build_discriminator build_generator build_norm build_optimizer build_schedule",
    "p2p_jax.schedules": "constant cosine linear step_decay warm_up",
    "p2p_jax.state": "Model NetworkState TrainState all_finite from_items to_items",
    "p2p_jax.step": (
        "Batch Fake Metrics Pix2Pix discriminator_gradients generate generator_gradients init_train_state make_train_step"
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", FROZEN)
def test_frozen_paths_keep_their_names(path):
    module = importlib.import_module(path)
    assert [name for name in FROZEN[path].split() if not hasattr(module, name)] == []


if __name__ == "__main__":
    for counted, found in count(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT).items():
        print(f"{counted:28} {found}")
