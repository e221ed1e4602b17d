"""The process of one contestant: reads requests from its standard input, a line of JSON each, and answers on its output.

It ends when its input does, so nothing of it is left when the program that started it is gone.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from experiments.benchmark.options import Case, Contestant


def main() -> None:
    """Answers until the input ends."""
    # What libraries print must not get between the answers: it goes where errors go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answers each {"do": name, ...} by {"answer": value}, or by {"error": sentence}."""
    known: dict[str, Callable[..., Any]] = {"limits": _limits, "work": _work}
    known["prepare"] = lambda **given: _prepare(known, **given)
    for line in requests:
        request = json.loads(line)
        try:
            answer = {"answer": known[request.pop("do")](**request)}
        except Exception as error:
            answer = {"error": describe(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def describe(error: Exception) -> str:
    """An exception in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}".rstrip(": ")


def _limits(framework: str, sizes: list[int] | None = None) -> dict[str, Any]:
    from experiments.benchmark import limits

    measure = {"jax": limits.measure_jax, "torch": limits.measure_torch}[framework]
    return measure(limits.Sizes(*sizes) if sizes else None)


def _work(case: list[int]) -> dict[str, int]:
    from experiments.benchmark import jax_side

    return jax_side.count_work(Case(*case))


def _prepare(known: dict[str, Callable[..., Any]], case: list[int], contestant: list[Any]) -> dict[str, Any]:
    row = Contestant(*contestant)
    if row.framework == "jax":
        pass
    else:
        from experiments.benchmark import torch_side as side
    about, functions = side.prepare(Case(*case), row)
    known.update(functions)
    return about


if __name__ == "__main__":
    main()
