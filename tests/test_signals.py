"""Signals: SIGHUP ends a block as SIGTERM does, unless it is ignored."""

import signal

import pytest

from p2p_jax.errors import Stopped
from p2p_jax.signals import caught_signals, ended_by_sigterm

NUMBERS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_block_is_ended_with_the_code_for_a_restart(number):
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match="stopped here") as caught, ended_by_sigterm("stopped here"):
        signal.raise_signal(number)
    assert caught.value.code == 75
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", NUMBERS)
def test_signals_are_collected_within_the_block(number):
    told = []
    with ended_by_sigterm("not here"), caught_signals(lambda: told.append(1)) as caught:
        signal.raise_signal(number)
        signal.raise_signal(number)
    assert (caught, told) == ([number, number], [1])


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows")
def test_a_run_under_nohup_is_not_ended_by_sighup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_sigterm("not here"), caught_signals() as caught:
            signal.raise_signal(signal.SIGHUP)
        assert caught == []
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
