# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifies the demo by the servers' disks and the providers' request log, not by Ansible's output."""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demo.observer import ServerState, read_server_state
from sandbox import AdminClient

Digests = Mapping[str, str]
"""Disk digests (hex) by server name."""
SSH_TIMEOUT = 10


class DemoCheckFailed(Exception):
    """Something did not happen as expected; the message says what."""


def disk_digests(admin: AdminClient) -> dict[str, str]:
    """Return every server's disk digest: one SHA-256 of all files' content, names, modes, owners and times."""
    return {server["name"]: server["digest"] for server in admin.servers()}


def check_untouched(admin: AdminClient, server: str, before: str) -> None:
    """The disk is unchanged and no change was requested. Raises DemoCheckFailed, as all checks do."""
    changes = [request["operation"] for request in admin.requests(changing=True, server=server)]
    _require(not changes, f"expected no changes of {server}; requested: {', '.join(changes)}")
    _require(admin.server(server)["digest"] == before, f"the disk of {server} has changed, but its upgrade has not started")


def check_snapshot(admin: AdminClient, server: str, before: str) -> None:
    """There is one snapshot of the server, with this disk."""
    taken = admin.events("snapshot_ready", server=server)
    _require(len(taken) == 1, f"expected one snapshot of {server}, found {len(taken)}")
    _require(taken[0]["digest"] == before, f"the snapshot of {server} differs from its disk")


def check_upgraded(admin: AdminClient, server: str, before: str) -> None:
    """The disk has changed, no guest is lost, and no restore was requested."""
    now = read_server_state(admin.server(server))
    _require(now.digest != before, f"the upgrade did not change the disk of {server}")
    _require(now.guests_lost == 0, f"{server} has lost {now.guests_lost} guests")
    changes = admin.requests(operation="snapshots.restore", server=server)
    _require(not changes, f"the upgrade of {server} succeeded, but a restore was requested")


def check_broken(server: str, state: ServerState | None, before: str, *, lost: int | None = None, disconnected: bool = False) -> ServerState:
    """The upgrade changed the disk, with these symptoms. Return the state before the restore.

    `lost` is the number of lost guests (None: not checked); `disconnected` means that the network was down.
    """
    _require(state is not None and state.digest != before, f"the upgrade did not change the disk of {server}")
    assert state is not None
    _require(lost in (None, state.guests_lost), f"expected {lost} lost guests on {server}, found {state.guests_lost}")
    _require(state.network_is_up != disconnected, f"expected the network of {server} to be {'down' if disconnected else 'up'} after its upgrade")
    return state


def check_rolled_back(admin: AdminClient, server: str, before: str, outcome: str) -> None:
    """The disk is as before, by one restore of its own snapshot. `outcome` is the role's, for the message."""
    now = admin.server(server)
    _require(now["digest"] == before, f"the disk of {server} is not as it was before the upgrade (it was {before[:8]} and is "
             f"{now['digest'][:8]}); the role's outcome: {outcome}")
    changes = len(admin.requests(operation="snapshots.restore", server=server))
    _require(changes == 1, f"expected one restore of {server}, requested: {changes}")
    taken = [event["snapshot"] for event in admin.events("snapshot_ready", server=server)]
    done = [event["snapshot"] for event in admin.events("restore_done", server=server)]
    _require(done == taken, f"expected a restore of {server} to {taken}, restored: {done}")


def check_ssh(admin: AdminClient, server: str) -> None:
    """An SSH server sends its greeting."""
    greeting = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", admin.server(server)["ssh_port"]), SSH_TIMEOUT) as connection:
        greeting = connection.recv(4)
    _require(greeting == b"SSH-", f"no SSH server responds on {server}")


def check_changes(admin: AdminClient, wanted: Sequence[tuple[str, str]]) -> None:
    """Each of `wanted` (operation, server) was requested once, and no other change."""
    sent = Counter((request["operation"], request["server"]) for request in admin.requests(changing=True))
    surplus, missing = sent - Counter(wanted), Counter(wanted) - sent
    _require(not surplus, f"unexpected changes requested: {_listed(surplus)}")
    _require(not missing, f"changes not requested: {_listed(missing)}")


def check_disks(admin: AdminClient, wanted: Digests) -> None:
    """All disks have these digests."""
    now = disk_digests(admin)
    other = [server for server in now if now[server] != wanted[server]]
    _require(not other, f"the disk of {' and '.join(other)} has changed")


def read_outcomes(state_dir: Path) -> dict[str, str]:
    """Return the outcome of each server from the role's run records."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(state_dir.glob("*/*/run.json"))]
    return {record["host"]: record["outcome"] for record in records}


def check_recorded_outcomes(state_dir: Path, wanted: Mapping[str, str]) -> None:
    """The run records have exactly these outcomes."""
    outcomes = read_outcomes(state_dir)
    _require(outcomes == wanted, f"expected the outcomes {dict(wanted)}, found {outcomes}")


def _listed(requests: Counter[Any]) -> str:
    return ", ".join(f"{operation} of {server}" for operation, server in requests.elements())


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DemoCheckFailed(message)
