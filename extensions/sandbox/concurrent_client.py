# SPDX-License-Identifier: GPL-3.0-or-later
"""Another client: changes that another user of the account makes to a server around a request.

They use the provider's own operations, so a busy server rejects them. Their events have `actor: other_client`.
"""

from __future__ import annotations

from typing import Any

from .cloud import Cloud, Server
from .ilkbyte.cloud import Ilkbyte
from .ilkbyte.model import IlkbyteServer
from .ilkbyte.model import Rejected as IlkbyteRejected
from .request_log import OTHER_CLIENT, actor, current_request
from .vpsorg.cloud import VpsOrg
from .vpsorg.model import Rejected as VpsOrgRejected
from .vpsorg.model import VpsServer

Spec = dict[str, Any]  # a `concurrent_change` fault with all its keys

SERIALIZED_ACTIONS = frozenset(("stop_server", "start_server", "restore", "create_snapshot", "delete_snapshot"))


class TargetMissing(Exception):
    """The target of the change does not exist."""


class ConcurrentChange:
    """A change around one request. `server` is the request's server; `on` in the spec names another one."""

    def __init__(self, spec: Spec, cloud: Cloud[Any], server: Server | None) -> None:
        self._spec = spec
        self._cloud = cloud
        self._server = server if spec["on"] is None else cloud.server(spec["on"])

    async def apply(self, when: str) -> None:
        """Apply the change if `when` (`before` or `after` the request) matches. Raises Cancelled if the sandbox is reset."""
        if when != self._spec["when"]:
            return
        server = self._server
        if when == "after" and isinstance(server, IlkbyteServer) and server.lock.locked() and self._spec["action"] in SERIALIZED_ACTIONS:
            self._cloud.spawn(server, self._run())  # it waits for the server's lock; the client does not
        else:
            await self._cloud.sandbox.waits.wait(self._run())

    async def _run(self) -> None:
        current_request.set(None)
        actor.set(OTHER_CLIENT)
        try:
            await self._execute()
        except (TargetMissing, IlkbyteRejected) as error:
            self._record_rejection(str(error))
        except VpsOrgRejected as error:
            self._record_rejection(str(error.body))

    async def _execute(self) -> None:
        cloud, server, action = self._cloud, self._server, self._spec["action"]
        if server is None or server not in cloud.servers:
            raise TargetMissing("no such server")
        if action == "delete_server":
            await cloud.remove_server(server)
            cloud.record_event("server_removed", server)
        elif isinstance(cloud, VpsOrg):
            await _execute_at_vpsorg(cloud, server, self._spec)
        else:
            assert isinstance(cloud, Ilkbyte)
            await _execute_at_ilkbyte(cloud, server, self._spec)

    def _record_rejection(self, why: str) -> None:
        self._cloud.sandbox.request_log.add_event(
            cloud=self._cloud.name, event="concurrent_change_rejected", server=self._server.name if self._server else None,
            snapshot=None, request=None, actor=OTHER_CLIENT, action=self._spec["action"], why=why)


async def _execute_at_vpsorg(cloud: VpsOrg, server: VpsServer, spec: Spec) -> None:
    action = spec["action"]
    if action in ("stop_server", "start_server"):
        cloud.power(server, action.removesuffix("_server"))
    elif action == "create_snapshot":
        await cloud.create_snapshot(server, spec["name"], "")
    else:  # the fault table rejects schedules
        snapshot = cloud.find_snapshot(server, spec["snapshot"])
        if snapshot is None:
            raise TargetMissing(f"no snapshot {spec['snapshot']!r}")
        await (cloud.restore_snapshot if action == "restore" else cloud.delete_snapshot)(snapshot)


async def _execute_at_ilkbyte(cloud: Ilkbyte, server: IlkbyteServer, spec: Spec) -> None:
    action = spec["action"]
    if action in ("stop_server", "start_server"):
        await cloud.power(server, "start" if action == "start_server" else "shutdown")
        return
    if action == "create_snapshot":
        await cloud.create_snapshot(server, spec["name"])
        return
    name = _select_ilkbyte_snapshot(server, spec["snapshot"])
    if action in ("restore", "delete_snapshot"):
        await (cloud.revert_snapshot if action == "restore" else cloud.delete_snapshot)(server, name)
    elif action == "add_schedule":
        cloud.add_schedule(server, name, int(spec["day"]), int(spec["hour"]), int(spec["min"]))
    else:
        cloud.delete_schedule(server, name)


def _select_ilkbyte_snapshot(server: IlkbyteServer, reference: Any) -> str:
    """Select by `newest`, `oldest` or name. The provider checks whether a name exists."""
    if reference not in ("newest", "oldest"):
        return str(reference)
    by_age = sorted(server.tree.names(), key=lambda name: server.tree.get(name).taken_at)
    if not by_age:
        raise TargetMissing(f"no snapshot {reference!r}")
    return by_age[0 if reference == "oldest" else -1]
