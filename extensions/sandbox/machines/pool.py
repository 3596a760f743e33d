# SPDX-License-Identifier: GPL-3.0-or-later
"""All servers' disks and SSH servers in one state directory."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .disk_content import make_disk
from .isolation import DIRECTORY, Isolation, choose_isolation, login_shell, python_for_machines
from .machine import Machine
from .ports import HOST
from .runtime import Runtime, RuntimeSpec

if TYPE_CHECKING:
    from .ssh_server import SshServer

_KEY_TYPE = "ssh-ed25519"


class MachinePool:
    """Creates machines; `close` removes them again.

    `isolation` (root-namespace, user-namespace or directory) is how commands are confined, and `isolation_reason` why. Machines have the
    interpreter `python`. `client_key_path` is the only key that can log in; `known_hosts_path` has the machines' keys.
    """

    def __init__(self, state_dir: Path, *, isolation: str = "auto", ssh: bool = True, first_port: int = 0) -> None:
        """`isolation`: auto, namespace, root-namespace, user-namespace or directory. With `ssh=False` machines are disks only.

        Machines have ports from `first_port` on, or any free ones. Blocks for about 0.2 s to find an isolation that works. Raises
        MachinesUnavailable.
        """
        # Mount points are compared with the kernel's paths, which have no symlinks.
        self._directory = state_dir.resolve() / "machines"
        self._directory.mkdir(mode=0o700, parents=True)
        self._machines: dict[str, Machine] = {}
        self.python, self._python_prefixes = python_for_machines()
        self.client_key_path = self._directory / "client_key"
        self.known_hosts_path = self._directory / "known_hosts"
        self._host_keys: dict[str, str] = {}
        self._ssh = ssh
        self._next_port = first_port
        try:
            self._isolation = (choose_isolation(isolation, self._directory) if ssh else
                               Isolation(DIRECTORY, "Machines without SSH run no commands."))
            self.isolation, self.isolation_reason = self._isolation.kind, self._isolation.reason
            if ssh:
                self._make_client_key()
        except BaseException:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise

    async def add(self, name: str, *, hostname: str | None = None) -> Machine:
        """Create a machine, powered off, with a new disk. `name` is a new file name. Raises OSError if the port is taken."""
        port = self._next_port
        self._next_port += port > 0  # 0 stays 0: any free port
        directory = self._directory / name
        spec = RuntimeSpec(directory / "disk", hostname or name, self.python, self._python_prefixes, login_shell())
        runtime = self._isolation.create_runtime(spec)
        machine: Machine
        ssh_server = self._create_ssh_server(name, runtime, port, lambda: not machine.network_up) if self._ssh else None
        machine = self._machines[name] = Machine(name, directory, runtime, ssh_server, on_removed=self._on_machine_removed)
        await asyncio.to_thread(make_disk, spec.disk, hostname=spec.hostname, shell=spec.shell, python_prefixes=self._python_prefixes)
        return machine

    async def close(self) -> None:
        """Remove all machines and their directory."""
        removals = (machine.remove() for machine in list(self._machines.values()))
        results = await asyncio.gather(*removals, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _on_machine_removed(self, machine: Machine) -> None:
        self._machines.pop(machine.name, None)
        if self._host_keys.pop(machine.name, None):
            self._write_known_hosts()

    # asyncssh is imported where it is needed: it is a third of the time that a sandbox without SSH takes to start.

    def _create_ssh_server(self, name: str, runtime: Runtime, port: int, is_network_cut: Callable[[], bool]) -> SshServer:
        import asyncssh

        from .ssh_server import SshServer

        host_key = asyncssh.generate_private_key(_KEY_TYPE)
        ssh_server = SshServer(runtime, port=port, host_key=host_key, client_key=self._authorized, is_network_cut=is_network_cut)
        public = host_key.export_public_key().decode().split()[:2]
        self._host_keys[name] = f"[{HOST}]:{ssh_server.port} {' '.join(public)}\n"
        self._write_known_hosts()
        return ssh_server

    def _make_client_key(self) -> None:
        import asyncssh

        key = asyncssh.generate_private_key(_KEY_TYPE, comment="rewind.vps sandbox")
        self._authorized = asyncssh.import_authorized_keys(key.export_public_key().decode())
        _write_private(self.client_key_path, key.export_private_key())
        self._write_known_hosts()

    def _write_known_hosts(self) -> None:
        new = self.known_hosts_path.with_suffix(".new")
        _write_private(new, "".join(self._host_keys.values()).encode())
        os.replace(new, self.known_hosts_path)


def _write_private(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
