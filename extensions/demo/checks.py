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

from demo.watch import View, view_of
from sandbox import AdminClient

Digests = Mapping[str, str]
"""Of every server's disk, by the server's name (hex)."""
SSH_SECONDS = 10


class NotAsItShouldBe(Exception):
    """Something did not happen as the demo says; the text says what."""


def disk_digests(admin: AdminClient) -> dict[str, str]:
    """Every server's disk as it is now: all files' content, names, modes, owners and times in one SHA-256."""
    return {server["name"]: server["digest"] for server in admin.servers()}


def untouched(admin: AdminClient, server: str, before: str) -> None:
    """The server's disk is as before, and its cloud was asked for nothing that changes it.

    :raises NotAsItShouldBe: as all checks do.
    """
    asked = [request["operation"] for request in admin.requests(changing=True, server=server)]
    _must(not asked, f"nothing should have been asked for {server}, and this was: {', '.join(asked)}")
    _must(admin.server(server)["digest"] == before, f"the disk of {server} has changed, though its upgrade has not begun")


def snapshot_holds(admin: AdminClient, server: str, before: str) -> None:
    """The server was given one snapshot, which holds this disk."""
    taken = admin.events("snapshot_ready", server=server)
    _must(len(taken) == 1, f"{server} should have been given one snapshot, and was given {len(taken)}")
    _must(taken[0]["digest"] == before, f"the snapshot of {server} does not hold the disk that {server} had")


def upgraded(admin: AdminClient, server: str, before: str) -> None:
    """The server's disk has changed, no guest is lost, and no restore was asked for."""
    now = view_of(admin.server(server))
    _must(now.digest != before, f"the upgrade has not changed the disk of {server}")
    _must(now.guests_lost == 0, f"{server} has lost {now.guests_lost} guests")
    asked = admin.requests(operation="snapshots.restore", server=server)
    _must(not asked, f"{server} was upgraded well, and yet a restore of it was asked for")


def was_broken(server: str, view: View | None, before: str, *, lost: int | None = None, cut_off: bool = False) -> View:
    """The upgrade had changed the server's disk, with these signs; answers the view.

    :param view: the server before its restore, when it was on.
    :param lost: how many guests it had lost; None where that is a matter of chance.
    :param cut_off: its network was down.
    """
    _must(view is not None and view.digest != before, f"the upgrade has not changed the disk of {server}")
    assert view is not None
    _must(lost in (None, view.guests_lost), f"the upgrade should have lost {lost} guests of {server}, and has lost {view.guests_lost}")
    _must(view.network_is_up != cut_off, f"the network of {server} should have been {'down' if cut_off else 'up'} after its upgrade")
    return view


def rolled_back(admin: AdminClient, server: str, before: str, told: str) -> None:
    """The server's disk is as before, by one restore of its own snapshot.

    :param told: what the role said of it, for the text of a failure.
    """
    now = admin.server(server)
    _must(now["digest"] == before, f"the disk of {server} is not as it was before the upgrade (it was {before[:8]} and is "
                                   f"{now['digest'][:8]}); the role says: {told}")
    asked = len(admin.requests(operation="snapshots.restore", server=server))
    _must(asked == 1, f"one restore of {server} should have been asked for, and the cloud was asked for {asked}")
    taken = [event["snapshot"] for event in admin.events("snapshot_ready", server=server)]
    done = [event["snapshot"] for event in admin.events("restore_done", server=server)]
    _must(done == taken, f"the snapshot {taken} of {server} should have been restored, and this was: {done}")


def answers_over_ssh(admin: AdminClient, server: str) -> None:
    """An SSH server greets whoever connects."""
    greeting = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", admin.server(server)["ssh_port"]), SSH_SECONDS) as line:
        greeting = line.recv(4)
    _must(greeting == b"SSH-", f"{server} does not answer over SSH")


def clouds_were_asked_only_for(admin: AdminClient, wanted: Sequence[tuple[str, str]]) -> None:
    """Of all requests that change something, each of `wanted` (operation, server) came once, and nothing else came."""
    came = Counter((request["operation"], request["server"]) for request in admin.requests(changing=True))
    surplus, missing = came - Counter(wanted), Counter(wanted) - came
    _must(not surplus, f"the clouds were asked for more than they should have been: {_listed(surplus)}")
    _must(not missing, f"the clouds were not asked for: {_listed(missing)}")


def disks_are(admin: AdminClient, wanted: Digests) -> None:
    """No disk is other than this."""
    now = disk_digests(admin)
    other = [server for server in now if now[server] != wanted[server]]
    _must(not other, f"the disk of {' and '.join(other)} has changed meanwhile")


def told_outcomes(state_dir: Path) -> dict[str, str]:
    """What the role's receipts say of each server."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(state_dir.glob("*/*/run.json"))]
    return {record["host"]: record["outcome"] for record in records}


def role_says(state_dir: Path, wanted: Mapping[str, str]) -> None:
    """The role's receipts say just these outcomes."""
    told = told_outcomes(state_dir)
    _must(told == wanted, f"the role should say {dict(wanted)}, and says {told}")


def _listed(requests: Counter[Any]) -> str:
    return ", ".join(f"{operation} of {server}" for operation, server in requests.elements())


def _must(condition: bool, otherwise: str) -> None:
    if not condition:
        raise NotAsItShouldBe(otherwise)
