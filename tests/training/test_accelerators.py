"""The program that an accelerator would run, examined without an accelerator."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from helpers.cases import tiers

from p2p_jax import pix2pix
from p2p_jax.config import Config, Discriminator, Generator, resolve_length
from p2p_jax.devices.sharding import make_mesh
from p2p_jax.step import init_train_state
from p2p_jax.training.feed import make_update

CONFIG = Config(image_size=32, epochs=None, steps=100, generator=Generator(width=4), discriminator=Discriminator(width=4))


def lower(config, platform):
    """The text of a call's program for a platform, and the number of arrays in the state."""
    config = resolve_length(config, 10)
    model = pix2pix.build(config)
    mesh = make_mesh(1, jax.local_devices()[:1])
    count = () if config.steps_per_call == 1 else (config.steps_per_call,)
    stored = {name: jax.ShapeDtypeStruct((*count, 1, 36, 36, 3), jnp.uint8) for name in ("input", "target")}
    shown = {name: jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32) for name in ("input", "target")}
    state = jax.eval_shape(lambda batch: init_train_state(jax.random.key(0), model, batch), shown)
    update = make_update(model, config, mesh)
    traced = update.func.trace(state, stored, **update.keywords)
    return traced.lower(lowering_platforms=(platform,)).as_text(), len(jax.tree.leaves(state))


def convolutions(text):
    """The dtypes of the inputs and outputs of a program's convolutions."""
    types = re.findall(r"stablehlo\.convolution.*?: \((tensor<.*?>), (tensor<.*?>)\) -> (tensor<.*?>)", text)
    return {re.sub(r".*x|>", "", one) for each in types for one in each}


@pytest.mark.slow
@pytest.mark.parametrize("platform", tiers(["cuda", "tpu"], slow=1))
@pytest.mark.parametrize(("dtype", "written"), tiers([("float32", "f32"), ("bfloat16", "bf16")], slow=1, several=True))
def test_an_accelerator_convolves_natively_in_the_dtype_of_the_activations(platform, dtype, written):
    text, _ = lower(replace(CONFIG, dtype=dtype, steps_per_call=1), platform)
    assert convolutions(text) == {written}
    assert "stablehlo.dot_general" not in text, "products of patches are for CPUs"


@pytest.mark.slow
@pytest.mark.parametrize("steps_per_call", [1, 4])
def test_a_call_donates_the_memory_of_the_complete_state(steps_per_call):
    text, leaves = lower(replace(CONFIG, steps_per_call=steps_per_call), "cuda")
    assert text.count("tf.aliasing_output") + text.count("jax.buffer_donor") == leaves


@pytest.mark.slow
def test_several_steps_are_one_loop_whose_size_does_not_depend_on_their_number():
    few, many = (lower(replace(CONFIG, steps_per_call=count), "cuda")[0] for count in (4, 40))
    assert few.count("stablehlo.while") == many.count("stablehlo.while") > 0
    assert len(few) == pytest.approx(len(many), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "found"), [(1, True), (2, False)])
def test_functions_are_compiled_separately_only_on_a_single_device(monkeypatch, devices, found):
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    jax.clear_caches()  # they hold functions that were traced for another number of devices
    text, _ = lower(replace(CONFIG, steps_per_call=1), "cpu")
    assert ("inlineable" in text) == found
    jax.clear_caches()


@pytest.mark.slow
def test_a_cpu_runs_matrix_products_and_no_convolutions():
    text, _ = lower(replace(CONFIG, steps_per_call=1), "cpu")
    assert not convolutions(text)
    assert "stablehlo.dot_general" in text
