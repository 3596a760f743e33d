# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs guarded upgrades with the real ansible-playbook over SSH, and reads the state of servers, providers and run records."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from support.playbook_runner import RUN_SECONDS, PlaybookRunner, Run, RunningPlaybook

if TYPE_CHECKING:
    from sandbox import SandboxHandle

PLAYBOOK = "rewind.vps.guarded_upgrade"
GUARD_PROGRAM = "_guard/__main__.py"
WAIT_SECONDS = 60

# What most tests want: short waits, so that a run takes seconds.
SHORT_LIMITS = {
    "guarded_upgrade_timeout": 60, "guarded_upgrade_check_timeout": 30, "guarded_upgrade_soak_time": 0, "guarded_upgrade_grace_period": 30,
    "guarded_upgrade_connection_timeout": 30, "guarded_upgrade_diagnostics_timeout": 10,
}
CHANGE = {"name": "Change a file", "ansible.builtin.copy": {"dest": "/etc/changed", "content": "new\n", "mode": "0644"}}
# As systems without systemd have it.
SERVICE = """#!/bin/sh
case "$1" in
start) touch /srv/app.runs; echo started >> /srv/app.log ;;
stop) rm -f /srv/app.runs; echo stopped >> /srv/app.log ;;
status) [ -e /srv/app.runs ] && echo "app is running" || { echo "app is stopped"; exit 3; } ;;
esac
"""
FAIL = {"name": "Break", "ansible.builtin.command": "false"}
SLEEP = {"name": "Take long", "ansible.builtin.command": "sleep 300"}


@dataclass
class UpgradeRunner:
    """Guarded upgrades on one sandbox with SSH.

    :ivar directory: an empty directory for the user's files and the controller's home.
    """

    sandbox: SandboxHandle
    directory: Path
    control_path: str
    wait_seconds = WAIT_SECONDS
    run_seconds = RUN_SECONDS

    def __post_init__(self) -> None:
        self._runner = PlaybookRunner(self.sandbox, self.directory)
        self._runs = 0

    # --- running

    def tasks(self, name: str, *items: dict[str, Any]) -> str:
        """Write a file of tasks, or of plays; its path."""
        path = self.directory / f"{name}.yml"
        path.write_text(json.dumps(list(items)), encoding="utf-8")
        return str(path)

    playbook = tasks

    def start(self, hosts: str, *arguments: str, playbook: str = PLAYBOOK, environment: dict[str, str] | None = None,
              **options: Any) -> RunningPlaybook:
        """Begin a run. Options are the role's, without their prefix."""
        variables = {**SHORT_LIMITS, **{f"guarded_upgrade_{name}": value for name, value in options.items()}}
        self._runs += 1
        variables_file = self.directory / f"variables{self._runs}.json"
        variables_file.write_text(json.dumps({"target": hosts, **variables}), encoding="utf-8")
        process = self._runner._start_process(
            "ansible-playbook", "-i", self.sandbox.inventory, playbook, "-e", f"@{variables_file}", *arguments,
            environment={**self.environment, **(environment or {})},
        )
        return RunningPlaybook(process, self.directory / "no results")

    def run(self, hosts: str, *arguments: str, **how: Any) -> Run:
        """Run to the end; see :meth:`start`."""
        return self.start(hosts, *arguments, **how).finish(self.run_seconds)

    def start_long_upgrade(self) -> RunningPlaybook:
        """Begin an upgrade of web1 that has changed a file and takes long."""
        running = self.start("web1", tasks=self.tasks("long", CHANGE, SLEEP))
        self.wait_for_state("web1", "upgrading")
        self.wait_until((self.disk("web1") / "etc" / "changed").exists, "the change")
        return running

    def leave_upgrade_cut_off(self) -> None:
        """Leave an upgrade of web1 half done: run and guard are killed, as where their container ends."""
        running = self.start_long_upgrade()
        self.kill_guards()
        running.kill()

    def command(self, program: str, *arguments: str, environment: dict[str, str]) -> Run:
        """Run one of Ansible's programs, with the credentials in its environment."""
        return self._runner.command(program, *arguments, environment={**self.environment, **environment})

    @property
    def environment(self) -> dict[str, str]:
        return {
            "VPS_API_TOKEN": self.sandbox.vpsorg_token, "ILKBYTE_ACCESS_KEY": self.sandbox.ilkbyte_access_key,
            "ILKBYTE_SECRET_KEY": self.sandbox.ilkbyte_secret_key, "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": self.control_path,
        }

    # --- what became of it

    def digest(self, host: str) -> str:
        """Of the server's disk as it is now."""
        return self.sandbox.admin.server(host)["digest"]

    def disk(self, host: str) -> Path:
        """The server's disk as this machine sees it."""
        return Path(self.sandbox.admin.server(host)["disk"])

    def count_requests(self, host: str, operation: str) -> int:
        """How often the cloud was asked for it."""
        return len(self.sandbox.admin.requests(operation=operation, server=host))

    def records(self, host: str) -> list[dict[str, Any]]:
        """The server's run records, oldest first."""
        found = [json.loads(path.read_text("utf-8")) for path in sorted(self.state_dir.glob("*/[0-9]*/run.json"))]
        return [record for record in found if record["host"] == host]

    def record(self, host: str) -> dict[str, Any]:
        """The server's newest run record."""
        return self.records(host)[-1]

    @property
    def state_dir(self) -> Path:
        return self.directory / "home" / ".local" / "state" / "rewind.vps"

    def wait_until(self, poll: Callable[[], Any], description: str) -> Any:
        """Wait until it gives something true."""
        deadline = time.monotonic() + self.wait_seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(IndexError, OSError, ValueError):
                found = poll()
                if found:
                    return found
            time.sleep(0.1)
        raise AssertionError(f"waited {self.wait_seconds} s for {description}")

    def wait_for_state(self, host: str, *states: str) -> dict[str, Any]:
        """Wait until the server's newest run record is in one of the states."""
        self.wait_until(lambda: self.record(host)["state"] in states, f"{host} to be {' or '.join(states)}")
        return self.record(host)

    def snapshots(self, host: str) -> list[dict[str, Any]]:
        """The server's snapshots as the cloud has them, with ids as text."""
        return [{**item, "id": str(item.get("id", item["name"]))} for item in self.sandbox.admin.server(host)["snapshots"]]

    def record_directory(self, host: str) -> Path:
        """The directory of the newest run record and its diagnostics."""
        return next(self.state_dir.glob(f"*/{self.record(host)['run_id']}"))

    def host_pinned_playbook(self, **play: Any) -> str:
        """A playbook whose servers don't wait for each other."""
        return self.playbook("pinned", {
            "hosts": "{{ target }}", "gather_facts": False, "strategy": "ansible.builtin.host_pinned",
            "roles": [{"role": "rewind.vps.guarded_upgrade"}], **play,
        })

    def install_service(self, host: str) -> None:
        """Put a service C(app) on the server, which runs."""
        disk = self.disk(host)
        for directory in ("etc/init.d", "srv"):
            (disk / directory).mkdir(parents=True, exist_ok=True)
        script = disk / "etc" / "init.d" / "app"
        script.write_text(SERVICE, encoding="utf-8")
        script.chmod(0o755)
        (disk / "srv" / "app.runs").touch()

    def service_log(self, host: str) -> list[str]:
        """How the service was started and stopped since, by the server's disk."""
        return (self.disk(host) / "srv" / "app.log").read_text("utf-8").splitlines()

    def batch_playbook(self, size: int) -> str:
        """A playbook of batches of this size, whose servers have services as :meth:`install_service` puts them there."""
        fact = {"name": "Say how services are kept here", "ansible.builtin.set_fact": {"service_mgr": "sysvinit", "cacheable": True}}
        return self.playbook("batch", {
            "hosts": "{{ target }}", "gather_facts": False, "serial": size, "pre_tasks": [fact], "roles": [{"role": "rewind.vps.guarded_upgrade"}],
        })

    def assert_rolled_back(self, host: str) -> None:
        """One snapshot and one restore were requested, the disk is as before, and the run record says so."""
        assert self.count_requests(host, "snapshots.create") == 1, host
        assert self.count_requests(host, "snapshots.restore") == 1, host
        assert self.disk_matches_snapshot(host), host
        assert self.record(host)["outcome"] == "rolled_back", host
        assert self.no_guard_left()

    def assert_untouched(self, host: str) -> None:
        """No change was requested, no snapshot was started, and there is no guard."""
        assert not self.sandbox.admin.requests(changing=True, server=host)
        assert self.no_guard_left()

    def guards(self) -> list[int]:
        """The guards of these run records that are still running."""
        lines = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout.splitlines()
        return [int(line.split()[0]) for line in lines if GUARD_PROGRAM in line and str(self.directory) in line]

    def no_guard_left(self) -> bool:
        """Whether all guards are gone, a moment after the run."""
        self.wait_until(lambda: not self.guards(), "the guards to be gone")
        return True

    def disk_matches_snapshot(self, host: str) -> bool:
        """Whether the server's disk is byte for byte what it was when the snapshot was taken."""
        return self.digest(host) == self.sandbox.admin.events("snapshot_ready", server=host)[-1]["digest"]

    def kill_guards(self) -> None:
        """End them as a crash would."""
        assert self.guards(), "there is no guard to kill"
        self.kill_remaining_guards()

    def kill_remaining_guards(self) -> None:
        """Leave no guard behind."""
        for pid in self.guards():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


Runner = TypeVar("Runner", bound=UpgradeRunner)


def proven(record: dict[str, Any]) -> set[str]:
    """What is proven of a restored server; everything else must at least be said."""
    return {finding["check"] for finding in record["verification"] if finding["result"] == "passed"}


def outcomes(run: Run) -> dict[str, str]:
    """Host and outcome of each line of the report's last table."""
    lines = [line.strip(" \"',-") for line in run.stdout.splitlines()]
    start = max(number for number, line in enumerate(lines) if line.startswith("host ") and line.endswith("verification"))
    end = next(number for number, line in enumerate(lines[start:], start) if line.startswith("The same as JSON"))
    rows = [re.split(r"\s{2,}", line) for line in lines[start + 2:end]]
    return {row[0]: row[3].replace(" ", "_") for row in rows}


@contextlib.contextmanager
def upgrade_runner(sandbox: SandboxHandle, directory: Path, kind: type[Runner] = UpgradeRunner) -> Iterator[Runner]:
    """A runner whose guards are gone afterwards."""
    # SSH's control sockets lie in it, and a socket's path may have a hundred characters.
    with TemporaryDirectory(prefix="rw-cp-") as control_path:
        runner = kind(sandbox, directory, control_path)
        try:
            yield runner
        finally:
            runner.kill_remaining_guards()
