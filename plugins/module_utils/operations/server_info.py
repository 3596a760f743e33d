# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account's servers and their power. Reads only."""

from __future__ import annotations

from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils.operations.task import Task


def run(task: Task) -> dict[str, Any]:
    """The module C(server_info)."""
    if task.options["server"]:
        servers = [task.provider.find_server(task.server_reference)]
    else:
        servers = sorted(task.provider.list_servers(), key=lambda server: (server.name or "", server.id))
    return {
        "changed": False,
        "msg": f"{len(servers)} server{'' if len(servers) == 1 else 's'}",
        "servers": [server.to_result() for server in servers],
    }
