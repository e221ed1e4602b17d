"""Ends a run in every way that a machine can, starts it again, and compares the end with a run that was left in peace.

    python -m experiments.torture                                   # 200 kills, two runs at once, about half an hour
    python -m experiments.torture --kills 20 --at-once 1 --seed 7

Tiny runs of 120 steps on pictures from a folder are started in processes of their own, several faults befall each of them,
and after each fault it is started again:

- SIGKILL while it starts, trains, saves, or while a second command evaluates it;
- SIGTERM, as a scheduler sends it; and a second start in the same workdir;
- a bit flipped in its newest checkpoint, a file of it cut off, some of its files removed;
- a full disk, where one may be mounted (Linux, as root), otherwise a limit to the size of its files;
- a picture overwritten by garbage, repaired when the run has complained.

How often checkpoints are kept and how pictures are read changes from start to start. After each fault every checkpoint that
was finished, that was not damaged here and that the run has to keep is restored, and its checksums are verified. In the end
every array of the last checkpoint (networks, optimizers, moving average, random key, counters) has to be the same, bit for
bit, as are the losses in every row of metrics.jsonl. The table tells how often that was not so; the exit code is 1 then.
Ctrl-C ends it, and the table is of what was done.
"""
