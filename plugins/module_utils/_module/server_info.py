# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `server_info`: the account's servers and their power state."""

from __future__ import annotations

import contextlib
from typing import Any

from .._argspec import PROVIDER, SERVERS, validate_servers
from .._bulk.reads import read_each
from .._bulk.results import ServerResult, failure_summary, format_server_count
from .._errors import RewindError
from .._provider.base import Server
from .context import OperationContext

SPEC = PROVIDER.merge(SERVERS)


def validate(options: dict[str, Any]) -> None:
    validate_servers(options, may_be_all=True)


def run(ctx: OperationContext) -> dict[str, Any]:
    results: list[ServerResult] = []
    if ctx.options["server"] is not None:
        servers = [ctx.provider.get_server(ctx.server_reference)]
    elif ctx.options["servers"] is None:
        servers = [_with_addresses(ctx, server) for server in ctx.provider.list_servers()]
    else:
        results = read_each(ctx, lambda one: one.provider.get_server(one.server_reference), ctx.options["servers"])
        servers = [item.value for item in results if item.failure is None]
    return {
        "changed": False,
        "msg": format_server_count(len(servers)),
        "servers": [server.to_result() for server in sorted(servers, key=lambda server: (server.name or "", server.id or ""))],
        **failure_summary(ctx, results),
    }


def _with_addresses(ctx: OperationContext, server: Server) -> Server:
    """Return a listed server with its addresses. If it cannot be read, it has those of the list."""
    with contextlib.suppress(RewindError):
        return ctx.provider.with_addresses(server)
    return server
