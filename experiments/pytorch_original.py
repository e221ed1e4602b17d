"""Loads the project's PyTorch networks, tests/reference/torch_pix2pix.py, for experiments that compare with PyTorch."""

import importlib.util
from pathlib import Path
from types import ModuleType

PATH = Path(__file__).parents[1] / "tests" / "reference" / "torch_pix2pix.py"


def why_unavailable() -> str | None:
    """Returns a sentence that says what is missing to compare with PyTorch, or None if nothing is."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed: pip install torch."
    return None if PATH.is_file() else f"{PATH} is missing: run this from a checkout of the project."


def load() -> ModuleType:
    """Imports tests/reference/torch_pix2pix.py; call it only if `why_unavailable` returns None."""
    spec = importlib.util.spec_from_file_location("torch_pix2pix", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
