# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else at work: what another user of the account, or the cloud's support, does to a server around a request.

All of it goes through the cloud's own operations, so that a busy server refuses here, too. The request log marks the effects,
early and late ones, with ``actor: other_client``.
"""

from __future__ import annotations

from typing import Any

from .cloud import Cloud, Server
from .ilkbyte.cloud import Ilkbyte
from .ilkbyte.model import IlkbyteServer
from .ilkbyte.model import Refused as IlkbyteRefused
from .request_log import OTHER_CLIENT, actor, current_request
from .vpsorg.cloud import VpsOrg
from .vpsorg.model import Refused as VpsOrgRefused
from .vpsorg.model import VpsServer, VpsSnapshot

Wish = dict[str, Any]  # a fault ``meanwhile`` with all its keys

IN_TURN = frozenset(("stop_server", "start_server", "restore", "create_snapshot", "delete_snapshot"))


class NotThere(Exception):
    """What somebody wanted to change is not there."""


class Meanwhile:
    """What shall happen around one request.

    :param server: the request's server, if it has one; the wish's ``on`` names another.
    """

    def __init__(self, wish: Wish, cloud: Cloud[Any], server: Server | None) -> None:
        self._wish = wish
        self._cloud = cloud
        self._server = server if wish["on"] is None else cloud.server(wish["on"])

    async def happen(self, when: str) -> None:
        """Do it, if this is the time (``before`` or ``after`` the request is carried out).

        :raises Cancelled: the world has been made anew meanwhile.
        """
        if when != self._wish["when"]:
            return
        server = self._server
        if when == "after" and isinstance(server, IlkbyteServer) and server.lock.locked() and self._wish["do"] in IN_TURN:
            self._cloud.spawn(server, self._act())  # it waits for its turn; the client need not wait for that
        else:
            await self._cloud.sandbox.waits.wait(self._act())

    async def _act(self) -> None:
        current_request.set(None)
        actor.set(OTHER_CLIENT)
        try:
            await self._do()
        except (NotThere, IlkbyteRefused) as error:
            self._refused(str(error))
        except VpsOrgRefused as error:
            self._refused(str(error.body))

    async def _do(self) -> None:
        cloud, server, do = self._cloud, self._server, self._wish["do"]
        if server is None or server not in cloud.servers:
            raise NotThere("no such server")
        if do == "delete_server":
            await cloud.remove_server(server)
            cloud.record_event("server_removed", server)
        elif isinstance(cloud, VpsOrg):
            await _at_vpsorg(cloud, server, self._wish)
        else:
            assert isinstance(cloud, Ilkbyte)
            await _at_ilkbyte(cloud, server, self._wish)

    def _refused(self, why: str) -> None:
        self._cloud.sandbox.request_log.add_event(
            cloud=self._cloud.name, event="interference_refused", server=self._server.name if self._server else None,
            snapshot=None, request=None, actor=OTHER_CLIENT, do=self._wish["do"], why=why)


async def _at_vpsorg(cloud: VpsOrg, server: VpsServer, wish: Wish) -> None:
    do = wish["do"]
    if do in ("stop_server", "start_server"):
        cloud.power(server, do.removesuffix("_server"))
    elif do == "create_snapshot":
        await cloud.create_snapshot(server, wish["name"], "")
    elif do == "restore":
        await cloud.restore_snapshot(_vpsorg_snapshot(cloud, server, wish["snapshot"]))
    elif do == "delete_snapshot":
        await cloud.delete_snapshot(_vpsorg_snapshot(cloud, server, wish["snapshot"]))
    else:
        raise NotThere("VPS.org has no schedules")


async def _at_ilkbyte(cloud: Ilkbyte, server: IlkbyteServer, wish: Wish) -> None:
    do = wish["do"]
    if do in ("stop_server", "start_server"):
        await cloud.power(server, "start" if do == "start_server" else "shutdown")
    elif do == "create_snapshot":
        await cloud.create_snapshot(server, wish["name"])
    elif do == "restore":
        await cloud.revert_snapshot(server, _ilkbyte_snapshot(server, wish["snapshot"]))
    elif do == "delete_snapshot":
        await cloud.delete_snapshot(server, _ilkbyte_snapshot(server, wish["snapshot"]))
    elif do == "add_schedule":
        cloud.add_schedule(server, _ilkbyte_snapshot(server, wish["snapshot"]), int(wish["day"]), int(wish["hour"]), int(wish["min"]))
    else:
        cloud.delete_schedule(server, _ilkbyte_snapshot(server, wish["snapshot"]))


def _vpsorg_snapshot(cloud: VpsOrg, server: VpsServer, which: Any) -> VpsSnapshot:
    """By ``newest``, ``oldest``, id, or name (the newest of that name)."""
    by_age = sorted(cloud.snapshots_of(server), key=lambda snapshot: (snapshot.created_at, snapshot.id))
    wanted = [snapshot for snapshot in by_age if which in ("newest", "oldest") or str(which) in (str(snapshot.id), snapshot.name)]
    if not wanted:
        raise NotThere(f"no snapshot {which!r}")
    return wanted[0 if which == "oldest" else -1]


def _ilkbyte_snapshot(server: IlkbyteServer, which: Any) -> str:
    """By ``newest``, ``oldest`` or name; whether there is one of that name is for the cloud to say."""
    if which not in ("newest", "oldest"):
        return str(which)
    by_age = sorted(server.tree.names(), key=lambda name: server.tree.get(name).taken_at)
    if not by_age:
        raise NotThere(f"no snapshot {which!r}")
    return by_age[0 if which == "oldest" else -1]
