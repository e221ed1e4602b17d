"""Torture: interrupts runs by faults, restarts them, and compares the final arrays with those of an undisturbed run.

    python -m experiments.checks.torture                                   # 200 kills, two runs at once, about half an hour
    python -m experiments.checks.torture --kills 20 --at-once 1 --seed 7

The runs are tiny: 120 steps on pictures from a folder, each in its own process. Several faults hit each run, and the
run is restarted after each:

- SIGKILL while it starts, trains or saves, or while a second command evaluates it;
- SIGTERM, as a scheduler sends it, SIGHUP, as a closed terminal does, and a second start in the same workdir;
- a pipe that nobody reads any more (`| head -1`), a workdir that is renamed, and one whose path is a pattern;
- a copy of its newest checkpoint under the number of a later step;
- in its newest checkpoint, one bit flipped, one file cut short, or some files removed;
- a full disk, if one can be mounted (Linux, as root), otherwise a limit on the size of its files;
- a picture of training or validation that is overwritten with zeros, and repaired after the run has reported it.

Each start chooses at random how pictures are read, and each run how many checkpoints are kept. After each fault the check
restores every finished checkpoint that the run must keep, except those that it damaged itself, and verifies the
checksums. At the end every array of the last checkpoint (networks, optimizers, moving average, random key, counters) and
the losses in each row of metrics.jsonl must be the same, bit for bit. The table counts the exceptions; the exit code is 1
if there are any. Ctrl-C ends the check, and the table shows the results so far.
"""
