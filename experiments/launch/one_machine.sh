#!/usr/bin/env bash
# One machine: runs p2p-jax, and restarts it whenever it ends with exit code 75 (restart needed).
#
#   experiments/launch/one_machine.sh train pix2pix --data.path pictures --workdir runs/mine --batch-size 8
#   experiments/launch/one_machine.sh --dry-run train pix2pix --workdir runs/mine       # only prints the command
#   DEVICES=4 experiments/launch/one_machine.sh train quickstart --batch-size 8         # simulates 4 devices on the CPU
#
# Several GPUs need no option: one process uses all of them and splits each batch among them, so make --batch-size a
# multiple of their number. CUDA_VISIBLE_DEVICES=0,1 before the command selects some of them.
#
# With DEVICES=N the CPU simulates N devices. That is not faster, but it runs the same code as N accelerators, and shows how
# a run behaves on N devices before you pay for them.
#
# The script passes SIGTERM, SIGHUP and Ctrl-C on to the program, which saves a checkpoint; then the script ends with the program's
# exit code (75 or 130). The same command resumes the run. Any other exit code ends the script: 0 done, 1 losses not finite,
# 2 wrong input or disk full, 70 a mistake of the program.
#
# Settings are below; you can also set them before the command, as DEVICES above.
#
# Checked: a tiny training that got SIGTERM, was restarted and finished; SIGTERM and Ctrl-C to the script; simulated
# devices. Not checked: GPUs, because none were available.
set -euo pipefail

: "${P2P_JAX:=p2p-jax}"  # the program; .venv/bin/p2p-jax if the environment is not activated
: "${DEVICES:=}"         # number of devices to simulate on the CPU; empty: use the real devices
: "${MAX_RESTARTS:=100}" # restarts at most, so that a run that never reaches its next checkpoint ends
: "${PAUSE:=5}"          # seconds before a restart

readonly RESTART=75

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
received="" # the signal that told this script to end
pending=""  # the same signal, if it came before the program had its process id
pass_on() {
    received=$1
    if [[ -z "$child" ]]; then pending=$1; else kill "-$1" "$child" 2>/dev/null || true; fi
}
trap 'pass_on TERM' TERM
trap 'pass_on INT' INT
trap 'pass_on HUP' HUP

# Each start gets its own process group, so that Ctrl-C in a terminal reaches the program once, through this script.
set -m
for ((starts = 1; ; starts++)); do
    "${command[@]}" &
    child=$!
    [[ -z "$pending" ]] || kill "-$pending" "$child" 2>/dev/null || true
    code=0
    wait "$child" || code=$?
    while [[ -n "$received" ]] && kill -0 "$child" 2>/dev/null; do # a signal ends `wait` before the program ends
        code=0
        wait "$child" || code=$?
    done
    child=""
    if ((code != RESTART)) || [[ -n "$received" ]]; then
        exit "$code"
    fi
    if ((starts > MAX_RESTARTS)); then
        echo "one_machine.sh: exit code $RESTART again after $MAX_RESTARTS restarts: giving up." >&2
        exit "$code"
    fi
    echo "one_machine.sh: exit code $RESTART; start $((starts + 1)) in $PAUSE s." >&2
    sleep "$PAUSE" # Ctrl-C ends `sleep`, and then the script
    [[ -z "$received" ]] || exit "$RESTART"
done
