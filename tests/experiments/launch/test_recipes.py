"""The recipes of experiments/launch: their options exist, and their files agree with each other and with the program."""

import os
import re
import subprocess

import pytest
from helpers.recipes import LAUNCH, RECIPES, RESTART, ROOT

from experiments.pix2pix import CONFIG
from p2p_jax.cli import options
from p2p_jax.cli.option_help import list_options

# Options of other programs. Any other option in a recipe must be one of p2p-jax.
OTHERS = """
    dry-run help xla_force_host_platform_device_count
    job-name nodes gpus-per-node gpus-per-task gpu-bind ntasks-per-node cpus-per-task time signal requeue open-mode output
    kill-on-bad-exit wait conflict-exit-code
    zone accelerator-type version spot filter format worker command ssh-flag internal-ip quiet
    no-deps wheel-dir no-cache-dir user allow-existing python reinstall-package
    build-arg rm gpus ipc from prefix env num-nodes dryrun rename-dir-limit metadata-cache-ttl-secs
"""


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_option_in_a_recipe_exists(recipe):
    commands = options.train_options("pix2pix", CONFIG), options.TranslateOptions, options.EvaluateOptions
    known = {
        *(option.name for command in commands for option in list_options(command)),
        *(f"--{name}" for name in re.findall(r"[\w-]+", OTHERS)),
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", (LAUNCH / recipe).read_text()))
    assert named <= known


def documents(name: str) -> list:
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((LAUNCH / name).read_text()))


def test_the_jobset_restarts_all_pods_after_75_and_agrees_with_itself():
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
    assert codes["onExitCodes"] == {"containerName": container["name"], "operator": "In", "values": [RESTART]}
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


def test_skypilot_recovers_after_75_and_its_commands_run(fake_programs, tmp_path):
    (task,) = documents("skypilot.yaml")
    assert task["resources"]["job_recovery"]["recover_on_exit_codes"] == [RESTART]
    assert task["num_nodes"] > 1
    assert task["file_mounts"]["/shared"]["mode"] == "MOUNT"
    assert "/shared/" in task["envs"]["ARGS"]
    for name in ("setup", "run"):
        subprocess.run(["bash", "-n", "-c", task[name]], check=True)
    calls = fake_programs(p2p_jax=f"exit {RESTART}", sleep="")
    home = tmp_path / "home" / "p2p-jax" / "bin"
    home.mkdir(parents=True)
    (home / "p2p-jax").symlink_to(tmp_path / "p2p-jax")
    environment = {
        **{"HOME": str(tmp_path / "home"), "ARGS": task["envs"]["ARGS"]},
        **{"SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_NUM_NODES": "2", "SKYPILOT_NODE_RANK": "1"},
    }
    done = subprocess.run(["bash", "-c", task["run"]], env=os.environ | environment)
    assert done.returncode == RESTART
    started, waited = calls.read_text().splitlines()
    ending = "--distributed.coordinator 10.0.0.1:7801 --distributed.processes 2 --distributed.index 1"
    assert started == f"p2p-jax {task['envs']['ARGS']} {ending}"
    assert waited.startswith("sleep ")


def test_the_image_has_the_pinned_versions_and_runs_without_root():
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
    assert f"| {RESTART} | stopped by SIGTERM" in text
    assert f"RestartForceExitStatus={RESTART}" in text
