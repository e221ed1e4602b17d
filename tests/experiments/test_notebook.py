"""The quickstart notebook runs from its first cell to its last, with tiny networks, and holds no outputs."""

import json
import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers.runs import skip_report

NOTEBOOK = Path(__file__).parents[2] / "experiments" / "notebooks" / "quickstart.ipynb"
TINY = {"STEPS": 4, "IMAGE_SIZE": 16, "COUNT": 8, "WIDTH": 2}


@pytest.fixture(scope="module")
def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text())["cells"]


def code_of(cells: list[dict]) -> list[str]:
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def finished(cells, tmp_path_factory):
    """The folder that the notebook ran in, and its variables at the end."""
    folder = tmp_path_factory.mktemp("notebook")
    variables: dict = {"__name__": "__main__"}
    backend = matplotlib.get_backend()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        skip_report(patch)
        matplotlib.use("Agg")
        try:
            for index, code in enumerate(code_of(cells)):
                exec(compile(code, f"{NOTEBOOK.name}, code cell {index}", "exec"), variables)
                if index == 0:
                    assert variables.keys() >= TINY.keys()
                    variables |= TINY
        finally:
            plt.close("all")
            matplotlib.use(backend)
    return folder, variables


@pytest.mark.slow
def test_both_runs_report_every_step(finished):
    _, variables = finished
    for rows in (variables["first"], variables["second"]):
        assert [row["step"] for row in rows] == [1, 2, 3, 4]
        assert all(np.isfinite(value) for row in rows for value in row.values())


@pytest.mark.slow
def test_both_runs_leave_checkpoints_and_samples(finished):
    folder, _ = finished
    for name in ("first", "edges"):
        run = folder / "runs" / "notebook" / name
        assert (run / "checkpoints" / "4").is_dir()
        assert list((run / "samples").glob("*.png"))


@pytest.mark.slow
def test_the_runs_differ_only_in_their_loss(finished):
    _, variables = finished
    fake, target = variables["jnp"].zeros((1, 4, 4, 3)), variables["jnp"].ones((1, 4, 4, 3))
    assert variables["build"](variables["config"]).reconstruction(fake, target) == 1  # no edges: l1 alone
    assert variables["l1_with_edges"](fake.at[0, 0, 0].set(1), target) > 1 - 1 / 16
    assert variables["first"][0]["generator_l1"] == variables["second"][0]["generator_l1"]
    assert variables["first"][3]["generator_l1"] != variables["second"][3]["generator_l1"]


@pytest.mark.slow
def test_both_runs_are_evaluated_beside_baselines(finished):
    _, variables = finished
    assert set(variables["figures"].scores) == {
        "translator",
        "input itself",
        "mean training target",
        "nearest input's target",
    }
    assert variables["figures"].split == "test"
    assert set(variables["scores"]) == {"first", "edges"}
    assert variables["scores"]["first"] != variables["scores"]["edges"]


@pytest.mark.slow
def test_new_pictures_are_translated(finished):
    _, variables = finished
    for pictures in variables["outputs"].values():
        assert pictures.shape == variables["photos"].shape == (4, 16, 16, 3)
        assert pictures.dtype == np.uint8


def test_the_notebook_stores_no_outputs_and_needs_no_shell(cells):
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    lines = [line for code in code_of(cells) for line in code.splitlines()]
    assert [line for line in lines if re.match(r"\s*[!%]", line)] == []
    assert len({cell["id"] for cell in cells}) == len(cells)
