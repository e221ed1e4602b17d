"""Complete training steps against golden values from PyTorch: ten steps from the same weights and batches.

Dropout keeps a checkerboard on both sides. The tests compare all losses and, after the first and the tenth step, both
networks' gradients, Adam moments, running statistics, and the movement of every parameter, which is 1e-4 of its value, so
that any deviation of the step changes it. Further tests change the step and expect the comparison to fail.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import reference_values as values
from helpers.cases import tiers

from p2p_jax import discriminators, generators, layers, ops, pix2pix
from p2p_jax.config import Optimizer
from p2p_jax.network import network
from p2p_jax.ops import convolution
from p2p_jax.pytorch import convert
from p2p_jax.state import NetworkState
from p2p_jax.step import Pix2Pix, init_train_state, make_train_step

jit = jax.jit
NORMS = {"batch": layers.batch_norm, "instance": layers.instance_norm, "none": layers.no_norm}
NETWORKS = ("generator", "discriminator")
ORIGINAL = {"discriminator_weight": 0.5, "epsilon": 1e-8}


@pytest.fixture(scope="module")
def stored():
    return values.load("steps")


@pytest.fixture(scope="module", autouse=True)
def prepared():
    """Dropout that keeps a checkerboard, and the convolutions of a GPU, which compile faster."""
    with pytest.MonkeyPatch.context() as patch:
        keep = lambda _key, x, rate: x * values.checkerboard(x.shape).astype(x.dtype) / (1 - rate)
        patch.setattr(ops, "dropout", keep)
        patch.setattr(convolution, "choose", lambda *_: convolution.NATIVE)
        yield


def remember():
    """Returns a transformation that keeps the last gradient in its state."""
    return optax.GradientTransformation(
        lambda params: jax.tree.map(jnp.zeros_like, params), lambda grads, _state, _params=None: (grads, grads)
    )


def make_model(norm, epsilon, discriminator_weight, *, dropout_level=4, update="sequential"):
    """Builds a small pix2pix with the PyTorch original's options, except for the arguments."""
    rates = tuple(0.5 if level == dropout_level else 0.0 for level in range(len(values.STEP_WIDTHS)))
    options = Optimizer(epsilon=epsilon, schedule="constant")
    adam = optax.chain(remember(), pix2pix.build_optimizer(options, optax.constant_schedule(options.learning_rate)))
    return Pix2Pix(
        network(generators.unet, widths=values.STEP_WIDTHS, norm=NORMS[norm], dropout_rates=rates),
        network(discriminators.patchgan, widths=values.STEP_JUDGE_WIDTHS, norm=NORMS[norm]),
        adam,
        adam,
        discriminator_weight=discriminator_weight,
        update=update,
    )


def make_step(norm, **choices):
    """Returns the step (state, batch, numbers); the numbers are arguments, so that they change without compiling."""

    def step(state, batch, numbers):
        return make_train_step(make_model(norm, **numbers, **choices))(state, batch)

    return jit(step)


def run(norm, step, stored, *, dtype, count, **changed):
    """Runs p2p_jax and returns the arrays that `record.py` stores."""
    numbers = {name: jnp.asarray(value, dtype) for name, value in (ORIGINAL | changed).items()}
    model = make_model(norm, **ORIGINAL)
    start = {
        name: convert.from_torch(values.weights(f"steps_{norm}/{name}", values.shapes(stored, f"{norm}/{name}")))
        for name in NETWORKS
    }
    models = {}
    for name, optimizer in zip(NETWORKS, (model.generator_optimizer, model.discriminator_optimizer), strict=True):
        params, state = jax.tree.map(lambda x: jnp.asarray(x, dtype), (start[name].params, start[name].state))
        models[name] = NetworkState(params, state, optimizer.init(params))
    batches = [
        {
            key: jnp.asarray(picture.transpose(0, 2, 3, 1), dtype)
            for key in ("input", "target")
            for picture in [values.uniform(f"steps_{norm}/{key}/{i}", values.STEPS[norm], 3, *[values.STEP_SIZE] * 2)]
        }
        for i in range(1, count + 1)
    ]
    empty = jax.eval_shape(partial(init_train_state, model=model), jax.random.key(0), batch=batches[0])
    zero = jnp.zeros((), jnp.int32)
    state = empty.replace(step=zero, batch_index=zero, key=jax.random.key(0), **models)
    assert jax.tree.structure(state) == jax.tree.structure(empty)

    found, losses = {}, []
    order = ("discriminator_loss", "generator_gan", "generator_l1", "generator_loss")
    for i, batch in enumerate(batches, 1):
        state, metrics = step(state, batch, numbers)
        assert metrics["generator_loss"].dtype == dtype
        losses.append([float(metrics[name]) for name in order])
        for name in NETWORKS if i in (1, 10) else ():
            found |= {f"{i}/{name}/{key}": value for key, value in state_by_name(start[name], getattr(state, name)).items()}
    return found | {"losses": np.array(losses)}


def state_by_name(start, model):
    """Returns one network's gradients, moments, statistics and movement under PyTorch's names."""
    gradient, adam = model.opt_state
    first = jax.tree.map(lambda x: np.asarray(x, np.float64), start.params)
    trees = {
        "gradients": gradient,
        "mu": optax.tree_utils.tree_get(adam, "mu"),
        "nu": optax.tree_utils.tree_get(adam, "nu"),
        "moved": jax.tree.map(lambda a, b: np.asarray(a, np.float64) - b, model.params, first),
    }
    found = {}
    for kind, tree in trees.items():
        by_name = convert.to_torch(start.options, tree, model.state)
        statistics = {key: value for key, value in by_name.items() if "running" in key}
        found |= {f"{kind}/{key}": v for key, v in by_name.items() if key not in statistics and "tracked" not in key}
        found |= {f"statistics/{key}": value for key, value in statistics.items()}
    return found


def expected(stored, norm, *steps):
    """Returns PyTorch's results after some steps, with the losses up to the last of them."""
    truth = values.part(stored, norm)
    found = {f"{i}/{name}": values.part(truth, f"{i}/{name}") for i in steps for name in NETWORKS}
    found = {f"{place}/{key}": value for place, arrays in found.items() for key, value in arrays.items()}
    return found | {"losses": truth["losses"][: steps[-1]]}


def compare(found, truth, tolerance=1e-8):
    """Compares all arrays of every kind, each relative to its largest value."""
    kinds = {name.rpartition("/")[0] for name in truth}
    pick = lambda arrays, kind: {name: value for name, value in arrays.items() if name.rpartition("/")[0] == kind}
    assert set(found) == set(truth)
    return {kind: values.assert_agree(pick(found, kind), pick(truth, kind), tolerance) for kind in sorted(kinds)}


@pytest.fixture(scope="module")
def step_without_norm():
    """The step of all tests that change a number."""
    return make_step("none")


@pytest.mark.parametrize("norm", tiers(values.STEPS, slow=1))
def test_ten_steps_equal_pytorchs_in_float64(norm, stored, step_without_norm, record_property):
    with jax.enable_x64(True):
        step = step_without_norm if norm == "none" else make_step(norm)
        found = run(norm, step, stored, dtype="float64", count=10)
    truth = expected(stored, norm, 1, 10)
    for name in truth:
        if "/moved/" in name:
            # Adam divides rounding errors by rounding errors at parameters without influence
            idle = values.without_influence(values.part(stored, f"{norm}/1/{name.split('/')[1]}/gradients"))
            for arrays in (found, truth):
                arrays[name] = np.where(idle[name.rpartition("/")[2]], 0, arrays[name])
    for kind, difference in compare(found, truth).items():
        record_property(kind or "losses", f"{difference:.1e}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "kind"),
    tiers(
        [
            ({"discriminator_weight": 1.0}, "discriminator/gradients"),  # the loss is not halved
            ({"epsilon": 1e-7}, "moved"),
            ({"update": "simultaneous"}, "generator/gradients"),
            ({"dropout_level": 3}, "generator/gradients"),
        ],
        slow=1,
        several=True,
    ),
)
def test_the_comparison_detects_a_changed_step(changed, kind, stored, step_without_norm):
    numbers = {name: value for name, value in changed.items() if name in ORIGINAL}
    with jax.enable_x64(True):
        step = step_without_norm if numbers else make_step("none", **changed)
        found = run("none", step, stored, dtype="float64", count=1, **numbers)
    with pytest.raises(AssertionError, match="differ from PyTorch"):
        compare(found, expected(stored, "none", 1))
    only = lambda arrays: {name: value for name, value in arrays.items() if kind in name}
    with pytest.raises(AssertionError, match="differ from PyTorch"):
        values.assert_agree(only(found), only(expected(stored, "none", 1)), 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("norm", tiers(["instance", "batch"]))
def test_ten_steps_in_float32_round_about_as_much_as_pytorchs(norm, stored, record_property):
    """Bounds: 10 times the error of PyTorch's float32 (losses 1e-7, gradients 6e-6 and 2.5e-4, parameters 3e-7)."""
    found = run(norm, make_step(norm), stored, dtype="float32", count=10)
    truth = values.part(stored, norm)
    for kind, arrays in values.summary(norm, truth, truth).items():
        bound = 10 * truth[f"noise/{kind}"]
        difference = values.assert_agree(values.summary(norm, found, truth)[kind], arrays, bound)
        record_property(kind, f"{difference:.1e}, bound {bound:.1e}")


def test_biases_before_an_instance_norm_change_no_output(stored):
    shapes = values.shapes(stored, "instance/generator")
    drawn = values.weights("steps_instance/generator", shapes)
    idle = values.without_influence(values.part(stored, "instance/1/generator/gradients"))
    names = [name for name, where in idle.items() if name.endswith(".bias") and where.all()]
    # All biases but those without a norm after them: of the first, the innermost and the last convolution.
    assert len(names) == sum(name.endswith(".bias") for name in shapes) - 3
    moved = drawn | {name: drawn[name] + 3 for name in names}
    x = values.uniform("instance/x", 1, values.STEP_SIZE, values.STEP_SIZE, 3)
    with jax.enable_x64(True):
        unet = make_model("instance", **ORIGINAL).generator
        apply = jit(lambda params, x: unet.apply(params, {}, x, train=True)[0])
        outputs = []
        for weights in (drawn, moved, drawn | {"model.model.0.bias": drawn["model.model.0.bias"] + 3}):
            params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), convert.from_torch(weights).params)
            outputs.append(np.asarray(apply(params, jnp.asarray(x, jnp.float64))))
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-11)
    assert abs(outputs[2] - outputs[0]).max() > 1e-3
