"""The shell scripts of experiments/launch: bash and shellcheck accept them, and they restart after 75 alone."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers.recipes import LAUNCH, RESTART, ROOT, SCRIPTS

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the scripts need bash")


def run(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in the root of the checkout, without variables of this environment that it would use as settings."""
    own = re.findall(r'^: "\$\{(\w+):=', (LAUNCH / script).read_text(), re.MULTILINE)
    kept = {name: value for name, value in os.environ.items() if name not in own and not name.startswith("SLURM_")}
    return subprocess.run(
        ["bash", str(LAUNCH / script), *words], cwd=ROOT, env=kept | environment, text=True, capture_output=True, timeout=60
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_bash_accepts_the_script(script):
    subprocess.run(["bash", "-n", str(LAUNCH / script)], check=True)
    assert os.access(LAUNCH / script, os.X_OK)
    assert "\nset -euo pipefail\n" in (LAUNCH / script).read_text()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script):
    checked = subprocess.run(["shellcheck", str(LAUNCH / script)], text=True, capture_output=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_a_command_a_script_prints_its_usage(script):
    done = run(script)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


TRAIN = ("train", "pix2pix", "--workdir", "/shared/my runs")


@pytest.mark.parametrize(
    ("script", "environment", "expected"),
    [
        ("one_machine.sh", {}, ["p2p-jax train pix2pix --workdir /shared/my\\ runs"]),
        (
            "one_machine.sh",
            {"DEVICES": "4", "XLA_FLAGS": ""},
            ["env JAX_PLATFORMS=cpu XLA_FLAGS=--xla_force_host_platform_device_count=4 p2p-jax train pix2pix"],
        ),
        (
            "slurm.sh",
            {},
            [
                "srun --kill-on-bad-exit=0 --wait=0 p2p-jax train pix2pix --workdir /shared/my\\ runs --distributed.auto",
                f"exit code {RESTART}: scontrol requeue",
            ],
        ),
        (
            "slurm.sh",
            {"SLURM_NTASKS_PER_NODE": "1", "SLURM_GPUS_ON_NODE": "4", "SLURM_CPUS_PER_TASK": "8", "P2P_JAX": "/bin/p"},
            ["--wait=0 --cpus-per-task=8 env JAX_LOCAL_DEVICE_IDS=0\\,1\\,2\\,3 /bin/p train pix2pix"],
        ),
        (
            "tpu_vm.sh",
            {"NAME": "mine", "ZONE": "a-b", "TYPE": "v4-32", "NFS": "10.0.0.2:/runs", "SSH": "--internal-ip"},
            [
                "gcloud compute tpus tpu-vm create mine --accelerator-type=v4-32",
                "--spot --zone=a-b",
                "constraints.txt mine: --worker=all --internal-ip --zone=a-b",
                "sudo mount -t nfs -o nolock 10.0.0.2:/runs /mnt/p2p",
                '.whl[tpu,gcs]"',
                "p2p-jax/bin/p2p-jax train pix2pix --workdir /shared/my\\ runs --distributed.auto' --zone=a-b",
                f"exit code {RESTART}, or preempted: repeat",
            ],
        ),
        ("tpu_vm.sh", {"SPOT": "false"}, ["--version=tpu-ubuntu2204-base --zone="]),
    ],
)
def test_a_dry_run_prints_the_commands_and_runs_none(script, environment, expected, fake_programs):
    calls = fake_programs(**dict.fromkeys(("p2p_jax", "gcloud", "python3", "srun", "sbatch", "scontrol"), "exit 9"))
    done = run(script, "--dry-run", *TRAIN, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    for words in expected:
        assert words in done.stdout
    assert calls.read_text() == ""


def starts(calls: Path, program: str) -> int:
    return sum(line.startswith(program) for line in calls.read_text().splitlines())


@pytest.mark.parametrize(
    ("codes", "code", "times"),
    [("75 75 0", 0, 3), ("1 0", 1, 1), ("2 0", 2, 1), ("130 0", 130, 1), ("75 75 75 75 0", 75, 3)],
)
def test_one_machine_restarts_after_75_alone(fake_programs, codes, code, times):
    calls = fake_programs(p2p_jax=f'codes=({codes}); exit "${{codes[$(wc -l < "$CALLS") - 1]}}"')
    done = run("one_machine.sh", *TRAIN, PAUSE="0", MAX_RESTARTS="2")
    assert done.returncode == code, done.stderr
    assert starts(calls, "p2p-jax") == times


def test_one_machine_passes_sigterm_on_and_ends_with_the_code_of_the_program(fake_programs):
    calls = fake_programs(p2p_jax='trap "exit 75" TERM; kill -TERM $PPID; for i in {1..100}; do sleep 0.1; done')
    done = run("one_machine.sh", *TRAIN, PAUSE="0")
    assert done.returncode == RESTART
    assert starts(calls, "p2p-jax") == 1


@pytest.mark.parametrize(
    ("code", "restarts", "requeued"),
    [(75, None, 1), (75, "1", 1), (75, "2", 0), (0, None, 0), (2, None, 0), (137, None, 0)],
)
def test_slurm_requeues_after_75_alone_and_a_limited_number_of_times(fake_programs, code, restarts, requeued):
    calls = fake_programs(srun=f"exit {code}", scontrol="")
    environment = {"SLURM_JOB_ID": "7", "MAX_RESTARTS": "2"} | ({"SLURM_RESTART_COUNT": restarts} if restarts else {})
    done = run("slurm.sh", *TRAIN, **environment)
    assert done.returncode == code
    assert starts(calls, "scontrol requeue Incomplete 7") == requeued


def test_slurm_refuses_to_run_outside_a_job():
    done = run("slurm.sh", *TRAIN)
    assert done.returncode == 2
    assert "start it with sbatch" in done.stderr


# A fake gcloud that keeps the state of a slice. The n-th run on the workers ends with the n-th code of $CODES; the code
# "gone" preempts the slice.
GCLOUD = """
slice=$(dirname "$CALLS")/slice
case "$4" in
    list) cat "$slice" 2>/dev/null || true ;;
    create) echo READY > "$slice" ;;
    delete) rm "$slice" ;;
    ssh) if [[ "$*" == *" train "* ]]; then
        codes=($CODES)
        code=${codes[$(grep -c " train " "$CALLS") - 1]}
        if [[ $code == gone ]]; then echo PREEMPTED > "$slice"; exit 1; fi
        exit "$code"
    fi ;;
esac
"""


@pytest.mark.parametrize(
    ("codes", "code", "times", "slices"),
    [("0", 0, 1, 1), ("75 0", 0, 2, 1), ("gone 0", 0, 2, 2), ("255 0", 0, 2, 1), ("1 0", 1, 1, 1), ("75 75 75", 75, 3, 1)],
)
def test_tpu_vm_restarts_after_75_and_preemption(fake_programs, codes, code, times, slices):
    calls = fake_programs(gcloud=GCLOUD, python3="")
    done = run("tpu_vm.sh", *TRAIN, CODES=codes, PAUSE="0", MAX_RESTARTS="2")
    assert done.returncode == code, done.stderr
    assert sum(" train " in line for line in calls.read_text().splitlines()) == times
    assert starts(calls, "gcloud compute tpus tpu-vm create") == slices


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_has_the_exit_code_that_restarts(script):
    assert f"readonly RESTART={RESTART}\n" in (LAUNCH / script).read_text()
