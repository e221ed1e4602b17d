"""The benchmark: speed and memory of p2p_jax and PyTorch in one run, compared with the limits of the machine.

    p2p-jax bench                                      # or: python -m experiments.benchmark
    p2p-jax bench --image-sizes 64 --width 16          # a minute on a laptop
    p2p-jax bench --image-sizes 256 512 --batch-sizes 1 16
    p2p-jax bench --parts step --grow                  # how time and memory grow

It runs on CPU, GPU or TPU. The rows of PyTorch need PyTorch (`pip install torch`) and a checkout of the project, because
their networks come from tests/reference/torch_pix2pix.py.

Each contestant runs in a separate process, which stays warm, and the contestants take turns, round after round. So each
peak of memory belongs to one contestant, and a machine that slows down slows all of them. Tables show medians over the
rounds; benchmark.json holds every round.

- Step: one training step of the U-Net for the size and the 70-pixel PatchGAN, on a batch that is on the device already.
- Forward: the generator in training mode, without gradients.
- From disk: JPEG pairs are decoded, augmented and trained on; p2p_jax uses its reader, PyTorch a DataLoader.
- Limit: the rate of the machine's best matrix product in either framework, measured before and after each case. A step of
  direct convolutions takes at least its multiply-adds divided by that rate.
"""
