# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks with the provider whether a guarded upgrade of a server can start. Nothing is changed."""

from __future__ import annotations

import ipaddress
from typing import Any

from .. import _errors as errors
from .._argspec import validate_names, validate_servers
from .._errors import RewindError
from .._provider.base import PENDING, RUNNING, Server, Snapshot
from .._provider.values import parse_address
from .context import OperationContext, format_snapshots, require_provisioned, validate_snapshot_name
from .permissions import require_change_permission
from .snapshot_plan import newest_first, select_for_eviction

MAX_ADDRESS_READS = 50  # servers that are read one by one to find an address


def validate(options: dict[str, Any]) -> None:
    validate_servers(options, may_be_all=True)  # without a server, the host's name and address select it
    validate_names(options, "name", "match")


def run(ctx: OperationContext) -> dict[str, Any]:
    """Run as a part of the action `upgrade_guard`.

    Options: `server`, as the user calls it, or None; `host` and `address`, how Ansible calls and reaches it, if `server` is
    None; `name`, the snapshot to create or adopt; `match`, the pattern of this role's snapshot names.

    A reason not to upgrade now is returned as `blocker` and not raised: an earlier run may have to be finished anyway.
    """
    provider = ctx.provider
    validate_snapshot_name(provider, ctx.options["name"])
    require_change_permission(ctx)
    server = provider.get_server(_reference(ctx))
    result = {
        "changed": False, "msg": f"Server {server.label} is ready for a snapshot", "cloud": provider.display_name, "server": server.to_result(),
        "snapshots": [], "evictions": [], "blocker": None,
    }
    try:
        _require_idle(ctx, server)
        snapshots = provider.list_snapshots(server)
        result["snapshots"] = [item.to_result() for item in newest_first(snapshots)]
        result["evictions"] = [item.to_result() for item in _select_evictions(ctx, server, snapshots)]
    except RewindError as error:
        error.add_context(server.label)
        result["blocker"] = {"msg": error.format(), "error": error.to_result()}
    return result


def _require_idle(ctx: OperationContext, server: Server) -> None:
    require_provisioned(server)
    if server.task_state:
        raise RewindError(
            f"Server {server.label} is busy ({server.task_state}); upgrade not started",
            kind=errors.BUSY, server=server.label, hint="run again when it is idle",
        )
    if server.power_state != RUNNING:
        raise RewindError(
            f"Server {server.label} is {server.power_state} at {ctx.provider.display_name}; upgrade not started",
            kind=errors.NOT_READY, server=server.label, hint="start it, and run again",
        )


def _reference(ctx: OperationContext) -> str:
    """Return the reference of the server: the user's, otherwise the one that matches the host's name or address.

    If name and address belong to different servers, that is an error: a wrong server would be restored.
    """
    if ctx.options["server"]:
        return ctx.server_reference
    host, provider = ctx.options["host"], ctx.provider
    address = parse_address(ctx.options["address"]) or ctx.options["address"]
    all_servers = [server for server in provider.list_servers() if server.id is not None]
    by_address = [server for server in all_servers if address in server.addresses]
    by_name = [server for server in all_servers if host in provider.aliases_of(server)]
    if not by_address and parse_address(address):  # a list may show fewer addresses than the answer for one server
        shown = [provider.get_server(server.id) for server in (by_name or all_servers)[:MAX_ADDRESS_READS]]
        by_address = [server for server in shown if address in server.addresses]
    if len(by_name) == 1 and any(server.id == by_name[0].id for server in by_address):
        return by_name[0].id
    if len(by_name) == 1 and not by_address and not _is_other_public_address(address, by_name[0]):
        return by_name[0].id
    if not by_name and len(by_address) == 1:
        return by_address[0].id
    if not by_name and not by_address:
        known = ", ".join(server.label for server in all_servers[:8]) or "none"
        raise RewindError(
            f"{provider.display_name} has no server with the name {host} or the address {address}; this account's servers: {known}",
            kind=errors.NOT_FOUND, server=host, hint="set guarded_upgrade_server",
        )
    if len(by_name) == 1 and not by_address:
        raise RewindError(
            f"At {provider.display_name}, {by_name[0].label} has the address {', '.join(by_name[0].addresses)}, "
            f"but Ansible connects to {host} at {address}: another server of that name?",
            kind=errors.AMBIGUOUS, server=host, hint="set guarded_upgrade_server, or use the credentials of the right account",
        )
    candidates = ", ".join(dict.fromkeys(server.label for server in [*by_name, *by_address]))
    raise RewindError(
        f"At {provider.display_name}, the name {host} and the address {address} do not belong to the same server ({candidates})",
        kind=errors.AMBIGUOUS, server=host, hint="set guarded_upgrade_server",
    )


def _is_other_public_address(reached: str | None, server: Server) -> bool:
    """Return whether Ansible connects to a public address that is not the server's. Names and private addresses are not compared."""
    address = parse_address(reached)
    return bool(address and server.addresses) and ipaddress.ip_address(address).is_global and address not in server.addresses


def _select_evictions(ctx: OperationContext, server: Server, snapshots: list[Snapshot]) -> list[Snapshot]:
    """Return the role's own old snapshots to delete so that one more fits."""
    name, limit = ctx.options["name"], ctx.provider.capabilities.max_snapshots
    if any(item.name == name for item in snapshots):
        return []  # adopted from an interrupted run
    pending = next((item for item in snapshots if item.status == PENDING), None)
    if pending is not None:
        raise RewindError(
            f"Snapshot {pending.label} of server {server.label} is still in progress; upgrade not started",
            kind=errors.BUSY, server=server.label, snapshot=pending.label, hint="run again when it is done",
        )
    missing = 0 if limit is None else len(snapshots) + 1 - limit
    if missing <= 0:
        return []
    evictions = select_for_eviction(snapshots, ctx.options["match"], missing, set())
    if len(evictions) < missing:
        raise RewindError(
            f"Server {server.label} has {len(snapshots)} snapshots, {ctx.provider.display_name} allows {limit}, and only "
            f"{len(evictions)} of them may be deleted to make room: {format_snapshots(snapshots)}",
            kind=errors.LIMIT_REACHED, server=server.label, snapshot=name,
            hint="delete one that is no longer needed (rewind.vps.snapshot, state: absent, with its id)",
        )
    return evictions
