"""The command and its options."""

import json

import jax
import pytest
from helpers.benchmark import LIMITS, TINY

from experiments import pytorch_original
from experiments.benchmark import command, measure, pool
from experiments.benchmark.options import ORIGINAL, Options, contestants, make_config
from experiments.modern.pieces import PIECES
from p2p_jax.cli import main, run_command
from p2p_jax.errors import Stopped, UserError


def test_rows_follow_the_options():
    names = [row.name for row in contestants(Options(dtypes=("float32",)), torch=False)]
    assert names == ["p2p_jax float32"]
    rows = contestants(Options(torch=("reference", "tuned")), torch=True, cuda=True)
    assert [row.name for row in rows[2:]] == [ORIGINAL, "PyTorch tuned", "PyTorch tuned, compiled"]
    assert make_config(TINY, "bfloat16").dtype == "bfloat16"


def test_pieces_have_rows_beside_the_plain_step():
    rows = contestants(Options(dtypes=("float32", "bfloat16"), pieces=("ema", "oasis")), torch=False)
    assert [row.name for row in rows[2:]] == [row.piece for row in rows[2:]] == ["ema", "oasis"]
    assert {row.dtype for row in rows[2:]} == {"float32"}
    assert make_config(TINY, piece="ema").ema_share == 0.05
    everything = contestants(Options(dtypes=("float32",), pieces=("all",)), torch=False)
    assert [row.piece for row in everything] == list(PIECES)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--image-sizes", "20"], "--image-sizes was given 20: the PatchGAN needs at least 24"),
        (["--batch-sizes", "0"], "--batch-sizes was given 0"),
        (["--rounds", "0"], "--rounds was given 0"),
        (["--steps", "-1"], "--steps was given -1"),
        (["--gib", "0"], "--gib was given 0"),
        (["--pieces", "emma"], "--pieces was given emma: give some of default, resize,"),
        (["--image-sizes"], "--image-sizes was given without a value"),
        (["--ronuds", "3"], "there is no option --ronuds (did you mean --rounds?)"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(capsys, argv, message):
    assert run_command(lambda argv: command.run(argv, "benchmark"), argv, "benchmark") == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"benchmark: {message}")
    assert printed.count("\n") == 1


@pytest.mark.slow
def test_the_command_writes_the_answers_of_the_workers(monkeypatch, tmp_path, capsys):
    def ask(_, request, **arguments):
        return {
            "limits": {**LIMITS["jax"], "version": "1"},
            "work": {"step": 10**6, "forward": 10**5},
            "prepare": {"platform": "cpu", "device": "cpu", "compile_seconds": 1.0, "first_peak": 1},
            "layers": [{"layer": "up0", "backward": True, "product": 1.0, "rest": 2.0}],
        }.get(request, 0.5)

    @pool.contextmanager
    def open_worker(patience, **environment):
        yield None

    for module in (command, measure):
        monkeypatch.setattr(module, "ask", ask)
        monkeypatch.setattr(module, "open_worker", open_worker)
    argv = ["--torch", "--image-sizes", "32", "--width", "4", "--rounds", "2", "--steps", "1", "--output", str(tmp_path)]
    assert command.run(argv, "benchmark") == 0
    results = json.loads((tmp_path / "benchmark.json").read_text())
    assert results["cases"][0]["rows"][1]["step"] == [0.5, 0.5]
    assert results["command"].startswith("benchmark --torch --image-sizes 32")
    assert results["versions"]["jax"] == jax.__version__
    text = capsys.readouterr().out
    assert "PyTorch's rows are missing: --torch was given without a value." in text
    assert "Products 33 %, all else 67 %." in text
    for name in ("benchmark.json", "pictures_32px_batch1.png"):
        kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(UserError, match=rf"{name} exists already.*--overwrite to replace"):
            command.run(argv, "benchmark")
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
        (tmp_path / name).unlink()
    (tmp_path / "benchmark.json").write_text("mine")
    assert command.run([*argv, "--overwrite"], "benchmark") == 0
    assert json.loads((tmp_path / "benchmark.json").read_text())["cases"]


def test_p2p_jax_bench_is_the_same_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bench", "--help"])
    assert caught.value.code == 0
    assert "usage: p2p-jax bench" in capsys.readouterr().out


def test_a_sentence_says_what_is_missing_to_compare_with_pytorch(monkeypatch, tmp_path):
    monkeypatch.setattr(pytorch_original.importlib.util, "find_spec", lambda name: None)
    assert pytorch_original.why_unavailable() == "PyTorch is not installed: pip install torch."
    monkeypatch.setattr(pytorch_original.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(pytorch_original, "PATH", tmp_path / "none.py")
    assert "run this from a checkout" in pytorch_original.why_unavailable()


def test_the_command_stops_if_the_work_cannot_be_counted(fake_worker):
    fake_worker("import sys; sys.exit('no luck')")
    with pool.open_worker(10) as counter, pytest.raises(Stopped, match="no luck"):
        command.count_work(counter, TINY)
