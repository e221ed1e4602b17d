#!/usr/bin/env bash
# SLURM: one run over several nodes and GPUs, which requeues itself before its time is up and when it is preempted.
#
#   sbatch experiments/launch/slurm.sh train pix2pix --data.path /shared/mine --workdir /shared/runs/mine --batch-size 32
#   sbatch --nodes=4 --time=4:00:00 experiments/launch/slurm.sh train ...     # sbatch's own options win over those below
#   bash experiments/launch/slurm.sh --dry-run train ...                      # print the commands only
#
# One process for each GPU, which is what JAX expects of SLURM: it finds the others by SLURM's variables
# (--distributed.auto), and process i of a node takes GPU i of those that it sees. So each must see all GPUs of its node:
# say --gpus-per-node, and never --gpus-per-task or --gpu-bind, which show each process its own alone. To have one process
# for each node instead, say --ntasks-per-node=1 (and more --cpus-per-task).
# The workdir and the pictures lie on a file system that all nodes share (NFS, Lustre, GPFS). --batch-size is that of
# all processes together, a multiple of their number.
#
# Near the end of the time limit SLURM sends SIGTERM to all processes (--signal below); they save a checkpoint and end
# with exit code 75, and the job is put back into the queue under the same number. A preempted job, and one that loses a
# node, is put back by SLURM itself (--requeue) and goes on from its last checkpoint (--checkpoint-every).
# srun reports the highest exit code of all processes: where one was killed for its memory (137) or crashed (139), the
# others' 75 is not seen, and the job ends; so it does with 1 (losses not finite) and 2 (wrong input, disk full).
#
# What to change stands below: what SLURM is asked for, then variables, which can be set in front of sbatch as well.
#
# Checked: on SLURM 22.05, whose two nodes were one machine without GPUs: a run of two processes that was stopped by its time
# limit three times, requeued each time and came to its end; that JAX finds four processes there; and, with a stand-in for
# p2p-jax, preemption, a lost node, the limit of restarts, other exit codes, scancel. Not checked: GPUs, nodes that are
# apart, newer versions.

#SBATCH --job-name=p2p-jax
#SBATCH --nodes=2
#SBATCH --gpus-per-node=4
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@600
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=p2p-jax-%j.log

set -euo pipefail

: "${P2P_JAX:=p2p-jax}" # the program, on a file system that all nodes share: /shared/p2p-jax/bin/p2p-jax
: "${MAX_RESTARTS:=50}" # requeued so often at most

readonly AGAIN=75

dry_run=false
if [[ "${1-}" == --dry-run ]]; then
    dry_run=true
    shift
fi
if (($# == 0)); then
    echo "usage: sbatch slurm.sh train NAME|FILE.py --workdir DIR ...   (or: bash slurm.sh --dry-run ...)" >&2
    exit 2
fi
if ! "$dry_run" && [[ -z "${SLURM_JOB_ID-}" ]]; then
    echo "slurm.sh: not in a SLURM job: start it with sbatch, or with --dry-run to see what it would do." >&2
    exit 2
fi

# A process that ends does not take the others with it: they notice, and end by themselves when they have saved.
launch=(srun --kill-on-bad-exit=0 --wait=0)
if [[ -n "${SLURM_CPUS_PER_TASK-}" ]]; then
    launch+=("--cpus-per-task=$SLURM_CPUS_PER_TASK") # srun does not take it over by itself since 22.05
fi
command=("$P2P_JAX" "$@" --distributed.auto)
if [[ "${SLURM_NTASKS_PER_NODE-}" == 1 ]] && ((${SLURM_GPUS_ON_NODE:-0} > 1)); then
    command=(env "JAX_LOCAL_DEVICE_IDS=$(seq -s , 0 $((SLURM_GPUS_ON_NODE - 1)))" "${command[@]}") # else the first alone
fi

if "$dry_run"; then
    printf '%q ' sbatch "$0" "$@"
    printf '\n'
    printf '%q ' "${launch[@]}" "${command[@]}"
    printf '\n'
    echo "# exit code $AGAIN: scontrol requeue JOB, $MAX_RESTARTS times at most"
    exit 0
fi

# A proxy for the world outside would be asked for the way to the other nodes too.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
trap : TERM # this shell has to outlive the processes, to requeue the job

code=0
"${launch[@]}" "${command[@]}" || code=$?

if ((code == AGAIN)); then
    if ((${SLURM_RESTART_COUNT:-0} >= MAX_RESTARTS)); then
        echo "slurm.sh: exit code $AGAIN again after $MAX_RESTARTS restarts: given up." >&2
    else
        echo "slurm.sh: exit code $AGAIN; back into the queue, unless the job was cancelled." >&2
        scontrol requeue Incomplete "$SLURM_JOB_ID" # without the word a job that scancel ended would come back
    fi
fi
exit "$code"
