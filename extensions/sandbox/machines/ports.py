# SPDX-License-Identifier: GPL-3.0-or-later
"""The loopback ports of machines."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


def reserve_port(port: int) -> socket.socket:
    """Bind `port` (0: any free one) without listening: clients are refused, and it stays reserved. Raises OSError if it is taken."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A listening socket shares the port with its reservation.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
    except BaseException:
        sock.close()
        raise
    return sock
