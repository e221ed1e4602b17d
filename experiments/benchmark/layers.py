"""The time of a step by layer: the profiler's events, matched by name with the instructions of the compiled program."""

import glob
import gzip
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

CONTAINERS = ("call", "while", "conditional")
"""Instructions that are not counted, because those inside them have events of their own."""

PRODUCTS = ("dot", "convolution")
LIBRARIES = re.compile(r"custom_call_target=\"[^\"]*(matmul|gemm|conv|dot)", re.IGNORECASE)
OPTIMIZER = "optimizer"
THE_REST = "the rest"
COPIES = "copies"
OTHER_ROWS = (OPTIMIZER, "norms", "dropout", COPIES, THE_REST)
"""Rows of the table that are not layers of a network, in their order."""

CALLED = re.compile(r"(?:calls|to_apply|body|condition)=%?([\w.\-]+)")
PRODUCT_NAME = re.compile(r'op_name="[^"]*(?:dot_general|conv_general_dilated)"')
MAX_NESTING = 20
"""The most callers that are followed outwards from a computation."""


class Instruction(NamedTuple):
    """An instruction of a compiled program.

    Attributes:
        opcode: dot, fusion, ...
        product: whether it is, or contains, a convolution or a matrix product.
        layer: the layer of the network that it belongs to, or one of `OTHER_ROWS`.
        backward: whether it belongs to the backward pass.
    """

    opcode: str
    product: bool
    layer: str
    backward: bool


Row = dict[str, Any]
"""The time of a layer: {"layer", "backward", "product": seconds of products per step, "rest": seconds of all else}."""


def profile_layers(program: str, run: Callable[[], Any], count: int = 1) -> list[Row]:
    """Runs a program under the profiler and adds up its events by layer and pass.

    Args:
        program: `compiled.as_text()` of the program.
        run: runs it `count` times and waits for the result.
        count: how many times it runs.

    Returns:
        seconds per run; empty if no event has the name of an instruction.
    """
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run()
        events = []
        for file in glob.glob(f"{folder}/**/*.trace.json.gz", recursive=True):
            with gzip.open(file) as opened:
                events += json.load(opened)["traceEvents"]
    return sum_layers(read_program(program), events, count)


class _Line(NamedTuple):
    """An instruction in the text of a program: its opcode, its line, and the name of the computation around it."""

    opcode: str
    text: str
    body: str


def read_program(text: str) -> dict[str, Instruction]:
    """Returns all instructions of a program by their names."""
    lines: dict[str, _Line] = {}
    bodies: dict[str, list[_Line]] = defaultdict(list)
    callers: dict[str, _Line] = {}
    body = ""
    for line in text.splitlines():
        if opened := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            body = opened[1]
        elif found := re.match(r"\s+(?:ROOT )?%?([\w.\-]+) = (?:\(.*?\)|\S+) ([\w\-]+)\(", line):
            lines[found[1]] = _Line(found[2], line, body)
            bodies[body].append(lines[found[1]])
            for called in CALLED.findall(line):
                callers.setdefault(called, lines[found[1]])
    return {name: _read_instruction(line, bodies, callers) for name, line in lines.items()}


def _read_instruction(line: _Line, bodies: dict[str, list[_Line]], callers: dict[str, _Line]) -> Instruction:
    inner = [other for called in CALLED.findall(line.text) for other in bodies[called] if line.opcode == "fusion"]
    product = any(one.opcode in PRODUCTS for one in [line, *inner]) or PRODUCT_NAME.search(line.text) is not None
    product = product or (line.opcode == "custom-call" and LIBRARIES.search(line.text) is not None)
    # A copy without a name is the compiler's own: an array that it could not update in place.
    if line.opcode == "copy" and "op_name" not in line.text:
        return Instruction(line.opcode, False, COPIES, False)
    # A fusion has the name of its last instruction; if that names no layer, another instruction inside may. The names in a
    # called computation lack those of the caller, so the calling instruction may name the layer.
    outer, body = [], line.body
    while body in callers and len(outer) < MAX_NESTING:
        outer.append(callers[body])
        body = callers[body].body
    places = [_place(one.text) for one in [line, *inner, *outer]]
    layer, backward = next((place for place in places if place[0] != THE_REST), places[0])
    return Instruction(line.opcode, product, layer, backward)


def _place(line: str) -> tuple[str, bool]:
    """Reads layer and pass from op_name: "jit(train_step)/transpose(jvp(up3))/..." belongs to ("up3", True)."""
    named = re.search(r'op_name="([^"]*)"', line)
    parts = named[1].split("/")[:-1] if named else []
    backward = any(part.startswith("transpose(") for part in parts)
    for part in parts:
        part = re.sub(r"^(?:transpose\(|jvp\(|checkpoint\(|rematted_computation\()+", "", part).rstrip(")")
        if re.fullmatch(r"(?:down|up|conv)\d+", part):
            return part, backward
        if part == OPTIMIZER:
            return OPTIMIZER, False
        if part.endswith("_norm"):
            return "norms", backward
        if part.endswith("_dropout"):
            return "dropout", backward
    return THE_REST, backward


def sum_layers(program: dict[str, Instruction], events: list[dict[str, Any]], count: int) -> list[Row]:
    """Returns the seconds of one run by layer and pass, from the events of a trace of `count` runs."""
    seconds: dict[tuple[str, bool], dict[str, float]] = defaultdict(lambda: {"product": 0.0, "rest": 0.0})
    for name, event in _choose_events(program, events):
        found = program[name]
        if found.opcode not in CONTAINERS:
            kind = "product" if found.product else "rest"
            seconds[found.layer, found.backward][kind] += event["dur"] / 1e6 / count
    return [{"layer": layer, "backward": backward, **row} for (layer, backward), row in sorted(seconds.items(), key=_order)]


def _choose_events(program: dict[str, Instruction], events: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Returns the events that belong to instructions, each with the name of its instruction.

    An accelerator's operations can appear in several places of a trace: on its own line of operations, on its streams, and
    on the host. Only the first of these that has events counts.
    """
    found = []
    for event in events:
        name = event.get("args", {}).get("hlo_op", event.get("name"))
        if event.get("ph") == "X" and name in program:
            found.append((name, event))
    processes = {e["pid"]: e["args"].get("name", "") for e in events if e.get("name") == "process_name"}
    threads = {(e["pid"], e["tid"]): e["args"].get("name", "") for e in events if e.get("name") == "thread_name"}
    devices = [pair for pair in found if processes.get(pair[1]["pid"], "").startswith("/device:")]
    found = devices or found
    lines = [pair for pair in found if threads.get((pair[1]["pid"], pair[1]["tid"])) == "XLA Ops"]
    return lines or found


def _order(item: tuple[tuple[str, bool], Any]) -> Any:
    """Sort key: the U-Net from its input to its output, the discriminator, the other rows."""
    (layer, backward), _ = item
    if layer in OTHER_ROWS:
        return 3, OTHER_ROWS.index(layer), backward
    number = int(re.sub(r"\D", "", layer))
    place = {"down": (0, number), "up": (1, -number), "conv": (2, number)}[re.sub(r"\d", "", layer)]
    return *place, backward
