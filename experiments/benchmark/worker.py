"""The process of one contestant: reads requests from standard input, a line of JSON each, and writes answers to stdout.

The process ends when its input does, so it never outlives the program that started it.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from experiments.benchmark.options import Case, Contestant

SIDES = {"jax": "experiments.benchmark.jax_side", "torch": "experiments.benchmark.torch_side"}


def main() -> None:
    """Answers requests until the input ends."""
    # Libraries print to stdout, too: what they print goes to stderr, so that stdout holds answers only.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answers each {"do": name, ...} with {"answer": value}, or with {"error": sentence}."""
    functions: dict[str, Callable[..., Any]] = {"limits": _limits, "work": _work}
    functions["prepare"] = lambda **arguments: _prepare(functions, **arguments)
    for line in requests:
        request = json.loads(line)
        try:
            answer = {"answer": functions[request.pop("do")](**request)}
        except Exception as error:
            answer = {"error": describe(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def describe(error: Exception) -> str:
    """Returns the type and the first line of an exception."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}".rstrip(": ")


def _limits(framework: str, sizes: list[int] | None = None) -> dict[str, Any]:
    from experiments.benchmark import limits

    measure = {"jax": limits.measure_jax, "torch": limits.measure_torch}[framework]
    return measure(limits.Sizes(*sizes) if sizes else None)


def _work(case: list[int]) -> dict[str, int]:
    from experiments.benchmark import jax_side

    return jax_side.count_work(Case(*case))


def _prepare(functions: dict[str, Callable[..., Any]], case: list[int], contestant: list[Any]) -> dict[str, Any]:
    """Prepares a contestant, and adds the functions that measure it to those that can be asked for."""
    row = Contestant(*contestant)
    side = importlib.import_module(SIDES[row.framework])
    about, measuring = side.prepare(Case(*case), row)
    functions.update(measuring)
    return about


if __name__ == "__main__":
    main()
