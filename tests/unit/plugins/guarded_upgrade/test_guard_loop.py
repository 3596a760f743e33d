# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's loop apart from its process: what it survives, and what it lets out."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace

from ansible_collections.rewind.vps.plugins.plugin_utils._guard import server


class Nobody:
    """A door at which nobody knocks."""

    def accept(self):
        raise TimeoutError


def test_a_mistake_while_it_watches_does_not_end_it():
    guard = SimpleNamespace(is_over=False, looks=0)

    def watch():
        guard.looks += 1
        if guard.looks == 1:
            raise KeyError("a mistake of its own")
        if guard.looks == 2:
            raise OSError(28, "No space left on device")
        guard.is_over = True

    guard.watch = watch
    server._loop(guard, Nobody())
    assert guard.looks == 3


def test_it_answers_in_one_line():
    ours, its = socket.socketpair()
    with ours, its:
        ours.sendall(b'{"do": "look"}\n')
        server._attend(SimpleNamespace(answer=lambda request: {"record": {"asked": request["do"]}}), its)
        its.shutdown(socket.SHUT_WR)
        (done,) = (json.loads(line) for line in ours.makefile("r", encoding="utf-8"))
    assert done == {"done": {"record": {"asked": "look"}}}
