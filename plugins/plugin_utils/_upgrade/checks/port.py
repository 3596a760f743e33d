# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check `port`: a TCP port accepts connections."""

from __future__ import annotations

import socket
from shlex import quote
from typing import Any

from .base import Observation, Target, failed_command, one_line

NAME = "port"
OPTIONS = {
    "port": {"type": "int", "required": True, "description": "number of the TCP port"},
    "host": {"type": "str", "description": "name or address; by default the server itself"},
    "from": {"type": "str", "choices": ["server", "controller"], "default": "server", "description": "which machine connects"},
}
PASSES_IF = "it accepts a connection"

# Needs no Python: bash or a netcat is on every system.
_COMMAND = """if command -v bash >/dev/null 2>&1; then exec bash -c 'exec 3<>"/dev/tcp/$0/$1"' {host} {port}
elif command -v nc >/dev/null 2>&1; then exec nc -z -w {seconds} {host} {port}
else echo "neither bash nor nc is installed there; set from to controller"; exit 1
fi"""


def normalize(values: dict[str, Any]) -> dict[str, Any]:
    if not 1 <= values["port"] <= 65535:
        raise ValueError(f"port takes a number from 1 to 65535, not {values['port']}")
    host = values["host"]
    if host is not None and (not host.strip() or set(host) & set(" /\t\n") or host.startswith("-")):
        raise ValueError(f"host takes a name or an address, not {host!r}")
    return {**values, "host": host.strip() if host else None}


def label(values: dict[str, Any]) -> str:
    host = f" of {values['host']}" if values["host"] else ""
    return f"port {values['port']}{host}{' from the controller' if values['from'] == 'controller' else ''}"


def observe(values: dict[str, Any], target: Target, seconds: float) -> Observation:
    if values["from"] == "controller":
        return _connect(values["host"] or target.address, values["port"], seconds)
    command = _COMMAND.format(host=quote(values["host"] or "127.0.0.1"), port=values["port"], seconds=max(1, int(seconds)))
    status, lines = target.run(command, seconds)
    if status == 0:
        return Observation(True, "accepts connections")
    # bash prefixes its error with its own name, the line and the address.
    lines = [line.rpartition(": ")[2] for line in lines]
    return failed_command(status, lines, seconds) if not lines else Observation(False, f"does not accept connections ({one_line(lines[-1])})")


def _connect(host: str, port: int, seconds: float) -> Observation:
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError as error:
        return Observation(False, f"does not accept connections ({one_line(error.strerror or str(error))})")
    return Observation(True, "accepts connections")
