# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the demo did what it says: held against the servers' disks and the clouds' ledger, not against Ansible's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox import Control

Digests = Mapping[str, str]
"""Of every server's disk, by the server's name (hex)."""


class NotAsItShouldBe(Exception):
    """Something did not happen as the demo says; the text says what."""


def disk_digests(control: Control) -> dict[str, str]:
    """Every server's disk as it is now: all files' content, names, modes, owners and times in one SHA-256."""
    return {server["name"]: server["digest"] for server in control.servers()}


def snapshots_hold(control: Control, disks: Digests) -> None:
    """Each server has one ready snapshot, and that holds its disk as in `disks`.

    :raises NotAsItShouldBe: also if a disk is not as in `disks` any more.
    """
    for server, digest in disks.items():
        taken = control.effects("snapshot_ready", server=server)
        _must(len(taken) == 1, f"{server} should have been given one snapshot, and was given {len(taken)}")
        _must(taken[0]["digest"] == digest, f"the snapshot of {server} does not hold the disk that {server} had")
    _must(disk_digests(control) == disks, "a disk has changed while the snapshots were taken")


def guests_lost(control: Control) -> dict[str, int]:
    """How many guests of each server's guestbook are not among version 2.0's files on its disk."""
    lost = {}
    for server in control.servers():
        data = Path(server["disk"], "var/lib/guestbook")
        lost[server["name"]] = int((data / "signed").read_text()) - len(list((data / "guests").iterdir()))
    return lost


def upgrade_broke_only(broken: str, failed: Sequence[str], lost: Mapping[str, int], before: Digests, now: Digests) -> None:
    """The upgrade changed every disk, lost guests on `broken` alone, and failed there alone.

    :param failed: the servers on which it failed, as Ansible says.
    :param lost: see :func:`guests_lost`.
    """
    unchanged = [server for server in before if now[server] == before[server]]
    _must(not unchanged, f"the upgrade has not changed the disk of {', '.join(unchanged)}")
    _must(list(failed) == [broken], f"the upgrade should have failed on {broken} alone, and failed on {', '.join(failed) or 'none'}")
    losers = [server for server, number in lost.items() if number]
    _must(losers == [broken], f"guests should have been lost on {broken} alone, and were lost on {', '.join(losers) or 'none'}")


def only_this_was_restored(control: Control, server: str, before: Digests, upgraded: Digests) -> None:
    """`server` was restored once and its disk is as in `before`; the other servers' disks are as in `upgraded`."""
    now = disk_digests(control)
    _must(now[server] == before[server],
          f"the disk of {server} is not as it was before the upgrade (it was {before[server][:8]} and is {now[server][:8]})")
    for other in now.keys() - {server}:
        _must(now[other] == upgraded[other], f"the disk of {other} has changed, though only {server} was to be restored")
    asked = [request["server"] for request in control.requests(operation="snapshots.restore")]
    _must(asked == [server], f"one restore should have been asked for, of {server}; the clouds were asked for {asked}")
    done = [(effect["server"], effect["digest"]) for effect in control.effects("restore_done")]
    _must(done == [(server, before[server])], f"one restore should have been done, of {server}; there were {len(done)}")


def snapshots_left(control: Control, wanted: Mapping[str, Sequence[str]]) -> None:
    """:param wanted: the names of the snapshots that each server should have."""
    for server in control.servers():
        names = [snapshot["name"] for snapshot in server["snapshots"]]
        _must(names == list(wanted[server["name"]]),
              f"{server['name']} should have these snapshots: {', '.join(wanted[server['name']]) or 'none'}; "
              f"it has: {', '.join(names) or 'none'}")


def clouds_were_asked_only_for(control: Control, wanted: Sequence[tuple[str, str]]) -> None:
    """Of all requests that change something, each of `wanted` (operation, server) came once, and nothing else came."""
    came = Counter((request["operation"], request["server"]) for request in control.requests(changing=True))
    surplus, missing = came - Counter(wanted), Counter(wanted) - came
    _must(not surplus, f"the clouds were asked for more than they should have been: {_listed(surplus)}")
    _must(not missing, f"the clouds were not asked for: {_listed(missing)}")


def _listed(requests: Counter[Any]) -> str:
    return ", ".join(f"{operation} of {server}" for operation, server in requests.elements())


def _must(condition: bool, otherwise: str) -> None:
    if not condition:
        raise NotAsItShouldBe(otherwise)
