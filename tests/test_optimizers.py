"""Adam against its formula in loops and against optax's, with epsilon before and after the bias correction."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from p2p_jax.generators import unet
from p2p_jax.network import network
from p2p_jax.optimizers import adam

jit = jax.jit
adam_epsilon_first = partial(adam, epsilon_place="before_correction")
B1, B2, EPS = 0.5, 0.99, 1e-2
STEPS = 10


def falling(step):
    return 0.3 / (1 + step)


def formula(gradients, rate):
    """Returns how far Torch's `optim.adam` has moved one number after each gradient."""
    moved, m, v, path = 0.0, 0.0, 0.0, []
    for t, g in enumerate(gradients, 1):
        m = B1 * m + (1 - B1) * g
        v = B2 * v + (1 - B2) * g * g
        step = rate(t - 1) * np.sqrt(1 - B2**t) / (1 - B1**t)
        moved -= step * m / (np.sqrt(v) + EPS)
        path.append(moved)
    return path


def gradients_of(dtype=np.float64):
    """Returns a tree of gradients for every step; some are much smaller than epsilon, some much larger."""
    random = np.random.default_rng(0)
    sizes = {"kernel": np.geomspace(1e-4, 10.0, 6).reshape(2, 3), "bias": np.array([0.01, 0.0])}
    return {name: (size * random.standard_normal((STEPS, *size.shape))).astype(dtype) for name, size in sizes.items()}


def path_of(optimizer, gradients):
    """Returns (the params after every step, the last state), starting from zeros."""

    def advance(carry, gradients):
        params, state = carry
        updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params

    start = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), gradients)
    (_, state), path = jit(lambda g: jax.lax.scan(advance, (start, optimizer.init(start)), g))(gradients)
    return jax.tree.map(np.asarray, path), state


@pytest.mark.parametrize(("rate", "by_step"), [(0.1, lambda _: 0.1), (falling, falling)])
def test_every_step_equals_the_formula(rate, by_step):
    gradients = gradients_of()
    with jax.enable_x64(True):
        path, state = path_of(adam_epsilon_first(rate, b1=B1, b2=B2, eps=EPS), gradients)
        other, _ = path_of(optax.adam(rate, b1=B1, b2=B2, eps=EPS), gradients)
    for name, leaf in gradients.items():
        for index in np.ndindex(leaf.shape[1:]):
            found, expected = path[name][:, *index], formula(leaf[:, *index], by_step)
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    # The place of epsilon makes a difference here, so the comparison can fail.
    assert abs(other["kernel"] - path["kernel"]).max() > 0.05
    assert int(optax.tree_utils.tree_get(state, "ScaleByAdamState").count) == STEPS


@pytest.mark.parametrize("rate", [0.1, falling])
def test_the_state_equals_that_of_optaxs_adam_before_and_after_updates(rate):
    gradients = gradients_of(np.float32)
    ours, theirs = (make(rate, b1=B1, b2=B2) for make in (adam_epsilon_first, optax.adam))
    params = jax.tree.map(lambda leaf: leaf[0], gradients)
    found, expected = (optimizer.init(params) for optimizer in (ours, theirs))
    for _ in range(2):
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, expected)
        assert jax.tree.map(lambda leaf: leaf.dtype, found) == jax.tree.map(lambda leaf: leaf.dtype, expected)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), found, expected)  # the moments are the same
        (updates, found), (_, expected) = (o.update(params, s, params) for o, s in ((ours, found), (theirs, expected)))
        assert jax.tree.map(lambda leaf: leaf.dtype, updates) == jax.tree.map(lambda leaf: leaf.dtype, params)


def test_defaults_are_those_of_optax():
    gradients = gradients_of()
    with jax.enable_x64(True):
        default, _ = path_of(adam_epsilon_first(0.1), gradients)
        explicit, _ = path_of(adam_epsilon_first(0.1, b1=0.9, b2=0.999, eps=1e-8), gradients)
    jax.tree.map(np.testing.assert_array_equal, default, explicit)


def test_a_tiny_gradient_moves_less_than_with_optaxs_at_first_and_equally_in_the_end():
    """Far below epsilon, the ratio of the two steps is that of the effective epsilons: sqrt(1 - b2^t), from 0.03 to 1."""
    steps = 10_000
    tiny = np.full(steps, 1e-9)
    with jax.enable_x64(True):
        found, expected = (
            np.diff(path_of(make(1e-3, b1=0.5, b2=0.999, eps=1e-2), tiny)[0], prepend=0.0)
            for make in (adam_epsilon_first, optax.adam)
        )
    ratio = found / expected
    assert ratio[0] == pytest.approx(np.sqrt(1e-3), rel=1e-5)
    np.testing.assert_allclose(ratio, np.sqrt(1 - 0.999 ** np.arange(1, steps + 1)), rtol=1e-5)
    assert ratio[-1] == pytest.approx(1, abs=3e-5)


def test_a_large_gradient_moves_equally_at_the_first_step():
    with jax.enable_x64(True):
        large = np.array([3.0, -2.0])
        found, expected = (path_of(make(0.1, eps=1e-8), large)[0] for make in (adam_epsilon_first, optax.adam))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("rate", [0.1, falling])
def test_epsilon_after_correction_is_optaxs_adam(rate):
    gradients = gradients_of()
    with jax.enable_x64(True):
        (path, state), (expected, theirs) = (path_of(make(rate, b1=B1, b2=B2), gradients) for make in (adam, optax.adam))
    assert jax.tree.structure(state) == jax.tree.structure(theirs)
    for found, wanted in zip(jax.tree.leaves((path, state)), jax.tree.leaves((expected, theirs)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-13)


@pytest.mark.exhaustive
@pytest.mark.parametrize("b1", [0.5, 0.9])
def test_a_cpu_updates_params_and_moments_in_place_before_all_gradients_are_computed(one_device, b1):
    widths, optimizer = (16, 64, 128, 128, 128, 128), adam(1e-3, b1=b1)
    generator = network(unet, widths=widths)
    x = jnp.ones((1, 64, 64, 3))
    params, state = generator.init(jax.random.key(0), x)

    def step(params, opt_state):
        def loss(params):
            return generator.apply(params, state, x, train=True, key=jax.random.key(1))[0].sum()

        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    compiled = jit(step, donate_argnums=(0, 1)).lower(params, optimizer.init(params)).compile()
    main = compiled.as_text().split("\nENTRY ")[1].splitlines()
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.size >= 2**16]
    assert len(kernels) == 8
    for shape in {",".join(map(str, kernel.shape)) for kernel in kernels}:
        assert not [line for line in main if f"f32[{shape}]" in line and " copy(" in line]
    assert compiled.memory_analysis().temp_size_in_bytes < 0.5 * sum(kernel.nbytes for kernel in kernels)
