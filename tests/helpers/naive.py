"""Convolutions as loops written from their definitions, for comparison."""

import numpy as np


def naive_conv2d(x: np.ndarray, kernel: np.ndarray, bias=0.0, *, stride: int = 1, padding: int = 0) -> np.ndarray:
    """Cross-correlation by its definition, one output position at a time; kernel (kh, kw, in, out)."""
    kh, kw, _, features = kernel.shape
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
    y = np.zeros((len(x), rows, columns, features), x.dtype)
    for i in range(rows):
        for j in range(columns):
            patch = x[:, i * stride : i * stride + kh, j * stride : j * stride + kw]
            y[:, i, j] = np.tensordot(patch, kernel, axes=3)
    return y + bias


def naive_conv2d_transpose(
    x: np.ndarray, kernel: np.ndarray, bias=0.0, *, stride: int = 2, padding: int = 1, output_padding: int = 0
) -> np.ndarray:
    """Adds the kernel (in, kh, kw, out) times each pixel, one pixel at a time. The size follows PyTorch's rule."""
    n, h, w, _ = x.shape
    _, kh, kw, features = kernel.shape
    y = np.zeros((n, (h - 1) * stride + kh + output_padding, (w - 1) * stride + kw + output_padding, features), x.dtype)
    for i in range(h):
        for j in range(w):
            y[:, i * stride : i * stride + kh, j * stride : j * stride + kw] += np.tensordot(x[:, i, j], kernel, axes=1)
    return y[:, padding : y.shape[1] - padding, padding : y.shape[2] - padding] + bias
