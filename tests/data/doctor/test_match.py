"""Comparing the edges of A and B."""

import numpy as np

from p2p_jax.data.doctor.match import match


def test_few_pairs_are_not_judged_by_their_edges():
    edges = list(np.random.default_rng(0).integers(-99, 99, (8, 2048)).astype(np.int8))
    assert match(edges, edges[1:] + edges[:1]) == (None, 0, {})


def test_large_sets_are_compared_in_blocks(monkeypatch):
    monkeypatch.setattr("p2p_jax.data.doctor.match.BLOCK", 16)
    a = list(np.random.default_rng(0).integers(-99, 99, (40, 2048)).astype(np.int8))
    b = list(a)
    b[30], b[35] = b[35], b[30]
    found = match(a, b)
    assert found.misplaced == {30: 35, 35: 30}
