# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of VPS.org's responses as servers and snapshots. Pure functions: a row that lacks anything becomes an object that lacks it."""

from __future__ import annotations

import math
from typing import Any

from . import base
from .base import Server, Snapshot
from .values import parse_addresses, parse_number, parse_object, parse_text, parse_uuid, parse_word, readable_word, to_iso8601

# Words as `parse_word` returns them. Documented: completed, in_progress. Observed at deployments: pending, running, failed, cancelled.
STATUSES = {
    **dict.fromkeys(("completed",), base.READY),
    **dict.fromkeys(("inprogress", "pending", "creating", "queued", "running"), base.PENDING),
    **dict.fromkeys(("failed", "error", "cancelled", "canceled"), base.FAILED),
}
_POWER_STATES = {
    "active": base.RUNNING, "running": base.RUNNING, "stopped": base.STOPPED, "off": base.STOPPED,
    **dict.fromkeys(base.UNKNOWN_POWER_WORDS, base.UNKNOWN),
}
_ADDRESS_KEYS = ("ip_address", "ipv4", "ipv4_addresses", "ip_addresses", "ipv6", "ipv6_addresses")  # observed


def parse_server(item: Any) -> Server:
    row = parse_object(item)
    if parse_uuid(row.get("uuid")) is None and parse_uuid(row.get("id")) is not None:
        row = {**row, "uuid": row["id"]}
    status = readable_word(row.get("status"))
    power_state = base.UNKNOWN if status is None else _POWER_STATES.get(parse_word(status) or "", status)
    is_deployed = row.get("deployed") is not False and parse_word(row.get("deployed")) != "false"
    return Server(
        id=row_id(row),
        name=parse_text(row.get("name")) or parse_text(row.get("hostname")),
        power_state=power_state,
        task_state=base.PROVISIONING if not is_deployed else power_state if base.is_transitional(power_state) else None,
        addresses=parse_addresses(*(row.get(key) for key in _ADDRESS_KEYS)),
        raw=row,
    )


def parse_snapshot(item: Any) -> Snapshot:
    row = parse_object(item)
    return Snapshot(
        id=parse_number(row.get("id")) or parse_uuid(row.get("id")),
        name=parse_text(row.get("name")),
        server=parse_snapshot_server(row),
        status=STATUSES.get(parse_word(row.get("status")) or "", base.UNKNOWN),
        provider_status=parse_text(row.get("status")),
        size_mb=_parse_size(row.get("size_mb")),
        created_at=to_iso8601(row.get("created_at")),
        description=parse_text(row.get("description")),
        raw=row,
    )


def parse_snapshot_server(row: dict[str, Any]) -> Server:
    """Return the server that a snapshot's row names: as an object (documented), or by its number or name alone."""
    server = row.get("server")
    if isinstance(server, dict):
        return Server(parse_number(server.get("id")), parse_text(server.get("name")))
    number = parse_number(server)
    return Server(number or parse_number(row.get("server_id")), None if number else parse_text(server))


def row_id(item: Any) -> str | None:
    """Return what identifies a row in a list: its number, else its UUID."""
    row = parse_object(item)
    return parse_number(row.get("id")) or parse_uuid(row.get("uuid")) or parse_uuid(row.get("id"))


def refers_to(data: dict[str, Any], part: str, expected: Server | Snapshot) -> bool:
    """Return whether a part of a response (`server`, `snapshot`), if present, is the expected one."""
    if data.get(part) is None:
        return True
    row = parse_object(data[part])
    if row_id(row) == expected.id:
        return True
    # A server without a number has a number here, which says nothing.
    return parse_uuid(expected.id) is not None and (parse_uuid(row.get("uuid")) or parse_text(row.get("name"))) in (expected.id, expected.name)


def raw_aliases(server: Server) -> set[str]:
    names = [parse_uuid(server.raw.get("uuid")), *(parse_text(server.raw.get(key)) for key in ("hostname", "name"))]
    return {name for name in names if name}


def _parse_size(size: Any) -> int | None:
    if isinstance(size, float):
        return int(size) if math.isfinite(size) else None
    return size if isinstance(size, int) and not isinstance(size, bool) else None
