# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a sandbox as a separate process from Python. Standard library only."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .admin_client import AdminClient

STOP_TIMEOUT = 20
MAX_LOG_TAIL = 2000


@dataclass(frozen=True)
class SandboxHandle:
    """A running sandbox: addresses, credentials and admin client.

    `inventory` is the path of an Ansible inventory, `environment` of a file to source in a shell, `ca_path` of the certificate authority (TLS
    only).
    """

    vpsorg_url: str
    vpsorg_token: str
    ilkbyte_url: str
    ilkbyte_access_key: str
    ilkbyte_secret_key: str
    admin_url: str
    inventory: str
    environment: str
    ca_path: str | None
    isolation: str
    isolation_reason: str
    speed: float
    admin: AdminClient
    process: subprocess.Popen[bytes]
    log_file: IO[bytes]

    def log(self) -> str:
        """Return what the sandbox has written to standard error."""
        return _read_log(self.log_file)


@contextmanager
def launch(*, servers: int = 2, vpsorg_servers: int | None = None, ilkbyte_servers: int | None = None,
           speed: float = 60.0, seed: int = 0, ssh: bool = True, disks: bool = True, isolation: str = "auto",
           machines: str = "simulated", distribution: str = "debian", snapshots: str = "disk",
           state: Path | None = None, tls: bool = False, python: str = sys.executable) -> Iterator[SandboxHandle]:
    """Run a sandbox for the duration of the `with` block. It also ends when this process ends for any reason.

    Raises RuntimeError with the end of its log if the sandbox does not start.

    Args:
        servers: Servers at each provider, unless `vpsorg_servers` or `ilkbyte_servers` is given.
        speed: Sandbox seconds per real second.
        seed: Random durations and sizes are the same for the same seed.
        ssh: False for disks without SSH, which starts in well under a second.
        disks: False for servers without disk or SSH; their operations take no real time.
        machines: "simulated", or "qemu" for Debian machines in QEMU.
        distribution: Of QEMU machines: "debian", or "rpm" for a system with dnf.
        snapshots: What a snapshot of a running QEMU machine contains: "disk" or "memory".
        state: Directory for disks and keys; default a temporary one.
        tls: Serve HTTPS with certificates of a CA that the sandbox creates.
        python: An interpreter with starlette, uvicorn and asyncssh.
    """
    # A directory that does not exist yet: the sandbox creates it, and removes it even if this process is killed.
    directory = state or Path(tempfile.gettempdir(), f"rewind-sandbox-{secrets.token_hex(6)}")
    values = {"servers": servers, "vpsorg-servers": vpsorg_servers, "ilkbyte-servers": ilkbyte_servers, "speed": speed, "seed": seed,
              "isolation": isolation, "machines": machines, "distribution": distribution,
              "snapshots": snapshots, "state": directory, "parent": os.getpid()}
    flags = {"--no-ssh": not ssh, "--no-disks": not disks, "--tls": tls}
    command = [python, "-m", "sandbox", *(f"--{name}={value}" for name, value in values.items() if value is not None),
               *(flag for flag, given in flags.items() if given)]
    extensions = str(Path(__file__).resolve().parent.parent)
    python_path = os.pathsep.join(filter(None, (extensions, os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryFile() as log_file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log_file,
                                   env={**os.environ, "PYTHONPATH": python_path})
        try:
            assert process.stdout is not None
            facts = _read_facts(process.stdout, log_file)
            yield SandboxHandle(**facts, admin=AdminClient(facts["admin_url"]), process=process, log_file=log_file)
        finally:
            _stop(process)
            if state is None:
                shutil.rmtree(directory, ignore_errors=True)  # in case the sandbox was killed


def _read_facts(stdout: IO[bytes], log_file: IO[bytes]) -> dict[str, Any]:
    line = stdout.readline()
    if not line:
        raise RuntimeError(f"the sandbox did not start:\n{_read_log(log_file)[-MAX_LOG_TAIL:]}")
    return json.loads(line)


def _read_log(file: IO[bytes]) -> str:
    # The sandbox writes to the same open file, so reading must not move its offset.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode("utf-8", "replace")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
