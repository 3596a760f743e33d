# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarded upgrades of real machines, and what is seen inside them."""

from __future__ import annotations

import json
import os
import pty
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sandbox.machine_inspection import Inspection, MachineInspector
from support.guarded_upgrade import PLAYBOOK, UpgradeRunner
from support.playbook_runner import Run, clean_environment, descendants

# Emulated machines take their time, on a busy host a multiple of it. No test depends on how long anything takes.
LIMITS = {
    "timeout": 600, "check_timeout": 120, "soak_time": 15, "grace_period": 60, "connection_timeout": 400, "reboot_timeout": 400,
    "rollback_timeout": 1200, "diagnostics_timeout": 90,
}


# A service, as a command for the shell of a machine.
UNIT = "printf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\n%b\\n[Install]\\nWantedBy=multi-user.target\\n' '{}' >/etc/systemd/system/{}.service"


def shell(command: str, **keywords: Any) -> dict[str, Any]:
    return {"name": "Break it", "ansible.builtin.shell": command, **keywords}


def unit(name: str, service: str, start: str = "systemctl start --no-block {}") -> str:
    return f"{UNIT.format(service, name)}; systemctl daemon-reload; systemctl enable {name}; {start.format(name)}"


class RealUpgrades(UpgradeRunner):
    """Guarded upgrades of web1 at VPS.org and app1 at Ilkbyte, both real machines."""

    wait_seconds = 1200
    run_seconds = 1800

    def start(self, hosts: str, *arguments: str, playbook: str = PLAYBOOK, environment: dict[str, str] | None = None, **options: Any) -> Any:
        return super().start(hosts, *arguments, playbook=playbook, environment=environment, **{**LIMITS, **options})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.machines = MachineInspector(self.sandbox)
        self.ssh = self.machines.run
        self.offer = self.machines.offer
        self.inspect = self.machines.inspect
        self.wait_for_ssh = self.machines.wait_for_login

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "ANSIBLE_TIMEOUT": "60"}  # for a login to an emulated machine

    def assert_upgraded(self, host: str, run: Run | None = None) -> None:
        """The run, if it had this host alone, confirmed the upgrade, asked for one snapshot and no restore, and left nothing behind."""
        assert run is None or run.status == 0, run.output
        assert self.record(host)["outcome"] == "upgraded"
        assert self.count_requests(host, "snapshots.create") == 1
        assert self.count_requests(host, "snapshots.restore") == 0
        assert self.inspect(host).markers == []
        assert self.no_guard_left()

    def assert_not_started(self, host: str, expected: str, *arguments: str, **options: Any) -> None:
        """A run says so with this reason, requests nothing, and leaves the machine as it was."""
        before = self.inspect(host)
        run = self.run(host, *arguments, **options)
        assert run.status == 2, run.output
        assert f"NOT_STARTED: {host}: " in run.output and expected in run.output, run.output
        assert self.record(host)["outcome"] == "not_started" and expected in self.record(host)["reason"]
        self.assert_untouched(host)
        assert self.inspect(host) == before

    def assert_restored(self, host: str, before: Inspection) -> None:
        """One snapshot and one restore were requested, the record says so, and the machine is exactly as before, in a new boot."""
        assert self.record(host)["outcome"] == "rolled_back", self.record(host)
        assert self.count_requests(host, "snapshots.create") == 1
        assert self.count_requests(host, "snapshots.restore") == 1
        self.wait_for_ssh(host)
        after = self.inspect(host)
        assert (after.packages, after.tree, after.markers) == (before.packages, before.tree, [])
        assert after.boot != before.boot or self.sandbox_has_memory_snapshots
        assert self.no_guard_left()

    @property
    def sandbox_has_memory_snapshots(self) -> bool:
        return "contain the memory" in self.sandbox.isolation_reason

    def stop_processes(self, pid: int) -> None:
        """Stop a run without ending it, as where its machine is out of memory: none of its own limits works."""
        for process in (pid, *descendants(pid)):
            os.kill(process, signal.SIGSTOP)

    def start_on_terminal(self, hosts: str, **options: Any) -> Terminal:
        """Start a guarded upgrade on a terminal of its own, as a person does."""
        variables = self.directory / "terminal.json"
        variables.write_text(json.dumps({"target": hosts, **{f"guarded_upgrade_{name}": value for name, value in {**LIMITS, **options}.items()}}))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [sys.executable, program, "-i", self.sandbox.inventory, PLAYBOOK, "-e", f"@{variables}"]
        return Terminal(command, {**clean_environment(self.directory / "home"), **self.environment}, self.directory)


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, command: list[str], environment: dict[str, str], directory: Path) -> None:
        self._output = bytearray()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execve(command[0], command, environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def press_ctrl_c(self) -> None:
        os.write(self._terminal, b"\x03")

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and type a line."""
        deadline = time.monotonic() + 120
        while question.encode() not in self._output and time.monotonic() < deadline:
            time.sleep(0.1)
        os.write(self._terminal, text.encode() + b"\r")

    def finish(self) -> tuple[int, str]:
        """Wait for the end; return the exit status (negative for a signal) and everything that was shown."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._reader.join(10)
        os.close(self._terminal)
        return status, self._output.decode(errors="replace")

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # its last process has ended
                return
            self._output += data


def kill_group(pid: int) -> None:
    """End a process group at once, as when a terminal's or container's processes are killed together."""
    os.killpg(os.getpgid(pid), signal.SIGKILL)
