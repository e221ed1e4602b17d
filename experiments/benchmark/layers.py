"""Where the time of a step goes, layer by layer: the profiler's events, matched by name with the program's instructions."""

import glob
import gzip
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

CONTAINERS = ("call", "while", "conditional")  # what runs in them has events of its own
PRODUCTS = ("dot", "convolution")
LIBRARIES = re.compile(r"custom_call_target=\"[^\"]*(matmul|gemm|conv|dot)", re.IGNORECASE)
OPTIMIZER = "optimizer"
THE_REST = "the rest"
COPIES = "copies"
BY_THEMSELVES = (OPTIMIZER, "norms", "dropout", COPIES, THE_REST)
CALLED = re.compile(r"(?:calls|to_apply|body|condition)=%?([\w.\-]+)")
PRODUCT_NAME = re.compile(r'op_name="[^"]*(?:dot_general|conv_general_dilated)"')
DEEPEST = 20  # computations within computations


class Instruction(NamedTuple):
    """What there is to know of one instruction of a compiled program.

    Attributes:
        opcode: dot, fusion, ...
        product: whether it is a convolution or matrix product, or has one in it.
        layer: of the network; or one of `BY_THEMSELVES`.
        backward: whether it belongs to the backward pass.
    """

    opcode: str
    product: bool
    layer: str
    backward: bool


Row = dict[str, Any]
"""A layer: {"layer", "backward", "product": seconds of products per step, "rest": of all else}."""


def profile_layers(program: str, run: Callable[[], Any], count: int = 1) -> list[Row]:
    """Runs something under the profiler and sums up its events by layer and pass.

    Args:
        program: `compiled.as_text()` of what runs.
        run: runs it `count` times and waits.
        count: how many times.

    Returns:
        seconds of one time; empty where no event bears the name of an instruction.
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
    """One instruction as it stands in the text: its opcode, its line, and the computation that it is in."""

    opcode: str
    text: str
    body: str


def read_program(text: str) -> dict[str, Instruction]:
    """Every instruction of a program by its name."""
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
    if (
        line.opcode == "copy" and "op_name" not in line.text
    ):  # the compiler's own, such as of what it could not change in place
        return Instruction(line.opcode, False, COPIES, False)
    # A fusion bears the name of what comes last in it: where that says nothing, what else is in it may; and what is called
    # has names that begin anew, so what calls it may.
    outer, body = [], line.body
    while body in callers and len(outer) < DEEPEST:
        outer.append(callers[body])
        body = callers[body].body
    places = [_place(one.text) for one in [line, *inner, *outer]]
    layer, backward = next((place for place in places if place[0] != THE_REST), places[0])
    return Instruction(line.opcode, product, layer, backward)


def _place(line: str) -> tuple[str, bool]:
    """Layer and pass by op_name, such as "jit(train_step)/transpose(jvp(up3))/...": ("up3", True)."""
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
    """Seconds by layer and pass from the events of a trace, for one of `count` times."""
    seconds: dict[tuple[str, bool], dict[str, float]] = defaultdict(lambda: {"product": 0.0, "rest": 0.0})
    for name, event in _choose_events(program, events):
        found = program[name]
        if found.opcode not in CONTAINERS:
            kind = "product" if found.product else "rest"
            seconds[found.layer, found.backward][kind] += event["dur"] / 1e6 / count
    return [{"layer": layer, "backward": backward, **row} for (layer, backward), row in sorted(seconds.items(), key=_order)]


def _choose_events(program: dict[str, Instruction], events: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Events with the instruction of each; on an accelerator only its own, for the host may tell of them too."""
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
    (layer, backward), _ = item
    if layer in BY_THEMSELVES:
        return 3, BY_THEMSELVES.index(layer), backward
    number = int(re.sub(r"\D", "", layer))
    place = {"down": (0, number), "up": (1, -number), "conv": (2, number)}[re.sub(r"\d", "", layer)]
    return *place, backward
