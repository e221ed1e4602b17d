"""The training step: what it is made of, its gradients, and the step itself."""

from p2p_jax.step.gradients import Fake as Fake
from p2p_jax.step.gradients import discriminator_gradients as discriminator_gradients
from p2p_jax.step.gradients import generate as generate
from p2p_jax.step.gradients import generator_gradients as generator_gradients
from p2p_jax.step.model import AUGMENTATION as AUGMENTATION
from p2p_jax.step.model import DISCRIMINATOR as DISCRIMINATOR
from p2p_jax.step.model import DROPOUT as DROPOUT
from p2p_jax.step.model import MICRO_BATCH as MICRO_BATCH
from p2p_jax.step.model import PENALTY as PENALTY
from p2p_jax.step.model import Batch as Batch
from p2p_jax.step.model import Metrics as Metrics
from p2p_jax.step.model import Pix2Pix as Pix2Pix
from p2p_jax.step.train_step import init_train_state as init_train_state
from p2p_jax.step.train_step import make_train_step as make_train_step
