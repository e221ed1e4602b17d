"""The rooms of the package, what each may import, and the counts of a checkout.

A room is a module directly in `p2p_jax/`, or a folder there with all that lies below it; the folders of `data/` that are
named in `ROOMS` are rooms of their own.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

# What each room may import, besides itself: only rooms above it in this table. CONTRIBUTING.md explains the rooms.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "limits": set(),
    "storage": {"errors"},
    "weight_files": {"errors", "files", "limits"},
    "config": {"errors", "files"},
    "console": {"files"},
    "signals": {"errors"},
    "ops": {"errors"},
    "network": set(),
    "losses": {"errors"},
    "schedules": set(),
    "optimizers": set(),
    "accumulation": {"errors"},
    "stale_gradients": set(),
    "state": set(),
    "layers": {"errors", "ops"},
    "generators": {"errors", "layers", "network", "ops"},
    "discriminators": {"errors", "layers", "losses", "network", "ops"},
    "step": {"accumulation", "losses", "network", "stale_gradients", "state"},
    "summary": {"network"},
    "features": {"errors", "weight_files"},
    "pix2pix": {
        "config", "discriminators", "errors", "features", "generators", "layers", "losses", "network", "ops", "optimizers",
        "schedules", "step",
    },
    "experiment": {"config", "errors", "pix2pix"},
    "data": {"config", "errors", "files", "limits", "storage"},
    "data/doctor": {"data", "errors", "files", "limits"},
    "data/sets": {"data", "errors", "files", "limits"},
    "data/tools": {"data", "errors", "files", "limits"},
    "devices": {"config", "errors", "network", "step"},
    "workdir": {
        "config", "console", "devices", "errors", "experiment", "files", "generators", "signals", "state", "storage",
    },
    "tracking": {"config", "console", "errors", "files"},
    "inference": {"config", "data", "errors", "files", "network", "workdir"},
    "pytorch": {
        "config", "discriminators", "errors", "experiment", "files", "generators", "network", "pix2pix", "weight_files",
        "workdir",
    },
    "evaluation": {
        "config", "data", "devices", "errors", "experiment", "features", "files", "inference", "weight_files", "workdir",
    },
    "training": {
        "config", "console", "data", "devices", "errors", "evaluation", "experiment", "features", "files", "inference",
        "signals", "state", "step", "storage", "tracking", "workdir",
    },
    "cli": {
        "config", "console", "data", "data/doctor", "data/sets", "data/tools", "devices", "errors", "evaluation",
        "experiment", "files", "inference", "pytorch", "signals", "storage", "summary", "training", "workdir",
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
    """A function and its number of lines, without its docstring."""

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
    """(module, name) of every import in a file, in functions too; imports for type checkers alone are skipped."""
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


def find_cycles(imports: set[Import]) -> list[list[str]]:
    """Groups of modules that import each other in a cycle."""
    above: dict[str, set[str]] = {}
    for each in imports:
        above.setdefault(each.by, set()).add(each.of)
    reached = {module: _reach(module, above) for module in above}
    cycles = {tuple(sorted(m for m in reached if m in reached[start] and start in reached[m])) for start in above}
    return [list(cycle) for cycle in sorted(cycles) if cycle]


def _reach(start: str, above: dict[str, set[str]]) -> set[str]:
    found, left = set(), [start]
    while left:
        for module in above.get(left.pop(), set()) - found:
            found.add(module)
            left.append(module)
    return found


def count_floors(imports: set[Import]) -> int:
    """The number of floors: each room is above all rooms that it imports. Rooms in a cycle are on one floor."""
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
    cycles = find_cycles(imports)
    up = [each for each in imports if not may_import(each)]
    return {
        "rooms": len({room_of(module) for module in modules} - {""}),
        "floors": count_floors(imports),
        "cycles of files": f"{len(cycles)}, of {', '.join(str(len(c)) for c in cycles)} files" if cycles else 0,
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
