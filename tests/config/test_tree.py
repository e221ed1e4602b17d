"""Fields of configs: which differ, which may change when a run is resumed, and JSON in both directions."""

import json
from dataclasses import dataclass, field

import pytest
from helpers.configs import all_fields, change

from p2p_jax import config as configs
from p2p_jax.config import Config, Data, Discriminator, Generator, Loss, Optimizer, Side, resolve_length
from p2p_jax.config.tree import differences, from_dict, to_dict

RUNTIME = {
    "sharding", "model_parallel", "data.layout",
    "data.path", "data.tfds_dir", "data.threads", "data.processes", "data.cache", "data.cache_mib", "log_every",
    "sample_every", "checkpoint_every", "keep", "data.on_error",
    "best_metric", "patience", "val_pictures", "on_nan", "track", "tensorboard", "native",
}  # fmt: skip


def test_differences_names_each_field_and_whether_it_may_change():
    new = Config(
        keep=5,
        seed=1,
        data=Data(path="x", direction="BtoA"),
        generator=Generator(widths=(1, 2)),
        optimizer=Optimizer(clip=1.0),
    )
    assert differences(Config(), new) == {
        "keep": (2, 5, True),
        "seed": (0, 1, False),
        "data.path": (None, "x", True),
        "data.direction": ("AtoB", "BtoA", False),
        "generator.widths": (None, (1, 2), False),
        "optimizer.clip": (None, 1.0, False),
    }
    assert differences(new, new) == {}


def test_exactly_the_runtime_fields_may_change():
    changed = {}
    for name, _ in all_fields(Config()):
        changed |= differences(Config(), change(Config(), name, "something else"))
    assert {name for name, (_, _, runtime) in changed.items() if runtime} == RUNTIME
    assert len(changed) == len(list(all_fields(Config())))


def test_a_config_survives_json():
    config = resolve_length(
        Config(
            epochs=2,
            ema_decay=0.999,
            generator=Generator(widths=(2, 4, 8), remat=True),
            discriminator=Discriminator(norm="instance"),
            loss=Loss(adversarial="wasserstein", gradient_penalty=10.0),
            optimizer=Optimizer(discriminator_learning_rate=4e-4),
            data=Data(path="a/ü", load_size=(300, 400), input=Side(channels=(1, 3), range=(0.0, 4095.0))),
        ),
        10,
    )
    again = from_dict(Config, json.loads(json.dumps(to_dict(config))))
    assert again == config
    assert again.generator.widths == (2, 4, 8)


@dataclass(frozen=True)
class Extra:
    sizes: tuple[int, ...] = (1,)
    factor: float = 1.0


@dataclass(frozen=True)
class OwnConfig(Config):
    extra: Extra = field(default=Extra())
    maybe: Extra | None = None


def test_a_config_of_ones_own_survives_json():
    config = OwnConfig(extra=Extra((3, 4)), maybe=Extra((), 0.5))
    assert from_dict(OwnConfig, json.loads(json.dumps(to_dict(config)))) == config
    config = OwnConfig(seed=3)
    assert from_dict(OwnConfig, json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(("name", "values"), [("old", {"old": 1}), ("data.old", {"data": {"old": 1}})])
def test_a_stored_field_that_is_not_known_is_refused(name, values):
    with pytest.raises(ValueError, match=f"field {name},"):
        from_dict(Config, values)


def test_a_config_stored_before_a_field_was_there_has_its_default():
    values = to_dict(Config(batch_size=4, generator=Generator(statistics="picture")))
    del values["accumulate"]
    for part, name in (
        ("generator", "group_size"),
        ("discriminator", "group_size"),
        ("optimizer", "batch_rule"),
        ("optimizer", "warmup_steps"),
    ):
        del values[part][name]
    config = from_dict(Config, json.loads(json.dumps(values)))
    assert config == Config(batch_size=4, generator=Generator(statistics="picture"))
    assert configs.resolve_group_sizes(config, 2) == config


def groups(config):
    return config.generator.group_size, config.discriminator.group_size
