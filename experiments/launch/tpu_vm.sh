#!/usr/bin/env bash
# Cloud TPU: makes a slice of TPU VMs or takes the one that is there, installs p2p-jax on all its workers, runs the same
# command on all of them, and does it all again when the slice was preempted or the run ended with exit code 75.
#
#   export NAME=p2p ZONE=us-central2-b TYPE=v4-32 VERSION=tpu-ubuntu2204-base NFS=10.0.0.2:/runs
#   ssh-add ~/.ssh/google_compute_engine                  # once; gcloud asks for it where there are several workers
#   experiments/launch/tpu_vm.sh train pix2pix --data.path /mnt/p2p/pictures --workdir /mnt/p2p/runs/mine --batch-size 64
#   experiments/launch/tpu_vm.sh --dry-run train ...      # print the commands only
#   gcloud compute tpus tpu-vm delete p2p --zone=us-central2-b                    # it costs money until then
#
# Start it from the root of a checkout (the workers get a wheel built from it), on a machine that stays on: best a small VM
# in the same network, in tmux, with SSH=--internal-ip. Ctrl-C here stops the run on all workers, with a checkpoint; the
# slice stays. The same line goes on.
#
# Each worker is one process and sees its own chips; JAX finds the others by the metadata of the VM (--distributed.auto).
# The pictures lie on a file system that all workers mount: NFS below, such as Filestore. So does the workdir, or it lies in
# a bucket: --workdir gs://bucket/runs/mine. --batch-size is that of all workers together, a multiple of the number of chips.
#
# A spot slice gets no more than seconds of warning, so what counts is the last checkpoint (--checkpoint-every). Exit codes
# 0, 1 (losses not finite) and 2 (wrong input, disk full) end this script. gcloud reports the exit code of the first worker
# that has one other than 0.
# TPU7x and later are not to be had by this command of gcloud: use GKE (jobset.yaml).
#
# What to change stands below; all of it can be set in the environment, as above.
#
# Checked: shellcheck; the command lines against gcloud 528; the order of things and each way out with a stand-in for
# gcloud; the lines for the workers in a shell, with the wheel. Not checked: on Cloud TPU, for there was none.
set -euo pipefail

: "${NAME:=p2p}"                     # of the slice
: "${ZONE:=us-central2-b}"           # where it is; the project is the one that gcloud is set to
: "${TYPE:=v4-8}"                    # gcloud compute tpus accelerator-types list --zone=$ZONE
: "${VERSION:=tpu-ubuntu2204-base}"  # v4 and older; v2-alpha-tpuv5-lite (v5e), v2-alpha-tpuv5 (v5p), v2-alpha-tpuv6e (v6e)
: "${SPOT:=true}"                    # cheap, and may be taken away at any time; false: on demand
: "${NFS:=}"                         # SERVER:/PATH to mount; empty: the workers have the file system already
: "${MOUNT:=/mnt/p2p}"               # where
: "${SSH:=}"                         # --internal-ip from a VM in the same network
: "${PYTHON:=3.12}"                  # for the workers; their own may be too old
: "${MAX_RESTARTS:=100}"             # so often at most
: "${PAUSE:=60}"                     # seconds between two tries to get a slice, or to start

readonly AGAIN=75

dry_run=false
if [[ "${1-}" == --dry-run ]]; then
    dry_run=true
    shift
fi
if (($# == 0)); then
    echo "usage: [NAME=... ZONE=... ...] tpu_vm.sh [--dry-run] train NAME|FILE.py --workdir DIR ..." >&2
    exit 2
fi
if [[ ! -f pyproject.toml || ! -f constraints.txt ]]; then
    echo "tpu_vm.sh: start it from the root of a checkout of p2p_jax, whose wheel the workers get." >&2
    exit 2
fi

show() {
    local word
    for word in "$@"; do
        if [[ "$word" =~ ^[A-Za-z0-9_./:=@%+,~-]+$ ]]; then
            printf '%s ' "$word"
        else
            printf "'%s' " "${word//\'/\'\\\'\'}"
        fi
    done
    printf '\n'
}

run() {
    if "$dry_run"; then show "$@"; else "$@"; fi
}

tpu() {
    local verb=$1
    shift
    run gcloud compute tpus tpu-vm "$verb" "$@" "--zone=$ZONE"
}

on_all_workers() {
    local options=(--worker=all --ssh-flag=-oServerAliveInterval=30 --ssh-flag=-oServerAliveCountMax=4)
    [[ -z "$SSH" ]] || options+=("$SSH")
    tpu ssh "$NAME" "${options[@]}" "--command=$1"
}

# READY, PREEMPTED, ... or nothing where there is no such slice.
state() {
    local try
    for try in 1 2 3 4 5; do
        gcloud compute tpus tpu-vm list "--zone=$ZONE" "--filter=name~/$NAME\$" "--format=value(state)" && return
        ((try == 5)) || sleep "$PAUSE"
    done
    return 1
}

make_slice() {
    local options=("--accelerator-type=$TYPE" "--version=$VERSION")
    ! "$SPOT" || options+=(--spot)
    tpu create "$NAME" "${options[@]}"
}

get_slice() {
    local now
    while :; do
        now=$(state)
        echo "tpu_vm.sh: the slice $NAME is ${now:-not there}." >&2
        case "$now" in
            READY) return ;;
            "") ! make_slice || continue ;; # else none is to be had at the moment, as gcloud has just said
            PREEMPTED | TERMINATED | STOPPED) ! tpu delete "$NAME" --quiet || continue ;; # a spot slice never starts again
        esac
        sleep "$PAUSE"
    done
}

# Lines for the shells of the workers. All may be done again where they were done before.
wheel="p2p_jax-$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)-py3-none-any.whl"
mount="mountpoint -q $MOUNT || { sudo apt-get install -qq -y nfs-common && sudo mkdir -p $MOUNT"
mount+=" && sudo mount -t nfs -o nolock $NFS $MOUNT; }" # nolock: see README.md
install="export PATH=\$HOME/.local/bin:\$PATH PIP_BREAK_SYSTEM_PACKAGES=1"
install+=" && python3 -m pip install --quiet --user uv && uv venv --quiet --allow-existing --python $PYTHON p2p-jax"
install+=" && uv pip install --quiet --python p2p-jax --reinstall-package p2p-jax -c constraints.txt \"./${wheel}[tpu,gcs]\""
printf -v line '%q ' "$@" --distributed.auto
stop="pkill -TERM -x p2p-jax"
# One at a time on a worker: what a lost connection has left running is told to end, and waited for.
start="$stop; exec flock --wait 900 --conflict-exit-code $AGAIN /tmp/p2p-jax.lock p2p-jax/bin/p2p-jax ${line% }"

build_wheel() {
    run python3 -m pip wheel --quiet --no-deps --wheel-dir dist .
}

install_on_all_workers() {
    local options=(--worker=all)
    [[ -z "$SSH" ]] || options+=("$SSH")
    tpu scp "dist/$wheel" constraints.txt "$NAME:" "${options[@]}" &&
        { [[ -z "$NFS" ]] || on_all_workers "$mount"; } &&
        on_all_workers "$install"
}

if "$dry_run"; then
    build_wheel
    echo "# is the slice there? if not:"
    make_slice
    echo "# and before that, where it was preempted:"
    tpu delete "$NAME" --quiet
    echo "# then:"
    install_on_all_workers
    on_all_workers "$start"
    echo "# exit code $AGAIN, or preempted: again from the question on, $MAX_RESTARTS times at most"
    exit 0
fi

told="" # the exit code of a script that was told to end
stop_workers() {
    trap '' INT TERM
    told=$1
    echo "tpu_vm.sh: told to end; so are the workers, which save first." >&2
    on_all_workers "$stop; exec flock --wait 900 /tmp/p2p-jax.lock true" || true
}

build_wheel
for ((starts = 1; ; starts++)); do
    get_slice
    code=0
    install_on_all_workers || code=$?
    if ((code == 0)); then
        trap 'stop_workers 130' INT
        trap 'stop_workers $AGAIN' TERM
        set -m # a process group of its own, so that Ctrl-C does not cut the connection through which the workers speak
        on_all_workers "$start" </dev/null &
        set +m
        wait "$!" || code=$?
        trap - INT TERM
        [[ -z "$told" ]] || exit "$told"
    fi
    if ((code == 0)); then
        echo "tpu_vm.sh: done. The slice $NAME is still there, and costs money." >&2
        exit 0
    fi
    # 255: the connection was lost. Where the slice is gone, gcloud itself ends with 1: so the slice is looked at first.
    now=$(state)
    if [[ "$now" == READY ]] && ((code != AGAIN && code != 255)); then
        exit "$code"
    fi
    if ((starts > MAX_RESTARTS)); then
        echo "tpu_vm.sh: not done after $MAX_RESTARTS restarts: given up." >&2
        exit "$code"
    fi
    echo "tpu_vm.sh: exit code $code, the slice is ${now:-gone}; start $((starts + 1)) follows in $PAUSE s." >&2
    sleep "$PAUSE"
done
