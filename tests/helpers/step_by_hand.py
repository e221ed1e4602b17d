"""One training step of pix2pix written out by hand, for comparison."""

import jax
import jax.numpy as jnp

from p2p_jax.step import DROPOUT, PENALTY


def cross_entropy(logits, target):
    p = 1 / (1 + jnp.exp(-logits))
    return -(target * jnp.log(p) + (1 - target) * jnp.log(1 - p)).mean()


def mean_penalty(score, key, real, fake):
    """Returns the mean of (gradient norm - 1) squared at interpolations of each real and its fake picture."""
    fraction = jax.random.uniform(key, (len(real), 1, 1, 1), real.dtype)
    mixed = fraction * real + (1 - fraction) * fake
    norm = jnp.sqrt((jax.grad(score)(mixed) ** 2).sum((1, 2, 3)))
    return ((norm - 1) ** 2).mean()


def updated(optimizer, grads, network):
    """Returns (params, optimizer state) after one update."""
    updates, state = optimizer.update(grads, network.opt_state)
    return jax.tree.map(jnp.add, network.params, updates), state


def step_by_hand(
    model, state, batch, *, loss=cross_entropy, real_target=1.0, d_weight=0.5, l1_weight=100.0, sequential=True, penalty=0.0
):
    """Computes a step in the order of the PyTorch original: states, logits and metrics. Only the optimizers are optax's."""
    x, y = batch["input"], batch["target"]
    pair = lambda picture: jnp.concatenate([x, picture], axis=-1)
    g, d = state.generator, state.discriminator
    key = jax.random.fold_in(state.key, state.step)
    generate = lambda params: model.generator.apply(params, g.state, x, train=True, key=jax.random.fold_in(key, DROPOUT))
    fake, g_state = generate(g.params)

    def gradient_penalty(params):
        score = lambda z: model.discriminator.apply(params, d.state, pair(z), train=False)[0].mean((1, 2, 3)).sum()
        return penalty * mean_penalty(score, jax.random.fold_in(key, PENALTY), y, fake)

    def d_loss(params):
        on_fake, d_state = model.discriminator.apply(params, d.state, pair(fake), train=True)
        on_real, d_state = model.discriminator.apply(params, d_state, pair(y), train=True)
        total = loss(on_fake, 0.0) + loss(on_real, real_target) + (gradient_penalty(params) if penalty else 0.0)
        return d_weight * total, (on_fake, on_real, d_state)

    (d_value, (on_fake, on_real, d_state)), d_grads = jax.value_and_grad(d_loss, has_aux=True)(d.params)
    d_params, d_opt = updated(model.discriminator_optimizer, d_grads, d)

    def g_loss(params):
        fake = generate(params)[0]
        critic = d_params if sequential else d.params
        logits, last = model.discriminator.apply(critic, d_state, pair(fake), train=True)
        gan, l1 = loss(logits, 1.0), (batch.get("weight", 1.0) * abs(fake - y)).mean()
        return gan + l1_weight * l1, (gan, l1, last if sequential else d_state)  # else d_state has its statistics

    (g_value, (gan, l1, d_state)), g_grads = jax.value_and_grad(g_loss, has_aux=True)(g.params)
    g_params, g_opt = updated(model.generator_optimizer, g_grads, g)
    return {
        "generator": (g_params, g_state, g_opt),
        "discriminator": (d_params, d_state, d_opt),
        "penalty_grads": jax.grad(gradient_penalty)(d.params) if penalty else None,
        "on_fake": on_fake,
        "on_real": on_real,
        "values": {"generator_loss": g_value, "generator_gan": gan, "generator_l1": l1, "discriminator_loss": d_value},
    }
