"""Records results of other libraries for the tests of metrics: it writes metrics.npz beside it.

Run it from the root of the repository, in an environment with torch, piq, scikit-image and scikit-learn:

    python tests/reference/record_metrics.py

MS-SSIM and HaarPSI are piq's, in float64. piq rounds the matrix of YIQ otherwise than the authors of HaarPSI do, so that
HaarPSI is recorded with both. Lab is scikit-image's; the confusion matrices and the metrics of labels are scikit-learn's.
The stored file was made with torch 2.13.0, piq 0.8.0, scikit-image 0.26.0 and scikit-learn 1.9.1 on a CPU.
"""

import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import piq
import torch
from helpers import metric_pairs as pairs
from skimage.color import rgb2lab
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, jaccard_score

YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], dtype=torch.float64)
"""The matrix of the authors of HaarPSI."""


def tensors(shape: tuple[int, int, int], change: str) -> list[torch.Tensor]:
    """Returns both pictures as (1, c, h, w) float64."""
    return [torch.from_numpy(p.transpose(2, 0, 1)[None]).double() for p in pairs.pictures(shape, change)]


def haarpsi_of_the_authors(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Returns piq's HaarPSI with the authors' matrix of YIQ."""
    module = import_module("piq.haarpsi")
    kept, module.rgb2yiq = module.rgb2yiq, lambda x: torch.einsum("ij,njhw->nihw", YIQ, x)
    try:
        return piq.haarpsi(x, y, data_range=255.0)
    finally:
        module.rgb2yiq = kept


def record_pictures() -> dict[str, float]:
    """Records MS-SSIM and HaarPSI of all pairs."""
    found = {}
    for name, shape in {**pairs.SIZES, **{"x".join(map(str, s)): s for s in pairs.SMALL}}.items():
        for change in pairs.CHANGES:
            x, y = tensors(shape, change)
            if name in pairs.SIZES:
                found[f"ms_ssim/{name}/{change}"] = float(piq.multi_scale_ssim(x, y, data_range=255.0))
            found[f"haarpsi/{name}/{change}"] = float(haarpsi_of_the_authors(x, y))
            found[f"haarpsi_piq/{name}/{change}"] = float(piq.haarpsi(x, y, data_range=255.0))
    return found


def record_labels() -> dict[str, np.ndarray]:
    """Records the confusion matrix, and in this order pixel accuracy, mean accuracy, mean IoU and weighted IoU."""
    found = {}
    for name, (classes, used) in pairs.LABELS.items():
        given, true = (numbers.ravel() for numbers in pairs.labels(classes, used))
        found[f"confusion/{name}"] = confusion_matrix(true, given, labels=range(classes))
        known = np.isin(given, true)  # balanced_accuracy_score warns of classes that only results have
        balanced = balanced_accuracy_score(true, given) if known.all() else np.mean(
            [(given[true == k] == k).mean() for k in np.unique(true)]
        )  # fmt: skip
        mean, weighted = (jaccard_score(true, given, average=average) for average in ("macro", "weighted"))
        found[f"labels/{name}"] = np.array([accuracy_score(true, given), balanced, mean, weighted])
    return found


if __name__ == "__main__":
    np.savez_compressed(pairs.RECORDED, lab=rgb2lab(pairs.all_colours()), **record_pictures(), **record_labels())
