#!/usr/bin/env bash
# Cloud TPU: creates a slice of TPU VMs or uses an existing one, installs p2p-jax on all its workers, and runs the same
# command on all of them. It repeats all this if the slice was preempted or the run ended with exit code 75.
#
#   export NAME=p2p ZONE=us-central2-b TYPE=v4-32 VERSION=tpu-ubuntu2204-base NFS=10.0.0.2:/runs
#   ssh-add ~/.ssh/google_compute_engine                  # once; gcloud requires it for several workers
#   experiments/launch/tpu_vm.sh train pix2pix --data.path /mnt/p2p/pictures --workdir /mnt/p2p/runs/mine --batch-size 64
#   experiments/launch/tpu_vm.sh --dry-run train ...      # only prints the commands
#   gcloud compute tpus tpu-vm delete p2p --zone=us-central2-b                    # ends its costs
#
# Start it from the root of a checkout, because the workers get a wheel built from it, and on a machine that stays on: best
# a small VM in the same network, in tmux, with SSH=--internal-ip. Ctrl-C stops the run on all workers after a checkpoint;
# the slice stays. The same command resumes the run.
#
# Each worker is one process and sees its own chips; JAX finds the others by the VM's metadata (--distributed.auto). The
# pictures must be on a file system that all workers mount: NFS below, such as Filestore. The workdir can be there, too, or
# in a bucket: --workdir gs://bucket/runs/mine. --batch-size counts the pictures of all workers together, and must be a
# multiple of the number of chips.
#
# A spot slice gets only seconds of warning, so the run resumes from its last checkpoint (--checkpoint-every). Exit codes
# 0, 1 (losses not finite), 2 (wrong input, disk full) and 70 (a mistake of the program) end this script. gcloud reports
# the exit code of the first worker whose code is not 0.
# This gcloud command does not offer TPU7x and later: use GKE (jobset.yaml).
#
# Settings are below; you can also set them in the environment, as above.
#
# Checked: shellcheck; the command lines against gcloud 528; the order of the steps and each exit with a fake gcloud; the
# lines for the workers in a shell, with the wheel. Not checked: Cloud TPU itself, because none was available.
set -euo pipefail

: "${NAME:=p2p}"                     # name of the slice
: "${ZONE:=us-central2-b}"           # zone of the slice; the project is gcloud's current one
: "${TYPE:=v4-8}"                    # gcloud compute tpus accelerator-types list --zone=$ZONE
: "${VERSION:=tpu-ubuntu2204-base}"  # v4 and older; v2-alpha-tpuv5-lite (v5e), v2-alpha-tpuv5 (v5p), v2-alpha-tpuv6e (v6e)
: "${SPOT:=true}"                    # cheap, but may be preempted at any time; false: on demand
: "${NFS:=}"                         # SERVER:/PATH to mount; empty: mount nothing
: "${MOUNT:=/mnt/p2p}"               # where the workers mount it
: "${SSH:=}"                         # --internal-ip from a VM in the same network
: "${PYTHON:=3.12}"                  # version for the workers; the system's may be too old
: "${MAX_RESTARTS:=100}"             # restarts at most
: "${PAUSE:=60}"                     # seconds before the next attempt to get a slice or to start

readonly RESTART=75

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
    echo "tpu_vm.sh: start it from the root of a checkout of p2p_jax, where it builds the wheel for the workers." >&2
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

# Prints READY, PREEMPTED, ...; prints nothing if there is no such slice.
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
        echo "tpu_vm.sh: the slice $NAME is ${now:-missing}." >&2
        case "$now" in
            READY) return ;;
            "") ! make_slice || continue ;; # if that fails, gcloud has said why: try again later
            PREEMPTED | TERMINATED | STOPPED) ! tpu delete "$NAME" --quiet || continue ;; # a preempted slice cannot restart
        esac
        sleep "$PAUSE"
    done
}

# Commands for the shells of the workers. Each can be repeated.
wheel="p2p_jax-$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)-py3-none-any.whl"
mount="mountpoint -q $MOUNT || { sudo apt-get install -qq -y nfs-common && sudo mkdir -p $MOUNT"
mount+=" && sudo mount -t nfs -o nolock $NFS $MOUNT; }" # nolock: see README.md
install="export PATH=\$HOME/.local/bin:\$PATH PIP_BREAK_SYSTEM_PACKAGES=1"
install+=" && python3 -m pip install --quiet --user uv && uv venv --quiet --allow-existing --python $PYTHON p2p-jax"
install+=" && uv pip install --quiet --python p2p-jax --reinstall-package p2p-jax -c constraints.txt \"./${wheel}[tpu,gcs]\""
printf -v line '%q ' "$@" --distributed.auto
stop="pkill -TERM -x p2p-jax"
# One run at a time on a worker: a program that outlived a lost connection gets SIGTERM, and the start waits for its end.
start="$stop; exec flock --wait 900 --conflict-exit-code $RESTART /tmp/p2p-jax.lock p2p-jax/bin/p2p-jax ${line% }"

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
    echo "# if the slice is missing:"
    make_slice
    echo "# before that, if it was preempted:"
    tpu delete "$NAME" --quiet
    echo "# then:"
    install_on_all_workers
    on_all_workers "$start"
    echo "# exit code $RESTART, or preempted: repeat from the check of the slice, at most $MAX_RESTARTS times"
    exit 0
fi

end_code="" # the exit code of this script after a signal
stop_workers() {
    trap '' INT TERM
    end_code=$1
    echo "tpu_vm.sh: stopping the workers, which save first." >&2
    on_all_workers "$stop; exec flock --wait 900 /tmp/p2p-jax.lock true" || true
}

build_wheel
for ((starts = 1; ; starts++)); do
    get_slice
    code=0
    install_on_all_workers || code=$?
    if ((code == 0)); then
        trap 'stop_workers 130' INT
        trap 'stop_workers $RESTART' TERM
        set -m # a separate process group, so that Ctrl-C does not cut the connection to the workers
        on_all_workers "$start" </dev/null &
        set +m
        wait "$!" || code=$?
        trap - INT TERM
        [[ -z "$end_code" ]] || exit "$end_code"
    fi
    if ((code == 0)); then
        echo "tpu_vm.sh: done. The slice $NAME still exists and costs money." >&2
        exit 0
    fi
    # 255: the connection was lost. If the slice is gone, gcloud ends with 1, so the state of the slice is checked first.
    now=$(state)
    if [[ "$now" == READY ]] && ((code != RESTART && code != 255)); then
        exit "$code"
    fi
    if ((starts > MAX_RESTARTS)); then
        echo "tpu_vm.sh: not done after $MAX_RESTARTS restarts: giving up." >&2
        exit "$code"
    fi
    echo "tpu_vm.sh: exit code $code, the slice is ${now:-gone}; start $((starts + 1)) in $PAUSE s." >&2
    sleep "$PAUSE"
done
