# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observes what the controller's logins to a server depend on: keys, certificates, agent, known_hosts, name resolution, disk.

Nothing is sent to the server except by `answers`. A jump host is asked whether it answers. Of keys only fingerprints are kept.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .controller_state import parse_certificate_validity, parse_ssh_config

COMMAND_TIMEOUT = 5  # seconds
CONNECT_TIMEOUT = 5
ATTEMPTS = 2  # a jump host that is busy may drop a connection
MAX_FILE_BYTES = 1_000_000
MIN_FREE_BYTES = 5_000_000
AGENT_WITHOUT_KEYS = 1  # status of ssh-add -L


def ssh_command(connection: Any) -> list[str]:
    """Return ssh with the options that a connection of Ansible's ssh plugin passes, and its host. They decide where and how it logs in."""
    arguments = [part for option in ("ssh_args", "ssh_common_args", "ssh_extra_args") for part in shlex.split(connection.get_option(option) or "")]
    for option, keyword in (("port", "Port"), ("private_key_file", "IdentityFile"), ("remote_user", "User")):
        value = connection.get_option(option)
        if value:
            arguments += ["-o", f'{keyword}="{value}"' if option == "private_key_file" else f"{keyword}={value}"]
    return [connection.get_option("ssh_executable") or "ssh", *arguments, connection.get_option("host") or connection.host]


def observe(command: list[str], directories: Iterable[str]) -> dict[str, Any] | None:
    """Return an observation, as `controller_state` takes it; None if ssh does not print its configuration.

    Args:
        command: See `ssh_command`.
        directories: Where the controller writes files of its own.
    """
    output = _run([command[0], "-G", *command[1:]])
    if output is None or output.returncode != 0:
        return None
    config = parse_ssh_config(output.stdout)
    agent_socket = _agent_socket(config)
    paths = [os.path.expanduser(path) for path in config.get("identityfile", [])]
    certificates = [os.path.expanduser(path) for path in config.get("certificatefile", [])] + [f"{path}-cert.pub" for path in paths]
    validity = {path: found for path in dict.fromkeys(certificates) if (found := _certificate_validity(path)) is not None}
    direct = not ({"proxycommand", "proxyjump"} & {keyword for keyword, values in config.items() if values != ["none"]})
    return {
        "observed_at": time.time(),
        "agent_socket": agent_socket,
        "agent_keys": _agent_keys(agent_socket) if agent_socket else [],
        "identities": {path: mark for path in [*paths, *validity] if (mark := _fingerprint(path)) is not None},
        "missing_identities": [path for path in paths if not os.path.exists(path)] if len(paths) == 1 else [],
        "certificates": {path: end for path, (dummy, end) in validity.items()},
        "certificate_starts": {path: start for path, (start, dummy) in validity.items()},
        "host_keys": _host_keys(config),
        "addresses": _addresses(config) if direct else [],
        "port": _port(config),
        "jump_host": None if direct else _answering_jump_host(command, config),
        "full_directory": full_directory(directories),
    }


def answers(address: str, port: int) -> bool | None:
    """Whether an SSH server answers at an address; False if the controller has no route to it, None for everything else."""
    try:
        with socket.create_connection((address, port), timeout=CONNECT_TIMEOUT) as connection:
            return True if connection.recv(4) == b"SSH-" else None
    except OSError as error:
        return False if error.errno == errno.ENETUNREACH else None


def full_directory(directories: Iterable[str]) -> str | None:
    """Return the first directory of the controller in which nothing can be written; None if there is none."""
    for name in directories:
        directory = next((path for path in (Path(name), *Path(name).parents) if path.is_dir()), Path("/"))
        try:
            space = os.statvfs(directory)
            if space.f_blocks and space.f_bavail * space.f_frsize < MIN_FREE_BYTES:
                return str(directory)
            with tempfile.TemporaryFile(dir=directory) as file:
                file.write(b"x" * 4096)
        except OSError:
            return str(directory)
    return None


def _answering_jump_host(command: list[str], config: dict[str, list[str]]) -> str | None:
    """Return the name and port of the first host between the controller and the server, if it answers; None if not, or if it is unknown."""
    jump = re.fullmatch(r"(?:[^@]*@)?(\[[^]]*\]|[^:\[\]]+)(?::([0-9]+))?", (config.get("proxyjump") or ["none"])[0].split(",")[0])
    arguments: list[str] = []
    if jump and jump[1] != "none":
        arguments = [*(["-p", jump[2]] if jump[2] else []), jump[1].strip("[]")]
    else:
        with contextlib.suppress(ValueError):
            arguments = shlex.split((config.get("proxycommand") or [""])[0])
            is_ssh = bool(arguments) and os.path.basename(arguments[0]) == "ssh"
            arguments = [part.replace("%h", "host").replace("%p", "22") for part in arguments[1:]] if is_ssh else []
    if not arguments:
        return None
    file = command.index("-F") if "-F" in command else len(command)
    output = _run([command[0], "-G", *command[file:file + 2], *arguments])
    if output is None or output.returncode != 0:
        return None
    hop = parse_ssh_config(output.stdout)
    is_answering = any(answers(address, _port(hop)) for address in _addresses(hop) * ATTEMPTS)
    return f"{hop['hostname'][0]} port {_port(hop)}" if is_answering else None


def _run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str] | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=COMMAND_TIMEOUT, check=False,
            env={**os.environ, **environment},
        )
    return None


def _agent_socket(config: dict[str, list[str]]) -> str | None:
    value = (config.get("identityagent") or ["SSH_AUTH_SOCK"])[0]
    if value == "none":
        return None
    if value == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK") or None
    return os.environ.get(value[1:].strip("{}")) if value.startswith("$") else os.path.expanduser(value)


def _agent_keys(agent_socket: str) -> list[str] | None:
    """Return fingerprints of the agent's keys; None if it does not answer."""
    output = _run(["ssh-add", "-L"], SSH_AUTH_SOCK=agent_socket)
    if output is None or output.returncode not in (0, AGENT_WITHOUT_KEYS):
        return None
    return sorted(_digest(line.encode()) for line in output.stdout.splitlines() if line.strip()) if output.returncode == 0 else []


def _certificate_validity(path: str) -> tuple[float, float] | None:
    if not os.path.isfile(path):
        return None
    output = _run(["ssh-keygen", "-L", "-f", path], LC_ALL="C")
    return parse_certificate_validity(output.stdout) if output is not None and output.returncode == 0 else None


def _host_keys(config: dict[str, list[str]]) -> list[str]:
    """Return fingerprints of what the known_hosts files say about the host."""
    name = (config.get("hostkeyalias") or config.get("hostname") or [""])[0]
    port = _port(config)
    name = name if port == 22 or config.get("hostkeyalias") else f"[{name}]:{port}"
    files = " ".join([*config.get("userknownhostsfile", []), *config.get("globalknownhostsfile", [])]).split()
    found = []
    for path in files:
        output = _run(["ssh-keygen", "-F", name, "-f", os.path.expanduser(path)])
        if output is not None:
            # Hashed names differ each time, keys do not.
            found += [_digest(" ".join(line.split()[1:3]).encode()) for line in output.stdout.splitlines() if line and not line.startswith("#")]
    return sorted(found)


def _addresses(config: dict[str, list[str]]) -> list[str]:
    with contextlib.suppress(OSError, UnicodeError):
        infos = socket.getaddrinfo((config.get("hostname") or [""])[0], _port(config), type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(info[4][0]) for info in infos))
    return []


def _port(config: dict[str, list[str]]) -> int:
    value = (config.get("port") or ["22"])[0]
    return int(value) if value.isdigit() else 22


def _fingerprint(path: str) -> str | None:
    with contextlib.suppress(OSError):
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES)
        return f"{_digest(content)} {os.stat(path).st_mode:o}"
    return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
