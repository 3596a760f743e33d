# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's loop without its process: which errors it survives, and which it raises."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace

from ansible_collections.rewind.vps.plugins.plugin_utils._guard import server


class IdleListener:
    """A listener without connections."""

    def accept(self):
        raise TimeoutError


def test_an_error_in_a_tick_does_not_end_it():
    guard = SimpleNamespace(finished=False, ticks=0)

    def tick():
        guard.ticks += 1
        if guard.ticks == 1:
            raise KeyError("a mistake of its own")
        if guard.ticks == 2:
            raise OSError(28, "No space left on device")
        guard.finished = True

    guard.tick = tick
    server._loop(guard, IdleListener())
    assert guard.ticks == 3


def test_it_answers_in_one_line():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b'{"command": "read"}\n')
        server._handle_connection(SimpleNamespace(handle=lambda request: {"record": {"received": request["command"]}}), theirs)
        theirs.shutdown(socket.SHUT_WR)
        (response,) = (json.loads(line) for line in ours.makefile("r", encoding="utf-8"))
    assert response == {"result": {"record": {"received": "read"}}}
