"""Losses: pure functions of float arrays to a scalar that training minimises."""

from p2p_jax.losses.adversarial import Adversarial as Adversarial
from p2p_jax.losses.adversarial import Logits as Logits
from p2p_jax.losses.adversarial import bce as bce
from p2p_jax.losses.adversarial import bce_with_epsilon as bce_with_epsilon
from p2p_jax.losses.adversarial import binary_cross_entropy as binary_cross_entropy
from p2p_jax.losses.adversarial import gradient_penalty as gradient_penalty
from p2p_jax.losses.adversarial import hinge as hinge
from p2p_jax.losses.adversarial import least_squares as least_squares
from p2p_jax.losses.adversarial import mean_over_scales as mean_over_scales
from p2p_jax.losses.adversarial import smooth_labels as smooth_labels
from p2p_jax.losses.adversarial import wasserstein as wasserstein
from p2p_jax.losses.adversarial import weigh_generator as weigh_generator
from p2p_jax.losses.reconstruction import cross_entropy as cross_entropy
from p2p_jax.losses.reconstruction import keep_known as keep_known
from p2p_jax.losses.reconstruction import l1 as l1
from p2p_jax.losses.reconstruction import l2 as l2
from p2p_jax.losses.reconstruction import weigh as weigh
from p2p_jax.losses.reconstruction import weigh_classes as weigh_classes
from p2p_jax.losses.reconstruction import weigh_difference as weigh_difference
