# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes the servers between their upgrade and their restore."""

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
    """The state of a server: its disk's digest (hex), lost guests, power and network."""

    digest: str
    guests_lost: int
    is_on: bool
    network_is_up: bool


def guests_lost(disk: Path) -> int:
    """Return how many guests are missing in version 2.0's files; 0 for version 1.0."""
    data = disk / "var/lib/guestbook"
    if not (data / "guests").is_dir():
        return 0
    return int((data / "signed").read_text()) - len(list((data / "guests").iterdir()))


def read_server_state(server: dict[str, Any]) -> ServerState:
    """Read the state from the server's entry in the admin API."""
    return ServerState(server["digest"], guests_lost(Path(server["disk"])), server["powered_on"], server["network"] == "up")


class ServerObserver:
    """A context that keeps the last state of each server before its restore started, by name, in `before_restore`."""

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
            # The disk may change while it is read: the next poll is soon.
            with contextlib.suppress(AdminError, OSError, ValueError):
                self._poll()

    def _poll(self) -> None:
        states = {server["name"]: read_server_state(server) for server in self._admin.servers()}
        # Read after the states, so a state during a restore is never taken for one before it.
        restored = {event["server"] for event in self._admin.events("restore_started")}
        self.before_restore.update({name: state for name, state in states.items() if name not in restored and state.is_on})
