#!/usr/bin/env bash
# One machine: runs p2p-jax, and starts it again whenever it ends with exit code 75 ("start me again").
#
#   experiments/launch/one_machine.sh train pix2pix --data.path pictures --workdir runs/mine --batch-size 8
#   experiments/launch/one_machine.sh --dry-run train pix2pix --workdir runs/mine       # print the command only
#   DEVICES=4 experiments/launch/one_machine.sh train quickstart --batch-size 8         # simulate 4 devices on the CPU
#
# Several GPUs need nothing said: one process sees them all, and they share each batch (make --batch-size a multiple of
# their number). CUDA_VISIBLE_DEVICES=0,1 in front of the line leaves some of them out.
#
# With DEVICES=N everything runs on the CPU, which is told to be N devices: no faster, but it goes through the same code as
# N accelerators do, and shows what N devices make of a batch before one pays for them.
#
# SIGTERM and Ctrl-C to this script reach the program, which saves a checkpoint; then the script ends with its exit code
# (75 and 130). The same line goes on from there. Any other exit code ends the script: 0 done, 1 losses not finite,
# 2 wrong input or disk full.
#
# What to change stands below, and can be set in front of the line as well, as DEVICES is above.
#
# Checked: run with a tiny training that got SIGTERM, was started again and came to its end; with SIGTERM and Ctrl-C to the
# script; with simulated devices. Not checked: GPUs, of which there were none.
set -euo pipefail

: "${P2P_JAX:=p2p-jax}"  # the program; .venv/bin/p2p-jax where the environment is not activated
: "${DEVICES:=}"         # simulate so many devices on the CPU; empty: use what is there
: "${MAX_RESTARTS:=100}" # so often at most; a run that never comes further than its last checkpoint would go on for ever
: "${PAUSE:=5}"          # seconds before it is started again

readonly AGAIN=75

dry_run=false
if [[ "${1-}" == --dry-run ]]; then
    dry_run=true
    shift
fi
if (($# == 0)); then
    echo "usage: [DEVICES=N] one_machine.sh [--dry-run] train NAME|FILE.py --workdir DIR ..." >&2
    exit 2
fi

command=("$P2P_JAX" "$@")
if [[ -n "$DEVICES" ]]; then
    flags="${XLA_FLAGS:+$XLA_FLAGS }--xla_force_host_platform_device_count=$DEVICES"
    command=(env JAX_PLATFORMS=cpu "XLA_FLAGS=$flags" "${command[@]}")
fi
if "$dry_run"; then
    printf '%q ' "${command[@]}"
    printf '\n'
    exit 0
fi

child=""
told="" # the signal that this script was told to end by
late="" # the same, where it came while the program was being started
hand_on() {
    told=$1
    if [[ -z "$child" ]]; then late=$1; else kill "-$1" "$child" 2>/dev/null || true; fi
}
trap 'hand_on TERM' TERM
trap 'hand_on INT' INT

# Each start has a process group of its own, so that Ctrl-C in a terminal reaches it once, through this script.
set -m
for ((starts = 1; ; starts++)); do
    "${command[@]}" &
    child=$!
    [[ -z "$late" ]] || kill "-$late" "$child" 2>/dev/null || true
    code=0
    wait "$child" || code=$?
    while [[ -n "$told" ]] && kill -0 "$child" 2>/dev/null; do # a signal ends `wait` before the program has ended
        code=0
        wait "$child" || code=$?
    done
    child=""
    if ((code != AGAIN)) || [[ -n "$told" ]]; then
        exit "$code"
    fi
    if ((starts > MAX_RESTARTS)); then
        echo "one_machine.sh: exit code $AGAIN again after $MAX_RESTARTS restarts: given up." >&2
        exit "$code"
    fi
    echo "one_machine.sh: exit code $AGAIN; start $((starts + 1)) follows in $PAUSE s." >&2
    sleep "$PAUSE" # Ctrl-C ends it, and with it the script
    [[ -z "$told" ]] || exit "$AGAIN"
done
