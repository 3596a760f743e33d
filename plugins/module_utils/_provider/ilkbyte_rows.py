# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of Ilkbyte's responses as servers, snapshots and schedules. Pure functions: a row that lacks anything becomes an object that lacks it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from . import base
from .base import Schedule, Server, Snapshot
from .values import fold, parse_addresses, parse_object, parse_text, parse_timestamp, parse_word, readable_word, to_iso8601

ZONE_MINUTES = 180  # documented: its list shows +03:00, which is Turkey's time all year; assumed for times without a zone

# Words as `parse_word` returns them.
_POWER_STATES = {
    **dict.fromkeys(("running", "calisiyor", "acik"), base.RUNNING),  # observed; the last one: assumed
    **dict.fromkeys(("shutoff", "kapali", "durduruldu"), base.STOPPED),  # observed, libvirt; the Turkish ones: assumed
    **dict.fromkeys(base.UNKNOWN_POWER_WORDS, base.UNKNOWN),
}
_BUSY_STATUSES = {"paused", "inshutdown", "dying"}  # libvirt: a guest is paused while its snapshot is created or loaded
_PROVISIONING_WORDS = {"inprogress"}  # observed
_DELETED_SERVICES = {"cancel", "canceled", "cancelled", "deleted", "removed", "terminated"}  # observed: cancel; the others: assumed
_NO_TIME = {"", "nil", "null", "none", "false", "0"}
_REMOVED_NAME = re.compile(r".+_REMOVED?[0-9]*", re.IGNORECASE)  # observed: NAME_REMOVE1778; a server's own name has no underscore


def is_deleted(item: Any) -> bool:
    """Return whether a row of the server list, or an answer for one server, is about a server that does not exist any more (observed)."""
    row = parse_object(item)
    deleted_time = row.get("deleted_time")
    if isinstance(deleted_time, str):  # 0000-00-00 00:00:00 is no time either
        deleted_time = (parse_word(deleted_time) or "").strip("0:.") not in _NO_TIME
    is_removed = _REMOVED_NAME.fullmatch(parse_text(row.get("name")) or "") is not None
    return bool(deleted_time) or is_removed or parse_word(row.get("service")) in _DELETED_SERVICES


def parse_server(item: Any, name: str | None = None) -> Server:
    """Return the server of a row. `name` is that of the request, if the row is the answer for one server."""
    row = parse_object(item)
    name = name or parse_text(row.get("name"))
    status = readable_word(row.get("status"))
    word = parse_word(status) or ""
    power_state = base.UNKNOWN if status is None else _POWER_STATES.get(word, status)
    is_busy = word in _BUSY_STATUSES or base.is_transitional(power_state)
    # In the answer to its creation, `status` is the provisioning (observed).
    is_provisioning = bool({parse_word(row.get("service")), word} & _PROVISIONING_WORDS) or row.get("deployed") is False
    return Server(
        id=name,
        name=name,
        power_state=power_state,
        task_state=base.PROVISIONING if is_provisioning else power_state if is_busy else None,
        addresses=parse_addresses(row.get("ipv4"), row.get("ipv6")),
        raw=row,
    )


def parse_snapshot(server: Server, item: Any) -> Snapshot:
    row = parse_object(item)
    name, parent = parse_text(row.get("name")), parse_text(row.get("parent"))
    return Snapshot(
        id=name,
        name=name,
        server=server,
        # Listed snapshots are finished: the list has no status for one that is being created (assumed, from libvirt).
        status=base.READY,
        created_at=to_iso8601(row.get("date"), ZONE_MINUTES),
        current=row.get("current") is True,
        parent=None if parent == "-" else parent,
        power_state={base.RUNNING: base.RUNNING, base.STOPPED: base.STOPPED}.get(_POWER_STATES.get(parse_word(row.get("state")) or "", "")),
        schedule=parse_schedule(row.get("params")),
        raw=row,
    )


# --- schedules

# "Her 1 günde bir 02:03 saatinde" means: every 1 day(s) at 02:03 (documented).
_SENTENCE = re.compile(r"her ([0-9]{1,3}) gunde bir ([0-9]{1,2}):([0-9]{2}) saatinde\.?")


def parse_schedule(params: Any) -> Schedule | None:
    """Return the schedule in a listed snapshot's `params`, or None if it has none.

    If the sentence cannot be parsed, hour and minute are those of `next_run`, and the day is None.
    """
    if not isinstance(params, dict) or params.get("is_cron") is not True:
        return None
    day, hour, minute = _parse_cron_sentence(params.get("cron_time")) or (None, *_time_of_day(params.get("next_run")))
    last_run, next_run = (to_iso8601(params.get(key), ZONE_MINUTES) for key in ("last_run", "next_run"))
    return Schedule(day, hour, minute, last_run=last_run, next_run=next_run)


def _parse_cron_sentence(sentence: Any) -> tuple[int, int, int] | None:
    match = _SENTENCE.fullmatch(fold(sentence)) if isinstance(sentence, str) else None
    if not match:
        return None
    day, hour, minute = (int(part) for part in match.groups())
    return (day, hour, minute) if day >= 1 and hour < 24 and minute < 60 else None


def _time_of_day(text: Any) -> tuple[int | None, int | None]:
    """Return hour and minute in the provider's time zone, which schedules use."""
    timestamp = parse_timestamp(text, ZONE_MINUTES)
    if timestamp is None:
        return None, None
    local = timestamp.replace(tzinfo=None) + timedelta(minutes=ZONE_MINUTES)
    return local.hour, local.minute
