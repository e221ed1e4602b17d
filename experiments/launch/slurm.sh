#!/usr/bin/env bash
# SLURM: one run over several nodes and GPUs, which requeues itself before its time limit and when it is preempted.
#
#   sbatch experiments/launch/slurm.sh train pix2pix --data.path /shared/mine --workdir /shared/runs/mine --batch-size 32
#   sbatch --nodes=4 --time=4:00:00 experiments/launch/slurm.sh train ...     # options of sbatch override those below
#   bash experiments/launch/slurm.sh --dry-run train ...                      # only prints the commands
#
# Each GPU has one process, as JAX expects with SLURM: the processes find each other by SLURM's variables
# (--distributed.auto), and process i of a node uses GPU i of those that it sees. So each process must see all GPUs of its
# node: use --gpus-per-node, and never --gpus-per-task or --gpu-bind, which hide the other GPUs from a process. For one
# process on each node instead, use --ntasks-per-node=1 (and more --cpus-per-task).
# The workdir and the pictures must be on a file system that all nodes mount (NFS, Lustre, GPFS). --batch-size counts the
# pictures of all processes together, and must be a multiple of their number.
#
# Before the time limit SLURM sends SIGTERM to all processes (--signal below). They save a checkpoint and end with exit
# code 75, and this script puts the job back into the queue under the same number. SLURM itself requeues a job that is
# preempted or loses a node (--requeue); it resumes from its last checkpoint (--checkpoint-every).
# srun reports the highest exit code of all processes. If one was killed for lack of memory (137) or crashed (139), srun
# hides the 75 of the others, and the job ends. It also ends with 1 (losses not finite), 2 (wrong input, disk full) and 70
# (a mistake of the program).
#
# Settings are below: first the resources from SLURM, then variables, which you can also set before sbatch.
#
# Checked on SLURM 22.05 with two nodes on one machine without GPUs: a run of two processes that reached its time limit
# three times, was requeued each time and finished; JAX finds four processes. Checked with a fake p2p-jax: preemption, a
# lost node, the limit of restarts, other exit codes, scancel. Not checked: GPUs, nodes on separate machines, newer
# versions.

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

: "${P2P_JAX:=p2p-jax}" # the program, on a file system that all nodes mount: /shared/p2p-jax/bin/p2p-jax
: "${MAX_RESTARTS:=50}" # requeues at most

readonly RESTART=75

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
    echo "slurm.sh: this is not a SLURM job: start it with sbatch, or with --dry-run to print the commands." >&2
    exit 2
fi

# srun must not kill the other processes when one ends: they notice it, save and end by themselves.
launch=(srun --kill-on-bad-exit=0 --wait=0)
if [[ -n "${SLURM_CPUS_PER_TASK-}" ]]; then
    launch+=("--cpus-per-task=$SLURM_CPUS_PER_TASK") # since 22.05 srun no longer inherits this from sbatch
fi
command=("$P2P_JAX" "$@" --distributed.auto)
if [[ "${SLURM_NTASKS_PER_NODE-}" == 1 ]] && ((${SLURM_GPUS_ON_NODE:-0} > 1)); then
    command=(env "JAX_LOCAL_DEVICE_IDS=$(seq -s , 0 $((SLURM_GPUS_ON_NODE - 1)))" "${command[@]}") # else it sees one GPU
fi

if "$dry_run"; then
    printf '%q ' sbatch "$0" "$@"
    printf '\n'
    printf '%q ' "${launch[@]}" "${command[@]}"
    printf '\n'
    echo "# exit code $RESTART: scontrol requeue JOB, at most $MAX_RESTARTS times"
    exit 0
fi

# A proxy for the internet would also be used for connections to the other nodes.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
trap : TERM # this shell must outlive the processes to requeue the job

code=0
"${launch[@]}" "${command[@]}" || code=$?

if ((code == RESTART)); then
    if ((${SLURM_RESTART_COUNT:-0} >= MAX_RESTARTS)); then
        echo "slurm.sh: exit code $RESTART again after $MAX_RESTARTS restarts: giving up." >&2
    else
        echo "slurm.sh: exit code $RESTART; requeueing, unless the job was cancelled." >&2
        scontrol requeue Incomplete "$SLURM_JOB_ID" # without Incomplete, a job that scancel ended would be requeued
    fi
fi
exit "$code"
