# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connects to one of the addresses of a host name, within one time limit for all of them.

The HTTP library gives each address the whole time. So a name with several addresses that do not respond would take
several times as long as the user allows, with every new connection.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable
from typing import Any

ANSWERED, UNTRIED, FAILED = range(3)
_results: dict[Any, int] = {}  # how the last use of an address ended, for all connections of this process


def record_result(address: Any, result: int) -> None:
    """Record how the use of an address ended: those that answered are tried first, and those that failed last."""
    _results[address] = result


def connect(host: str, port: int, seconds: float, family: int, socket_options: Iterable[tuple[Any, ...]]) -> tuple[socket.socket, Any]:
    """Return a connection, and the address it leads to.

    Args:
        seconds: For all addresses together. Each one gets an equal share of what is left.
        family: Of the addresses to try.
        socket_options: Arguments of `setsockopt`.

    Raises:
        OSError: No address accepted a connection in time.
    """
    deadline = time.monotonic() + seconds
    candidates = socket.getaddrinfo(host.strip("[]"), port, family, socket.SOCK_STREAM)
    candidates = sorted(dict.fromkeys(candidates), key=lambda entry: _results.get(entry[4], UNTRIED))
    error: OSError = OSError("the name has no address")
    for number, (each_family, kind, protocol, _name, address) in enumerate(candidates):
        share = (deadline - time.monotonic()) / (len(candidates) - number)
        if share <= 0:
            raise socket.timeout("no time is left for further addresses")
        try:
            return _connect(each_family, kind, protocol, address, share, socket_options), address
        except OSError as failure:
            error = failure
            record_result(address, FAILED)
    raise error


def _connect(family: int, kind: int, protocol: int, address: Any, seconds: float, socket_options: Iterable[tuple[Any, ...]]) -> socket.socket:
    with contextlib.ExitStack() as on_failure:
        connection = socket.socket(family, kind, protocol)
        on_failure.callback(connection.close)
        for option in socket_options:
            connection.setsockopt(*option)
        connection.settimeout(seconds)
        connection.connect(address)
        on_failure.pop_all()
    return connection
