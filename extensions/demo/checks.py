# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the demo did what it says: held against the servers' disks and the clouds' request log, not against Ansible's words."""

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
"""Of every server's disk, by the server's name (hex)."""
SSH_TIMEOUT = 10


class DemoCheckFailed(Exception):
    """Something did not happen as the demo says; the text says what."""


def disk_digests(admin: AdminClient) -> dict[str, str]:
    """Every server's disk as it is now: all files' content, names, modes, owners and times in one SHA-256."""
    return {server["name"]: server["digest"] for server in admin.servers()}


def check_untouched(admin: AdminClient, server: str, before: str) -> None:
    """The server's disk is as before, and its cloud was asked for nothing that changes it.

    :raises DemoCheckFailed: as all checks do.
    """
    changes = [request["operation"] for request in admin.requests(changing=True, server=server)]
    _require(not changes, f"nothing should have been asked for {server}, and this was: {', '.join(changes)}")
    _require(admin.server(server)["digest"] == before, f"the disk of {server} has changed, though its upgrade has not begun")


def check_snapshot(admin: AdminClient, server: str, before: str) -> None:
    """The server was given one snapshot, which holds this disk."""
    taken = admin.events("snapshot_ready", server=server)
    _require(len(taken) == 1, f"{server} should have been given one snapshot, and was given {len(taken)}")
    _require(taken[0]["digest"] == before, f"the snapshot of {server} does not hold the disk that {server} had")


def check_upgraded(admin: AdminClient, server: str, before: str) -> None:
    """The server's disk has changed, no guest is lost, and no restore was asked for."""
    now = read_server_state(admin.server(server))
    _require(now.digest != before, f"the upgrade has not changed the disk of {server}")
    _require(now.guests_lost == 0, f"{server} has lost {now.guests_lost} guests")
    changes = admin.requests(operation="snapshots.restore", server=server)
    _require(not changes, f"{server} was upgraded well, and yet a restore of it was asked for")


def check_broken(server: str, state: ServerState | None, before: str, *, lost: int | None = None, disconnected: bool = False) -> ServerState:
    """The upgrade had changed the server's disk, with these signs; answers the view.

    :param state: the server before its restore, when it was on.
    :param lost: how many guests it had lost; None where that is a matter of chance.
    :param disconnected: its network was down.
    """
    _require(state is not None and state.digest != before, f"the upgrade has not changed the disk of {server}")
    assert state is not None
    _require(lost in (None, state.guests_lost), f"the upgrade should have lost {lost} guests of {server}, and has lost {state.guests_lost}")
    _require(state.network_is_up != disconnected, f"the network of {server} should have been {'down' if disconnected else 'up'} after its upgrade")
    return state


def check_rolled_back(admin: AdminClient, server: str, before: str, outcome: str) -> None:
    """The server's disk is as before, by one restore of its own snapshot.

    :param outcome: what the role said of it, for the text of a failure.
    """
    now = admin.server(server)
    _require(now["digest"] == before, f"the disk of {server} is not as it was before the upgrade (it was {before[:8]} and is "
                                   f"{now['digest'][:8]}); the role says: {outcome}")
    changes = len(admin.requests(operation="snapshots.restore", server=server))
    _require(changes == 1, f"one restore of {server} should have been asked for, and the cloud was asked for {changes}")
    taken = [event["snapshot"] for event in admin.events("snapshot_ready", server=server)]
    done = [event["snapshot"] for event in admin.events("restore_done", server=server)]
    _require(done == taken, f"the snapshot {taken} of {server} should have been restored, and this was: {done}")


def check_ssh(admin: AdminClient, server: str) -> None:
    """An SSH server greets whoever connects."""
    greeting = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", admin.server(server)["ssh_port"]), SSH_TIMEOUT) as connection:
        greeting = connection.recv(4)
    _require(greeting == b"SSH-", f"{server} does not answer over SSH")


def check_changes(admin: AdminClient, wanted: Sequence[tuple[str, str]]) -> None:
    """Of all requests that change something, each of `wanted` (operation, server) came once, and nothing else came."""
    sent = Counter((request["operation"], request["server"]) for request in admin.requests(changing=True))
    surplus, missing = sent - Counter(wanted), Counter(wanted) - sent
    _require(not surplus, f"the clouds were asked for more than they should have been: {_listed(surplus)}")
    _require(not missing, f"the clouds were not asked for: {_listed(missing)}")


def check_disks(admin: AdminClient, wanted: Digests) -> None:
    """No disk is other than this."""
    now = disk_digests(admin)
    other = [server for server in now if now[server] != wanted[server]]
    _require(not other, f"the disk of {' and '.join(other)} has changed meanwhile")


def read_outcomes(state_dir: Path) -> dict[str, str]:
    """What the role's receipts say of each server."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(state_dir.glob("*/*/run.json"))]
    return {record["host"]: record["outcome"] for record in records}


def check_recorded_outcomes(state_dir: Path, wanted: Mapping[str, str]) -> None:
    """The role's receipts say just these outcomes."""
    outcomes = read_outcomes(state_dir)
    _require(outcomes == wanted, f"the role should say {dict(wanted)}, and says {outcomes}")


def _listed(requests: Counter[Any]) -> str:
    return ", ".join(f"{operation} of {server}" for operation, server in requests.elements())


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DemoCheckFailed(message)
