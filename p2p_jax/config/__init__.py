"""The config of a run: frozen dataclasses of numbers, paths and choices, and values that follow from them. No JAX here."""

from p2p_jax.config.data_schema import Augment as Augment
from p2p_jax.config.data_schema import Data as Data
from p2p_jax.config.data_schema import Side as Side
from p2p_jax.config.data_schema import Size as Size
from p2p_jax.config.data_schema import runtime as runtime
from p2p_jax.config.derived import as_size as as_size
from p2p_jax.config.derived import count_channels as count_channels
from p2p_jax.config.derived import count_classes as count_classes
from p2p_jax.config.derived import ignored_class as ignored_class
from p2p_jax.config.derived import load_size as load_size
from p2p_jax.config.derived import named_classes as named_classes
from p2p_jax.config.derived import replace_default_epochs as replace_default_epochs
from p2p_jax.config.derived import resolve_group_sizes as resolve_group_sizes
from p2p_jax.config.derived import resolve_length as resolve_length
from p2p_jax.config.derived import steps_per_unit as steps_per_unit
from p2p_jax.config.network_schema import Bias as Bias
from p2p_jax.config.network_schema import Discriminator as Discriminator
from p2p_jax.config.network_schema import Generator as Generator
from p2p_jax.config.network_schema import Norm as Norm
from p2p_jax.config.network_schema import Statistics as Statistics
from p2p_jax.config.schema import Config as Config
from p2p_jax.config.schema import Loss as Loss
from p2p_jax.config.schema import Optimizer as Optimizer

# Old names, which stored experiment files may still import.
resolve = resolve_length
settle_groups = resolve_group_sizes
