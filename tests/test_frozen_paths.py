"""Names that a stored experiment file may import keep their modules."""

import importlib

import pytest

# Runs keep a copy of their experiment.py with its hash, so the imports of such a file cannot be adapted to a moved name.
FROZEN = {
    "p2p_jax.cli": "main run_command run_experiment",
    "p2p_jax.config": (
        "Augment Bias Config Data Discriminator Generator Loss Norm Optimizer Side Size Statistics as_size count_channels "
        "count_classes load_size resolve resolve_group_sizes resolve_length runtime settle_groups steps_per_unit"
    ),
    "p2p_jax.discriminators": (
        "adapt_probability at_scales augmented change_pair patchgan patchgan_widths pixelgan projected_heads "
        "segmentation_unet spectral_norm with_labels with_noise with_projected without_input"
    ),
    "p2p_jax.generators": (
        "UNET_128 UNET_256 UNET_64 encoder_decoder resnet unet unet_dropout_rates unet_widths with_input_noise "
        "with_input_warp"
    ),
    "p2p_jax.layers": (
        "Block Init Merge Norm add batch_norm concat concat_decoder_first cond conv conv_transpose dropout gated "
        "instance_norm needs_bias no_norm no_skip normal remat resize_conv scan self_attention zeros"
    ),
    "p2p_jax.losses": (
        "Adversarial Judged Logits Penalty Segmented add_penalties as_judged balance_classes bce bce_with_epsilon "
        "binary_cross_entropy compare cross_entropy fake_loss feature_matching gradient_penalty hinge l1 l2 label_loss "
        "label_mix least_squares r1 r2 relativistic segmentation_adversarial smooth_labels wasserstein weigh_classes "
        "weigh_generator"
    ),
    "p2p_jax.network": "Network Params State count_parameters network",
    "p2p_jax.ops": (
        "concat_channels conv2d conv2d_transpose displace dropout leaky_relu moments normalize reflect_pad relu resize "
        "sigmoid standardize tanh upsample_nearest"
    ),
    "p2p_jax.optimizers": "adam",
    "p2p_jax.pix2pix": "build build_discriminator build_generator build_norm build_optimizer build_schedule",
    "p2p_jax.schedules": "constant cosine linear step_decay warm_up",
    "p2p_jax.state": "Model NetworkState TrainState all_finite from_items to_items",
    "p2p_jax.step": (
        "Batch Fake Metrics Pix2Pix discriminator_gradients generate generator_gradients init_train_state make_train_step"
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", FROZEN)
def test_frozen_paths_keep_their_names(path):
    module = importlib.import_module(path)
    assert [name for name in FROZEN[path].split() if not hasattr(module, name)] == []
