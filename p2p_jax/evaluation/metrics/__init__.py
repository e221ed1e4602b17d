"""Metrics of pairs: pure functions that compare pictures with their targets, and return one number per picture.

Pictures are (n, h, w, c) on the scale 0 to 255. Where a target is not known, pixels do not count: `known`, (n, h, w, 1), is
0 there and 1 elsewhere. A picture without any known pixel has no score, so that its result is NaN. Results are float32, or
float64 if an input is float64 and JAX's 64 bits are on. Every function can be jitted; `registry.METRICS` has them by name.
"""

from p2p_jax.evaluation.metrics.absolute_error import l1 as l1
from p2p_jax.evaluation.metrics.colour_histograms import colour_distance as colour_distance
from p2p_jax.evaluation.metrics.colour_histograms import histogram_intersection as histogram_intersection
from p2p_jax.evaluation.metrics.colour_histograms import histograms as histograms
from p2p_jax.evaluation.metrics.gradient_energy import sharpness as sharpness
from p2p_jax.evaluation.metrics.haar_similarity import haarpsi as haarpsi
from p2p_jax.evaluation.metrics.label_agreement import class_accuracy as class_accuracy
from p2p_jax.evaluation.metrics.label_agreement import confusion as confusion
from p2p_jax.evaluation.metrics.label_agreement import frequency_weighted_iou as frequency_weighted_iou
from p2p_jax.evaluation.metrics.label_agreement import iou as iou
from p2p_jax.evaluation.metrics.label_agreement import pixel_accuracy as pixel_accuracy
from p2p_jax.evaluation.metrics.multiscale_similarity import ms_ssim as ms_ssim
from p2p_jax.evaluation.metrics.signal_to_noise import psnr as psnr
from p2p_jax.evaluation.metrics.stride_patterns import checkerboard as checkerboard
from p2p_jax.evaluation.metrics.structural_similarity import ssim as ssim
