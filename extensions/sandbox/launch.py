# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a sandbox as a process of its own, from Python. Standard library only."""

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
    """A running sandbox: where its clouds are, how to log in to them, and its control.

    ``inventory`` is the path of an Ansible inventory of its servers, ``environment`` of a file that a shell reads to use them,
    ``ca_path`` of the clouds' certificate authority where they speak TLS.
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
        """What it has said on standard error so far."""
        return _read_log(self.log_file)


@contextmanager
def launch(*, servers: int = 2, vpsorg_servers: int | None = None, ilkbyte_servers: int | None = None,
           speed: float = 60.0, seed: int = 0, ssh: bool = True, disks: bool = True, isolation: str = "auto",
           state: Path | None = None, tls: bool = False, python: str = sys.executable) -> Iterator[SandboxHandle]:
    """A sandbox for as long as the ``with`` block lasts. It also ends when this process ends, however that ends.

    :param servers: servers at each cloud, where the other two numbers do not say otherwise.
    :param speed: sandbox seconds in one real second.
    :param seed: random durations and sizes are the same for the same seed.
    :param ssh: False for disks without SSH in front of them (starts in well under a second).
    :param disks: False for the clouds only: whatever is done to a server takes no real time.
    :param state: folder for disks and keys; default a temporary one.
    :param tls: the clouds speak https, with certificates of a CA that the sandbox makes.
    :param python: an interpreter that has starlette, uvicorn and asyncssh.
    :raises RuntimeError: it did not start; the text has the end of its log.
    """
    # A folder that is not there yet: the sandbox makes it, and removes it even when this process is killed.
    directory = state or Path(tempfile.gettempdir(), f"rewind-sandbox-{secrets.token_hex(6)}")
    command = [python, "-m", "sandbox", "--servers", str(servers), "--speed", str(speed), "--seed", str(seed),
               "--isolation", isolation, "--state", str(directory), "--parent", str(os.getpid())]
    command += [] if ssh else ["--no-ssh"]
    command += [] if disks else ["--no-disks"]
    command += ["--tls"] if tls else []
    command += [] if vpsorg_servers is None else ["--vpsorg-servers", str(vpsorg_servers)]
    command += [] if ilkbyte_servers is None else ["--ilkbyte-servers", str(ilkbyte_servers)]
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
                shutil.rmtree(directory, ignore_errors=True)  # in case somebody killed it


def _read_facts(stdout: IO[bytes], log_file: IO[bytes]) -> dict[str, Any]:
    line = stdout.readline()
    if not line:
        raise RuntimeError(f"the sandbox did not start:\n{_read_log(log_file)[-MAX_LOG_TAIL:]}")
    return json.loads(line)


def _read_log(file: IO[bytes]) -> str:
    # The sandbox writes to the same open file; a read at a place of our own must not move the place it writes to.
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
