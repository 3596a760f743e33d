# SPDX-License-Identifier: GPL-3.0-or-later
"""Sees what is there only for a while: servers between their upgrade and their restore."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import AdminClient, AdminError

POLL_INTERVAL = 0.4


@dataclass(frozen=True)
class ServerState:
    """A server at one moment: its disk's digest (hex), guests that it lost, whether it is on, whether its network is up."""

    digest: str
    guests_lost: int
    is_on: bool
    network_is_up: bool


def guests_lost(disk: Path) -> int:
    """How many guests of the guestbook on this disk are not among version 2.0's files; 0 for version 1.0."""
    data = disk / "var/lib/guestbook"
    if not (data / "guests").is_dir():
        return 0
    return int((data / "signed").read_text()) - len(list((data / "guests").iterdir()))


def read_server_state(server: dict[str, Any]) -> ServerState:
    """:param server: as the sandbox's admin API tells of it."""
    return ServerState(server["digest"], guests_lost(Path(server["disk"])), server["powered_on"], server["network"] == "up")


class ServerObserver:
    """While it is entered, keeps the last view of each server from before its restore began.

    :ivar before_restore: by the server's name; of one that is not restored, the last view of all.
    """

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.before_restore: dict[str, ServerState] = {}

    def __enter__(self) -> ServerObserver:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(POLL_INTERVAL):
            # A disk that changes while it is looked at: the next look is soon.
            with contextlib.suppress(AdminError, OSError, ValueError):
                self._poll()

    def _poll(self) -> None:
        states = {server["name"]: read_server_state(server) for server in self._admin.servers()}
        # Asked for after the look, so that no view of a restore at work is taken for one from before.
        restored = {event["server"] for event in self._admin.events("restore_started")}
        self.before_restore.update({name: state for name, state in states.items() if name not in restored and state.is_on})
