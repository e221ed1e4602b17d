"""The check of a set: it reports nothing about a good set, and reads every file once, within a timeout."""

import time

import numpy as np
import pytest
from helpers.checked_sets import TEST, TRAIN, check, kinds, make_set, options_of

from p2p_jax.data.doctor import contact_sheet, inspection
from p2p_jax.data.doctor.contact_sheet import draw_sheet
from p2p_jax.data.doctor.examine import check_data
from p2p_jax.data.doctor.timed_threads import run_timed
from p2p_jax.errors import UserError


def test_nothing_is_reported_about_a_good_set(good):
    findings = check(good)
    assert kinds(findings) == {}
    assert {split: {p: s.count for p, s in parts.items()} for split, parts in findings.summaries.items()} == {
        "train": {"A": TRAIN, "B": TRAIN},
        "test": {"A": TEST, "B": TEST},
    }
    summary = findings.summaries["train"]["A"]
    assert (summary.sizes, summary.channels, summary.depths) == ([((64, 64), 24)], [(3, 24)], [("8", 24)])
    assert summary.colours is not None
    assert summary.labels == "labels"
    assert findings.summaries["train"]["B"].labels == ""


@pytest.mark.parametrize("change", ["dark and noisy", "covered", "negative"])
def test_nothing_is_reported_about_other_good_tasks(tmp_path, drawn, change):
    random = np.random.default_rng(0)

    def made(i):
        photo = drawn[i][1].copy()
        if change == "covered":
            photo[20:50, 10:50] = 255
        if change == "dark and noisy":
            photo = np.clip(photo * 0.3 + random.normal(0, 5, photo.shape), 0, 255).astype(np.uint8)
        return 255 - photo if change == "negative" else photo

    assert kinds(check(make_set(tmp_path, made, lambda i: drawn[i][1], count=TRAIN + TEST))) == {}


def test_a_picture_that_hangs_is_reported_after_the_timeout(good, monkeypatch):
    real = inspection.decode
    monkeypatch.setattr(inspection, "decode", lambda e, **o: time.sleep(5) if e.name.endswith("A/7.png") else real(e, **o))
    start = time.monotonic()
    monkeypatch.setattr(contact_sheet, "decode", inspection.decode)
    findings = check_data(good, threads=1, timeout=0.3)
    assert draw_sheet(good.parent / "sheet.png", findings, 1)
    found = kinds(findings)
    assert time.monotonic() - start < 4
    assert list(found) == ["unreadable"]
    assert "A/7.png" in found["unreadable"][0]
    assert len(found["unreadable"]) == 1


def fail_at_the_ninth(function, error):
    calls = []

    def replacement(*args):
        calls.append(args)
        if len(calls) == 9:
            raise error
        return function(*args)

    return replacement


def test_a_picture_that_does_not_fit_into_the_memory_is_one_line(good, monkeypatch):
    monkeypatch.setattr(inspection, "find_edges", fail_at_the_ninth(inspection.find_edges, MemoryError()))
    found = kinds(check(good))
    assert {kind: len(items) for kind, items in found.items()} == {"unreadable": 1}
    assert "does not fit into memory" in found["unreadable"][0]


@pytest.mark.parametrize("error", [ValueError("invalid literal"), RuntimeError("broken")])
def test_a_mistake_of_the_program_is_no_unreadable_picture(good, monkeypatch, error):
    monkeypatch.setattr(inspection, "find_edges", fail_at_the_ninth(inspection.find_edges, error))
    with pytest.raises(type(error), match=str(error)) as caught:
        check(good)
    assert not isinstance(caught.value, UserError)


def test_jobs_that_wait_are_not_started_after_a_mistake():
    started = []

    def work(job):
        started.append(job)
        if job == 0:
            raise RuntimeError("broken")
        time.sleep(0.2)
        return job

    with pytest.raises(RuntimeError, match="broken"):
        list(run_timed(work, range(100), threads=2, timeout=60))
    time.sleep(0.5)
    assert len(started) < 10


def test_progress_is_reported(good):
    reported = []
    check_data(good, threads=3, on_picture=lambda done, total: reported.append((done, total)))
    assert reported == [(i, TRAIN + TEST) for i in range(1, TRAIN + TEST + 1)]


def test_lists_are_read(good, tmp_path):
    rows = [f"pairs/trainA/{i}.png,pairs/trainB/{i}.png,{'train' if i < 20 else 'val'}" for i in range(TRAIN)]
    path = tmp_path / "my list.csv"
    path.write_text("\n".join(["A,B,split", *rows]))
    findings = check(path)
    assert kinds(findings) == {}
    assert {split: parts["A"].count for split, parts in findings.summaries.items()} == {"train": 20, "val": 4}
    assert options_of(path, findings)["--image-size"] == ["64"]
