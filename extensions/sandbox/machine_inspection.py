# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs in to a QEMU machine of a running sandbox and reads its state. Standard library only."""

from __future__ import annotations

import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .launch import SandboxHandle

SSH_TIMEOUT = 300.0
LOGIN_TIMEOUT = 400.0

_SCRIPT = r"""
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
if [ -d /etc/yum.repos.d ]; then packages=$(rpm -qa --qf '%{NAME}=%{VERSION} ' 'lab-*')
else packages=$(dpkg-query -W -f '${Package}=${Version} ' 'lab-*'); fi
echo "packages $packages"
echo "failed $(systemctl --failed --plain --no-legend | cut -d' ' -f1 | xargs)"
names=$(find /etc /usr /opt ! -name '*.pyc' ! -name __pycache__ -printf '%y %m %U %G %s %T@ %p %l\n' | LC_ALL=C sort | sha256sum | cut -c1-64)
content=$(find /etc /opt /usr/share/lab -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum | cut -c1-64)
echo "tree $names $content"
echo "markers $(find /var/tmp /var/lib /root -xdev -name '*rewind*' | xargs)"
"""


class InspectionError(Exception):
    """A command on a machine failed, or a login is impossible."""


@dataclass(frozen=True)
class Inspection:
    """What a machine is.

    `packages` are the test packages with their versions, `failed` systemd's failed units, `markers` files that the guarded upgrade left, and `tree`
    digests of /etc, /usr and /opt: every file's name, kind, owner, mode, size and time, and the content of /etc, /opt and the test packages.
    """

    boot: str
    packages: dict[str, str]
    failed: list[str]
    tree: str
    markers: list[str]


class MachineInspector:
    """Runs commands as root on the machines of a sandbox, over a connection of its own for each."""

    def __init__(self, sandbox: SandboxHandle) -> None:
        self._sandbox = sandbox
        self._keys = Path(sandbox.inventory).parent / "machines"

    def ssh_command(self, server: str, user: str = "root") -> list[str]:
        """Return the command that logs in, without the command to run."""
        options = ("ControlPath=none", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={self._keys / 'known_hosts'}",
                   "GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "BatchMode=yes", "ConnectTimeout=60")
        port = self._sandbox.admin.server(server)["ssh_port"]
        return ["ssh", "-F", "/dev/null", "-p", str(port), "-i", str(self._keys / "client_key"),
                *(part for option in options for part in ("-o", option)), f"{user}@127.0.0.1"]

    def run(self, server: str, command: str) -> str:
        """Run a shell command and return its output. Raises InspectionError."""
        try:
            done = subprocess.run([*self.ssh_command(server), command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SSH_TIMEOUT,
                                  check=False)
        except subprocess.TimeoutExpired as error:
            raise InspectionError(f"{command!r} on {server} did not end within {SSH_TIMEOUT:g} s") from error
        if done.returncode:
            raise InspectionError(f"{command!r} on {server} exited {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def offer(self, server: str, *packages: str) -> None:
        """Offer version 2 of these test packages to the machine's package manager, and no other upgrade."""
        self.run(server, shlex.join(["/usr/local/sbin/lab-offer", *packages]))

    def wait_for_login(self, server: str) -> None:
        """Wait until a login succeeds. Raises InspectionError."""
        deadline = time.monotonic() + LOGIN_TIMEOUT
        while True:
            try:
                self.run(server, "true")
                return
            except InspectionError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def inspect(self, server: str) -> Inspection:
        """Read a machine's state. Raises InspectionError."""
        facts = dict((line.split(" ", 1) + [""])[:2] for line in self.run(server, _SCRIPT).splitlines())
        packages = dict(item.split("=", 1) for item in facts["packages"].split())
        return Inspection(facts["boot"], packages, facts["failed"].split(), facts["tree"], facts["markers"].split())
