"""The fuzz: which faults it notices, that a case can be repeated, and a short one."""

import random
import tarfile
import zlib
from pathlib import Path

import pytest
from rich.console import Console

from experiments.checks.fuzz import cases, command
from experiments.checks.fuzz.command import Options, Results, report
from experiments.checks.fuzz.originals import Originals, make_originals
from experiments.checks.fuzz.tamper import tamper_bytes, tamper_json, tamper_png, tamper_rows, tamper_tar
from experiments.checks.fuzz.worker import Fault, run_one
from p2p_jax.errors import UserError


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    for name in ("sandboxes", "home", "tmp"):
        (tmp_path / "outside" / name).mkdir(parents=True)
    return tmp_path / "outside"


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    return make_originals(tmp_path / "run", tmp_path / "originals")


def crash(originals, sandbox, canary, rng):
    raise KeyError("x")


def refuse(originals, sandbox, canary, rng):
    raise UserError("x")


def refuse_with_escapes(originals, sandbox, canary, rng):
    raise UserError("\x1b[2J")


def run_code(originals, sandbox, canary, rng):
    canary.write_text("run")


def write_outside(originals, sandbox, canary, rng):
    (sandbox.parent.parent / "x").write_text("out")
    (sandbox / "y").write_text("in")


def exhaust(originals, sandbox, canary, rng):
    raise MemoryError


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        (crash, ["KeyError at test_fuzz.py"]),
        (exhaust, ["MemoryError at test_fuzz.py"]),
        (refuse, []),
        (refuse_with_escapes, ["a message with control characters"]),
        (run_code, ["a stranger's code ran"]),
        (write_outside, ["files outside: x"]),
    ],
)
def test_every_fault_is_noticed_once(outside, originals, monkeypatch, reader, said):
    monkeypatch.setitem(cases.READERS, "rows", reader)
    for _ in range(2):
        found = [what.split(":")[0] if "Error" in what else what for what, _ in run_one("rows", originals, outside, None)]
        assert found == said
    assert list((outside / "sandboxes").iterdir()) == []


def test_a_case_depends_on_its_seed_and_number_only():
    kinds = [cases.choose_kind(3, number)[0] for number in range(200)]
    assert kinds == [cases.choose_kind(3, number)[0] for number in range(200)]
    assert set(kinds) == set(cases.READERS)
    assert cases.choose_kind(3, 7)[1].random() == cases.choose_kind(3, 7)[1].random()
    assert cases.choose_kind(3, 7)[1].random() != cases.choose_kind(4, 7)[1].random()


def test_most_files_are_changed(originals):
    rng = random.Random(0)
    png, tar = originals.pictures[".png"], originals.tars[0]
    record = b'{"format": 1, "config": {"steps": 3, "widths": [1, 2]}}'
    for tamper, data in (
        (tamper_bytes, png), (tamper_png, png), (tamper_tar, tar), (tamper_json, record), (tamper_rows, record + b"\n{}"),
    ):  # fmt: skip
        assert sum(tamper(data, rng) != data for _ in range(100)) > 60, tamper


def test_tampered_headers_and_chunks_keep_their_checksums(originals, tmp_path):
    rng = random.Random(0)
    opened = 0
    for _ in range(30):
        (tmp_path / "1.tar").write_bytes(tamper_tar(originals.tars[0], rng))
        try:
            with tarfile.open(tmp_path / "1.tar") as tar:
                opened += tar.next() is not None
        except (tarfile.TarError, EOFError):
            pass
    assert opened > 10
    data = tamper_png(originals.pictures[".png"], rng)
    length = int.from_bytes(data[8:12])
    assert int.from_bytes(data[16 + length : 20 + length]) == zlib.crc32(data[12 : 16 + length])


@pytest.mark.parametrize("kind", ["picture", "archive"])
def test_tampered_pictures_and_archives_are_read_or_refused(outside, originals, kind):
    rng = random.Random(1)
    assert [found for _ in range(150) for found in run_one(kind, originals, outside, rng)] == []


def test_the_table_and_the_exit_code_show_faults(capsys):
    assert report(Options(), Results(peak=2**20), 1.0, Console(width=200)) == 0
    assert report(Options(), Results([Fault(7, "rows", "hang", "")]), 1.0, Console(width=200)) == 1
    printed = capsys.readouterr().out
    assert "hang" in printed
    assert "--first NUMBER" in printed
    assert report(Options(), Results(peak=2**32), 1.0, Console(width=200)) == 1


@pytest.mark.exhaustive
def test_a_short_fuzz_finds_nothing(capsys):
    assert command.main(["--cases", "100", "--processes", "1", "--seconds", "300"]) == 0, capsys.readouterr().out
