# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in any encoding leaves a task, in either execution mode, at any verbosity, from any source."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.cases import CLOUDS, RESET_CALLS, TaskFactory, add_snapshot, fault
from support.playbook_runner import EXECUTION_MODES, IN_PROCESS, MODULE, Call, Run, TaskCase, wait_until
from support.secret_cases import ADD_CREDENTIALS, CREDENTIAL_SOURCES, OPTIONS, VARIABLES, cases_with_credentials, message_with_secrets
from support.secret_channels import ProcessWatch

if TYPE_CHECKING:
    from functional.secret_scan.conftest import SecretScanRunner

pytestmark = [pytest.mark.playbook, pytest.mark.secret_scan]

LOUDEST = {"ANSIBLE_DEBUG": "1", "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_DISPLAY_TRACEBACK": "always"}
MODERATE = {
    "no flags": ((), {}), "-v": (("-v",), {}), "-vv": (("-vv",), {}), "-vvv": (("-vvv",), {}), "-vvvv": (("-vvvv",), {}), "-vvvvv": (("-vvvvv",), {}),
    "check and diff": (("--check", "--diff"), {}), "debug": ((), {"ANSIBLE_DEBUG": "1"}),
    "yaml": (("-v",), {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}),
    **{callback: (("-v",), {"ANSIBLE_STDOUT_CALLBACK": callback}) for callback in ("minimal", "oneline")},
    "tree": ((), {"ANSIBLE_CALLBACKS_ENABLED": "runner_results,tree", "ANSIBLE_CALLBACK_TREE_DIR": "tree"}),
    "junit": ((), {"ANSIBLE_CALLBACKS_ENABLED": "runner_results,junit", "JUNIT_OUTPUT_DIR": "junit", "JUNIT_HIDE_TASK_ARGUMENTS": "true"}),
    "failures on stderr": ((), {"ANSIBLE_DISPLAY_FAILED_STDERR": "1"}),
    "kept files": ((), {"ANSIBLE_KEEP_REMOTE_FILES": "1"}), "pipelining": (("-vvv",), {"ANSIBLE_PIPELINING": "1"}),
}


def test_a_success_and_a_refusal(secret_scan: SecretScanRunner, vpsorg: TaskFactory, tmp_path: Path) -> None:
    cases = [case for case in cases_with_credentials(vpsorg, "options") if case.name.endswith(("works", "refused"))]
    loudest_run(secret_scan, "vpsorg", MODULE, "options", cases, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("source", CREDENTIAL_SOURCES)
@pytest.mark.parametrize("mode", EXECUTION_MODES)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_loudest_run(secret_scan: SecretScanRunner, cloud: str, mode: str, source: str, tmp_path: Path) -> None:
    loudest_run(secret_scan, cloud, mode, source, cases_with_credentials(TaskFactory(secret_scan.runner.sandbox, cloud), source), tmp_path)


def loudest_run(secret_scan: SecretScanRunner, cloud: str, mode: str, source: str, cases: list[TaskCase], tmp_path: Path) -> None:
    environment = {**LOUDEST, "ANSIBLE_LOG_PATH": str(tmp_path / "log"), **(VARIABLES[cloud] if source == "controller" else {})}
    run = secret_scan.run(*cases, mode=mode, arguments=("-vvvvv", "--diff"), environment=environment, inherited=source == "controller")
    assert execution_mode_of_cases(run) == mode
    assert not run[f"{source}: works"].failed, run[f"{source}: works"].result
    # The provider's message is shown with the secrets masked, not left out.
    assert ">********<; >********<; >********<; percent >********<" in run[f"{source}: refused"].error["provider_message"]
    kept = [path for path in tmp_path.rglob("AnsiballZ_*.py") if "rewind" in path.read_text("utf-8", "replace")]
    assert not kept, "ANSIBLE_KEEP_REMOTE_FILES does not hold for modules that were given credentials"
    assert (mode == MODULE) == ("keeps no file of rewind.vps" in run.output)
    assert (tmp_path / "log").read_text("utf-8").count("provider_message") > 0


def execution_mode_of_cases(run: Run) -> str:
    return MODULE if "runs as a module, since" in run.stdout else IN_PROCESS


@pytest.mark.slow
@pytest.mark.parametrize("how", MODERATE)
@pytest.mark.parametrize("mode", EXECUTION_MODES)
def test_each_loudness(secret_scan: SecretScanRunner, ilkbyte: TaskFactory, mode: str, how: str) -> None:
    """Each setting by itself: what one shows, another may hide."""
    arguments, environment = MODERATE[how]
    steps = [step for source in ("options", "environment") for step in cases_with_credentials(ilkbyte, source)[:4]]
    secret_scan.run(*steps, mode=mode, arguments=arguments, environment=environment)


def in_background(tasks: TaskFactory, title: str, /, *setup: Call, **options: Any) -> list[TaskCase]:
    """An asynchronous task, and a wait for its end."""
    return [
        tasks("snapshot", *RESET_CALLS, ADD_CREDENTIALS, add_snapshot(tasks.cloud, "one"), *setup, step=title,
              keywords={"async": 60, "poll": 0, "register": "job"}, **options),
        TaskCase(f"{title} ended", {"ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"}, "register": "ended",
                                    "until": "ended is finished", "retries": 60, "delay": 1}),
    ]


@pytest.mark.slow
def test_in_the_background(secret_scan: SecretScanRunner, tasks: TaskFactory, tmp_path: Path) -> None:
    """An asynchronous task's job file stays on the disk; its module does not, whatever Ansible should keep."""
    cloud = tasks.cloud
    forbidden = fault("status", status=403, body={"detail": message_with_secrets(cloud)}, cloud=cloud, times=None)
    works = in_background(tasks, "works", name="two", **OPTIONS[cloud])
    fails = in_background(tasks, "fails", forbidden, name="one", **OPTIONS[cloud])
    with ProcessWatch(str(tmp_path)) as watch:
        run = secret_scan.runner.run(*works, *fails, arguments=("-vvvvv",), environment={**secret_scan.environment, **LOUDEST})
        # The wrapper removes the module when the job has ended.
        wait_until(lambda: not list(tmp_path.rglob("AnsiballZ_snapshot*")), "the removal of the modules")
    secret_scan.search(run, watch)
    assert run.stdout.count("since the task is asynchronous") == 2
    assert run["works ended"].result["snapshot"]["name"] == "two", run.output
    assert run["fails ended"].error["kind"] == "forbidden"
    assert len(list((tmp_path / "home" / ".ansible_async").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("mode", EXECUTION_MODES)
def test_ended_in_the_middle(secret_scan: SecretScanRunner, ilkbyte: TaskFactory, mode: str, number: int) -> None:
    """Ended while it waits for a response: nothing is shown, no file is left."""
    late = fault("delay", seconds=8, cloud="ilkbyte", operation="snapshots.list")
    step = ilkbyte("snapshot", *RESET_CALLS, ADD_CREDENTIALS, add_snapshot("ilkbyte", "one"), late, name="two", **OPTIONS["ilkbyte"])
    with ProcessWatch(str(secret_scan.directory)) as watch:
        running = secret_scan.runner.start(step, mode=mode, arguments=("-vvvvv",), environment={**secret_scan.environment, **LOUDEST})
        wait_until(lambda: secret_scan.runner.sandbox.admin.requests(operation="snapshots.list"), "the request", running)
        if number == signal.SIGKILL:
            running.kill()
        else:
            os.killpg(running.process.pid, number)
            secret_scan.search(running.finish())
    secret_scan.search(Run(0, "", "", []), watch)


BECOMING = {"become": True, "become_method": "ansible.builtin.sudo"}


def become_environment(directory: Path) -> dict[str, str]:
    """Settings with which a task only seems to become another user."""
    sudo = directory / "given.sudo"
    sudo.write_text('#!/bin/sh\nwhile [ "$1" != /bin/sh ]; do shift; done\nexec "$@"\n', encoding="utf-8")
    sudo.chmod(0o755)
    return {"ANSIBLE_BECOME_EXE": str(sudo), "ANSIBLE_BECOME_ALLOW_SAME_USER": "1"}


@pytest.mark.slow
def test_files_of_a_run_that_becomes_another_user_are_removed(secret_scan: SecretScanRunner, vpsorg: TaskFactory, tmp_path: Path) -> None:
    """Without pipelining the module is in a file, which is removed in spite of ANSIBLE_KEEP_REMOTE_FILES."""
    step = vpsorg("server_info", *RESET_CALLS, ADD_CREDENTIALS, keywords=BECOMING, **OPTIONS["vpsorg"])
    run = secret_scan.run(step, arguments=("-vvvvv",), environment={**LOUDEST, **become_environment(tmp_path)})
    assert run.stdout.count("since the task uses become") == 1
    assert not run.only.failed, run.output[-3000:]
    assert "AnsiballZ_server_info.py" in run.stdout
    assert not list(tmp_path.rglob("AnsiballZ_*"))
