"""The recipes of experiments/launch: shells take them, they do what they say, and what they name is there."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from experiments.pix2pix import CONFIG
from p2p_jax.cli import options
from p2p_jax.errors import EXIT_CODES

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "experiments" / "launch"
SCRIPTS = sorted(path.name for path in LAUNCH.glob("*.sh"))
RECIPES = sorted(path.name for path in LAUNCH.iterdir() if path.is_file())
AGAIN = EXIT_CODES[signal.SIGTERM]
# Options of other programs; any other that a recipe names has to be one of p2p-jax.
OTHERS = """
    dry-run help xla_force_host_platform_device_count
    job-name nodes gpus-per-node gpus-per-task gpu-bind ntasks-per-node cpus-per-task time signal requeue open-mode output
    kill-on-bad-exit wait conflict-exit-code
    zone accelerator-type version spot filter format worker command ssh-flag internal-ip quiet
    no-deps wheel-dir no-cache-dir user allow-existing python reinstall-package
    build-arg rm gpus ipc from prefix env num-nodes dryrun rename-dir-limit metadata-cache-ttl-secs
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the recipes are for bash")


def run(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script with these arguments, in the root of the checkout; what it took over from outside would spoil the test."""
    own = re.findall(r'^: "\$\{(\w+):=', (LAUNCH / script).read_text(), re.MULTILINE)
    kept = {name: value for name, value in os.environ.items() if name not in own and not name.startswith("SLURM_")}
    return subprocess.run(
        ["bash", str(LAUNCH / script), *words], cwd=ROOT, env=kept | environment, text=True, capture_output=True, timeout=60
    )


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """Makes programs that scripts call: each a few lines of bash, which find what was called so far in $CALLS."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    (tmp_path / "calls").touch()

    def make(**programs: str) -> Path:
        for name, text in programs.items():
            path = tmp_path / name.replace("_", "-")
            path.write_text(f'#!/usr/bin/env bash\necho "{path.name} $*" >> "$CALLS"\n{text}\n')
            path.chmod(0o755)
        return tmp_path / "calls"

    return make


@pytest.mark.parametrize("script", SCRIPTS)
def test_bash_takes_the_script(script):
    subprocess.run(["bash", "-n", str(LAUNCH / script)], check=True)
    assert os.access(LAUNCH / script, os.X_OK)
    assert "\nset -euo pipefail\n" in (LAUNCH / script).read_text()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script):
    checked = subprocess.run(["shellcheck", str(LAUNCH / script)], text=True, capture_output=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_a_command_a_script_tells_its_usage(script):
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
                f"exit code {AGAIN}: scontrol requeue",
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
                f"exit code {AGAIN}, or preempted: again",
            ],
        ),
        ("tpu_vm.sh", {"SPOT": "false"}, ["--version=tpu-ubuntu2204-base --zone="]),
    ],
)
def test_a_dry_run_shows_the_commands_and_runs_none(script, environment, expected, stand_ins):
    calls = stand_ins(**dict.fromkeys(("p2p_jax", "gcloud", "python3", "srun", "sbatch", "scontrol"), "exit 9"))
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
def test_one_machine_starts_again_after_75_alone(stand_ins, codes, code, times):
    calls = stand_ins(p2p_jax=f'codes=({codes}); exit "${{codes[$(wc -l < "$CALLS") - 1]}}"')
    done = run("one_machine.sh", *TRAIN, PAUSE="0", MAX_RESTARTS="2")
    assert done.returncode == code, done.stderr
    assert starts(calls, "p2p-jax") == times


def test_one_machine_hands_sigterm_on_and_ends_with_the_programs_code(stand_ins):
    calls = stand_ins(p2p_jax='trap "exit 75" TERM; kill -TERM $PPID; for i in {1..100}; do sleep 0.1; done')
    done = run("one_machine.sh", *TRAIN, PAUSE="0")
    assert done.returncode == AGAIN
    assert starts(calls, "p2p-jax") == 1


@pytest.mark.parametrize(
    ("code", "restarts", "requeued"),
    [(75, None, 1), (75, "1", 1), (75, "2", 0), (0, None, 0), (2, None, 0), (137, None, 0)],
)
def test_slurm_requeues_after_75_alone_and_not_for_ever(stand_ins, code, restarts, requeued):
    calls = stand_ins(srun=f"exit {code}", scontrol="")
    environment = {"SLURM_JOB_ID": "7", "MAX_RESTARTS": "2"} | ({"SLURM_RESTART_COUNT": restarts} if restarts else {})
    done = run("slurm.sh", *TRAIN, **environment)
    assert done.returncode == code
    assert starts(calls, "scontrol requeue Incomplete 7") == requeued


def test_slurm_refuses_to_run_outside_of_a_job():
    done = run("slurm.sh", *TRAIN)
    assert done.returncode == 2
    assert "start it with sbatch" in done.stderr


# Keeps the state of a slice; the n-th run on the workers ends with the n-th code of $CODES, or is preempted at "gone".
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
def test_tpu_vm_starts_again_after_75_and_preemption(stand_ins, codes, code, times, slices):
    calls = stand_ins(gcloud=GCLOUD, python3="")
    done = run("tpu_vm.sh", *TRAIN, CODES=codes, PAUSE="0", MAX_RESTARTS="2")
    assert done.returncode == code, done.stderr
    assert sum(" train " in line for line in calls.read_text().splitlines()) == times
    assert starts(calls, "gcloud compute tpus tpu-vm create") == slices


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_option_that_a_recipe_names_exists(recipe):
    known = {
        *options._option_names(options.train_options("pix2pix", CONFIG)),
        *options._option_names(options.TranslateOptions),
        *options._option_names(options.EvaluateOptions),
        *(f"--{name}" for name in re.findall(r"[\w-]+", OTHERS)),
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", (LAUNCH / recipe).read_text()))
    assert named <= known


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_starts_again_after_the_code_of_the_program(script):
    assert f"readonly AGAIN={AGAIN}\n" in (LAUNCH / script).read_text()


def documents(name: str) -> list:
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((LAUNCH / name).read_text()))


def test_the_jobset_restarts_as_a_whole_after_75_and_agrees_with_itself():
    (jobset,) = documents("jobset.yaml")
    (claim,) = documents("jobset_volume.yaml")
    assert (jobset["apiVersion"], jobset["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    policy = jobset["spec"]["failurePolicy"]
    assert policy["restartStrategy"] == "BlockingRecreate"
    assert [(rule["action"], rule.get("onJobFailureReasons")) for rule in policy["rules"]] == [
        ("RestartJobSet", ["PodFailurePolicy"]),
        ("FailJobSet", None),
    ]
    (workers,) = jobset["spec"]["replicatedJobs"]
    assert workers["replicas"] == 1
    assert jobset["spec"]["coordinator"]["replicatedJob"] == workers["name"]
    job = workers["template"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    codes, disruption = job["podFailurePolicy"]["rules"]
    assert codes["action"] == disruption["action"] == "FailJob"
    assert codes["onExitCodes"] == {"containerName": container["name"], "operator": "In", "values": [AGAIN]}
    assert disruption["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert (job["completionMode"], job["backoffLimit"], pod["restartPolicy"]) == ("Indexed", 0, "Never")
    given = dict(word.split("=", 1) for word in container["args"] if word.startswith("--"))
    assert str(job["parallelism"]) == str(job["completions"]) == given["--distributed.processes"]
    assert given["--distributed.index"] == "$(JOB_COMPLETION_INDEX)"
    assert given["--distributed.coordinator"] == f"$(COORDINATOR):{container['ports'][0]['containerPort']}"
    assert container["env"][0]["name"] == "COORDINATOR"
    assert pod["initContainers"][0]["image"] == container["image"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in (LAUNCH / "Dockerfile").read_text()


def test_skypilot_recovers_after_75_and_its_lines_run(stand_ins, tmp_path):
    (task,) = documents("skypilot.yaml")
    assert task["resources"]["job_recovery"]["recover_on_exit_codes"] == [AGAIN]
    assert task["num_nodes"] > 1
    assert task["file_mounts"]["/shared"]["mode"] == "MOUNT"
    assert "/shared/" in task["envs"]["ARGS"]
    for name in ("setup", "run"):
        subprocess.run(["bash", "-n", "-c", task[name]], check=True)
    calls = stand_ins(p2p_jax=f"exit {AGAIN}", sleep="")
    home = tmp_path / "home" / "p2p-jax" / "bin"
    home.mkdir(parents=True)
    (home / "p2p-jax").symlink_to(tmp_path / "p2p-jax")
    environment = {
        **{"HOME": str(tmp_path / "home"), "ARGS": task["envs"]["ARGS"]},
        **{"SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_NUM_NODES": "2", "SKYPILOT_NODE_RANK": "1"},
    }
    done = subprocess.run(["bash", "-c", task["run"]], env=os.environ | environment)
    assert done.returncode == AGAIN
    started, waited = calls.read_text().splitlines()
    ending = "--distributed.coordinator 10.0.0.1:7801 --distributed.processes 2 --distributed.index 1"
    assert started == f"p2p-jax {task['envs']['ARGS']} {ending}"
    assert waited.startswith("sleep ")


def test_the_image_is_built_from_the_pinned_versions_without_root():
    lines = (LAUNCH / "Dockerfile").read_text().splitlines()
    assert any("-c constraints.txt" in line for line in lines if line.startswith("RUN"))
    assert 'ENTRYPOINT ["p2p-jax"]' in lines
    assert [line for line in lines if line.startswith("USER")] == ["USER 1000:1000"]
    ignored = (LAUNCH / "Dockerfile.dockerignore").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored


def test_the_readme_names_every_recipe_and_the_code():
    text = (LAUNCH / "README.md").read_text()
    for recipe in RECIPES:
        assert recipe in ("README.md", "Dockerfile.dockerignore") or f"({recipe})" in text
    assert f"| {AGAIN} | told to stop by SIGTERM" in text
    assert f"RestartForceExitStatus={AGAIN}" in text
