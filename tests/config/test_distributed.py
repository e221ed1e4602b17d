"""Options for several processes."""

import pytest

from p2p_jax.config.distributed import Distributed, check_distributed, is_asked_for
from p2p_jax.errors import UserError

EXPLICIT = {"coordinator": "127.0.0.1:7801", "processes": 2, "index": 0}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"auto": True, "index": 1}, "both --distributed.auto and --distributed.index were given"),
        ({"processes": 2, "index": 0}, "--distributed.processes was given without --distributed.coordinator"),
        ({"coordinator": "127.0.0.1:7801"}, "without --distributed.processes"),
        (EXPLICIT | {"coordinator": "127.0.0.1"}, "give HOST:PORT"),
        (EXPLICIT | {"coordinator": "host:99999"}, "give HOST:PORT"),
        (EXPLICIT | {"processes": 0}, "it must be at least 1"),
        (EXPLICIT | {"index": 2}, "with 2 processes it must be 0 to 1"),
        ({"heartbeat": 0}, "--distributed.heartbeat was given 0: it must be at least 1 second"),
        ({"step_timeout": 0}, "--distributed.step-timeout was given 0"),
        ({"devices": (-1,)}, "give numbers from 0 on"),
    ],
)
def test_contradictory_options_are_refused(options, said):
    with pytest.raises(UserError, match=said):
        check_distributed(Distributed(**options))


def test_valid_options_pass():
    for options in (Distributed(), Distributed(auto=True), Distributed(**EXPLICIT)):
        check_distributed(options)
    assert not is_asked_for(Distributed(heartbeat=5))
    assert is_asked_for(Distributed(auto=True))
    check_distributed(Distributed(processes=2, index=1), independent=True)
    with pytest.raises(UserError, match=r"without --distributed.processes: give processes, index, or auto alone"):
        check_distributed(Distributed(index=1), independent=True)
