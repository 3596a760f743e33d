# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tasks with the real ansible-playbook against a sandbox, in process or as modules.

A test passes task cases (a task and its sandbox setup) and gets task results (the task's result and the requests that
reached the providers), in the same order.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox import SandboxHandle

ROOT = Path(__file__).resolve().parent.parent.parent
RUN_SECONDS = 400

IN_PROCESS = "in_process"  # the action plugin runs the operation in the controller's process
MODULE = "module"  # with another Python set, the module runs the operation in a process of its own
EXECUTION_MODES = (IN_PROCESS, MODULE)

Call = tuple[str, dict[str, Any]]  # a method of the sandbox's AdminClient, and its arguments


@dataclass(frozen=True)
class TaskCase:
    """One task, and the calls to the sandbox's admin API before it."""

    name: str
    task: dict[str, Any]
    setup: tuple[Call, ...] = ()


@dataclass(frozen=True)
class TaskResult:
    """One task's result. `requests` and `events` are from the request log, from the task's start to its end.
    """

    name: str
    status: str
    result: dict[str, Any]
    requests: list[dict[str, Any]]
    events: list[dict[str, Any]]

    @property
    def failed(self) -> bool:
        return self.status == "failed"

    @property
    def changing(self) -> list[str]:
        """The operations of the changing requests, in order."""
        return [request["operation"] for request in self.requests if request["changing"]]

    @property
    def operations(self) -> list[str]:
        """The operations of all requests, in order."""
        return [request["operation"] for request in self.requests]

    @property
    def error(self) -> dict[str, Any]:
        assert self.failed, f"{self.name} did not fail: {self.result}"
        return self.result["error"]

    @property
    def msg(self) -> str:
        return self.result["msg"]


@dataclass(frozen=True)
class Run:
    """One finished ansible-playbook."""

    status: int
    stdout: str
    stderr: str
    results: list[TaskResult]

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def only(self) -> TaskResult:
        (outcome,) = self.results
        return outcome

    def __getitem__(self, name: str) -> TaskResult:
        return next(outcome for outcome in self.results if outcome.name == name)


@dataclass
class RunningPlaybook:
    """An ansible-playbook that may still run."""

    process: subprocess.Popen[str]
    results_file: Path

    def kill(self) -> None:
        """Kill it with its workers, as a crash would."""
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()

    def finish(self, seconds: float = RUN_SECONDS) -> Run:
        """Wait for its end."""
        try:
            stdout, stderr = self.process.communicate(timeout=seconds)
        except BaseException:  # a timeout, or the tests are interrupted
            self.kill()
            raise
        return Run(self.process.returncode, stdout, stderr, _read_results(self.results_file, stdout + stderr))


def wait_until(condition: Callable[[], Any], description: str, running: RunningPlaybook | None = None) -> None:
    """Wait until the condition is true, but no longer than a playbook may take, or than this one runs."""
    deadline = time.monotonic() + RUN_SECONDS
    while not condition():
        assert time.monotonic() < deadline and (running is None or running.process.poll() is None), f"waited in vain for {description}"
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    """A process's descendants. Newer versions of Ansible give each worker a session of its own."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, table.splitlines())}
    found, pending = [], [pid]
    while pending:
        parent_pid = pending.pop()
        children = [child for child, parent in parents.items() if parent == parent_pid]
        found += children
        pending += children
    return found


class PlaybookRunner:
    """Runs playbooks and ad-hoc commands against one sandbox.

    Files of the runs go to `directory`.
    """

    def __init__(self, sandbox: SandboxHandle, directory: Path) -> None:
        self.sandbox = sandbox
        self.directory = directory
        self._runs = 0

    def run(self, *steps: TaskCase, **how: Any) -> Run:
        """Run the steps as the tasks of one play; a failed task does not end it. Options as in `start`.

        Raises:
            AssertionError: A step has no result.
        """
        run = self.start(*steps, **how).finish()
        assert [outcome.name for outcome in run.results] == [step.name for step in steps], run.output
        return run

    def start(self, *steps: TaskCase, mode: str = IN_PROCESS, arguments: tuple[str, ...] = (),
              environment: dict[str, str] | None = None, **play: Any) -> RunningPlaybook:
        """Start to run the steps.

        Args:
            mode: `IN_PROCESS` or `MODULE`.
            arguments: Arguments of ansible-playbook, for example `--check`.
            environment: Variables added to the clean environment.
            play: Further keywords of the play.
        """
        assert len({step.name for step in steps}) == len(steps), "two steps of one name"
        directory = self._new_directory()
        tasks = [{"name": step.name, "ignore_errors": True, **step.task} for step in steps]
        variables = {"ansible_python_interpreter": other_python()} if mode == MODULE else {}
        playbook = [{"name": "Tests", "hosts": "localhost", "connection": "local", "gather_facts": False, **play,
                     "vars": {**variables, **play.get("vars", {})}, "tasks": tasks}]
        (directory / "play.yml").write_text(json.dumps(playbook), encoding="utf-8")
        plan = {"admin_url": self.sandbox.admin_url, "extensions": str(ROOT / "extensions"),
                "results": str(directory / "results"), "setup": {step.name: step.setup for step in steps}}
        (directory / "plan").write_text(json.dumps(plan), encoding="utf-8")
        plugin_settings = {"RUNNER_PLAN": str(directory / "plan"), "ANSIBLE_CALLBACKS_ENABLED": "runner_results",
                           "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callback_plugins"))}
        process = self._start_process("ansible-playbook", str(directory / "play.yml"), *arguments,
                                      environment={**plugin_settings, **(environment or {})})
        return RunningPlaybook(process, directory / "results")

    def command(self, program: str, *arguments: str, environment: dict[str, str] | None = None) -> Run:
        """Run one of Ansible's programs with these arguments; the run has no task results."""
        process = self._start_process(program, *arguments, environment=environment or {})
        return RunningPlaybook(process, self._new_directory() / "results").finish()

    def _new_directory(self) -> Path:
        self._runs += 1
        directory = self.directory / f"play{self._runs}"
        directory.mkdir()
        return directory

    def _start_process(self, program: str, *arguments: str, environment: dict[str, str]) -> subprocess.Popen[str]:
        # Started by its Python: the program's first line may name a path that no longer is.
        command = [sys.executable, str(Path(sys.executable).with_name(program)), *arguments]
        return subprocess.Popen(command, env={**clean_environment(self.directory / "home"), **environment}, text=True, encoding="utf-8",
                                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, start_new_session=True)


def clean_environment(home: Path) -> dict[str, str]:
    """Variables for Ansible's programs, without the caller's credentials and settings. `home` is created if it is missing.
    """
    home.mkdir(exist_ok=True)
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "HOME": str(home),
        "ANSIBLE_HOME": str(home / ".ansible"),
        "ANSIBLE_REMOTE_TMP": str(home / ".ansible" / "tmp"),  # else below the user's own home
        "ANSIBLE_ASYNC_DIR": str(home / ".ansible_async"),
        "LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8",
        "ANSIBLE_CONFIG": str(ROOT / "tests" / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
        "ANSIBLE_NOCOLOR": "1",
    }


def other_python() -> str:
    """Another name of the Python that runs the tests."""
    directory = Path(sys.executable).parent
    names = ("python3", "python", f"python3.{sys.version_info.minor}")
    return next(str(directory / name) for name in names if directory / name != Path(sys.executable)
                and (directory / name).exists())


def execution_mode(run: Run) -> str:
    """The execution mode of all tasks of a run with `-vvv`, by the programs that Ansible started.

    Raises:
        AssertionError: The tasks' modes differ.
    """
    # Ansible quotes the path, once more at each level, so it is compared without any quotes.
    started = re.compile(rf" {re.escape(_unquoted(other_python()))}( |$)")
    module_processes = sum(1 for line in run.stdout.splitlines() if " EXEC " in line and started.search(_unquoted(line)))
    module_messages = run.stdout.count("runs as a module, since another Python is configured")
    if module_processes == module_messages == 0:
        return IN_PROCESS
    assert module_processes == module_messages == len(run.results), (module_processes, module_messages, len(run.results), run.output)
    return MODULE


def _read_results(results_file: Path, output: str) -> list[TaskResult]:
    lines = results_file.read_text("utf-8").splitlines() if results_file.exists() else []
    results = []
    for line in lines:
        row = json.loads(line)
        assert "broken" not in row, f"{row.get('broken')}\n{output}"
        entries = row.pop("entries")
        requests = [entry for entry in entries if entry["kind"] == "request"]
        events = [entry for entry in entries if entry["kind"] == "event"]
        results.append(TaskResult(**row, requests=requests, events=events))
    return results


def _unquoted(text: str) -> str:
    return text.replace("'", "").replace('"', "")
