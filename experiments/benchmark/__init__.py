"""p2p_jax and PyTorch side by side in one run: speed, memory, and how near they come to what the machine can do.

    python -m experiments.benchmark                                      # or: p2p-jax bench
    python -m experiments.benchmark --image-sizes 64 --width 16          # a minute on a laptop
    python -m experiments.benchmark --image-sizes 256 512 --batch-sizes 1 16
    python -m experiments.benchmark --parts step --grow                  # how time and memory grow

On CPU, GPU or TPU. PyTorch's rows need PyTorch (pip install torch) and a checkout of the project, for the networks are
those of tests/reference/torch_pix2pix.py.

Contestants take turns, round after round, each in a process of its own that is warm: so peaks of memory belong to one
alone, and a machine that slows down slows all of them. Figures are medians over the rounds; benchmark.json has every round.

- Step: one whole training step of the U-Net for the size and the 70-pixel PatchGAN, on a batch that lies on the device.
- Forward: the generator in training mode, without gradients.
- From disk: JPEG pairs decoded, augmented and trained on, by this package's reader and by a DataLoader.
- Limit: the best matrix product of the machine, in either framework, measured before and after each case. A step cannot
  take less than its multiply-adds divided by that.
"""
