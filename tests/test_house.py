"""The layout of the code: which room may import which, and how long files and functions are.

python tests/test_house.py [CHECKOUT]     # prints the counts, of this checkout or of another one
"""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from helpers.house import (
    CORE,
    FILE_LINES,
    FLAT_FILES,
    FUNCTION_LINES,
    ROOMS,
    ROOT,
    Import,
    count,
    find_cycles,
    find_modules,
    functions_of,
    imported_names,
    internal_imports,
    may_import,
    room_of,
)


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


def test_the_table_has_no_cycle():
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


def test_no_files_import_each_other_in_a_cycle(imports):
    assert find_cycles(imports) == []


def test_cycles_are_found():
    assert find_cycles({Import("a", "b"), Import("b", "c"), Import("c", "a"), Import("a", "d")}) == [["a", "b", "c"]]


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


def test_only_checkpoints_import_orbax(modules):
    assert set(outside(modules, "orbax")) == {
        f"p2p_jax.workdir.{name}" for name in ("checkpoint", "manager", "steps", "verified")
    }


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


if __name__ == "__main__":
    for counted, found in count(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT).items():
        print(f"{counted:28} {found}")
